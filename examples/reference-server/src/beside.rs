//! What a process beside the servers does its work with: their database, and the provider.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::flows::{self, Credentials, Engines, Monetizer};
use monetization_core::key::Pepper;
use monetization_core::store::{Store, StoreError};

use crate::engine_secrets::{Demands, SecretsFile};
use crate::engines::{self, EngineChoiceError};
use crate::report;
use crate::schedule::tenants;
use crate::settings::{Provider, ProviderSettings};

/// Why nothing could be begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BesideError {
    /// The database cannot be used.
    #[error("failed to open {place}")]
    Store {
        /// Which database.
        place: String,
        /// Why not.
        source: StoreError,
    },
    /// The provider cannot be had.
    #[error(transparent)]
    Engine(#[from] EngineChoiceError),
}

/// Opens the database, and reaches the provider.
///
/// # Errors
/// [`BesideError`].
pub(crate) async fn open(
    settings: &ProviderSettings,
    by: flows::Settings,
) -> Result<Monetizer, BesideError> {
    let opened = settings.database.open_beside().await;
    let store = opened.map_err(|source| BesideError::Store {
        place: settings.database.to_string(),
        source,
    })?;
    let engine = match &settings.provider {
        Provider::Mock(url) => engines::reach(url).await?,
        #[cfg(feature = "stripe")]
        Provider::Stripe(stripe) => engines::stripe::engine(stripe, Clock::system(), 0)?,
    };
    let entropy = Arc::new(Entropy::system());
    // Nobody makes keys or is recognised by one here.
    let pepper = Pepper::random(&entropy);
    let engines = Engines::new([engine]);
    let monetizer = Monetizer::new(store, engines, Clock::system(), entropy, pepper);
    Ok(monetizer.with_settings(by))
}

/// Has every tenant sign in with what the file of secrets says now, where there is one. That it cannot be
/// read is told, and what was read before holds.
pub(crate) async fn sign_in(
    settings: &ProviderSettings,
    (credentials, store): (&Credentials, &dyn Store),
) {
    let Some(path) = &settings.engine_secrets else {
        return;
    };
    let demands = settings.provider.demands();
    if let Err(error) = sign_in_by(path, demands, (credentials, store)).await {
        report::failure("read the engine's secrets", &*error);
    }
}

async fn sign_in_by(
    path: &Path,
    demands: Demands,
    (credentials, store): (&Credentials, &dyn Store),
) -> Result<(), Box<dyn Error>> {
    let read = SecretsFile::read(path, demands)?;
    for tenant in tenants(store).await? {
        credentials.exchange(tenant, read.credentials.clone());
    }
    Ok(())
}

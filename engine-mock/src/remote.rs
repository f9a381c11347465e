//! The engine of a provider in another process.

use std::sync::Arc;
use std::time::Duration;

use monetization_core::engine::Engine;
use monetization_core::field::FieldError;

use crate::faults::{Faults, FaultyTransport};
use crate::mock::{MockEngine, bundle};
use crate::provider::Rules;
use crate::transport::{Cause, Http, Transport};
use crate::wire::{PAYMENT_PAGES, ProviderBody};

/// Where a mock process is, and what its engine says of it.
///
/// The limits in an engine's descriptor follow from the provider's rules. [`ask`](Self::ask) takes
/// them from the process itself and is what a server should do as it starts. Where that cannot be,
/// because the process may be started later, [`new`](Self::new) assumes the default rules and
/// [`with_rules`](Self::with_rules) others: then it is for whoever says so to be right.
///
/// ```no_run
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use monetization_engine_mock::faults::{Fault, Faults, Injection};
/// use monetization_engine_mock::{MockEngine, RemoteOptions};
///
/// # async fn connected() -> Result<(), Box<dyn std::error::Error>> {
/// let within = Duration::from_secs(5);
/// let faults = Arc::new(Faults::default());
/// let options = RemoteOptions::ask("http://127.0.0.1:8082", within)
///     .await?
///     .with_faults(Arc::clone(&faults));
/// let engine = MockEngine::remote(options)?;
///
/// // The next change is made at the process, and this server does not hear of it.
/// faults.inject(Injection::next(Fault::LoseReply).on_changes());
/// # drop(engine);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RemoteOptions {
    /// Where the process listens, such as `http://127.0.0.1:8082`.
    pub address: String,
    /// How the provider conducts itself.
    pub rules: Rules,
    /// What stands before the token in a payment link.
    pub payment_url_base: String,
    /// What goes wrong on the way, where something shall.
    pub faults: Option<Arc<Faults>>,
}

/// Why a mock process did not tell how it conducts itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The address is none.
    #[error("the mock process cannot be named")]
    Address(#[from] FieldError),
    /// Nobody is there, or it is not a mock.
    #[error("the mock process at {address} did not tell its rules")]
    Unknown {
        /// Where it should be.
        address: String,
        /// Why not.
        source: Cause,
    },
}

impl RemoteOptions {
    /// A process at this address under the default rules, with its pages at the same address.
    /// Nothing is contacted.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        let address = address.into();
        let payment_url_base = format!("{}{PAYMENT_PAGES}", address.trim_end_matches('/'));
        Self {
            address,
            rules: Rules::default(),
            payment_url_base,
            faults: None,
        }
    }

    /// A process at this address, which is asked for its rules and for where its pages are.
    ///
    /// # Errors
    /// [`RemoteError`] where the address is none, or the process does not answer `within`.
    pub async fn ask(address: impl Into<String>, within: Duration) -> Result<Self, RemoteError> {
        let options = Self::new(address);
        let asked = Http::new(&options.address)?.provider(within).await;
        let ProviderBody {
            rules,
            payment_url_base,
            ..
        } = asked.map_err(|source| RemoteError::Unknown {
            address: options.address.clone(),
            source,
        })?;
        Ok(options
            .with_rules(rules)
            .with_payment_url_base(payment_url_base))
    }

    /// The provider conducts itself so.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Payment links begin so.
    #[must_use]
    pub fn with_payment_url_base(mut self, base: impl Into<String>) -> Self {
        self.payment_url_base = base.into();
        self
    }

    /// These befall the calls on this side of the network.
    #[must_use]
    pub fn with_faults(mut self, faults: Arc<Faults>) -> Self {
        self.faults = Some(faults);
        self
    }
}

impl MockEngine {
    /// The engine of a mock process: as [`engine`](Self::engine) of one in this process, only that
    /// its calls go over HTTP. The provider's side is the process's own: see
    /// [`serve`](crate::serve).
    ///
    /// ```
    /// use monetization_engine_mock::{MockEngine, RemoteOptions};
    ///
    /// let engine = MockEngine::remote(RemoteOptions::new("http://127.0.0.1:8082"))?;
    /// assert_eq!(engine.descriptor.id.as_str(), "mock");
    /// # Ok::<(), monetization_core::field::FieldError>(())
    /// ```
    ///
    /// # Errors
    /// [`FieldError`] of `address` where it is not of the form `http://host:port`.
    pub fn remote(options: RemoteOptions) -> Result<Engine, FieldError> {
        let http = Http::new(&options.address)?;
        let transport: Arc<dyn Transport> = match options.faults {
            Some(faults) => Arc::new(FaultyTransport::new(http, faults)),
            None => Arc::new(http),
        };
        Ok(bundle(
            transport,
            options.payment_url_base.into(),
            &options.rules,
        ))
    }
}

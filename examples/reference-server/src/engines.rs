//! The engines that this server knows by name.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monetization_core::clock::Timestamp;
use monetization_core::engine::{Engine, none};
use monetization_core::entropy::Entropy;
use monetization_core::field::FieldError;
use monetization_core::flows::{Engines, UnknownEngine};
use monetization_core::secret::Secret;
use monetization_core::text::Slug;
use monetization_engine_mock::provider::Rules;
use monetization_engine_mock::{
    Control, JournalError, JournalPlace, MockEngine, MockOptions, RemoteError, RemoteOptions,
};

use crate::engine_secrets::Demands;
#[cfg(feature = "stripe")]
use crate::engine_secrets::SecretsError;
use crate::settings::MockProcess;

#[cfg(feature = "stripe")]
pub(crate) mod stripe;

/// What the chosen engine needs to be made.
#[derive(Debug)]
pub(crate) struct EngineParts<'a> {
    /// The business time at which the mock's journal begins.
    pub(crate) start: Timestamp,
    pub(crate) journal: JournalPlace,
    pub(crate) rules: Rules,
    /// What stands before the token in the mock's payment links.
    pub(crate) payment_url_base: String,
    pub(crate) entropy: &'a Entropy,
}

/// The engine that was chosen.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) engines: Engines,
    /// The provider's side of it, where it is the mock in this process.
    pub(crate) mock: Option<Control>,
    pub(crate) webhook_secrets: BTreeMap<Slug, Vec<Secret>>,
    /// What its file of secrets has to say.
    pub(crate) demands: Demands,
}

/// There is no such engine, or it cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineChoiceError {
    /// Nobody knows it; the message says which there are.
    #[error("the engine cannot be chosen")]
    Unknown(#[from] UnknownEngine),
    /// The mock's journal cannot be read.
    #[error("the mock engine cannot be opened")]
    Journal(#[from] JournalError),
    /// The process of the mock does not say how it conducts itself.
    #[error("the mock engine cannot be reached")]
    Process(#[from] RemoteError),
    /// The address of the process is none.
    #[error("the mock engine cannot be named")]
    Address(#[from] FieldError),
    /// The options of Stripe make no sense.
    #[cfg(feature = "stripe")]
    #[error("Stripe cannot be reached so")]
    Stripe(#[source] FieldError),
    /// What Stripe is signed in to with, or what its messages are signed with, is not there.
    #[cfg(feature = "stripe")]
    #[error("Stripe cannot be used")]
    Secrets(#[from] SecretsError),
}

/// How often a process of the mock is asked when a program starts, how long each attempt may take,
/// and how soon the next one follows.
const ATTEMPTS: usize = 50;
const ASKED_WITHIN: Duration = Duration::from_secs(1);
const ASKED_AGAIN: Duration = Duration::from_millis(100);

/// The engine of a mock that is a process of its own, which has to tell its rules.
pub(crate) async fn reach(url: &str) -> Result<Engine, EngineChoiceError> {
    for _ in 1..ATTEMPTS {
        match RemoteOptions::ask(url, ASKED_WITHIN).await {
            // It may just be starting, or the network has lost the answer.
            Err(RemoteError::Unknown { .. }) => tokio::time::sleep(ASKED_AGAIN).await,
            answer => return Ok(MockEngine::remote(answer?)?),
        }
    }
    let options = RemoteOptions::ask(url, ASKED_WITHIN).await?;
    Ok(MockEngine::remote(options)?)
}

/// The mock that is a process of its own.
pub(crate) async fn choose_process(process: &MockProcess) -> Result<Chosen, EngineChoiceError> {
    let engine = reach(&process.url).await?;
    let secrets = process.webhook_secret.iter().cloned().collect();
    Ok(Chosen {
        webhook_secrets: BTreeMap::from([(engine.descriptor.id.clone(), secrets)]),
        engines: Engines::new([engine]),
        mock: None,
        demands: Demands::None,
    })
}

/// Makes the engine of this name.
pub(crate) fn choose(name: &Slug, parts: EngineParts<'_>) -> Result<Chosen, EngineChoiceError> {
    check_known(name, parts.start)?;
    if *name == none().descriptor.id {
        return Ok(Chosen {
            engines: Engines::new([none()]),
            mock: None,
            webhook_secrets: BTreeMap::new(),
            demands: Demands::None,
        });
    }
    // Both ends are in this process, so the secret need not outlive it.
    let mut secret = [0_u8; 32];
    parts.entropy.fill(&mut secret);
    let secret = Secret::new(format!("whsec_{}", STANDARD.encode(secret)));
    let options = MockOptions::in_memory(parts.start)
        .with_journal(parts.journal)
        .with_rules(parts.rules)
        .with_payment_url_base(parts.payment_url_base)
        .with_webhook_secrets([secret.clone()]);
    let mock = MockEngine::open(options)?;
    Ok(Chosen {
        engines: Engines::new([mock.engine()]),
        mock: Some(mock.control()),
        webhook_secrets: BTreeMap::from([(name.clone(), vec![secret])]),
        demands: Demands::None,
    })
}

/// Refuses a name that nobody knows, with those that are known.
fn check_known(name: &Slug, now: Timestamp) -> Result<(), EngineChoiceError> {
    let made_here = [none(), MockEngine::in_memory(now).engine()];
    if Engines::new(made_here.clone()).choose(name).is_ok() {
        return Ok(());
    }
    let all = made_here.into_iter().chain(built_in()?);
    Engines::new(all).choose(name)?;
    Ok(())
}

/// What is not made here.
#[cfg(feature = "stripe")]
fn built_in() -> Result<Option<Engine>, EngineChoiceError> {
    stripe::by_default().map(Some)
}

#[cfg(not(feature = "stripe"))]
#[expect(clippy::unnecessary_wraps, reason = "what is built in may fail")]
fn built_in() -> Result<Option<Engine>, EngineChoiceError> {
    Ok(None)
}

//! Putting a provider, its journal, the faults and the client together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::engine::{Attribute, Engine, EngineDescriptor, EngineLimits, PriceShapes};
use monetization_core::secret::Secret;

use crate::client::Client;
use crate::control::Control;
use crate::faults::{Faults, FaultyTransport};
use crate::journal::{Journal, JournalError, JournalPlace, MemoryJournal, Recovered};
use crate::provider::{Provider, Rules};
use crate::transport::{Host, Transport};
use crate::webhooks::MockWebhooks;

/// The attribute by which a product names the publisher's account, as WSO2 does.
pub const CONNECTED_ACCOUNT: &str = "ConnectedAccountKey";

/// A billing provider in this process, and its engine.
///
/// Clones are the same provider. Where nothing of it is left, it is gone with all it knew, but
/// for its journal if that is in a file.
#[derive(Debug, Clone)]
pub struct MockEngine {
    engine: Engine,
    transport: Arc<dyn Transport>,
    control: Control,
    recovered: Recovered,
}

/// How a [`MockEngine`] is made.
///
/// ```
/// use std::time::Duration;
///
/// use monetization_core::secret::Secret;
/// use monetization_engine_mock::provider::Rules;
/// use monetization_engine_mock::{MockEngine, MockOptions};
///
/// let rules = Rules { grace: Duration::from_secs(600), ..Rules::default() };
/// let options = MockOptions::in_memory("2026-01-01T00:00:00Z".parse().unwrap())
///     .with_rules(rules)
///     .with_payment_url_base("http://127.0.0.1:8081/mock/pay/")
///     .with_webhook_secrets([Secret::new("whsec_c2VjcmV0")]);
/// let mock = MockEngine::open(options)?;
/// assert_eq!(mock.engine().descriptor.limits.grace, Duration::from_secs(600));
/// # Ok::<(), monetization_engine_mock::JournalError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MockOptions {
    /// What the provider's clock says when its journal is begun; a journal that goes on keeps
    /// its own.
    pub start: Timestamp,
    /// Where the journal is kept.
    pub journal: JournalPlace,
    /// How the provider conducts itself.
    pub rules: Rules,
    /// What stands before the token in a payment link. It is no part of the journal: a host
    /// that is reached at another address after a restart shows its links there.
    pub payment_url_base: String,
    /// What messages are signed with, each of them; several while they are exchanged.
    pub webhook_secrets: Vec<Secret>,
}

impl MockOptions {
    /// A provider whose journal is lost with it, under the default rules. Its webhook secret is
    /// in the source for everybody to read: give another one where a port is open to others.
    #[must_use]
    pub fn in_memory(start: Timestamp) -> Self {
        Self {
            start,
            journal: JournalPlace::Memory(MemoryJournal::default()),
            rules: Rules::default(),
            payment_url_base: "mock://pay/".to_owned(),
            webhook_secrets: vec![Secret::new(
                "whsec_bW9jayBwcm92aWRlciB3ZWJob29rIHNlY3JldA==",
            )],
        }
    }

    /// A provider with its journal in a file, begun at `start` where there is none yet.
    #[must_use]
    pub fn in_file(path: impl Into<PathBuf>, start: Timestamp) -> Self {
        Self {
            journal: JournalPlace::File(path.into()),
            ..Self::in_memory(start)
        }
    }

    /// Payment links begin so.
    #[must_use]
    pub fn with_payment_url_base(mut self, base: impl Into<String>) -> Self {
        self.payment_url_base = base.into();
        self
    }

    /// Messages are signed with each of these.
    #[must_use]
    pub fn with_webhook_secrets(mut self, secrets: impl IntoIterator<Item = Secret>) -> Self {
        self.webhook_secrets = secrets.into_iter().collect();
        self
    }

    /// The provider conducts itself so.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// The journal is kept there.
    #[must_use]
    pub fn with_journal(mut self, journal: JournalPlace) -> Self {
        self.journal = journal;
        self
    }
}

impl MockEngine {
    /// Opens a provider: takes the steps of its journal again, or begins one.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use monetization_engine_mock::{JournalPlace, MemoryJournal, MockEngine, MockOptions};
    ///
    /// let journal = JournalPlace::Memory(MemoryJournal::default());
    /// let options = MockOptions::in_memory("2026-01-01T00:00:00Z".parse().unwrap())
    ///     .with_journal(journal);
    /// let first = MockEngine::open(options.clone())?;
    /// first.control().advance(Duration::from_secs(86_400)).unwrap();
    /// drop(first);
    ///
    /// let second = MockEngine::open(options)?;
    /// assert_eq!(second.control().now().to_string(), "2026-01-02T00:00:00Z");
    /// assert_eq!(second.recovered().steps, 1);
    /// # Ok::<(), monetization_engine_mock::JournalError>(())
    /// ```
    ///
    /// # Errors
    /// [`JournalError`] where the journal cannot be read, makes no sense or was begun under
    /// other rules.
    pub fn open(options: MockOptions) -> Result<Self, JournalError> {
        let (journal, provider, recovered) =
            Journal::open(&options.journal, options.start, &options.rules)?;
        Ok(Self::assemble(
            options,
            Host::new(journal, provider),
            recovered,
        ))
    }

    /// A provider in memory under the default rules, whose clock stands at `start`. It keeps no
    /// journal at all: what it knows is gone with it.
    #[must_use]
    pub fn in_memory(start: Timestamp) -> Self {
        let options = MockOptions::in_memory(start);
        let provider = Provider::new(start, options.rules.clone());
        let host = Host::new(Journal::forgetful(), provider);
        Self::assemble(options, host, Recovered::default())
    }

    /// The engine, as core holds it.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// The provider's side: its clock, its customers, its messages, its faults.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// The way to the provider that the engine itself takes: calls that are sent here are seen,
    /// and faults befall them, as those of the engine.
    #[must_use]
    pub fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    /// What was found in the journal.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// Puts the client in front of the faults, and those in front of the provider.
    fn assemble(options: MockOptions, host: Host, recovered: Recovered) -> Self {
        let host = Arc::new(host);
        let faults = Arc::new(Faults::default());
        let payment_url_base: Arc<str> = options.payment_url_base.into();
        let transport: Arc<dyn Transport> =
            Arc::new(FaultyTransport::new(Arc::clone(&host), Arc::clone(&faults)));
        let engine = bundle(
            Arc::clone(&transport),
            Arc::clone(&payment_url_base),
            &options.rules,
        );
        let control = Control::new(host, faults, payment_url_base, options.webhook_secrets);
        Self {
            engine,
            transport,
            control,
            recovered,
        }
    }
}

/// The engine's ports over a way to the provider.
pub(crate) fn bundle(
    transport: Arc<dyn Transport>,
    payment_url_base: Arc<str>,
    rules: &Rules,
) -> Engine {
    let client = Arc::new(Client {
        transport,
        payment_url_base,
    });
    Engine {
        descriptor: descriptor(rules),
        billing: client.clone(),
        usage: Some(client.clone()),
        invoices: Some(client.clone()),
        statements: Some(client.clone()),
        portal: Some(client.clone()),
        webhooks: Some(Arc::new(MockWebhooks)),
        feed: Some(client),
    }
}

/// What the engine says of itself: the rules, as limits that flows obey.
fn descriptor(rules: &Rules) -> EngineDescriptor {
    EngineDescriptor {
        #[expect(clippy::unwrap_used, reason = "`mock` is a name")]
        id: "mock".parse().unwrap(),
        api_version: env!("CARGO_PKG_VERSION").to_owned(),
        attributes: vec![Attribute {
            name: CONNECTED_ACCOUNT.to_owned(),
            label: "Connected account".to_owned(),
            required: false,
            description: "the publisher's own account at the provider".to_owned(),
            default: None,
        }],
        limits: EngineLimits {
            deduplicates_for: rules.deduplicates_for,
            withdraws_for: Some(rules.deduplicates_for),
            counts_within: Duration::ZERO,
            age_max: rules.age_max,
            ahead_max: rules.ahead_max,
            batch_max: rules.batch_max,
            grace: rules.grace,
        },
        shapes: PriceShapes {
            base: true,
            setup: true,
            per_unit: true,
            included: true,
            graduated: true,
            volume: true,
            stairstep: true,
            package: true,
            commitment: false,
            trial: true,
            calendar: false,
            further: |_| Ok(()),
        },
    }
}

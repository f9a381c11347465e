//! What outlives every process: what is stored, Stripe, the time, and what is signed in with.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use monetization_conformance::sample::START;
use monetization_conformance::store::FaultyStore;
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::SECRET_KEY;
use monetization_core::clock::{Clock, ManualClock, Timestamp};
use monetization_core::entropy::Entropy;
use monetization_core::flows::{Credentials, Engines, Monetizer, Settings};
use monetization_core::ids::TenantId;
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::reference::Mode;
use monetization_core::secret::Secret;
use monetization_core::store::Store;
use monetization_engine_stripe::{StripeOptions, engine};

use crate::database::{Database, Kept};
use crate::dying::Death;

pub struct Outside {
    pub stripe: FakeStripe,
    pub base: Base,
    pub clock: Clock,
    /// How long a call of the engine may take.
    pub patience: Duration,
    /// Which keys the next process takes.
    pub mode: Mode,
    pub secret: Secret,
    time: ManualClock,
    /// The engine's: it waits for answers by the machine's clock.
    engine_clock: (Clock, ManualClock),
    credentials: Credentials,
    seed: u64,
    processes: AtomicU64,
}

/// What is stored.
pub enum Base {
    Memory(Arc<dyn Store>),
    File(Database),
}

/// A process, which may die.
pub struct Process {
    pub monetizer: Monetizer,
    pub store: Arc<dyn Store>,
    pub death: Arc<Death>,
}

impl Outside {
    pub const KEY: &str = SECRET_KEY;

    /// What is stored is in memory.
    pub async fn in_memory(seed: u64) -> Self {
        let (clock, time) = Clock::manual(START);
        let base = Base::Memory(Arc::new(MemoryStore::new(clock.clone())));
        Self::with(seed, base, (clock, time)).await
    }

    /// What is stored is a file.
    pub async fn on_file(seed: u64) -> Self {
        Self::with(seed, Base::File(Database::new()), Clock::manual(START)).await
    }

    async fn with(seed: u64, base: Base, (clock, time): (Clock, ManualClock)) -> Self {
        let stripe = FakeStripe::start().await.unwrap();
        let secret = stripe.fake().listen("http://127.0.0.1:9/hooks", false);
        Self {
            stripe,
            base,
            clock,
            patience: Duration::from_secs(30),
            mode: Mode::Test,
            secret: Secret::new(secret),
            time,
            engine_clock: Clock::manual_business(START),
            credentials: Credentials::default(),
            seed,
            processes: AtomicU64::default(),
        }
    }

    /// Signs a tenant in to Stripe.
    pub fn sign_in(&self, tenant: TenantId, key: &str) {
        self.credentials.exchange(tenant, Some(Secret::new(key)));
    }

    /// Starts a process.
    pub async fn process(&self) -> Process {
        let number = self.processes.fetch_add(1, Ordering::AcqRel);
        let death = Arc::<Death>::default();
        let store = match &self.base {
            Base::Memory(store) => Arc::clone(store),
            Base::File(database) => database.open(&self.clock).await,
        };
        let store = FaultyStore::new(store).with_script(Arc::clone(&death) as _);
        let store: Arc<dyn Store> = Arc::new(store);
        let mut options = StripeOptions::default();
        options.base_url = self.stripe.base_url();
        options.mode = self.mode;
        options.clock = self.engine_clock.0.clone();
        options.rates.test = NonZeroU32::new(100_000).unwrap();
        let settings = Settings {
            closing_grace: Duration::ZERO,
            engine_timeout: self.patience,
            credentials: self.credentials.clone(),
            ..Settings::default()
        };
        let monetizer = Monetizer::new(
            Arc::clone(&store),
            Engines::new([engine(&options).unwrap()]),
            self.clock.clone(),
            Arc::new(Entropy::seeded(1_000 * self.seed + number)),
            Pepper::new(&[7; 32]).unwrap(),
        )
        .with_settings(settings);
        Process {
            monetizer,
            store,
            death,
        }
    }

    /// Lets time pass, for Stripe in whole seconds.
    pub fn pass(&self, time: Duration) {
        self.time.advance(time);
        self.engine_clock.1.set(self.clock.now());
        self.stripe.advance_to(seconds(self.clock.now()));
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let violations = self.stripe.violations();
            assert!(violations.is_empty(), "{violations:?}");
        }
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.as_micros() / 1_000_000
}

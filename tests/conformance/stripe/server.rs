//! The fake on loopback.
//!
//! ```
//! use monetization_conformance::stripe::FakeStripe;
//! use monetization_conformance::stripe::faults::{Fault, Plan};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let stripe = FakeStripe::start().await?;
//! stripe.plan(Plan::after(Fault::Drop).on("POST", "/v1/customers"));
//! // .. an engine with the key `SECRET_KEY` works against `stripe.base_url()` ..
//! assert!(stripe.violations().is_empty());
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::fake::{CountedEvent, Delivery, Fake, Problem};
use super::faults::{Fault, Faults, Plan, When};
use super::spec::Violation;
use crate::sample::START;

mod answering;
mod connection;
mod control;
mod postman;

/// How a fake is started.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Where it listens; port 0 for any.
    pub address: SocketAddr,
    /// The second since 1970 that its clock shows at first.
    pub now: i64,
    /// Names and chances are made up from it.
    pub seed: u64,
}

impl Default for Settings {
    /// Any port of loopback, 2026-01-01, seed 1.
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            now: START.as_micros() / 1_000_000,
            seed: 1,
        }
    }
}

/// A request as it was received, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// In capitals.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What stands after `?`.
    pub query: String,
    /// The body.
    pub body: String,
    /// Its idempotency key.
    pub key: Option<String>,
    /// The connected account it is for.
    pub account: Option<String>,
    /// What befell it.
    pub fault: Option<(Fault, When)>,
}

/// A fake Stripe that listens on a port. Dropping it ends it, and every connection to it.
#[derive(Debug)]
pub struct FakeStripe {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    fake: Mutex<Fake>,
    faults: Mutex<Faults>,
    seen: Mutex<Vec<Seen>>,
    /// Accounts with idempotency keys, and customers with meters, that are being used.
    under_way: Mutex<BTreeSet<(String, String)>>,
}

impl FakeStripe {
    /// On any port of loopback, at the first of January 2026.
    ///
    /// # Errors
    /// Where no port can be listened on.
    pub async fn start() -> io::Result<Self> {
        Self::start_with(Settings::default()).await
    }

    /// As the settings say.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn start_with(settings: Settings) -> io::Result<Self> {
        let socket = TcpListener::bind(settings.address).await?;
        let address = socket.local_addr()?;
        let pages = format!("http://{address}");
        let shared = Arc::new(Shared {
            fake: Mutex::new(Fake::new(settings.seed, settings.now, &pages)),
            faults: Mutex::new(Faults::seeded(settings.seed)),
            seen: Mutex::default(),
            under_way: Mutex::default(),
        });
        let serving = tokio::spawn(connection::take(socket, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            serving,
        })
    }

    /// Where clients ask, as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The state machine behind it, for as long as the guard lives.
    ///
    /// Nobody is answered meanwhile: let go of it before waiting for anything.
    pub fn fake(&self) -> MutexGuard<'_, Fake> {
        locked(&self.shared.fake)
    }

    /// The second that its clock shows.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.fake().now()
    }

    /// Moves its clock forward to this second.
    pub fn advance_to(&self, at: i64) {
        self.fake().advance_to(at);
    }

    /// A customer pays an invoice.
    ///
    /// # Errors
    /// Where the invoice is not there, or nobody can pay it.
    pub fn pay(&self, invoice: &str) -> Result<(), Problem> {
        self.fake().pay(invoice)
    }

    /// A customer tries to pay an invoice and cannot.
    ///
    /// # Errors
    /// Where the invoice is not there, or is not open.
    pub fn fail_payment(&self, invoice: &str) -> Result<(), Problem> {
        self.fake().fail_payment(invoice)
    }

    /// A customer goes through with a checkout session.
    ///
    /// # Errors
    /// Where the session is not there, or not open.
    pub fn complete_checkout(&self, session: &str) -> Result<(), Problem> {
        self.fake().complete_checkout(session).map(drop)
    }

    /// Every meter event that counts.
    #[must_use]
    pub fn counted(&self) -> Vec<CountedEvent> {
        self.fake().counted()
    }

    /// Takes what is to be delivered to webhook endpoints, oldest first: to be handed over in
    /// whichever order, twice, or not at all.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.fake().take_deliveries()
    }

    /// Posts what is to be delivered, signed now. What was not taken with a success is tried again
    /// by the next call. Answers how many were taken.
    pub async fn deliver(&self) -> usize {
        postman::deliver(&self.shared).await
    }

    /// Adds a fault for requests to come.
    pub fn plan(&self, plan: Plan) {
        locked(&self.shared.faults).plan(plan);
    }

    /// Forgets the faults that are to come.
    pub fn clear_faults(&self) {
        locked(&self.shared.faults).clear();
    }

    /// The requests that were received so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        locked(&self.shared.seen).clone()
    }

    /// What did not fit the specification so far, of requests and of answers.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.fake().violations().to_vec()
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

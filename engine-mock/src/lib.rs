//! A whole billing provider in process, for tests, demos and development.
//!
//! [`MockEngine::engine`] is what core is given; [`MockEngine::control`] is the other side: the
//! provider's clock, its customers and their payments, the messages it sends and the faults on
//! the way to it. Between the two stands one [`Provider`](provider::Provider), a deterministic
//! state machine, with a journal of everything that has happened to it.
//!
//! # A subscription from start to invoice
//!
//! ```
//! use std::time::Duration;
//!
//! use monetization_core::clock::Timestamp;
//! use monetization_core::consumer::Consumer;
//! use monetization_core::engine::{EngineContext, IdempotencyKey, NewSubscription};
//! use monetization_core::ids::{PlanVersionId, SubscriptionId, TenantId, TypedId};
//! use monetization_core::period::{Cycle, Schedule};
//! use monetization_core::plan::{Billing, PlanTerms, PlanVersion, TermsDraft};
//! use monetization_engine_mock::MockEngine;
//! use monetization_engine_mock::provider::PaymentOutcome;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let start: Timestamp = "2026-01-31T00:00:00Z".parse()?;
//! let mock = MockEngine::in_memory(start);
//! let (billing, provider) = (mock.engine().billing, mock.control());
//!
//! let tenant = TenantId::derived(&[b"a marketplace"]);
//! let cx = |key: &str| EngineContext {
//!     tenant,
//!     credentials: None,
//!     account: None,
//!     key: IdempotencyKey::new(key),
//!     repeated: false,
//!     timeout: Duration::from_secs(10),
//! };
//! let mut terms = TermsDraft::new(Billing::Fixed, "USD".parse()?, Cycle::MONTH);
//! terms.base_price = Some("25.00".to_owned());
//! let plan = PlanVersion {
//!     id: PlanVersionId::derived(&[b"gold 1"]),
//!     tenant,
//!     product: TypedId::derived(&[b"weather"]),
//!     plan: TypedId::derived(&[b"gold"]),
//!     number: 1,
//!     name: "Gold".parse()?,
//!     terms: PlanTerms::new(terms, &[])?,
//!     created_at: start,
//! };
//! let consumer = Consumer {
//!     id: TypedId::derived(&[b"a consumer"]),
//!     tenant,
//!     name: "Example Ltd".parse()?,
//!     members: Vec::new(),
//!     grace_days: None,
//!     created_at: start,
//! };
//!
//! let plan = billing.create_billing_plan(&cx("plan"), &plan).await?;
//! let customer = billing.ensure_customer(&cx("customer"), &consumer).await?;
//! let new = NewSubscription {
//!     subscription: SubscriptionId::derived(&[b"a subscription"]),
//!     customer,
//!     plan,
//!     schedule: Schedule::new(start, Cycle::MONTH),
//!     is_cancelled: false,
//! };
//! let started = billing.create_subscription(&cx("start"), &new).await?;
//!
//! // Something is due before the first call: the customer follows the link and pays.
//! let link = started.payment_url.expect("25 dollars are due");
//! assert_eq!(provider.pay(&link)?, PaymentOutcome::Paid);
//!
//! // The period ends on the last of February; an hour later its invoice is final.
//! provider.set("2026-02-28T01:00:00Z".parse()?)?;
//! let totals: Vec<String> =
//!     provider.invoices().iter().map(|invoice| invoice.total.to_string()).collect();
//! assert_eq!(totals, ["25.00 USD", "25.00 USD"]);
//! # Ok(())
//! # }
//! ```
//!
//! # Who makes the invoices
//! Both ways are served, each object by one of them. Where the *provider* makes them, a
//! subscription is started with `create_subscription`; use is reported with `publish`, and at the
//! end of each period the provider drafts an invoice over the use of that period and the base
//! price of the next. Where *core* makes them, there is no subscription here: finished invoices
//! arrive by `issue`, are checked to add up, and are collected line by line as they are.
//!
//! # Changes of plan and trials
//! A subscription changes its plan now or with its next period and stays the same one. Changed now, its
//! period has two [stretches](provider::Stretch), each rated by its own plan, and what is left of the two
//! base prices is credited and charged on the invoice of the period. A schedule with a trial makes that the
//! period with the number 0: nothing is due at its start, use in it is counted and not billed, and its end
//! demands the setup fee and the first base price.
//!
//! | | invoiced |
//! |---|---|
//! | setup fee and first base price | at the start, or when the trial ends |
//! | use of a period | an hour after its end, until when use of it is taken |
//! | base price of the next period | with that |
//! | what a change of plan adds | with that |
//! | use of a period that is cancelled within | at once, without a next base price |
//!
//! # Links to pay by
//! A link lives for a time, and the one before it a while longer. Asking for an invoice always tells a link
//! that works while something is owed; no second invoice is made by that.
//!
//! # Time
//! Nothing here asks for the time. The provider's clock stands still until
//! [`Control::set`] or [`Control::advance`] moves it, and what falls due on the way happens at
//! its own instant and in order. A server that wants it to follow the real time sets it every
//! second; only what happens is written down.
//!
//! # Failures
//! [`Control::inject`] scripts what goes wrong: before a call is carried out, after it, or within
//! the provider, so that the failure itself is remembered under the key. See [`faults`].
//!
//! # As a process of its own
//! With the feature `http` several servers can share one provider: `serve` answers for it over
//! HTTP, the binary `engine-mock` does so on the command line, and `MockEngine::remote` is the
//! engine of a provider that runs elsewhere.
//!
//! # News that never arrived
//! What was told is kept for thirty days, delivered or not, and told again to whoever asks: page by page,
//! oldest first, each message under the name and with the body that it is delivered with. So a receiver
//! that was away asks from where it stood, and passes over what it knows.
//!
//! ```
//! # use monetization_core::engine::{EngineContext, IdempotencyKey};
//! # use monetization_core::ids::{TenantId, TypedId};
//! # use monetization_engine_mock::MockEngine;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mock = MockEngine::in_memory("2026-01-31T00:00:00Z".parse()?);
//! let feed = mock.engine().feed.ok_or("it has one")?;
//! let cx = EngineContext {
//!     tenant: TenantId::derived(&[b"a marketplace"]),
//!     credentials: None,
//!     account: None,
//!     key: IdempotencyKey::new("news"),
//!     repeated: false,
//!     timeout: std::time::Duration::from_secs(10),
//! };
//! let since = "2026-01-01T00:00:00Z".parse()?;
//! let page = feed.since(&cx, since).await?;
//! assert!(page.messages.is_empty() && page.is_last);
//! assert_eq!(page.until, since, "no later than the newest message");
//! # Ok(())
//! # }
//! ```
//!
//! # Use that does not count after all
//! A fault has a usage record refused after it was taken: a message names it. And a record can be taken
//! back for as long as it is known, unless its period is invoiced. Either way it stays known: sent again it
//! is a duplicate, until the provider has forgotten it.
//!
//! # Restarts
//! With [`MockOptions::in_file`] the provider survives the process: [`MockEngine::open`] takes
//! the steps of the journal again. [`MockEngine::recovered`] says how many, and whether the last
//! line was torn.

pub use control::{Control, ControlError, Disturbance};
pub use journal::{JournalError, JournalPlace, MemoryJournal, Recovered};
pub use mock::{CONNECTED_ACCOUNT, MockEngine, MockOptions};
pub use pages::ShownPage;
#[cfg(feature = "http")]
pub use remote::{RemoteError, RemoteOptions};

pub mod faults;
pub mod provider;
#[cfg(feature = "http")]
pub mod serve;
pub mod transport;
pub mod webhooks;

mod client;
mod control;
mod journal;
mod mock;
mod pages;
#[cfg(feature = "http")]
mod pool;
#[cfg(feature = "http")]
mod remote;
#[cfg(feature = "http")]
mod wire;

/// The README's example is compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

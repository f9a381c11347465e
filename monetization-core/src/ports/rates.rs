//! The port to whoever counts rates for several gateways.
//!
//! One process counts rates in its own memory. Several that serve one plan would each let the whole of it
//! through; where a [`SharedRates`] is given to the
//! [`Gatekeeper`](crate::runtime::Gatekeeper), it counts for all of them. Strict quotas do not pass through here:
//! they are spent from blocks that the [store](crate::store) hands out.
//!
//! | who | has |
//! |---|---|
//! | [`SharedRates`] | the way to the place where rates are counted; one for a process |
//! | [`RateCounters`] | what one subscription has taken; made once, and kept while its terms change |
//! | [`RateAsk`] | the rates of the plan in force, which come with each call |
//!
//! # How to implement it
//!
//! What is counted belongs to a kind of limit and not to its number, as in
//! [`Bucket`](monetization_rate_limiter::Bucket): so a plan that changes goes on from what was taken. All limits
//! of an ask are taken together or none is. An answer comes in bounded time, whatever has become of the place where it
//! is counted: without it the [`WhenAway`] of the plan decides.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use async_trait::async_trait;
//! use monetization_core::clock::Clock;
//! use monetization_core::ids::{SubscriptionId, TypedId};
//! use monetization_core::plan::WhenAway;
//! use monetization_core::rates::{RateAnswer, RateAsk, RateCounters, RateTaken, SharedRates};
//! use monetization_rate_limiter::{Bucket, Limit, Limits, Window};
//!
//! /// Counts for one process, which is what a gatekeeper does without it.
//! #[derive(Debug)]
//! struct Alone(Clock);
//!
//! #[derive(Debug)]
//! struct Counters(Clock, Mutex<Bucket>);
//!
//! impl SharedRates for Alone {
//!     fn counters(&self, _: SubscriptionId) -> Arc<dyn RateCounters> {
//!         Arc::new(Counters(self.0.clone(), Mutex::default()))
//!     }
//! }
//!
//! #[async_trait]
//! impl RateCounters for Counters {
//!     fn take_at_once(&self, ask: RateAsk<'_>) -> Option<RateAnswer> {
//!         let mut bucket = self.1.lock().ok()?;
//!         let decision = bucket.take(ask.limits, self.0.now(), ask.units);
//!         Some(RateAnswer::Counted(RateTaken { decision, receipt: 0 }))
//!     }
//!
//!     async fn take(&self, ask: RateAsk<'_>) -> RateAnswer {
//!         self.take_at_once(ask).unwrap_or(RateAnswer::Away)
//!     }
//!
//!     fn give_back(&self, limits: &Limits, taken: &RateTaken) {
//!         let (at, units) = (taken.decision.decided_at(), taken.decision.weight());
//!         if let Ok(mut bucket) = self.1.lock() {
//!             bucket.give_back(limits, at, units);
//!         }
//!     }
//! }
//!
//! let counters = Alone(Clock::system()).counters(SubscriptionId::derived(&[b"acme"]));
//! let limits = Limits::new([Limit::calendar(Window::Hour, 1)])?;
//! let ask = RateAsk { limits: &limits, units: 1, when_away: WhenAway::Share };
//! let Some(RateAnswer::Counted(taken)) = counters.take_at_once(ask) else {
//!     return Err("not counted".into());
//! };
//! assert!(taken.decision.is_allowed());
//! counters.give_back(&limits, &taken);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use monetization_rate_limiter::{Decision, Limits};

use crate::ids::SubscriptionId;
use crate::plan::WhenAway;

/// Counts rates for several gateways.
pub trait SharedRates: fmt::Debug + Send + Sync + 'static {
    /// The counters of one subscription, which a caller makes once and keeps: what they have on this
    /// node (a block, a share) is in them. Two of one subscription count together where they are shared.
    fn counters(&self, of: SubscriptionId) -> Arc<dyn RateCounters>;
}

/// What one subscription has taken of its rates.
#[async_trait]
pub trait RateCounters: fmt::Debug + Send + Sync + 'static {
    /// Takes what is asked for, of all limits or of none, where that needs no waiting; `None` where it
    /// does, and then nothing is taken.
    ///
    /// It is called under a lock: whoever waits in it holds up a subscription.
    fn take_at_once(&self, ask: RateAsk<'_>) -> Option<RateAnswer>;

    /// As [`take_at_once`](Self::take_at_once), and waits where that has to be: for a few hundredths of a second at the
    /// longest. A future that is dropped may have taken what was asked for.
    async fn take(&self, ask: RateAsk<'_>) -> RateAnswer;

    /// Hands back what a call has taken that shall not count after all, under the limits that it was asked
    /// with. It is not waited for, and where it cannot be done the units stay taken.
    fn give_back(&self, limits: &Limits, taken: &RateTaken);
}

/// What one call asks of its rates.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "what an ask is made of")]
pub struct RateAsk<'a> {
    /// The limits that hold, all of them together; at least one.
    pub limits: &'a Limits,
    /// One to let a call through; none to see how the limits stand, which takes nothing.
    pub units: u64,
    /// What becomes of it while it cannot be counted together with what others take.
    pub when_away: WhenAway,
}

/// What came of asking rates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[expect(
    clippy::large_enum_variant,
    reason = "counting is the rule; in a box it would cost every call"
)]
#[must_use = "an answer that nobody reads refuses nobody"]
pub enum RateAnswer {
    /// The limits have said yes or no.
    Counted(RateTaken),
    /// It could not be counted, and the plan lets nothing through then: [`WhenAway::Refuse`].
    Away,
}

/// What limits have said, with what is needed to give it back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what an answer is made of")]
pub struct RateTaken {
    /// Whether the call passes, and how each limit stands, by the clock of whoever counted.
    pub decision: Decision,
    /// What the counters want to know again of units that come back; means nothing to others.
    pub receipt: u32,
}

impl RateTaken {
    /// Whether there is anything to give back.
    #[must_use]
    pub fn has_units(&self) -> bool {
        self.decision.is_allowed() && self.decision.weight() > 0
    }
}

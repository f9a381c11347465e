//! The limiter behind the gates of `monetization-core`.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use monetization_core::ids::{SubscriptionId, TypedId};
use monetization_core::plan;
use monetization_core::rates::{RateAnswer, RateAsk, RateCounters, RateTaken, SharedRates};
use monetization_rate_limiter::{Limit, Limits, Timestamp};
use tokio::runtime::Handle;

use crate::{
    Ask, Away, By, Clock, Holder, HolderKey, Outcome, RedisLimiter, SharedLimits, Way, WhenAway,
};

/// A [`RedisLimiter`] as the gates of `monetization-core` know it: give it to each gatekeeper of an installation, and
/// they let a rate through once, all together.
///
/// Subscriptions are the holders. Their calls are had in [blocks](Way::Blocks) unless something else is said; what
/// becomes of them while the server is away stands in their plans. A maximum that is too large to be
/// [shared](SharedLimits::WINDOW_MAX) counts as the largest that can be.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use monetization_core::{clock::Clock, entropy::Entropy, key::Pepper, store::Store};
/// use monetization_core::runtime::{Beside, Gatekeeper, GatekeeperOptions};
/// use monetization_rate_limiter_redis::{GateRates, Namespace, NodeId, Options, RedisLimiter};
///
/// # async fn run(
/// #     (store, clock, entropy, pepper): (Arc<dyn Store>, Clock, Arc<Entropy>, Pepper),
/// #     random: [u8; 16],
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let options = Options::new("redis://127.0.0.1", Namespace::new("shop"), NodeId::new(random));
/// let limiter = RedisLimiter::start(options, Arc::new(clock.clone())).await?;
/// let beside = Beside { rates: Some(Arc::new(GateRates::new(limiter.clone()))), ..Beside::default() };
/// let options = GatekeeperOptions::default();
/// let gatekeeper = Gatekeeper::with(store, (clock, entropy), pepper, options, beside);
///
/// // Once no more calls come, what lies in blocks goes back.
/// limiter.release().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GateRates {
    limiter: RedisLimiter,
    way: Way,
    /// Where units are handed back while nobody waits for it.
    runtime: Handle,
}

impl GateRates {
    /// By this limiter.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn new(limiter: RedisLimiter) -> Self {
        Self {
            limiter,
            way: Way::Blocks,
            runtime: Handle::current(),
        }
    }

    /// With units had in this way.
    #[must_use]
    pub fn by(mut self, way: Way) -> Self {
        self.way = way;
        self
    }
}

impl SharedRates for GateRates {
    fn counters(&self, of: SubscriptionId) -> Arc<dyn RateCounters> {
        let key = HolderKey::new(*self.limiter.namespace(), of.uuid().as_bytes());
        Arc::new(Counters(Arc::new(Subscriber {
            rates: self.clone(),
            holder: Holder::new(key),
            known: ArcSwapOption::empty(),
        })))
    }
}

/// The rates of one subscription.
#[derive(Debug)]
struct Counters(Arc<Subscriber>);

#[derive(Debug)]
struct Subscriber {
    rates: GateRates,
    holder: Holder,
    /// The limits that were asked with last: those of the next call, unless the plan has changed.
    known: ArcSwapOption<Known>,
}

/// Limits as a plan has them, and as they are sent.
#[derive(Debug)]
struct Known {
    limits: Limits,
    shared: SharedLimits,
}

#[async_trait]
impl RateCounters for Counters {
    fn take_at_once(&self, ask: RateAsk<'_>) -> Option<RateAnswer> {
        let Subscriber { rates, holder, .. } = &*self.0;
        let known = self.0.known(ask.limits);
        let outcome = rates
            .limiter
            .take_at_once(holder, &rates.asked(ask, &known.shared))?;
        Some(answer(outcome))
    }

    async fn take(&self, ask: RateAsk<'_>) -> RateAnswer {
        let Subscriber { rates, holder, .. } = &*self.0;
        let known = self.0.known(ask.limits);
        let asked = rates.asked(ask, &known.shared);
        answer(rates.limiter.take(holder, &asked).await)
    }

    fn give_back(&self, limits: &Limits, taken: &RateTaken) {
        let (subscriber, known) = (Arc::clone(&self.0), self.0.known(limits));
        let outcome = Outcome::Decided {
            decision: taken.decision.clone(),
            by: by(taken.receipt),
        };
        self.0.rates.runtime.spawn(async move {
            let Subscriber { rates, holder, .. } = &*subscriber;
            rates
                .limiter
                .give_back(holder, &known.shared, &outcome)
                .await;
        });
    }
}

impl GateRates {
    fn asked<'a>(&self, ask: RateAsk<'_>, limits: &'a SharedLimits) -> Ask<'a> {
        let asked = Ask::new(limits).weighing(ask.units).by(self.way);
        asked.when_away(match ask.when_away {
            plan::WhenAway::Share => WhenAway::LocalShare,
            plan::WhenAway::Refuse => WhenAway::Refuse,
        })
    }
}

impl Subscriber {
    fn known(&self, limits: &Limits) -> Arc<Known> {
        if let Some(known) = &*self.known.load()
            && known.limits == *limits
        {
            return Arc::clone(known);
        }
        let known = Arc::new(Known {
            limits: limits.clone(),
            shared: shared(limits),
        });
        self.known.store(Some(Arc::clone(&known)));
        known
    }
}

/// Limits as they are sent, with maxima that can be.
fn shared(limits: &Limits) -> SharedLimits {
    let bounded = limits.into_iter().map(|limit| match limit.window() {
        Some(window) => Limit::calendar(window, limit.max().min(SharedLimits::WINDOW_MAX)),
        None => *limit,
    });
    let bounded = Limits::new(bounded).unwrap_or_default();
    SharedLimits::new(bounded).expect("no maximum is larger than the largest")
}

/// Who decided, as a number that comes back with the units: among how many nodes limits were shared out, or none.
fn answer(outcome: Outcome) -> RateAnswer {
    match outcome {
        Outcome::Decided { decision, by } => {
            let receipt = match by {
                By::Server | By::Block => 0,
                By::Share { nodes, .. } => nodes,
            };
            RateAnswer::Counted(RateTaken { decision, receipt })
        }
        Outcome::Refused(_) => RateAnswer::Away,
    }
}

fn by(receipt: u32) -> By {
    match receipt {
        0 => By::Server,
        // Why the server was away is of no matter any more.
        nodes => By::Share {
            nodes,
            away: Away::Disconnected,
        },
    }
}

/// The machine's time in a program, and the time of a test in a test. A machine that sleeps wakes with blocks that its
/// neighbours may have in use: this is for servers.
impl Clock for monetization_core::clock::Clock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn uptime(&self) -> std::time::Duration {
        Self::uptime(self)
    }
}

//! Rates that gatekeepers of one process share: a model of what shares them between processes, for tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use monetization_rate_limiter::{Cells, Limits};

use crate::clock::Clock;
use crate::ids::SubscriptionId;
use crate::plan::WhenAway;
use crate::rates::{RateAnswer, RateAsk, RateCounters, RateTaken, SharedRates};

/// Counts rates for gatekeepers of one process, as a server does for those of several: every call has to wait for it, and
/// it can be away. Then each counter that was made of a subscription lets the whole of a rate through, as the only
/// gateway there is.
///
/// ```
/// use monetization_core::clock::Clock;
/// use monetization_core::ids::{SubscriptionId, TypedId};
/// use monetization_core::memory::MemoryRates;
/// use monetization_core::plan::WhenAway;
/// use monetization_core::rates::{RateAnswer, RateAsk, SharedRates};
/// use monetization_rate_limiter::{Limit, Limits, Window};
///
/// let rates = MemoryRates::new(Clock::system());
/// let counters = rates.counters(SubscriptionId::derived(&[b"acme"]));
/// let limits = Limits::new([Limit::calendar(Window::Hour, 1)])?;
/// let ask = RateAsk { limits: &limits, units: 1, when_away: WhenAway::Refuse };
/// assert_eq!(counters.take_at_once(ask), None);
/// rates.set_away(true);
/// assert_eq!(counters.take_at_once(ask), Some(RateAnswer::Away));
/// # Ok::<(), monetization_rate_limiter::DuplicateLimit>(())
/// ```
#[derive(Debug)]
pub struct MemoryRates {
    shared: Arc<Shared>,
    holders: Mutex<BTreeMap<SubscriptionId, Arc<Cells>>>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    is_away: AtomicBool,
}

impl MemoryRates {
    /// Nothing taken yet; windows are those of this clock's business time.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let is_away = AtomicBool::new(false);
        Self {
            shared: Arc::new(Shared { clock, is_away }),
            holders: Mutex::default(),
        }
    }

    /// Whether it cannot be asked from now on.
    pub fn set_away(&self, is_away: bool) {
        self.shared.is_away.store(is_away, Ordering::Release);
    }
}

impl SharedRates for MemoryRates {
    fn counters(&self, of: SubscriptionId) -> Arc<dyn RateCounters> {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::new(Counters {
            shared: Arc::clone(&self.shared),
            together: Arc::clone(holders.entry(of).or_default()),
            alone: Cells::new(),
        })
    }
}

/// What one gatekeeper knows of a subscription.
#[derive(Debug)]
struct Counters {
    shared: Arc<Shared>,
    together: Arc<Cells>,
    /// Counts while the shared ones cannot be asked.
    alone: Cells,
}

impl Counters {
    fn count(&self, ask: RateAsk<'_>, receipt: u32) -> RateAnswer {
        let now = self.shared.clock.now();
        let decision = self.cells(receipt).take(ask.limits, now, ask.units);
        RateAnswer::Counted(RateTaken { decision, receipt })
    }

    fn cells(&self, receipt: u32) -> &Cells {
        if receipt == ALONE {
            &self.alone
        } else {
            &self.together
        }
    }
}

const TOGETHER: u32 = 0;
const ALONE: u32 = 1;

#[async_trait]
impl RateCounters for Counters {
    fn take_at_once(&self, ask: RateAsk<'_>) -> Option<RateAnswer> {
        let is_away = self.shared.is_away.load(Ordering::Acquire);
        is_away.then(|| match ask.when_away {
            WhenAway::Share => self.count(ask, ALONE),
            WhenAway::Refuse => RateAnswer::Away,
        })
    }

    async fn take(&self, ask: RateAsk<'_>) -> RateAnswer {
        let without = self.take_at_once(ask);
        without.unwrap_or_else(|| self.count(ask, TOGETHER))
    }

    fn give_back(&self, limits: &Limits, taken: &RateTaken) {
        let (at, units) = (taken.decision.decided_at(), taken.decision.weight());
        self.cells(taken.receipt).give_back(limits, at, units);
    }
}

//! What strict quotas let through, from one billing period to the next.

use std::time::Duration;

use super::{Spans, Usage};
use crate::clock::Timestamp;
use crate::ids::{MeterId, ProductId, TypedId};
use crate::money::Quantity;
use crate::plan::{EnforcedQuota, Overage, PlanTerms, QuotaOf};
use crate::product::Meter;

/// The strict quotas of a plan, counted as if use came as early as each of them lets it.
///
/// Quotas of single operations are not among them: which operations are called is not known. Reports
/// are never refused, so what is reported has none.
#[derive(Debug)]
pub(super) struct Quotas(Vec<Counter>);

#[derive(Debug)]
struct Counter {
    quota: EnforcedQuota,
    meter: MeterId,
    /// The start of the last window that was counted in, and what it has used of it.
    last: Option<(Timestamp, i128)>,
}

impl Quotas {
    pub(super) fn of(terms: &PlanTerms) -> Self {
        let meter = |quota: &EnforcedQuota| match quota.name.of {
            QuotaOf::Calls => {
                let mut prices = terms.usage().iter();
                let requests = prices.find(|price| price.meter.name.as_str() == Meter::REQUESTS);
                requests.map(|price| price.meter.id)
            }
            QuotaOf::Meter(meter) => Some(meter).filter(|_| !quota.is_reported),
            QuotaOf::Resource(_) => None,
        };
        let quotas = terms.enforced_quotas(ProductId::derived(&[b"estimate"]));
        let strict = quotas
            .into_iter()
            .filter(|quota| quota.overage == Overage::Strict);
        let counters = strict.filter_map(|quota| {
            Some(Counter {
                meter: meter(&quota)?,
                quota,
                last: None,
            })
        });
        Self(counters.collect())
    }

    /// What passes of `asked` in the next billing period, and is used up by that.
    pub(super) fn pass(&mut self, asked: &Usage, spans: Spans) -> Usage {
        let passed = asked.iter().map(|(meter, asked)| {
            let passed = self.take(*meter, asked.quantity, spans);
            (*meter, asked.cut(passed))
        });
        passed.collect()
    }

    /// The same of one meter.
    pub(super) fn take(&mut self, meter: MeterId, asked: Quantity, spans: Spans) -> Quantity {
        let counters = self.0.iter_mut().filter(|it| it.meter == meter);
        let mut counters: Vec<&mut Counter> = counters.collect();
        let most = counters.iter().map(|counter| counter.left(spans)).min();
        let most = most.and_then(|most| i64::try_from(most).ok());
        let passes = most.map_or(asked, |most| asked.min(Quantity::from_scaled(most)));
        for counter in &mut counters {
            counter.spend(passes, spans);
        }
        passes
    }
}

impl Counter {
    /// What is left of all windows that the period touches.
    fn left(&self, spans: Spans) -> i128 {
        let touched = i128::from(self.quota.name.window.touched_by(spans.part));
        let all = touched.saturating_mul(self.quota.max.into());
        all.saturating_sub(self.used_before(spans))
    }

    /// The next period may begin in the last of these windows: it is used last.
    fn spend(&mut self, passed: Quantity, spans: Spans) {
        let window = self.quota.name.window;
        let touched = i128::from(window.touched_by(spans.part));
        let earlier = touched
            .saturating_sub(1)
            .saturating_mul(self.quota.max.into());
        let used = self
            .used_before(spans)
            .saturating_add(passed.scaled().into());
        let end = spans.part.end.saturating_sub(Duration::from_micros(1));
        let last = window.containing(end, spans.whole).start;
        self.last = Some((last, used.saturating_sub(earlier).max(0)));
    }

    /// What earlier periods have used of the first window.
    fn used_before(&self, spans: Spans) -> i128 {
        let window = self.quota.name.window;
        let first = window.containing(spans.part.start, spans.whole).start;
        let last = self.last.filter(|(start, _)| *start == first);
        last.map_or(0, |(_, used)| used)
    }
}

#[cfg(test)]
mod tests;

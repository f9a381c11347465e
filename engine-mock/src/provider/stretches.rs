//! Which plan rates which part of a period.
//!
//! A change of plan now cuts the current period in two stretches. Use is rated stretch by stretch, each
//! from its first unit on, by the plan that held when it was used. Of the base prices, that of the plan
//! before is credited for what is left of the period, and that of the new one charged.

use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::MeterId;
use monetization_core::money::{Money, Quantity};
use monetization_core::period::Proration;
use monetization_core::plan::PlanTerms;
use monetization_core::text::ForeignId;
use serde::Serialize;

use super::{Refusal, StatedLine, Subscription, rating};

/// A stretch of a period in which one plan held, up to the next one or to the end of the period.
///
/// A period without a change of plan is one stretch. With one it is two, and its invoice says what each
/// costs: first the use by the old plan, then the rest of both base prices, then the use by the new plan.
/// Included units, tiers and packages begin anew with each stretch, as providers do that bind use to the
/// price it was reported under; core, which invoices by itself otherwise, lets them go on.
///
/// | | first stretch | second stretch |
/// |---|---|---|
/// | use | from its first unit, by the old plan | from its first unit, by the new plan |
/// | base price | charged when the period began | what is left: the new one, less the old one |
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stretch {
    /// The number of the period.
    pub period_index: u32,
    /// Where it begins.
    pub start: Timestamp,
    /// The plan.
    pub plan: ForeignId,
}

impl Subscription {
    /// Lets another plan hold from `at` on, within the current period.
    pub(super) fn cut(&mut self, at: Timestamp, plan: &ForeignId) {
        let last = self.stretches.last().map(|last| last.start);
        self.stretches.push(Stretch {
            period_index: self.period_index,
            start: at.max(last.unwrap_or(at)).max(self.period.start),
            plan: plan.clone(),
        });
        self.plan = plan.clone();
        self.next_plan = None;
    }

    /// The stretches of the period of this number, each with where it ends; the last one ends with
    /// time.
    pub(super) fn stretches_of(&self, index: u32) -> Vec<(&Stretch, Timestamp)> {
        let of_period = || {
            let stretches = self.stretches.iter();
            stretches.filter(move |stretch| stretch.period_index == index)
        };
        let ends = of_period().skip(1).map(|next| next.start);
        of_period()
            .zip(ends.chain(std::iter::once(Timestamp::MAX)))
            .collect()
    }

    /// The plan that rates use at `used_at` in the period of this number.
    pub(super) fn plan_at(&self, index: u32, used_at: Timestamp) -> &ForeignId {
        let stretches = self.stretches_of(index);
        let stretch = stretches.iter().rev().find(|(it, _)| it.start <= used_at);
        stretch.map_or(&self.plan, |(stretch, _)| &stretch.plan)
    }

    /// How much of a meter was counted in a stretch of the period of this number.
    pub(super) fn used_within(
        &self,
        index: u32,
        meter: MeterId,
        (start, end): (Timestamp, Timestamp),
    ) -> Result<Quantity, Refusal> {
        let mut total = 0_i64;
        for record in &self.records {
            let is_within =
                record.period_index == index && start <= record.used_at && record.used_at < end;
            if is_within && record.meter.id == meter {
                let sum = total.checked_add(record.quantity.scaled());
                total = sum.ok_or_else(|| Refusal::permanent("the use does not fit 64 bits"))?;
            }
        }
        Ok(Quantity::from_scaled(total))
    }
}

/// What of a base price falls on what is left of a period from `at` on; `None` where the plan charges
/// whole periods only.
///
/// By seconds or by days of UTC, as the plan says, rounded as it says. A change on the first day of a period
/// falls on all of its days.
pub(super) fn rest_of_base(
    name: &str,
    terms: &PlanTerms,
    (period, at): (Span, Timestamp),
) -> Option<Result<StatedLine, Refusal>> {
    let length = |from: Timestamp| match terms.proration() {
        Proration::None => None,
        Proration::PerSecond => Some(seconds(period.end).saturating_sub(seconds(from))),
        Proration::ByDays => {
            let day = |at: Timestamp| seconds(at).div_euclid(86_400);
            Some(day(period.end).saturating_sub(day(from)))
        }
    };
    let (left, whole) = (length(at)?, length(period.start)?);
    let price = terms.base_price();
    let minor = rating::part_of(price.minor(), (left, whole), terms.rounding());
    let line = minor.map(|minor| StatedLine {
        text: format!("{name}: rest of {} from {at}", period.end),
        amount: Money::new(minor, price.currency()),
    });
    Some(line.ok_or_else(|| Refusal::permanent("the base price does not fit 64 bits")))
}

fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1_000_000)
}

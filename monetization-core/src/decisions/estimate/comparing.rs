//! Two plans over a range of use: which one costs less, and from which quantity on.

use super::refusing::Quotas;
use super::{EstimateError, Spans, Usage, period, schedule, too_large, transactions};
use crate::field::FieldError;
use crate::ids::MeterId;
use crate::money::{Money, MoneyError, Quantity};
use crate::period::Schedule;
use crate::plan::PlanTerms;
use crate::rating::base_line;

/// The quantities of one meter that are looked at, first and last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Range {
    /// What is counted.
    pub meter: MeterId,
    /// The first quantity, in the meter's scale.
    pub from: Quantity,
    /// The last quantity, in the meter's scale.
    pub to: Quantity,
}

/// What two plans cost in one billing period, setup fees left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// The quantities.
    pub range: Range,
    /// What both cost, by rising quantity: at even distances, and at both sides of each edge.
    pub points: Vec<Point>,
    /// Where the plan that costs less changes.
    pub break_even: Vec<BreakEven>,
}

/// What two plans cost at one quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Point {
    /// The quantity, in the meter's scale.
    pub quantity: Quantity,
    /// What the first plan costs.
    pub first: Money,
    /// What the second plan costs.
    pub second: Money,
}

/// One of two plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Side {
    /// The first one.
    First,
    /// The second one.
    Second,
}

/// Where the plan that costs less changes: below it one does, from there on it costs no less than the
/// other, and beyond it more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct BreakEven {
    /// The first quantity at which the plan that cost less below it no longer does.
    pub at: Point,
    /// Which one costs less beyond it.
    pub cheaper_above: Side,
}

/// Quantities at even distances that are looked at beside the edges.
const STEPS: i64 = 200;

/// What both plans cost over a range of one meter, `used` of the others.
///
/// Where the difference of the two changes its sign more than once between two neighbouring points, as
/// packages can make it do, one of the changes is named.
///
/// # Errors
/// [`EstimateError`] where the plans are of two currencies or cycles, no range is left, or an amount
/// does not fit.
pub fn compare(
    (first, second): (&PlanTerms, &PlanTerms),
    used: &Usage,
    range: Range,
) -> Result<Comparison, EstimateError> {
    compared((first, second), used, range).map_err(|error| match error {
        EstimateError::Money(error) => too_large("range", first, error),
        other => other,
    })
}

fn compared(
    (first, second): (&PlanTerms, &PlanTerms),
    used: &Usage,
    range: Range,
) -> Result<Comparison, EstimateError> {
    check(first, second, range)?;
    check_transactions((first, second), used, range.meter)?;
    let pair = Pair {
        first,
        second,
        used,
        meter: range.meter,
    };
    let mut quantities: Vec<Quantity> = even(range);
    for edge in edges((first, second), range.meter) {
        let next = Quantity::from_scaled(edge.scaled().saturating_add(1));
        quantities.extend([edge, next]);
    }
    quantities.retain(|quantity| (range.from..=range.to).contains(quantity));
    quantities.sort_unstable();
    quantities.dedup();
    let mut points = Vec::with_capacity(quantities.len());
    for quantity in quantities {
        points.push(pair.at(quantity)?);
    }
    let break_even = pair.break_even(&points)?;
    Ok(Comparison {
        range,
        points,
        break_even,
    })
}

impl Range {
    /// A range that shows what matters: beyond every edge of both plans' prices, and beyond the first
    /// quantity at which the plan that costs less changes, where there is one; as far as both can be told.
    ///
    /// # Errors
    /// As [`compare`].
    pub fn of_interest(
        plans: (&PlanTerms, &PlanTerms),
        used: &Usage,
        meter: MeterId,
    ) -> Result<Self, EstimateError> {
        let price = plans.0.price_of(meter).or_else(|| plans.1.price_of(meter));
        let one = price.and_then(|price| price.meter.scale.whole(1));
        let one = one.map_or(1, Quantity::scaled);
        let last = edges(plans, meter).into_iter().max();
        let last = last.unwrap_or_default().scaled().saturating_mul(2);
        let until = |to| Self {
            meter,
            from: Quantity::ZERO,
            to: Quantity::from_scaled(to),
        };
        let mut to = last.max(one.saturating_mul(1_000));
        let mut comparison = loop {
            match told(plans, used, until(to))? {
                Some(comparison) => break comparison,
                None if to < 10 => return compare(plans, used, until(to)).map(|it| it.range),
                None => to = to.checked_div(10).unwrap_or_default(),
            }
        };
        let most = to.max(one.saturating_mul(1_000_000_000));
        let mut wider = to;
        while comparison.break_even.is_empty() {
            wider = wider.saturating_mul(10);
            if wider > most {
                break;
            }
            let Some(found) = told(plans, used, until(wider))? else {
                break;
            };
            comparison = found;
        }
        let Some(found) = comparison.break_even.first() else {
            return Ok(until(to));
        };
        let to = to.max(found.at.quantity.scaled().saturating_mul(2));
        let is_told = told(plans, used, until(to))?.is_some();
        Ok(if is_told { until(to) } else { comparison.range })
    }
}

/// The comparison; `None` where an amount does not fit.
fn told(
    plans: (&PlanTerms, &PlanTerms),
    used: &Usage,
    range: Range,
) -> Result<Option<Comparison>, EstimateError> {
    match compared(plans, used, range) {
        Err(EstimateError::Money(MoneyError::Overflow)) => Ok(None),
        compared => compared.map(Some),
    }
}

fn check(first: &PlanTerms, second: &PlanTerms, range: Range) -> Result<(), FieldError> {
    if first.currency() != second.currency() {
        let problem = format!(
            "one plan is in {}, the other in {}: allowed are plans of one currency",
            first.currency(),
            second.currency()
        );
        return Err(FieldError::new("compare", problem));
    }
    if first.cycle() != second.cycle() {
        let problem = format!(
            "one plan is billed each {}, the other each {}: allowed are plans of one cycle",
            first.cycle(),
            second.cycle()
        );
        return Err(FieldError::new("compare", problem));
    }
    if range.from >= range.to {
        return Err(FieldError::new(
            "range",
            "it ends where it begins or before: allowed is FROM..TO",
        ));
    }
    Ok(())
}

/// Only what does not depend on the number of transactions can be told of an amount alone.
fn check_transactions(
    (first, second): (&PlanTerms, &PlanTerms),
    used: &Usage,
    meter: MeterId,
) -> Result<(), EstimateError> {
    for terms in [first, second] {
        transactions::check(terms, used)?;
        if let Some(price) = terms
            .price_of(meter)
            .filter(|it| it.is_of_each_transaction())
        {
            let problem = format!(
                "{} is priced by the transaction, and how many they are is not known: allowed are other meters",
                price.meter.name
            );
            return Err(FieldError::new("range", problem).into());
        }
    }
    Ok(())
}

/// Quantities at even distances over the range, both ends included.
fn even(range: Range) -> Vec<Quantity> {
    let (from, to) = (range.from.scaled(), range.to.scaled());
    let length = i128::from(to).saturating_sub(from.into());
    let at = |step: i64| {
        let way = length.checked_mul(step.into())?.checked_div(STEPS.into())?;
        i64::try_from(i128::from(from).checked_add(way)?).ok()
    };
    (0..=STEPS)
        .filter_map(at)
        .map(Quantity::from_scaled)
        .collect()
}

/// Where the price of the meter bends or jumps.
fn edges((first, second): (&PlanTerms, &PlanTerms), meter: MeterId) -> Vec<Quantity> {
    let mut edges = Vec::new();
    for terms in [first, second] {
        let Some(price) = terms.price_of(meter) else {
            continue;
        };
        if let Ok((_, spans)) = first_period(terms) {
            let all = Quantity::from_scaled(i64::MAX);
            let passes = Quotas::of(terms).take(meter, all, spans);
            edges.extend(Some(passes).filter(|passes| *passes < all));
        }
        edges.push(price.included);
        let beyond = |bound: Quantity| bound.checked_add(price.included).ok();
        let tiers = (0..price.price.tiers()).filter_map(|place| price.price.tier(place));
        let bounds = tiers.filter_map(|tier| tier.up_to.or(tier.package));
        edges.extend(bounds.filter_map(beyond));
    }
    edges
}

/// What is compared: one whole billing period.
fn first_period(terms: &PlanTerms) -> Result<(Schedule, Spans), EstimateError> {
    let schedule = schedule(terms, None)?;
    let whole = schedule.period(0).ok_or(MoneyError::Overflow)?;
    Ok((schedule, Spans { whole, part: whole }))
}

struct Pair<'a> {
    first: &'a PlanTerms,
    second: &'a PlanTerms,
    used: &'a Usage,
    meter: MeterId,
}

impl Pair<'_> {
    fn at(&self, quantity: Quantity) -> Result<Point, EstimateError> {
        let mut used = self.used.clone();
        used.insert(self.meter, quantity.into());
        let cost = |terms: &PlanTerms| -> Result<Money, EstimateError> {
            let (schedule, spans) = first_period(terms)?;
            let base = base_line(terms, &schedule, 0)?.into_iter().collect();
            let passed = Quotas::of(terms).pass(&used, spans);
            Ok(period(terms, (&used, &passed), (&schedule, spans), base)?.total)
        };
        Ok(Point {
            quantity,
            first: cost(self.first)?,
            second: cost(self.second)?,
        })
    }

    /// Between which neighbours the cheaper one changes, and where exactly.
    fn break_even(&self, points: &[Point]) -> Result<Vec<BreakEven>, EstimateError> {
        let mut found = Vec::new();
        let mut last: Option<(Side, Quantity)> = None;
        for point in points {
            let Some(side) = point.cheaper() else {
                continue;
            };
            if let Some((before, from)) = last
                && before != side
            {
                let at = self.first_without(before, from, point.quantity)?;
                found.push(BreakEven {
                    at,
                    cheaper_above: side,
                });
            }
            last = Some((side, point.quantity));
        }
        Ok(found)
    }

    /// The first quantity at which `side` is no longer cheaper: it is at `from`, and not at `to`.
    fn first_without(
        &self,
        side: Side,
        from: Quantity,
        to: Quantity,
    ) -> Result<Point, EstimateError> {
        let (mut below, mut above) = (from.scaled(), to.scaled());
        while above.saturating_sub(below) > 1 {
            let middle = below.midpoint(above);
            let point = self.at(Quantity::from_scaled(middle))?;
            if point.cheaper() == Some(side) {
                below = middle;
            } else {
                above = middle;
            }
        }
        self.at(Quantity::from_scaled(above))
    }
}

impl Point {
    /// Which plan costs less here; `None` where both cost the same.
    #[must_use]
    pub fn cheaper(&self) -> Option<Side> {
        match self.first.minor().cmp(&self.second.minor()) {
            std::cmp::Ordering::Less => Some(Side::First),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Side::Second),
        }
    }
}

#[cfg(test)]
mod tests;

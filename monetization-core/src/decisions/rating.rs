//! What use costs.
//!
//! Every line is rounded once, by the plan's rule. Included units belong to the billing period:
//! where a plan change splits a period into segments, what earlier segments have used counts
//! against the included units of later ones.
//!
//! | a period of 1,000 included units at 0.01 | used | charged | costs |
//! |---|---|---|---|
//! | one segment | 1,200 | 200 | 2.00 |
//! | its first segment, where a plan change splits it | 700 | 0 | 0.00 |
//! | its second segment | 500 | 200 | 2.00 |
//! | 300 more that come after all that was closed | 300 | 300 | 3.00 |
//!
//! ```
//! use monetization_core::clock::{Span, Timestamp};
//! use monetization_core::ids::{MeterId, PlanVersionId, SegmentId, SubscriptionId, TypedId};
//! use monetization_core::invoice::Invoicing;
//! use monetization_core::money::{Quantity, Scale};
//! use monetization_core::period::{Cycle, Schedule};
//! use monetization_core::plan::PlanTerms;
//! use monetization_core::product::Meter;
//! use monetization_core::rating::{LateUse, SegmentUse, Used, late_lines, total, usage_lines};
//! use monetization_core::subscription::Segment;
//!
//! let meter = MeterId::derived(&[b"requests"]);
//! let requests = Meter::requests(meter)?;
//! let draft = r#"{"billing": "metered", "currency": "USD", "cycle": "month",
//!     "usage": [{"meter": "requests", "unit_price": "0.01", "included": "1000"}]}"#;
//! let terms = PlanTerms::new(serde_json::from_str(draft)?, &[requests])?;
//!
//! let instant = Timestamp::from_micros;
//! let period = Span { start: instant(0), end: instant(20) };
//! let schedule = Schedule::new(instant(0), Cycle::MONTH);
//! let used = |name: &[u8], start, end, quantity| SegmentUse {
//!     segment: Segment {
//!         id: SegmentId::derived(&[name]),
//!         subscription: SubscriptionId::derived(&[b"s"]),
//!         version: PlanVersionId::derived(&[b"v"]),
//!         invoicing: Invoicing::ByCore,
//!         period_index: 0,
//!         period,
//!         span: Span { start: instant(start), end: instant(end) },
//!     },
//!     schedule: &schedule,
//!     terms: &terms,
//!     used: Used::from([(meter, Quantity::from_scaled(quantity))]),
//! };
//! let lines = usage_lines(&[used(b"first", 0, 10, 700), used(b"second", 10, 20, 500)])?;
//! let amounts: Vec<String> = lines.iter().map(|line| line.amount.amount()).collect();
//! assert_eq!(amounts, ["0.00", "2.00"]);
//! assert_eq!(total(&terms, &lines)?.minor(), 200);
//!
//! let late = |quantity| Used::from([(meter, Quantity::from_scaled(quantity))]);
//! let lines = late_lines(&[
//!     LateUse { billed: used(b"first", 0, 10, 700), late: Used::new() },
//!     LateUse { billed: used(b"second", 10, 20, 500), late: late(300) },
//! ])?;
//! assert_eq!(lines[0].amount.amount(), "3.00");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use crate::clock::Span;
use crate::ids::MeterId;
use crate::invoice::{Line, LineItem, LinePart, UsageLine};
use crate::money::{Exact, Money, MoneyError, Quantity};
use crate::period::Schedule;
use crate::plan::{PlanTerms, Price, UsagePrice};
use crate::pricing::{self, Priced};
use crate::product::Aggregation;
use crate::subscription::Segment;

use committed::{Adjustment, adjustments};

pub use base::{base_line, change_lines, start_lines};
pub use late::{LateUse, late_lines};

mod base;
mod committed;
mod late;

/// What one segment has used, by meter.
/// Quantities are in the scale of their meter.
pub type Used = BTreeMap<MeterId, Quantity>;

/// One segment of a period with its terms and its use.
#[derive(Debug, Clone)]
pub struct SegmentUse<'a> {
    /// The segment.
    pub segment: Segment,
    /// The billing periods of its subscription.
    pub schedule: &'a Schedule,
    /// The terms that rate it.
    pub terms: &'a PlanTerms,
    /// What it has used.
    pub used: Used,
}

/// The usage lines of one billing period, whose segments come in the order of time, and what its
/// commitments add or take off.
///
/// Each segment is rated by its own terms, and costs what it makes the price of the period grow by; a
/// meter that they do not price makes no line, and its use still counts towards the included units and
/// the tiers of later segments that do. The first segment that prices a meter is billed the price of no
/// use, too. A price that falls with use (by volume) takes off at most what earlier segments were
/// billed at that same price. Commitments are those of the last segment.
///
/// A metered plan has a line for each meter it prices, also where nothing was used. A trial has none.
///
/// # Errors
/// [`MoneyError::Overflow`] where an amount does not fit.
pub fn usage_lines(segments: &[SegmentUse<'_>]) -> Result<Vec<Line>, MoneyError> {
    if is_trial(segments) {
        return Ok(Vec::new());
    }
    let priced = segments.iter().map(|segment| segment.terms.usage().len());
    let mut lines = Vec::with_capacity(priced.sum());
    let mut before = Used::new();
    let mut billed: Vec<(&UsagePrice, Money)> = Vec::new();
    let lasts = meters_of_lasts(segments);
    for segment in segments {
        let dates = dates(segment.schedule, segment.segment.span);
        let earlier = billed.len();
        for price in segment.terms.usage() {
            let billed_before = billed.get(..earlier).unwrap_or_default();
            let line = rate(segment, price, (&before, billed_before))?;
            let amount = rounded(segment.terms, &line.parts)?.checked_sub(line.taken_off)?;
            billed.push((price, amount));
            lines.push(Line {
                description: describe(price, &line, &dates),
                amount,
                item: LineItem::Usage(line),
            });
        }
        let grown = grown(&segment.used, &before, &lasts);
        add(&mut before, &grown)?;
    }
    let committed = adjustments(segments, &lines)?;
    lines.extend(committed.into_iter().filter_map(Adjustment::into_line));
    Ok(lines)
}

fn is_trial(segments: &[SegmentUse<'_>]) -> bool {
    let first = segments.first();
    first.is_some_and(|it| it.schedule.is_trial(it.segment.period_index))
}

/// What the segments of one period have used together: of a meter of which the last quantity counts,
/// the greatest of what was last in each.
///
/// # Errors
/// [`MoneyError::Overflow`] where a sum does not fit.
pub fn period_use(segments: &[SegmentUse<'_>]) -> Result<Used, MoneyError> {
    let mut all = Used::new();
    let lasts = meters_of_lasts(segments);
    for segment in segments {
        let grown = grown(&segment.used, &all, &lasts);
        add(&mut all, &grown)?;
    }
    Ok(all)
}

/// What is owed for these lines in all.
///
/// # Errors
/// [`MoneyError`] where they cannot be added.
pub fn total(terms: &PlanTerms, lines: &[Line]) -> Result<Money, MoneyError> {
    Money::sum(terms.currency(), lines.iter().map(|line| line.amount))
}

/// The use of one meter in one segment. `before` is what earlier segments of the period used, and
/// `billed` what each of their prices came to.
fn rate(
    segment: &SegmentUse<'_>,
    price: &UsagePrice,
    (before, billed): (&Used, &[(&UsagePrice, Money)]),
) -> Result<UsageLine, MoneyError> {
    let (meter, (rated, _)) = (price.meter.id, price.rated_meter());
    let used = of(&segment.used, meter);
    let earlier = of(before, rated).above(price.included);
    let grown = match price.meter.aggregation {
        Aggregation::Last => used.above(of(before, meter)),
        _ => of(&segment.used, rated),
    };
    let whole = of(before, rated).checked_add(grown)?.above(price.included);
    let mut parts = parts(price, whole)?;
    let taken_off = taken_off(segment.terms, price, (earlier, &parts), billed)?;
    let mut charged = whole.checked_sub(earlier)?;
    if let Price::Percentage(percentage) = &price.price {
        charged = used;
        let used = of(before, meter).checked_add(used)?;
        for part in &mut parts {
            (part.quantity, part.unit_price, part.flat) = (used, percentage.rate, percentage.fee);
        }
    }
    Ok(UsageLine {
        segment: segment.segment.id,
        meter,
        used,
        charged,
        parts,
        taken_off,
    })
}

/// What is taken off the price of a whole: what `earlier` units of it cost, the price of no use only
/// where it was billed.
fn taken_off(
    terms: &PlanTerms,
    price: &UsagePrice,
    (earlier, whole): (Quantity, &[LinePart]),
    billed: &[(&UsagePrice, Money)],
) -> Result<Money, MoneyError> {
    let is_first = !billed
        .iter()
        .any(|(other, _)| other.meter.id == price.meter.id);
    if is_first && earlier == Quantity::ZERO {
        return Ok(Money::zero(terms.currency()));
    }
    let mut taken_off = rounded(terms, &parts(price, earlier)?)?;
    if is_first {
        let no_use = rounded(terms, &parts(price, Quantity::ZERO)?)?;
        taken_off = taken_off.checked_sub(no_use)?;
    }
    let at_this_price = billed.iter().filter(|(other, _)| other.is_priced_as(price));
    let billed = Money::sum(terms.currency(), at_this_price.map(|(_, amount)| *amount))?;
    let at_most = rounded(terms, whole)?.checked_add(billed)?;
    Ok(if taken_off.minor() > at_most.minor() {
        at_most
    } else {
        taken_off
    })
}

fn parts(price: &UsagePrice, quantity: Quantity) -> Result<Vec<LinePart>, MoneyError> {
    let by = Priced {
        by: &price.price,
        scale: price.rated_meter().1,
        zero_use: price.zero_use,
    };
    let mut parts = Vec::with_capacity(price.price.tiers());
    for part in pricing::parts(&by, quantity) {
        parts.push(part?);
    }
    Ok(parts)
}

/// What these steps come to, rounded once.
fn rounded(terms: &PlanTerms, parts: &[LinePart]) -> Result<Money, MoneyError> {
    let exact = parts
        .iter()
        .try_fold(Exact::ZERO, |sum, part| sum.checked_add(part.amount))?;
    exact.round(terms.currency(), terms.rounding())
}

fn describe(price: &UsagePrice, line: &UsageLine, dates: &str) -> String {
    let meter = &price.meter;
    let mut text = format!("{} {}", meter.scale.render(line.used), meter.name);
    if line.charged != line.used {
        let why = if price.included == Quantity::ZERO {
            "more than before"
        } else {
            "of them beyond those included"
        };
        text += &format!(", {} {why}", meter.scale.render(line.charged));
    }
    text + ", " + dates
}

/// The local dates of both ends.
fn dates(schedule: &Schedule, span: Span) -> String {
    let (start, end) = (schedule.date(span.start), schedule.date(span.end));
    format!("{start} to {end}")
}

/// The meters of which the last quantity counts, in any of these terms.
fn meters_of_lasts(segments: &[SegmentUse<'_>]) -> Vec<MeterId> {
    let prices = segments.iter().flat_map(|segment| segment.terms.usage());
    prices
        .filter(|price| price.meter.aggregation == Aggregation::Last)
        .map(|price| price.meter.id)
        .collect()
}

/// By how much a segment makes the use of its period grow. What was last is not added up: the
/// greatest of what was last in each segment counts.
fn grown(used: &Used, before: &Used, lasts: &[MeterId]) -> Used {
    let mut grown = used.clone();
    for (meter, quantity) in &mut grown {
        if lasts.contains(meter) {
            *quantity = quantity.above(of(before, *meter));
        }
    }
    grown
}

fn add(to: &mut Used, used: &Used) -> Result<(), MoneyError> {
    for (meter, quantity) in used {
        let sum = of(to, *meter).checked_add(*quantity)?;
        to.insert(*meter, sum);
    }
    Ok(())
}

fn of(used: &Used, meter: MeterId) -> Quantity {
    used.get(&meter).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;

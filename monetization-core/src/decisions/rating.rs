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
use crate::period::{Schedule, Share};
use crate::plan::{PlanTerms, Price, UsagePrice};
use crate::pricing::{self, Priced};
use crate::product::Aggregation;
use crate::subscription::Segment;

use committed::{Adjustment, adjustments};

mod committed;

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

/// One segment of a period that was billed, and what came late for it.
///
/// The lines of late use are differences of two whole amounts, so that paying in two parts costs
/// what paying at once would have cost, rounding included.
#[derive(Debug, Clone)]
pub struct LateUse<'a> {
    /// The segment with what of it has been billed: its own total and late use paid since.
    pub billed: SegmentUse<'a>,
    /// What came late.
    pub late: Used,
}

/// The usage lines of one billing period, whose segments come in the order of time, and what its
/// commitments add or take off.
///
/// Each segment is rated by its own terms; a meter that they do not price makes no line, and its
/// use still counts towards the included units and the tiers of later segments that do. Commitments
/// are those of the last segment.
///
/// A metered plan has a line for each meter it prices, also where nothing was used.
///
/// # Errors
/// [`MoneyError::Overflow`] where an amount does not fit.
pub fn usage_lines(segments: &[SegmentUse<'_>]) -> Result<Vec<Line>, MoneyError> {
    let mut lines = Vec::new();
    let mut before = Used::new();
    for (place, segment) in segments.iter().enumerate() {
        for price in segment.terms.usage() {
            let line = rate(segment, price, (place > 0).then_some(&before))?;
            let dates = dates(segment.schedule, segment.segment.span);
            lines.push(Line {
                description: describe(price, &line, &dates),
                amount: line_amount(segment.terms, &line)?,
                item: LineItem::Usage(line),
            });
        }
        let grown = grown(segment, &before);
        add(&mut before, &grown)?;
    }
    let committed = adjustments(segments, &lines)?;
    lines.extend(committed.into_iter().filter_map(Adjustment::into_line));
    Ok(lines)
}

/// The lines for use of one billing period that came late, whose segments come in the order of time:
/// what the whole costs less what was billed. Late use of a meter that its own segment does not price
/// costs nothing, and changes the price of nothing else.
///
/// # Errors
/// [`MoneyError::Overflow`] where an amount does not fit.
pub fn late_lines(period: &[LateUse<'_>]) -> Result<Vec<Line>, MoneyError> {
    let mut known: Vec<SegmentUse<'_>> = period.iter().map(|it| it.billed.clone()).collect();
    let mut lines = Vec::new();
    let mut usage = usage_lines(&known)?;
    let billed = adjustments(&known, &usage)?;
    for (place, LateUse { billed, late }) in period.iter().enumerate() {
        for price in billed.terms.usage() {
            let of_price: Used = [price.meter.id, price.priced().0]
                .into_iter()
                .filter_map(|meter| Some((meter, *late.get(&meter)?)))
                .collect();
            if of_price.is_empty() {
                continue;
            }
            if let Some(segment) = known.get_mut(place) {
                add(&mut segment.used, &of_price)?;
            }
            let whole = usage_lines(&known)?;
            let used = of(&of_price, price.meter.id);
            lines.extend(late_line(billed, (price, used), &usage, &whole)?);
            usage = whole;
        }
    }
    let whole = adjustments(&known, &usage)?;
    for (whole, billed) in whole.into_iter().zip(billed) {
        lines.extend(whole.since(&billed)?.into_line());
    }
    Ok(lines)
}

/// What `late` units of one meter add to its lines of the period.
fn late_line(
    of: &SegmentUse<'_>,
    (price, late): (&UsagePrice, Quantity),
    billed: &[Line],
    whole: &[Line],
) -> Result<Option<Line>, MoneyError> {
    let (meter, currency) = (price.meter.id, of.terms.currency());
    let (billed_amount, billed_charged, _) = of_meter(billed, meter, currency)?;
    let (amount, charged, last) = of_meter(whole, meter, currency)?;
    let difference = amount.checked_sub(billed_amount)?;
    let Some(last) = last else {
        return Ok(None);
    };
    let parts = last.parts.clone();
    let line = UsageLine {
        segment: of.segment.id,
        meter,
        used: late,
        charged: charged.checked_sub(billed_charged)?,
        billed_before: rounded(of.terms, &parts)?.checked_sub(difference)?,
        parts,
    };
    let meter = &price.meter;
    Ok(Some(Line {
        item: LineItem::LateUsage(line),
        description: format!(
            "{} {} of an earlier period, recorded after it was closed",
            meter.scale.render(late),
            meter.name
        ),
        amount: difference,
    }))
}

/// What the usage lines of a meter come to, how much they charge, and the last of them.
fn of_meter(
    lines: &[Line],
    meter: MeterId,
    currency: crate::money::Currency,
) -> Result<(Money, Quantity, Option<&UsageLine>), MoneyError> {
    let mut found = (Money::zero(currency), Quantity::ZERO, None);
    for line in lines {
        if let LineItem::Usage(usage) = &line.item
            && usage.meter == meter
        {
            found = (
                found.0.checked_add(line.amount)?,
                found.1.checked_add(usage.charged)?,
                Some(usage),
            );
        }
    }
    Ok(found)
}

/// The lines that are due at the start: setup fee and first base price, each where it is not
/// nothing.
///
/// # Errors
/// As [`base_line`].
pub fn start_lines(terms: &PlanTerms, schedule: &Schedule) -> Result<Vec<Line>, MoneyError> {
    let setup = Line {
        item: LineItem::Setup,
        description: "setup".to_owned(),
        amount: terms.setup_fee(),
    };
    let setup = Some(setup).filter(|line| !line.amount.is_zero());
    Ok(setup
        .into_iter()
        .chain(base_line(terms, schedule, 0)?)
        .collect())
}

/// The line for period number `index` before any use; `None` where it costs nothing. A first period
/// that is shorter than a cycle costs what the plan's [`Proration`](crate::period::Proration) says,
/// rounded once; the line says which share that is.
///
/// # Errors
/// [`MoneyError::Overflow`] beyond the calendar.
pub fn base_line(
    terms: &PlanTerms,
    schedule: &Schedule,
    index: u32,
) -> Result<Option<Line>, MoneyError> {
    let period = schedule.period(index).ok_or(MoneyError::Overflow)?;
    let share = schedule.share(index, terms.proration());
    let amount = match share {
        Some(share) => share.of(terms.base_price(), terms.rounding())?,
        None => terms.base_price(),
    };
    let of_cycle = share.map(|share: Share| format!(", {share}"));
    let line = Line {
        item: LineItem::Base { period, share },
        description: format!(
            "base price, {}{}",
            dates(schedule, period),
            of_cycle.unwrap_or_default()
        ),
        amount,
    };
    Ok(Some(line).filter(|line| !line.amount.is_zero()))
}

/// What is owed for these lines in all.
///
/// # Errors
/// [`MoneyError`] where they cannot be added.
pub fn total(terms: &PlanTerms, lines: &[Line]) -> Result<Money, MoneyError> {
    Money::sum(terms.currency(), lines.iter().map(|line| line.amount))
}

/// The use of one meter in one segment. `before` is what earlier segments of the period used: the first
/// one, which has none, is billed the price of no use too, later ones only what they add.
fn rate(
    segment: &SegmentUse<'_>,
    price: &UsagePrice,
    before: Option<&Used>,
) -> Result<UsageLine, MoneyError> {
    let (meter, (priced, _)) = (price.meter.id, price.priced());
    let before_of = |meter| before.map_or(Quantity::ZERO, |before| of(before, meter));
    let used = of(&segment.used, meter);
    let earlier = before_of(priced).above(price.included);
    let grown = match (before, price.meter.aggregation) {
        (Some(before), Aggregation::Last) => used.above(of(before, meter)),
        _ => of(&segment.used, priced),
    };
    let whole = before_of(priced).checked_add(grown)?.above(price.included);
    let billed_before = match before {
        Some(_) => rounded(segment.terms, &parts(price, earlier)?)?,
        None => Money::zero(segment.terms.currency()),
    };
    let mut parts = parts(price, whole)?;
    let mut charged = whole.checked_sub(earlier)?;
    if let Price::Percentage(percentage) = &price.price {
        charged = used;
        let used = before_of(meter).checked_add(used)?;
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
        billed_before,
    })
}

fn parts(price: &UsagePrice, quantity: Quantity) -> Result<Vec<LinePart>, MoneyError> {
    let by = Priced {
        by: &price.price,
        scale: price.priced().1,
        zero_use: price.zero_use,
    };
    pricing::parts(&by, quantity).collect()
}

/// What these steps come to, rounded once.
fn rounded(terms: &PlanTerms, parts: &[LinePart]) -> Result<Money, MoneyError> {
    let exact = parts
        .iter()
        .try_fold(Exact::ZERO, |sum, part| sum.checked_add(part.amount))?;
    exact.round(terms.currency(), terms.rounding())
}

fn line_amount(terms: &PlanTerms, line: &UsageLine) -> Result<Money, MoneyError> {
    rounded(terms, &line.parts)?.checked_sub(line.billed_before)
}

fn describe(price: &UsagePrice, line: &UsageLine, dates: &str) -> String {
    let meter = &price.meter;
    let used = meter.scale.render(line.used);
    let paid_for = if line.charged == line.used {
        String::new()
    } else {
        format!(
            ", {} of them beyond those included",
            meter.scale.render(line.charged)
        )
    };
    format!("{used} {}{paid_for}, {dates}", meter.name)
}

/// The local dates of both ends.
fn dates(schedule: &Schedule, span: Span) -> String {
    let (start, end) = (schedule.date(span.start), schedule.date(span.end));
    format!("{start} to {end}")
}

/// By how much a segment makes the use of its period grow. What was last is not added up: the
/// greatest of what was last in each segment counts.
fn grown(segment: &SegmentUse<'_>, before: &Used) -> Used {
    let mut grown = segment.used.clone();
    for price in segment.terms.usage() {
        let meter = price.meter.id;
        if price.meter.aggregation == Aggregation::Last
            && let Some(last) = grown.get_mut(&meter)
        {
            *last = last.above(of(before, meter));
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

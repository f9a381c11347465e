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
//! use monetization_core::plan::PlanTerms;
//! use monetization_core::product::{Meter, Unit};
//! use monetization_core::rating::{LateUse, SegmentUse, Used, late_line, total, usage_lines};
//! use monetization_core::subscription::Segment;
//!
//! let meter = MeterId::derived(&[b"requests"]);
//! let requests = Meter {
//!     id: meter, name: "requests".parse()?, unit: Unit::Requests, scale: Scale::WHOLE,
//! };
//! let draft = r#"{"billing": "metered", "currency": "USD", "cycle": "month",
//!     "usage": [{"meter": "requests", "unit_price": "0.01", "included": "1000"}]}"#;
//! let terms = PlanTerms::new(serde_json::from_str(draft)?, &[requests])?;
//!
//! let instant = Timestamp::from_micros;
//! let period = Span { start: instant(0), end: instant(20) };
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
//!     terms: &terms,
//!     used: Used::from([(meter, Quantity::from_scaled(quantity))]),
//! };
//! let lines = usage_lines(&[used(b"first", 0, 10, 700), used(b"second", 10, 20, 500)])?;
//! let amounts: Vec<String> = lines.iter().map(|line| line.amount.amount()).collect();
//! assert_eq!(amounts, ["0.00", "2.00"]);
//! assert_eq!(total(&terms, &lines)?.minor(), 200);
//!
//! let late = late_line(&LateUse {
//!     origin: SegmentId::derived(&[b"second"]),
//!     terms: &terms,
//!     meter,
//!     before: Quantity::from_scaled(700),
//!     billed: Quantity::from_scaled(500),
//!     late: Quantity::from_scaled(300),
//! })?;
//! assert_eq!(late.ok_or("not priced")?.amount.amount(), "3.00");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;

use crate::clock::Span;
use crate::ids::{MeterId, SegmentId};
use crate::invoice::{Line, LineItem, UsageLine};
use crate::money::{Money, MoneyError, Quantity};
use crate::plan::{PlanTerms, UsagePrice};
use crate::subscription::Segment;

/// What one segment has used, by meter.
/// Quantities are in the scale of their meter.
pub type Used = BTreeMap<MeterId, Quantity>;

/// One segment of a period with its terms and its use.
#[derive(Debug, Clone)]
pub struct SegmentUse<'a> {
    /// The segment.
    pub segment: Segment,
    /// The terms that rate it.
    pub terms: &'a PlanTerms,
    /// What it has used.
    pub used: Used,
}

/// Use of a closed segment that came late.
///
/// The line it makes is a difference of two whole amounts, so that paying in two parts costs what
/// paying at once would have cost, rounding included.
#[derive(Debug, Clone)]
pub struct LateUse<'a> {
    /// The segment it belongs to by the time of use.
    pub origin: SegmentId,
    /// The terms that rate it: those of its origin.
    pub terms: &'a PlanTerms,
    /// The meter.
    pub meter: MeterId,
    /// What earlier segments of the origin's period had used when it was closed.
    pub before: Quantity,
    /// What of the origin has been billed: its own total and late use paid since.
    pub billed: Quantity,
    /// What came late.
    pub late: Quantity,
}

/// The usage lines of one billing period, whose segments come in the order of time.
///
/// Each segment is rated by its own terms; a meter that they do not price makes no line, and its
/// use still counts towards the included units of later segments that do.
///
/// A metered plan has a line for each meter it prices, also where nothing was used.
///
/// # Errors
/// [`MoneyError::Overflow`] where an amount does not fit.
pub fn usage_lines(segments: &[SegmentUse<'_>]) -> Result<Vec<Line>, MoneyError> {
    let mut lines = Vec::new();
    let mut before = Used::new();
    for SegmentUse {
        segment,
        terms,
        used,
    } in segments
    {
        for price in terms.usage() {
            let earlier = of(&before, price.meter.id);
            let used = of(used, price.meter.id);
            let charged = charged(price, earlier, used)?;
            let amount = amount(terms, price, charged)?;
            let line = usage_line(segment.id, price, used, charged);
            lines.push(Line {
                item: LineItem::Usage(line),
                description: describe(price, used, charged, segment.span),
                amount,
            });
        }
        for (meter, quantity) in used {
            let sum = of(&before, *meter).checked_add(*quantity)?;
            before.insert(*meter, sum);
        }
    }
    Ok(lines)
}

/// The line for use that came late: what the whole costs less what was billed. `None` for a
/// meter that the terms do not price.
///
/// # Errors
/// [`MoneyError::Overflow`] where an amount does not fit.
pub fn late_line(late: &LateUse<'_>) -> Result<Option<Line>, MoneyError> {
    let Some(price) = late
        .terms
        .usage()
        .iter()
        .find(|price| price.meter.id == late.meter)
    else {
        return Ok(None);
    };
    let billed = charged(price, late.before, late.billed)?;
    let whole = charged(price, late.before, late.billed.checked_add(late.late)?)?;
    let difference =
        amount(late.terms, price, whole)?.checked_sub(amount(late.terms, price, billed)?)?;
    let charged = whole.checked_sub(billed)?;
    let meter = &price.meter;
    Ok(Some(Line {
        item: LineItem::LateUsage(usage_line(late.origin, price, late.late, charged)),
        description: format!(
            "{} {} of an earlier period, recorded after it was closed",
            meter.scale.render(late.late),
            meter.name
        ),
        amount: difference,
    }))
}

/// The lines that are due at the start: setup fee and first base price, each where it is not
/// nothing.
#[must_use]
pub fn start_lines(terms: &PlanTerms, period: Span) -> Vec<Line> {
    let setup = Line {
        item: LineItem::Setup,
        description: "setup".to_owned(),
        amount: terms.setup_fee(),
    };
    let lines = [Some(setup), base_line(terms, period)];
    lines
        .into_iter()
        .flatten()
        .filter(|line| !line.amount.is_zero())
        .collect()
}

/// The line for a period before any use; `None` where it costs nothing.
#[must_use]
pub fn base_line(terms: &PlanTerms, period: Span) -> Option<Line> {
    let amount = terms.base_price();
    (!amount.is_zero()).then(|| Line {
        item: LineItem::Base { period },
        description: format!("base price, {}", days(period)),
        amount,
    })
}

/// What is owed for these lines in all.
///
/// # Errors
/// [`MoneyError`] where they cannot be added.
pub fn total(terms: &PlanTerms, lines: &[Line]) -> Result<Money, MoneyError> {
    Money::sum(terms.currency(), lines.iter().map(|line| line.amount))
}

/// What of `used` units is charged, where `before` were used in the period already.
fn charged(price: &UsagePrice, before: Quantity, used: Quantity) -> Result<Quantity, MoneyError> {
    let whole = before.checked_add(used)?.above(price.included);
    whole.checked_sub(before.above(price.included))
}

fn amount(terms: &PlanTerms, price: &UsagePrice, charged: Quantity) -> Result<Money, MoneyError> {
    price.unit_price.times(
        charged,
        price.meter.scale,
        terms.currency(),
        terms.rounding(),
    )
}

fn usage_line(
    segment: SegmentId,
    price: &UsagePrice,
    used: Quantity,
    charged: Quantity,
) -> UsageLine {
    UsageLine {
        segment,
        meter: price.meter.id,
        used,
        charged,
        unit_price: price.unit_price,
    }
}

fn describe(price: &UsagePrice, used: Quantity, charged: Quantity, span: Span) -> String {
    let meter = &price.meter;
    let used_text = meter.scale.render(used);
    let paid_for = if charged == used {
        String::new()
    } else {
        format!(
            ", {} of them beyond those included",
            meter.scale.render(charged)
        )
    };
    format!("{used_text} {}{paid_for}, {}", meter.name, days(span))
}

fn days(span: Span) -> String {
    let day =
        |instant: crate::clock::Timestamp| instant.to_string().chars().take(10).collect::<String>();
    format!("{} to {}", day(span.start), day(span.end))
}

fn of(used: &Used, meter: MeterId) -> Quantity {
    used.get(&meter).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;

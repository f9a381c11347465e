//! What use would cost under a plan, and why: the calculation that invoices are made by, asked
//! beforehand.
//!
//! An estimate is what a subscription would be invoiced that begins with its first period and uses
//! the same in each: setup fee and base price at the start, use and commitments at each end. Every
//! line carries its reasons.
//!
//! ```
//! use monetization_core::estimate::{Question, Usage, estimate};
//! use monetization_core::ids::{MeterId, TypedId};
//! use monetization_core::money::Quantity;
//! use monetization_core::plan::PlanTerms;
//! use monetization_core::product::Meter;
//!
//! let requests = Meter::requests(MeterId::derived(&[b"requests"]))?;
//! let used = Usage::from([(requests.id, Quantity::from_scaled(12_345).into())]);
//! let draft = r#"{"billing": "metered", "currency": "USD", "cycle": "month", "base_price": "25.00",
//!     "usage": [{"meter": "requests", "included": "1000",
//!                "graduated": [{"up_to": "10000", "unit_price": "0.01"}, {"unit_price": "0.007"}]}]}"#;
//! let terms = PlanTerms::new(serde_json::from_str(draft)?, &[requests])?;
//!
//! let estimate = estimate(&Question { terms: &terms, used: &used, span: None })?;
//! assert_eq!(estimate.total.to_string(), "134.42 USD");
//! let requests = &estimate.periods[0].lines[1];
//! let reasons: Vec<String> = requests.reasons.iter().map(ToString::to_string).collect();
//! assert_eq!(
//!     reasons,
//!     [
//!         "12345 used, 1000 included: 11345 to pay",
//!         "tier 1, up to 10000: 10000 x 0.01 = 100",
//!         "tier 2, above 10000: 1345 x 0.007 = 9.415",
//!         "109.415 rounded to the nearest, a half away from zero: 109.42",
//!     ],
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use crate::clock::{Span, Timestamp};
use crate::field::FieldError;
use crate::ids::{MeterId, PlanVersionId, SegmentId, SubscriptionId, TypedId};
use crate::invoice::{Invoicing, Line, LineItem};
use crate::money::{Money, MoneyError, Quantity, Rounding};
use crate::period::Schedule;
use crate::plan::PlanTerms;
use crate::rating::{SegmentUse, Used, base_line, start_lines, total, usage_lines};
use crate::subscription::Segment;
use crate::text::Slug;
use refusing::Quotas;
use transactions::Transactions;

pub use comparing::{BreakEven, Comparison, Point, Range, Side, compare};
pub use reason::{Packages, Reason};

mod comparing;
mod explaining;
mod reason;
mod refusing;
mod transactions;

/// What is asked.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Question<'a> {
    /// What it costs.
    pub terms: &'a PlanTerms,
    /// What is used in each billing period, by meter. What the terms do not price costs nothing.
    pub used: &'a Usage,
    /// From when until when somebody subscribes; one billing period if nothing is said.
    pub span: Option<Span>,
}

/// What is used in a billing period, by meter.
pub type Usage = BTreeMap<MeterId, Asked>;

/// What is used of one meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Asked {
    /// How much, in the meter's scale.
    pub quantity: Quantity,
    /// In how many transactions of the same amount, where the meter counts amounts: what is left over goes
    /// to the first ones, a smallest unit each. [Prices of transactions](crate::plan::UsagePrice::is_of_each_transaction)
    /// need to know.
    pub transactions: Option<NonZeroU64>,
}

impl Asked {
    /// What is left of it where so much passes: of its transactions those that begin within that.
    fn cut(self, passed: Quantity) -> Self {
        let (asked, passes) = (self.quantity.scaled(), passed.scaled());
        let begun = |count: NonZeroU64| {
            let passing = i128::from(count.get()).checked_mul(passes.into())?;
            let begun = Rounding::Up.divide(passing, asked.into())?;
            NonZeroU64::new(u64::try_from(begun).ok()?)
        };
        if passed >= self.quantity {
            return self;
        }
        Self {
            quantity: passed,
            transactions: self.transactions.and_then(begun),
        }
    }
}

impl From<Quantity> for Asked {
    fn from(quantity: Quantity) -> Self {
        Self {
            quantity,
            transactions: None,
        }
    }
}

/// What it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Estimate {
    /// The billing periods that are begun.
    pub periods: Vec<Period>,
    /// What they come to.
    pub total: Money,
}

/// What one billing period costs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Period {
    /// From when until when; the last one ends where the question ends.
    pub span: Span,
    /// What it costs, item by item.
    pub lines: Vec<EstimatedLine>,
    /// What they come to.
    pub total: Money,
}

/// What one item costs, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EstimatedLine {
    /// What it is for: the name of a meter, or `setup`, `base price`, `minimum`, `maximum`.
    pub what: String,
    /// What is used of the meter, where it is one.
    pub quantity: Option<String>,
    /// What it costs.
    pub amount: Money,
    /// Why, step by step.
    pub reasons: Vec<Reason>,
}

/// Why there is no estimate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum EstimateError {
    /// An amount that depends on no field of the question does not fit.
    #[error("an amount is too large to be told")]
    Money(#[from] MoneyError),
    /// An amount whose transactions are priced each by itself, and whose number is not said.
    #[error("{meter}: each transaction has its price: how many they are is missing")]
    Transactions {
        /// The meter of the amount.
        meter: Slug,
    },
    /// The question makes no sense.
    #[error(transparent)]
    Question(#[from] FieldError),
}

/// Periods that are estimated at once.
pub const PERIODS_MAX: u32 = 120;

/// Tiers of all prices in all periods together that are estimated at once: each may be a reason of its own.
pub const STEPS_MAX: usize = 5_000;

/// What the use of `question` would cost.
///
/// Use that the plan would refuse, beyond included units or quotas that are strict, costs nothing and is named
/// in the reasons. It is taken to come as early as quotas let it: of every window that a period touches all that
/// is left passes. Not looked at are rates and quotas of single operations; reports are never refused.
///
/// # Errors
/// [`EstimateError`] where an amount does not fit, the number of transactions is missing, or the span is empty or
/// has more than [`PERIODS_MAX`] periods or [`STEPS_MAX`] steps.
pub fn estimate(question: &Question<'_>) -> Result<Estimate, EstimateError> {
    let terms = question.terms;
    transactions::check(terms, question.used)?;
    let mut periods = Vec::new();
    let mut sum = Money::zero(terms.currency());
    let schedule = schedule(terms, question.span)?;
    let spans = spans(&schedule, question.span)?;
    check_steps(terms, spans.len())?;
    let mut quotas = Quotas::of(terms);
    for (index, spans) in (0..).zip(spans) {
        let start = if index == 0 {
            start_lines(terms, &schedule)?
        } else {
            base_line(terms, &schedule, index)?.into_iter().collect()
        };
        let passed = quotas.pass(question.used, spans);
        let used = (question.used, &passed);
        let period = period(terms, used, (&schedule, spans), start);
        let period = period.map_err(|error| too_large("usage", terms, error))?;
        let added = sum.checked_add(period.total);
        sum = added.map_err(|error| too_large("to", terms, error))?;
        periods.push(period);
    }
    Ok(Estimate {
        periods,
        total: sum,
    })
}

/// That what `field` asks about comes to more than can be told.
fn too_large(field: &str, terms: &PlanTerms, error: MoneyError) -> EstimateError {
    let MoneyError::Overflow = error else {
        return error.into();
    };
    let most = Money::new(i64::MAX, terms.currency());
    let problem = format!("what it comes to is too large: allowed is what costs at most {most}");
    FieldError::new(field, problem).into()
}

/// Where billing periods are counted from if nothing is said. Another instant gives other amounts only where
/// quotas of days, months and years refuse.
const ANCHOR: Timestamp = Timestamp::from_micros(946_684_800_000_000);

/// The billing periods of whoever subscribes at the start of the span, in UTC. Where no span is asked
/// for, the first one is a whole cycle.
fn schedule(terms: &PlanTerms, span: Option<Span>) -> Result<Schedule, EstimateError> {
    let starting = |anchor| Schedule {
        alignment: terms.alignment(),
        ..Schedule::new(anchor, terms.cycle())
    };
    if let Some(span) = span {
        return Ok(starting(span.start));
    }
    let whole = starting(ANCHOR).period(1).ok_or(MoneyError::Overflow)?;
    Ok(starting(whole.start))
}

/// A billing period, and what of it lies in the question's span.
#[derive(Debug, Clone, Copy)]
struct Spans {
    whole: Span,
    part: Span,
}

fn spans(schedule: &Schedule, span: Option<Span>) -> Result<Vec<Spans>, EstimateError> {
    let beyond = || {
        let last = Timestamp::MAX;
        let problem = format!("a billing period ends beyond the calendar: allowed is up to {last}");
        EstimateError::from(FieldError::new("to", problem))
    };
    let Some(span) = span else {
        let whole = schedule.period(0).ok_or_else(beyond)?;
        return Ok(vec![Spans { whole, part: whole }]);
    };
    if span.end <= span.start {
        let problem = format!(
            "{} is not after {}: allowed are later instants",
            span.end, span.start
        );
        return Err(FieldError::new("to", problem).into());
    }
    let mut spans = Vec::new();
    for index in 0..=PERIODS_MAX {
        let whole = schedule.period(index).ok_or_else(beyond)?;
        if whole.start >= span.end {
            return Ok(spans);
        }
        let end = whole.end.min(span.end);
        let part = Span { end, ..whole };
        spans.push(Spans { whole, part });
    }
    let problem =
        format!("these are more than {PERIODS_MAX} billing periods: allowed is an earlier end");
    Err(FieldError::new("to", problem).into())
}

/// Sees that what is to be told is not too much.
fn check_steps(terms: &PlanTerms, periods: usize) -> Result<(), FieldError> {
    let tiers = terms.usage().iter().map(|price| price.price.tiers());
    let tiers: usize = tiers.sum();
    let allowed = STEPS_MAX.checked_div(tiers).unwrap_or(periods);
    if periods <= allowed {
        return Ok(());
    }
    let problem = format!(
        "{periods} billing periods of {tiers} tiers are too much: allowed is an end within {allowed} periods"
    );
    Err(FieldError::new("to", problem))
}

/// What one period costs whose setup and base price are `start`, where so much was asked for and passed.
fn period(
    terms: &PlanTerms,
    (asked, passed): (&Usage, &Usage),
    (schedule, spans): (&Schedule, Spans),
    start: Vec<Line>,
) -> Result<Period, MoneyError> {
    let mut used: Used = passed
        .iter()
        .map(|(meter, it)| (*meter, it.quantity))
        .collect();
    for price in terms.usage() {
        let passed = passed.get(&price.meter.id).copied().unwrap_or_default();
        if let Some(transactions) = Transactions::of(price, passed) {
            used.insert(price.rated_meter().0, transactions.charge()?);
        }
    }
    let segment = Segment {
        id: SegmentId::derived(&[b"estimate"]),
        subscription: SubscriptionId::derived(&[b"estimate"]),
        version: PlanVersionId::derived(&[b"estimate"]),
        invoicing: Invoicing::ByCore,
        period_index: schedule.index_at(spans.whole.start).unwrap_or(0),
        period: spans.whole,
        span: spans.part,
    };
    let rated = usage_lines(&[SegmentUse {
        segment,
        terms,
        schedule,
        used,
    }])?;
    let lines: Vec<Line> = start.into_iter().chain(rated).collect();
    let total = total(terms, &lines)?;
    let told = Told {
        terms,
        asked,
        passed,
        is_cut: spans.part != spans.whole,
    };
    let explained: Result<_, MoneyError> = lines.iter().map(|line| told.explain(line)).collect();
    Ok(Period {
        span: spans.part,
        lines: explained?,
        total,
    })
}

/// A period whose lines are told.
struct Told<'a> {
    terms: &'a PlanTerms,
    asked: &'a Usage,
    passed: &'a Usage,
    is_cut: bool,
}

impl Told<'_> {
    fn explain(&self, line: &Line) -> Result<EstimatedLine, MoneyError> {
        let of = |meter: MeterId| self.terms.price_of(meter);
        let (what, quantity, reasons) = match &line.item {
            LineItem::Setup => ("setup".to_owned(), None, vec![Reason::Once]),
            LineItem::Base { share, .. } => {
                let reason = Reason::Base {
                    cycle: self.terms.cycle().to_string(),
                    is_cut: self.is_cut,
                    share: share.map(|share| share.to_string()),
                };
                ("base price".to_owned(), None, vec![reason])
            }
            LineItem::Usage(usage) | LineItem::LateUsage(usage) => match of(usage.meter) {
                Some(price) => {
                    let of = |used: &Usage| used.get(&usage.meter).copied().unwrap_or_default();
                    let (asked, passed) = (of(self.asked), of(self.passed));
                    let used = (asked, passed, usage);
                    let reasons = explaining::of_usage(self.terms, price, used, line.amount)?;
                    let quantity = price.meter.scale.render(asked.quantity);
                    (price.meter.name.to_string(), Some(quantity), reasons)
                }
                None => (line.description.clone(), None, Vec::new()),
            },
            LineItem::Commitment(commitment) => {
                let price = commitment.meter.and_then(of);
                let (what, reason) = explaining::of_commitment(self.terms, price, commitment);
                (what, None, vec![reason])
            }
            LineItem::Unused { .. } | LineItem::Bundle(_) | LineItem::Mirrored => {
                (line.description.clone(), None, Vec::new())
            }
        };
        Ok(EstimatedLine {
            what,
            quantity,
            amount: line.amount,
            reasons,
        })
    }
}

#[cfg(test)]
mod tests;

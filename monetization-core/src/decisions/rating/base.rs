//! What is paid in advance.

use super::dates;
use crate::clock::{Span, Timestamp};
use crate::invoice::{Line, LineItem};
use crate::money::{Money, MoneyError};
use crate::period::{Proration, Schedule, Share};
use crate::plan::PlanTerms;

/// The lines that are due with the first period that is paid: setup fee and first base price, each where
/// it is not nothing. After a trial that is not at the start.
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
        .chain(base_line(terms, schedule, schedule.first_paid())?)
        .collect())
}

/// The line for period number `index` before any use; `None` where it costs nothing, as a trial does. A first period
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
    if schedule.is_trial(index) {
        return Ok(None);
    }
    let share = schedule.share(index, terms.proration());
    let amount = shared(terms, share)?;
    let line = Line {
        item: LineItem::Base { period, share },
        description: described("base price", schedule, (period, share)),
        amount,
    };
    Ok(Some(line).filter(|line| !line.amount.is_zero()))
}

/// What a change of plan in the middle of period number `index` bills for the rest of that period: the
/// base price of the plan `before` is taken back, and that of the one `after` is charged. What each is
/// for a part of a period its own [`Proration`] says, rounded once; one of `none` stays with whole
/// periods, and is neither taken back nor charged.
///
/// What is charged for the rest is taken back by the same calculation where the plan changes again, so
/// that the parts of one price come to that price, however often it changes.
///
/// ```
/// use monetization_core::period::{Cycle, Schedule};
/// use monetization_core::plan::PlanTerms;
/// use monetization_core::rating::change_lines;
///
/// let plan = |base_price: &str| {
///     let draft = format!(
///         r#"{{"billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "{base_price}",
///             "proration": "by_days"}}"#
///     );
///     Ok::<_, Box<dyn std::error::Error>>(PlanTerms::new(serde_json::from_str(&draft)?, &[])?)
/// };
/// let (small, large) = (plan("31")?, plan("62")?);
/// let schedule = Schedule::new("2026-01-01T00:00:00Z".parse()?, Cycle::MONTH);
/// let at = "2026-01-11T09:30:00Z".parse()?;
/// let lines = change_lines((&small, &large), &schedule, (0, at))?;
/// let told: Vec<String> = lines
///     .iter()
///     .map(|line| format!("{}: {}", line.description, line.amount))
///     .collect();
/// assert_eq!(told, [
///     "unused base price, 2026-01-11 to 2026-02-01, 21 of 31 days: -21.00 USD",
///     "base price, 2026-01-11 to 2026-02-01, 21 of 31 days: 42.00 USD",
/// ]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`MoneyError::Overflow`] beyond the calendar.
pub fn change_lines(
    (before, after): (&PlanTerms, &PlanTerms),
    schedule: &Schedule,
    (index, at): (u32, Timestamp),
) -> Result<Vec<Line>, MoneyError> {
    if schedule.is_trial(index) {
        return Ok(Vec::new());
    }
    let period = Span {
        start: at,
        ..schedule.period(index).ok_or(MoneyError::Overflow)?
    };
    let share = |terms: &PlanTerms| schedule.share_of(period, index, terms.proration());
    let mut lines = Vec::new();
    if before.proration() != Proration::None {
        let share = share(before);
        let amount = shared(before, share)?;
        lines.push(Line {
            item: LineItem::Unused { period, share },
            description: described("unused base price", schedule, (period, share)),
            amount: Money::zero(amount.currency()).checked_sub(amount)?,
        });
    }
    if after.proration() != Proration::None {
        let share = share(after);
        lines.push(Line {
            item: LineItem::Base { period, share },
            description: described("base price", schedule, (period, share)),
            amount: shared(after, share)?,
        });
    }
    lines.retain(|line| !line.amount.is_zero());
    Ok(lines)
}

/// The base price for this share of a cycle; all of it for none.
fn shared(terms: &PlanTerms, share: Option<Share>) -> Result<Money, MoneyError> {
    match share {
        Some(share) => share.of(terms.base_price(), terms.rounding()),
        None => Ok(terms.base_price()),
    }
}

fn described(what: &str, schedule: &Schedule, (part, share): (Span, Option<Share>)) -> String {
    let of_cycle = share.map(|share| format!(", {share}"));
    format!(
        "{what}, {}{}",
        dates(schedule, part),
        of_cycle.unwrap_or_default()
    )
}

//! What is paid in advance.

use super::dates;
use crate::invoice::{Line, LineItem};
use crate::money::MoneyError;
use crate::period::{Schedule, Share};
use crate::plan::PlanTerms;

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

//! What use costs that comes after its period was billed.

use super::committed::adjustments;
use super::{SegmentUse, Used, add, of, rounded, usage_lines};
use crate::ids::MeterId;
use crate::invoice::{Line, LineItem, UsageLine};
use crate::money::{Currency, Money, MoneyError, Quantity};
use crate::plan::UsagePrice;

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

/// The lines for use of one billing period that came late, whose segments come in the order of time:
/// what the whole costs less what was billed. Late use of a meter that its own segment does not price
/// costs nothing, and changes the price of nothing else. Where late use would make the period cheaper,
/// because prices fall with use, it costs nothing: nothing that was billed is taken back.
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
            let of_price: Used = [price.meter.id, price.rated_meter().0]
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
    let Some(currency) = lines.first().map(|line| line.amount.currency()) else {
        return Ok(lines);
    };
    if Money::sum(currency, lines.iter().map(|line| line.amount))?.minor() < 0 {
        return for_nothing(lines);
    }
    Ok(lines)
}

/// These lines of late use without what they take back.
fn for_nothing(lines: Vec<Line>) -> Result<Vec<Line>, MoneyError> {
    let mut kept = Vec::with_capacity(lines.len());
    for mut line in lines {
        if let LineItem::LateUsage(usage) = &mut line.item {
            usage.taken_off = usage.taken_off.checked_add(line.amount)?;
            line.amount = Money::zero(line.amount.currency());
            kept.push(line);
        }
    }
    Ok(kept)
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
        taken_off: rounded(of.terms, &parts)?.checked_sub(difference)?,
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
    currency: Currency,
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

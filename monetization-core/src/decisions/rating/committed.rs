//! What commitments add to the use of a period, or take off.

use super::{SegmentUse, is_trial};
use crate::clock::Span;
use crate::ids::MeterId;
use crate::invoice::{CommitmentBound, CommitmentLine, Line, LineItem};
use crate::money::{Money, MoneyError, Rounding};
use crate::plan::{Commitment, ShortPeriod};

/// What one bound of one commitment changes; nothing where it is kept.
#[derive(Debug, Clone)]
pub(super) struct Adjustment {
    /// What the commitment is for, as people read it.
    what: String,
    line: CommitmentLine,
    amount: Money,
}

impl Adjustment {
    /// `None` where nothing changes.
    pub(super) fn into_line(self) -> Option<Line> {
        let (bound, committed, used) = (self.line.bound, self.line.committed, self.line.used);
        let name = match bound {
            CommitmentBound::Minimum => "minimum commitment",
            CommitmentBound::Maximum => "maximum",
        };
        (!self.amount.is_zero()).then(|| Line {
            item: LineItem::Commitment(self.line),
            description: format!("{name} of {committed} for {}, {used} used", self.what),
            amount: self.amount,
        })
    }

    /// What has changed since `billed`.
    pub(super) fn since(self, billed: &Self) -> Result<Self, MoneyError> {
        let amount = self.amount.checked_sub(billed.amount)?;
        Ok(Self { amount, ..self })
    }
}

/// Both bounds of every commitment of a period with these usage lines: of each meter, then of all
/// together. Always as many, whatever was used.
pub(super) fn adjustments(
    segments: &[SegmentUse<'_>],
    lines: &[Line],
) -> Result<Vec<Adjustment>, MoneyError> {
    if is_trial(segments) {
        return Ok(Vec::new());
    }
    let Some(period) = segments.first().map(|first| first.segment.period) else {
        return Ok(Vec::new());
    };
    let within = segments.iter().filter(|it| {
        let span = it.segment.span;
        span.start < span.end && span.start < period.end
    });
    let Some(last) = within.clone().next_back() else {
        return Ok(Vec::new());
    };
    let terms = last.terms;
    let whole = last.schedule.whole(last.segment.period_index);
    let begins = whole.map_or(period.start, |whole| whole.start.min(period.start));
    let covered = Covered {
        part: within.map(|it| micros(it.segment.span)).sum(),
        whole: micros(Span {
            start: begins,
            ..period
        }),
        rounding: terms.rounding(),
    };
    let mut all = Vec::new();
    let mut together = Money::zero(terms.currency());
    for price in terms.usage() {
        let meter = price.meter.id;
        let used = used(lines, Some(meter), terms.currency())?;
        let what = price.meter.name.to_string();
        for adjustment in bounds(&price.commitment, (Some(meter), &what), used, &covered)? {
            together = together.checked_add(adjustment.amount)?;
            all.push(adjustment);
        }
    }
    let used = together.checked_add(used(lines, None, terms.currency())?)?;
    all.extend(bounds(
        &terms.commitment(),
        (None, "all use"),
        used,
        &covered,
    )?);
    Ok(all)
}

/// What usage lines come to: those of one meter, or all of them.
fn used(
    lines: &[Line],
    of: Option<MeterId>,
    currency: crate::money::Currency,
) -> Result<Money, MoneyError> {
    let usage = lines.iter().filter(|line| match &line.item {
        LineItem::Usage(usage) => of.is_none_or(|meter| usage.meter == meter),
        _ => false,
    });
    Money::sum(currency, usage.map(|line| line.amount))
}

fn bounds(
    commitment: &Commitment,
    (meter, what): (Option<MeterId>, &str),
    used: Money,
    covered: &Covered,
) -> Result<Vec<Adjustment>, MoneyError> {
    let bound = |bound, committed: Option<Money>| -> Result<Option<Adjustment>, MoneyError> {
        let Some(committed) = committed else {
            return Ok(None);
        };
        let committed = match commitment.short_period {
            ShortPeriod::Prorated => covered.of(committed)?,
            ShortPeriod::Whole => committed,
        };
        let missing = committed.checked_sub(used)?;
        let applies = match bound {
            CommitmentBound::Minimum => missing.minor() > 0,
            CommitmentBound::Maximum => missing.minor() < 0,
        };
        let nothing = Money::zero(used.currency());
        Ok(Some(Adjustment {
            what: what.to_owned(),
            line: CommitmentLine {
                meter,
                bound,
                committed,
                used,
            },
            amount: if applies { missing } else { nothing },
        }))
    };
    let both = [
        bound(CommitmentBound::Minimum, commitment.minimum)?,
        bound(CommitmentBound::Maximum, commitment.maximum)?,
    ];
    Ok(both.into_iter().flatten().collect())
}

/// How much of a period's cycle there was, in microseconds.
struct Covered {
    part: i128,
    whole: i128,
    rounding: Rounding,
}

impl Covered {
    fn of(&self, amount: Money) -> Result<Money, MoneyError> {
        let part = self.part.min(self.whole);
        amount.share((part, self.whole), self.rounding)
    }
}

fn micros(span: Span) -> i128 {
    i128::from(span.end.as_micros()).saturating_sub(i128::from(span.start.as_micros()))
}

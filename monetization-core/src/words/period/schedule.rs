//! The billing periods of one subscription.

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime};
use serde::{Deserialize, Serialize};

use super::{Alignment, CalendarDuration, Cycle, CycleUnit, TimeZone};
use crate::clock::{Span, Timestamp};

/// The periods of one subscription: numbered from 0, the first begins at the anchor.
///
/// Every boundary is computed from the anchor, never from the boundary before it, so that a
/// subscription made on 31 January is billed on 28 or 29 February and then on 31 March again.
/// Boundaries are those of local time: what begins at midnight in a time zone is billed at midnight
/// there, whatever clocks do in between. Periods partition time from the anchor on without gap or
/// overlap. Where a time zone leaves a whole day out, the period of that day is empty.
///
/// Where there is a trial it is period 0, and what is said of the anchor is said of its end.
///
/// An [`Alignment`] that does not [fit](Alignment::fits) the cycle has no periods.
///
/// ```
/// use monetization_core::period::{Cycle, Schedule};
///
/// let schedule = Schedule {
///     trial_ends_at: Some("2026-01-15T12:00:00Z".parse()?),
///     ..Schedule::new("2026-01-01T12:00:00Z".parse()?, Cycle::MONTH)
/// };
/// let ends = |index| Some(schedule.period(index)?.end.to_string());
/// assert_eq!(ends(0).as_deref(), Some("2026-01-15T12:00:00Z"));
/// assert_eq!(ends(1).as_deref(), Some("2026-02-15T12:00:00Z"));
/// assert!(schedule.is_trial(0) && !schedule.is_trial(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Start of period 0.
    pub anchor: Timestamp,
    /// End of the trial, which is period 0 then, whatever its length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial_ends_at: Option<Timestamp>,
    /// Length of a period.
    pub cycle: Cycle,
    /// Where boundaries lie.
    #[serde(default, skip_serializing_if = "Alignment::is_start")]
    pub alignment: Alignment,
    /// The time zone whose days they are.
    #[serde(default, skip_serializing_if = "TimeZone::is_utc")]
    pub time_zone: TimeZone,
    /// Later time zones, by the first boundary that is theirs, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
}

/// From a boundary on, those of another time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The number of the first period that begins by the new zone.
    pub boundary: u32,
    /// The new zone.
    pub time_zone: TimeZone,
}

impl Schedule {
    /// Moves to other time zones that a schedule may have.
    pub const MOVES_MAX: usize = 100;

    /// Periods that begin where the subscription does, in UTC.
    #[must_use]
    pub const fn new(anchor: Timestamp, cycle: Cycle) -> Self {
        Self {
            anchor,
            trial_ends_at: None,
            cycle,
            alignment: Alignment::Start,
            time_zone: TimeZone::UTC,
            moves: Vec::new(),
        }
    }

    /// Whether the period of this number is a trial.
    #[must_use]
    pub fn is_trial(&self, index: u32) -> bool {
        index == 0 && self.trial_ends_at.is_some()
    }

    /// The number of the first period that is to be paid.
    #[must_use]
    pub fn first_paid(&self) -> u32 {
        u32::from(self.trial_ends_at.is_some())
    }

    /// Where the periods begin that are to be paid.
    fn paid_from(&self) -> Timestamp {
        self.trial_ends_at.unwrap_or(self.anchor)
    }

    /// Period number `index`; `None` beyond the calendar that can be expressed.
    #[must_use]
    pub fn period(&self, index: u32) -> Option<Span> {
        let start = self.boundary(index)?;
        let end = self.boundary(index.checked_add(1)?)?;
        Some(Span { start, end })
    }

    /// The number of the period that `at` lies in; `None` before the anchor or beyond the
    /// calendar.
    #[must_use]
    pub fn index_at(&self, at: Timestamp) -> Option<u32> {
        if at < self.anchor {
            return None;
        }
        // Never too high: no two time zones are further apart than this, nor do clocks change by more.
        let elapsed = at.saturating_since(self.paid_from()).as_secs();
        let elapsed = elapsed.saturating_sub(2 * 86_400);
        let at_least = elapsed.checked_div(self.cycle.duration().seconds_max())?;
        let mut index = u32::try_from(at_least).ok()?;
        while self.boundary(index.checked_add(1)?)? <= at {
            index = index.checked_add(1)?;
        }
        Some(index)
    }

    /// The period that `at` lies in.
    #[must_use]
    pub fn period_at(&self, at: Timestamp) -> Option<Span> {
        self.period(self.index_at(at)?)
    }

    /// The whole cycle that a period is, or is the end of: a first period that an alignment makes short
    /// is the end of the cycle before the first boundary. `None` beyond the calendar.
    #[must_use]
    pub fn whole(&self, index: u32) -> Option<Span> {
        let first = self.first_paid();
        if index != first || self.alignment == Alignment::Start {
            return self.period(index);
        }
        let grid = self.grid()?;
        let before = self.grid_boundary(&grid)?.checked_sub(1)?;
        Some(Span {
            start: self.time_zone.instant(grid.local(before)?)?,
            end: self.boundary(first.checked_add(1)?)?,
        })
    }

    /// Lets later boundaries be those of another time zone: from the first one on that lies after
    /// `after` by either zone, and after the boundary before it. What began by the old zone so ends by the new
    /// one, and no instant is in two periods or in none. A move that has not come so far is replaced.
    ///
    /// `None` beyond the calendar, where `after` is before the anchor, and where periods are days and the
    /// zones a day apart, so that no boundary will do.
    #[must_use]
    pub fn moved(&self, time_zone: TimeZone, after: Timestamp) -> Option<Self> {
        let first = self.index_at(after)?.checked_add(1)?;
        // The boundary of the new zone may be past already, but not that of the cycle after it.
        let mut boundaries = first..=first.checked_add(1)?;
        boundaries.find_map(|boundary| {
            let mut moved = self.clone();
            moved.moves.retain(|it| it.boundary < boundary);
            if moved.zone_of(boundary) != time_zone {
                moved.moves.push(Move {
                    boundary,
                    time_zone,
                });
            }
            let period = moved.period(boundary.checked_sub(1)?)?;
            (period.end > after && period.end > period.start).then_some(moved)
        })
    }

    /// The date at `at` in the time zone of its period.
    #[must_use]
    pub fn date(&self, at: Timestamp) -> NaiveDate {
        let zone = if self.moves.is_empty() {
            self.time_zone
        } else {
            self.zone_of(self.index_at(at).unwrap_or(0))
        };
        zone.date(at)
    }

    /// The time zone of the boundaries to come.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        self.moves.last().map_or(self.time_zone, |it| it.time_zone)
    }

    /// The time zone whose boundary it is.
    pub(super) fn zone_of(&self, boundary: u32) -> TimeZone {
        let passed = self.moves.iter().take_while(|it| it.boundary <= boundary);
        passed.last().map_or(self.time_zone, |it| it.time_zone)
    }

    /// Where period `index` begins, computed from the anchor alone.
    fn boundary(&self, index: u32) -> Option<Timestamp> {
        let paid = match (index, self.trial_ends_at) {
            (0, _) => return Some(self.anchor),
            (_, None) => index,
            (_, Some(_)) => index.checked_sub(1)?,
        };
        let Some(later) = paid.checked_sub(1) else {
            return Some(self.paid_from());
        };
        let grid = self.grid()?;
        let number = self.grid_boundary(&grid)?.checked_add(later)?;
        self.zone_of(index).instant(grid.local(number)?)
    }

    /// The number of the first boundary after the anchor on its grid.
    fn grid_boundary(&self, grid: &Grid) -> Option<u32> {
        if self.alignment == Alignment::Start {
            return Some(1);
        }
        let mut numbers = 1..4;
        numbers.find(|number| {
            let at = grid
                .local(*number)
                .and_then(|at| self.time_zone.instant(at));
            at.is_some_and(|at| at > self.paid_from())
        })
    }

    /// Local times a cycle apart, of which the anchor's cycle begins at the first or second.
    fn grid(&self) -> Option<Grid> {
        let cycle = self.cycle.duration();
        let anchor = self.time_zone.local(self.paid_from());
        let date = anchor.date();
        let monday = u64::from(date.weekday().num_days_from_monday());
        let monday = date.checked_sub_days(Days::new(monday))?;
        if !self.alignment.fits(self.cycle) {
            return None;
        }
        let (from, day) = match self.alignment {
            Alignment::Start => {
                return Some(Grid {
                    from: anchor,
                    day: None,
                    cycle,
                });
            }
            Alignment::Day(day) => (date.with_day(1)?, Some(day)),
            Alignment::Weekday(weekday) => {
                let later = u64::from(weekday.num_days_from_monday());
                (monday.checked_add_days(Days::new(later))?, None)
            }
            Alignment::Calendar => match self.cycle.unit() {
                CycleUnit::Day => (date, None),
                CycleUnit::Week => (monday, None),
                CycleUnit::Month => (first_month(date, self.cycle.count())?, None),
                CycleUnit::Year => (first_month(date, 12)?, None),
            },
        };
        Some(Grid {
            from: cycle.earlier(from.and_time(NaiveTime::MIN))?,
            day,
            cycle,
        })
    }
}

/// Local times a cycle apart.
struct Grid {
    from: NaiveDateTime,
    /// The day of the month that is kept, where it is not that of `from`.
    day: Option<u8>,
    cycle: CalendarDuration,
}

impl Grid {
    fn local(&self, number: u32) -> Option<NaiveDateTime> {
        let at = self.cycle.times(number)?.later(self.from)?;
        let Some(day) = self.day else {
            return Some(at);
        };
        let mut days = (1..=u32::from(day)).rev();
        days.find_map(|day| at.with_day(day))
    }
}

/// The first day of those months of the year that belong together, as far as the year can be divided so.
fn first_month(date: NaiveDate, together: u16) -> Option<NaiveDate> {
    let together = common_divisor(u32::from(together), 12);
    let first = date
        .month0()
        .checked_sub(date.month0().checked_rem(together)?)?;
    date.with_day(1)?.with_month0(first)
}

fn common_divisor(one: u32, other: u32) -> u32 {
    match one.checked_rem(other) {
        None => one,
        Some(rest) => common_divisor(other, rest),
    }
}

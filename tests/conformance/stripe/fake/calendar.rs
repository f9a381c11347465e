//! Seconds since 1970, months and years, in UTC.

use chrono::{DateTime, Months, SecondsFormat, Utc};

pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 3_600;
pub(super) const DAY: i64 = 86_400;

/// How often something comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Every {
    pub(super) unit: Unit,
    pub(super) count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    pub(super) fn read(text: &str) -> Self {
        match text {
            "day" => Self::Day,
            "week" => Self::Week,
            "year" => Self::Year,
            _ => Self::Month,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl Every {
    /// The boundary `number` after the anchor: of a day that a month does not have, its last.
    pub(super) fn boundary(self, anchor: i64, number: u32) -> i64 {
        let times = number.saturating_mul(self.count);
        let days = |days: i64| anchor.saturating_add(days.saturating_mul(DAY));
        match self.unit {
            Unit::Day => days(times.into()),
            Unit::Week => days(i64::from(times).saturating_mul(7)),
            Unit::Month => months_after(anchor, times),
            Unit::Year => months_after(anchor, times.saturating_mul(12)),
        }
    }

    /// The first boundary after an instant.
    pub(super) fn next(self, anchor: i64, after: i64) -> i64 {
        let mut number = 0;
        loop {
            let boundary = self.boundary(anchor, number);
            if boundary > after || number == u32::MAX {
                return boundary;
            }
            number += 1;
        }
    }

    /// One cycle before a boundary.
    pub(super) fn before(self, boundary: i64) -> i64 {
        let days = |days: i64| boundary.saturating_sub(days.saturating_mul(DAY));
        match self.unit {
            Unit::Day => days(self.count.into()),
            Unit::Week => days(i64::from(self.count).saturating_mul(7)),
            Unit::Month => months_before(boundary, self.count),
            Unit::Year => months_before(boundary, self.count.saturating_mul(12)),
        }
    }

    /// The last boundary that is not after an instant; the anchor where all are.
    pub(super) fn last(self, anchor: i64, until: i64) -> i64 {
        let mut number = 0;
        while self.boundary(anchor, number + 1) <= until {
            number += 1;
        }
        self.boundary(anchor, number)
    }
}

/// `2026-09-30T12:00:00.000Z`, as thin events have it.
pub(super) fn written(at: i64) -> String {
    let at = DateTime::<Utc>::from_timestamp(at, 0).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn months_after(anchor: i64, months: u32) -> i64 {
    let at = DateTime::<Utc>::from_timestamp(anchor, 0);
    let later = at.and_then(|at| at.checked_add_months(Months::new(months)));
    later.map_or(i64::MAX, |later| later.timestamp())
}

fn months_before(boundary: i64, months: u32) -> i64 {
    let at = DateTime::<Utc>::from_timestamp(boundary, 0);
    let before = at.and_then(|at| at.checked_sub_months(Months::new(months)));
    before.map_or(i64::MIN, |before| before.timestamp())
}

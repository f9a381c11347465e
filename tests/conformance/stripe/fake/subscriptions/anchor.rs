//! Periods that end on one day of each month, or with a month that is shorter.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::stripe::form::Form;

/// `billing_cycle_anchor_config`.
#[derive(Debug, Clone)]
pub(super) struct Each {
    month: Option<u32>,
    day: u32,
    time: [u32; 3],
}

impl Each {
    pub(super) fn read(form: &Form) -> Self {
        let number = |name: &str| form.integer(name).and_then(|it| u32::try_from(it).ok());
        Self {
            month: number("month"),
            day: number("day_of_month").unwrap_or(1),
            time: ["hour", "minute", "second"].map(|name| number(name).unwrap_or_default()),
        }
    }

    pub(super) fn json(&self) -> Value {
        let [hour, minute, second] = self.time;
        json!({
            "month": self.month, "day_of_month": self.day,
            "hour": hour, "minute": minute, "second": second,
        })
    }

    /// The last such instant that is not after another, of a month that has the day.
    pub(super) fn before(&self, at: i64) -> i64 {
        let from = DateTime::<Utc>::from_timestamp(at, 0).unwrap_or_default();
        let (mut year, mut month) = (from.year(), from.month());
        // A leap day comes again within eight years.
        for _ in 0..=12 * 8 {
            let is_wanted = self.month.is_none_or(|it| it == month);
            if let Some(instant) = self.of(year, month).filter(|it| is_wanted && *it <= at) {
                return instant;
            }
            (year, month) = if month == 1 {
                (year - 1, 12)
            } else {
                (year, month - 1)
            };
        }
        at
    }

    fn of(&self, year: i32, month: u32) -> Option<i64> {
        let [hour, minute, second] = self.time;
        let date = NaiveDate::from_ymd_opt(year, month, self.day)?;
        Some(
            date.and_hms_opt(hour, minute, second)?
                .and_utc()
                .timestamp(),
        )
    }
}

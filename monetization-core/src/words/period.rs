//! Billing periods: half-open stretches of time, each boundary derived from the first anchor.
//!
//! ```
//! use monetization_core::period::{Alignment, Cycle, Schedule};
//!
//! let schedule = Schedule::new("2026-01-31T10:00:00Z".parse()?, Cycle::MONTH);
//! let starts = |schedule: &Schedule| -> Vec<String> {
//!     let periods = (0..4).filter_map(|index| schedule.period(index));
//!     periods.map(|period| period.start.to_string()).collect()
//! };
//! assert_eq!(
//!     starts(&schedule),
//!     ["2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z"],
//! );
//!
//! // A boundary belongs to the period that it begins.
//! assert_eq!(schedule.index_at("2026-02-28T09:59:59.999999Z".parse()?), Some(0));
//! assert_eq!(schedule.index_at("2026-02-28T10:00:00Z".parse()?), Some(1));
//!
//! // Billed on the first of the month, as clocks show it in Berlin: the first period is short.
//! let schedule = Schedule {
//!     alignment: Alignment::Calendar,
//!     time_zone: "Europe/Berlin".parse()?,
//!     ..schedule
//! };
//! assert_eq!(
//!     starts(&schedule),
//!     ["2026-01-31T10:00:00Z", "2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"],
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use chrono::Weekday;

pub use alignment::{Alignment, AlignmentError};
pub use cycle::{Cycle, CycleError, CycleUnit};
pub use duration::{CalendarDuration, DurationError};
pub use schedule::{Move, Schedule};
pub use share::{Proration, Share, ShareUnit};
pub use zone::{TimeZone, TimeZoneError};

mod alignment;
mod cycle;
mod duration;
mod schedule;
mod share;
mod zone;

#[cfg(test)]
mod tests;

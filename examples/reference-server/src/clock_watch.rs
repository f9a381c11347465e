//! Whether the clock has fallen behind: use would be recorded, and billed, as older than it is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use monetization_core::clock::Timestamp;

/// What clocks of several machines may differ by without anybody noticing.
pub(crate) const BEHIND_MAX: Duration = Duration::from_secs(60);

/// The latest business time that this process or one before it has lived in.
#[derive(Debug)]
pub(crate) struct ClockWatch(AtomicI64);

impl ClockWatch {
    /// A watch that begins at the newest record of all that were made before.
    pub(crate) fn new(newest_record: Option<Timestamp>) -> Self {
        let newest = newest_record.unwrap_or(Timestamp::MIN);
        Self(AtomicI64::new(newest.as_micros()))
    }

    /// How far `now` is behind that time, where it is too far.
    pub(crate) fn behind(&self, now: Timestamp) -> Option<Duration> {
        let latest = self.0.fetch_max(now.as_micros(), Ordering::AcqRel);
        let behind = Timestamp::from_micros(latest).saturating_since(now);
        (behind > BEHIND_MAX).then_some(behind)
    }

    /// What an operator has to be told.
    pub(crate) fn trouble(&self, now: Timestamp) -> Option<String> {
        self.behind(now)?;
        // The same words for as long as it stays so: it is told once.
        let latest = Timestamp::from_micros(self.0.load(Ordering::Acquire));
        Some(format!(
            "the clock is more than a minute before {latest}, when something was recorded last: use is \
             recorded as older than it is until the machine's clock is set; keep it by NTP"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_falls_behind_by_more_than_a_minute_is_told_r_t1() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let watch = ClockWatch::new(Some(at("2026-03-01T00:01:00Z")));
        assert_eq!(watch.behind(at("2026-03-01T00:00:00Z")), None);
        let behind = watch.behind(at("2026-02-28T23:59:59Z"));
        assert_eq!(behind, Some(Duration::from_secs(61)));
        assert_eq!(watch.behind(at("2026-03-02T00:00:00Z")), None);
        let set_back = watch.trouble(at("2026-03-01T00:00:00Z")).unwrap();
        assert!(
            set_back.contains("before 2026-03-02T00:00:00Z"),
            "{set_back}"
        );
        let later = watch.trouble(at("2026-03-01T00:00:01Z"));
        assert_eq!(later.as_ref(), Some(&set_back), "it is told once");
    }
}

use std::num::NonZeroU32;
use std::time::Duration;

use monetization_rate_limiter::{Gcra, Limit, Limits};

use crate::clock::Timestamp;

/// How many unknown keys may have the news read for them.
pub(super) struct Strangers {
    limit: Limits,
    cells: monetization_rate_limiter::Cells,
}

impl Strangers {
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        let rate = Gcra::new(per_second, Duration::from_secs(1), per_second);
        let limit = rate.map(Limit::gcra).into_iter();
        Self {
            limit: Limits::new(limit).unwrap_or_default(),
            cells: monetization_rate_limiter::Cells::new(),
        }
    }

    /// Whether one more may be looked for, at this process time.
    pub(super) fn admit(&self, uptime: Duration) -> bool {
        let micros = i64::try_from(uptime.as_micros()).unwrap_or(i64::MAX);
        let now = Timestamp::from_micros(micros);
        self.cells.take(&self.limit, now, 1).is_allowed()
    }
}

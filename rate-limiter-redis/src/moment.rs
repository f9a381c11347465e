//! The server's time, as it is known here.

use std::time::Duration;

use monetization_rate_limiter::Timestamp;

/// When the server answered, on its own clock, and when it had been asked, on ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) server: Timestamp,
    pub(crate) sent: Duration,
}

impl Moment {
    /// The latest that the server's clock can show at this uptime: the answer is no older than the question.
    pub(crate) fn latest(self, uptime: Duration) -> Timestamp {
        self.server.saturating_add(uptime.saturating_sub(self.sent))
    }
}

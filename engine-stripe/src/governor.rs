//! No more requests than Stripe lets pass.
//!
//! Each account has a rate of its own in each mode, and one for meter events. A request waits for its
//! turn within the time of its call; where that does not suffice it is not sent.
//!
//! | | with a key for real money | with a test key |
//! |---|---|---|
//! | a call | `live` | `test` |
//! | a meter event | `live_events` | `test` |
//! | a meter event for a connected account | `connected_events` | `connected_events` |
//!
//! A rate lets a tenth of its number through at once and spreads the rest over the second, so that no
//! second has many more than its own. Processes know nothing of each other: whoever runs several gives
//! each of them less. Where that is not done, Stripe refuses what is too much, and that waits as Stripe says.

use std::num::NonZeroU32;
use std::time::Duration;

use monetization_core::clock::{Clock, Timestamp};
use monetization_core::engine::{EngineError, EngineErrorKind};
use monetization_core::field::FieldError;
use monetization_core::reference::Mode;
use monetization_core::secret::Secret;
use monetization_rate_limiter::{Gcra, Keyed, Limit, Limits};
use sha2::{Digest, Sha256};

use crate::transport::mode_of;

/// Requests a second, for each account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "each is a limit of Stripe's")]
pub struct Rates {
    /// With a key for real money.
    pub live: NonZeroU32,
    /// With a test key.
    pub test: NonZeroU32,
    /// Meter events, with a key for real money.
    pub live_events: NonZeroU32,
    /// Meter events for a connected account, in either mode.
    pub connected_events: NonZeroU32,
}

impl Default for Rates {
    /// What Stripe documents: 100, 25, 1,000 and 100.
    fn default() -> Self {
        let rate = |rate| NonZeroU32::MIN.saturating_add(rate);
        Self {
            live: rate(99),
            test: rate(24),
            live_events: rate(999),
            connected_events: rate(99),
        }
    }
}

/// What a request counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Any call.
    Calls,
    /// A meter event.
    Events,
}

/// Accounts whose rates are kept apart at once.
const ACCOUNTS_MAX: NonZeroU32 = NonZeroU32::MIN.saturating_add(99_999);

/// Whose rate it is.
type Account = [u8; 16];

/// The rates of all accounts that are used.
#[derive(Debug)]
pub(crate) struct Governor {
    live: Keyed<Account>,
    test: Keyed<Account>,
    live_events: Keyed<Account>,
    connected_events: Keyed<Account>,
    clock: Clock,
}

impl Governor {
    /// Nobody has had a turn yet.
    ///
    /// # Errors
    /// A [`FieldError`] of `rates` for a rate that cannot be kept.
    pub(crate) fn new(rates: Rates, clock: Clock) -> Result<Self, FieldError> {
        Ok(Self {
            live: keyed(rates.live)?,
            test: keyed(rates.test)?,
            live_events: keyed(rates.live_events)?,
            connected_events: keyed(rates.connected_events)?,
            clock,
        })
    }

    /// Waits for the request's turn, `until` at the latest on the clock's uptime.
    ///
    /// # Errors
    /// `Retryable` where its turn comes later.
    pub(crate) async fn wait(
        &self,
        secret: &Secret,
        account: Option<&str>,
        lane: Lane,
        until: Duration,
    ) -> Result<(), EngineError> {
        let rate = match (lane, mode_of(secret), account) {
            (Lane::Events, _, Some(_)) => &self.connected_events,
            (Lane::Events, Mode::Live, None) => &self.live_events,
            (_, Mode::Live, _) => &self.live,
            (_, Mode::Test, _) => &self.test,
        };
        let key = whose(secret, account);
        loop {
            let uptime = self.clock.uptime();
            let now = Timestamp::from_micros(i64::try_from(uptime.as_micros()).unwrap_or(i64::MAX));
            // More accounts at once than are kept apart: Stripe itself will say so if it is too much.
            let Ok(decision) = rate.take(&key, now, 1) else {
                return Ok(());
            };
            if decision.is_allowed() {
                return Ok(());
            }
            let again_at = decision.retry_at().unwrap_or(now);
            let wait = again_at.saturating_since(now).max(Duration::from_millis(1));
            if uptime.saturating_add(wait) > until {
                let message = "more requests wait for this account than Stripe lets pass";
                let error = EngineError::new(EngineErrorKind::Retryable, message);
                return Err(error.retry_after(wait));
            }
            tokio::time::sleep(wait).await;
        }
    }
}

/// A rate, for each account by itself.
///
/// # Errors
/// A [`FieldError`] of `rates` for a rate that cannot be kept.
fn keyed(rate: NonZeroU32) -> Result<Keyed<Account>, FieldError> {
    let refuse = |problem: String| FieldError::new("rates", problem);
    // A tenth of a second's requests may come at once, so that no second has many more than its own.
    let burst = NonZeroU32::new(rate.get().div_ceil(10)).unwrap_or(NonZeroU32::MIN);
    let gcra = Gcra::new(rate, Duration::from_secs(1), burst);
    let gcra = gcra.map_err(|error| refuse(error.to_string()))?;
    let limits = Limits::new([Limit::gcra(gcra)]).map_err(|error| refuse(error.to_string()))?;
    Keyed::new(limits, ACCOUNTS_MAX).map_err(|error| refuse(error.to_string()))
}

/// The connected account, or that of the key: the key itself is not kept.
fn whose(secret: &Secret, account: Option<&str>) -> Account {
    let mut digest = Sha256::new();
    match account {
        Some(account) => digest.update(account.as_bytes()),
        None => {
            digest.update(b"key ");
            digest.update(secret.reveal().as_bytes());
        }
    }
    let mut key = Account::default();
    for (byte, from) in key.iter_mut().zip(digest.finalize()) {
        *byte = from;
    }
    key
}

#[cfg(test)]
mod tests;

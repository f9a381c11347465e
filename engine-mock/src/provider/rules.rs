//! The provider's manners: how long it remembers, waits and insists.

use std::time::Duration;

use monetization_core::reference::{Mode, Realm};
use serde::{Deserialize, Serialize};

/// How a provider conducts itself: fixed when its journal is begun, because the same steps under
/// other rules would lead elsewhere. What of it concerns callers stands in the engine's descriptor.
///
/// A test that waits for something rare makes it frequent here:
///
/// ```
/// use std::time::Duration;
///
/// use monetization_engine_mock::provider::{PaymentBehaviour, Rules};
///
/// let rules = Rules {
///     deduplicates_for: Duration::from_secs(60),
///     payment: PaymentBehaviour::Automatically,
///     ..Rules::default()
/// };
/// assert_eq!(rules.grace, Duration::from_secs(3_600));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// How long after the end of a period use of it is still taken and its invoice is a draft.
    /// When it is over the invoice is final, and later use of that period is rejected.
    pub grace: Duration,
    /// How long an idempotency key and its answer are remembered, counted from the first call.
    /// After that the same key is a new one.
    pub remembers_keys_for: Duration,
    /// How long the identifier of a usage record is remembered, counted from when it was taken.
    /// After that the same record counts again: publishers must not repeat it so late.
    pub deduplicates_for: Duration,
    /// How old the time of use may be when a record arrives; exactly so old is taken.
    pub age_max: Duration,
    /// How far ahead of the provider's clock the time of use may be; exactly so far is taken.
    pub ahead_max: Duration,
    /// Usage records of one call; a call with more is refused whole.
    pub batch_max: usize,
    /// Time to pay an invoice that the provider made. One that core made says itself when it is
    /// due.
    pub payment_within: Duration,
    /// Once an invoice is past due: after how long money is asked for again, counted from the
    /// time before. When the last of them has failed, the invoice is given up.
    pub retries: Vec<Duration>,
    /// How long the page behind a payment link is kept at least; at most twice as long. After
    /// that a fresh link leads to a new page for the same invoice.
    pub link_lives_for: Duration,
    /// How customers pay of whom nothing else was said.
    pub payment: PaymentBehaviour,
    /// What credentials open here, whichever they are.
    pub realm: Realm,
}

impl Default for Rules {
    /// What large providers do: an hour of grace, keys and identifiers for 24 hours, use at most
    /// 35 days old and 5 minutes ahead; customers pay by the link within 14 days. No money is real.
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(3_600);
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            grace: HOUR,
            remembers_keys_for: DAY,
            deduplicates_for: DAY,
            age_max: DAY.saturating_mul(35),
            ahead_max: MINUTE.saturating_mul(5),
            batch_max: 100,
            payment_within: DAY.saturating_mul(14),
            retries: vec![
                DAY.saturating_mul(3),
                DAY.saturating_mul(5),
                DAY.saturating_mul(7),
            ],
            link_lives_for: DAY,
            payment: PaymentBehaviour::WaitsForLink,
            realm: Realm {
                #[expect(clippy::unwrap_used, reason = "it is a name")]
                account: "acct_mock".parse().unwrap(),
                mode: Mode::Test,
            },
        }
    }
}

/// How a customer pays, as far as the provider asks by itself. By the link they can always pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum PaymentBehaviour {
    /// As soon as asked.
    Automatically,
    /// Each payment asked for fails; paying by the link still works.
    Declines,
    /// By the link, when they feel like it.
    WaitsForLink,
}

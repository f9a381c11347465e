use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a provider conducts itself: fixed when its journal is begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// How long after the end of a period use of it is still taken and its invoice is a draft.
    pub grace: Duration,
    /// How long an idempotency key and its answer are remembered.
    pub remembers_keys_for: Duration,
    /// How long the identifier of a usage record is remembered.
    pub deduplicates_for: Duration,
    /// How old the time of use may be.
    pub age_max: Duration,
    /// How far ahead the time of use may be.
    pub ahead_max: Duration,
    /// Usage records of one call.
    pub batch_max: usize,
    /// Time to pay an invoice that the provider made.
    pub payment_within: Duration,
    /// Once an invoice is past due: after how long money is asked for again, counted from the
    /// time before. When the last of them has failed, the invoice is given up.
    pub retries: Vec<Duration>,
    /// How long the page behind a payment link is kept at least; at most twice as long.
    pub link_lives_for: Duration,
    /// How customers pay of whom nothing else was said.
    pub payment: PaymentBehaviour,
}

impl Default for Rules {
    /// What large providers do: an hour of grace, keys and identifiers for 24 hours, use at most
    /// 35 days old and 5 minutes ahead; customers pay by the link within 14 days.
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
        }
    }
}

/// How a customer pays.
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

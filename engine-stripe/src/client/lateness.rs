//! Whether use still comes in time to be billed.
//!
//! Stripe takes an event of a period whose invoice is final, and bills it to nobody. So what is older
//! than a period can still be open for is held against the period of its subscription before it is
//! sent; whoever reports within 50 minutes is never looked up.
//!
//! | the use is | it is |
//! |---|---|
//! | younger than 50 minutes | sent, and nobody is looked up |
//! | of the period that runs | sent |
//! | of the last one, within 50 minutes of its end | sent |
//! | of the last one, later; or of one before it | not sent: an operator decides what becomes of it |
//! | of a subscription that ended within 50 minutes | sent |
//! | of one that ended before, or of none | not sent |
//! | older than Stripe takes | not sent |
//!
//! Stripe closes a period an hour after its end. Ten minutes of that are left to what a call may take until its
//! last request arrives, and to the difference between Stripe's clock and ours.
//!
//! Which period it is of is told by the current one and by the shortest that a period can be (28 days of a
//! month, 365 of a year): at its beginning a longer one before it is taken for one more, so that use is
//! rather held for an operator than billed to nobody.

use std::collections::BTreeMap;

use monetization_core::engine::EngineError;
use monetization_core::text::ForeignId;

use crate::answer::Subscription;
use crate::descriptor::AGE_MAX;
use crate::form;
use crate::names;
use crate::session::Session;

/// So many seconds after its end a period is still open for what is sent now, whenever that arrives.
const OPEN: i64 = 50 * 60;

/// When and whose an event is, as its bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    at: i64,
    subscription: String,
}

/// Whether an event would be billed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Timely {
    /// It would.
    Yes,
    /// Not any more; and why.
    No(String),
    /// Nobody would take it at all; and why.
    Never(String),
}

/// How subscriptions stand that were asked for already.
pub(super) type Known = BTreeMap<String, Option<Subscription>>;

impl Event {
    /// Reads the bytes of a report; `None` where they are none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let form = std::str::from_utf8(body).ok()?;
        let subscription = format!("payload[{}]", names::SUBSCRIPTION_IN_EVENT);
        Some(Self {
            at: form::value(form, "timestamp")?.parse().ok()?,
            subscription: form::value(form, &subscription)?.to_owned(),
        })
    }
}

impl Session<'_> {
    /// Whether the event would be billed; looks its subscription up once, where that is in doubt.
    ///
    /// # Errors
    /// That of the request that looks the subscription up.
    pub(super) async fn timely(
        &self,
        event: &Event,
        known: &mut Known,
    ) -> Result<Timely, EngineError> {
        let now = self.now();
        let age = now.saturating_sub(event.at);
        if age > seconds(AGE_MAX) {
            return Ok(Timely::Never("it is older than Stripe takes".to_owned()));
        }
        if age <= OPEN {
            return Ok(Timely::Yes);
        }
        if !known.contains_key(&event.subscription) {
            let found = match event.subscription.parse::<ForeignId>() {
                Ok(id) => self.known_subscription(&id).await?,
                Err(_) => None,
            };
            known.insert(event.subscription.clone(), found);
        }
        let Some(Some(subscription)) = known.get(&event.subscription) else {
            let problem = format!("there is no subscription {}", event.subscription);
            return Ok(Timely::Never(problem));
        };
        Ok(billed(event.at, now, subscription))
    }
}

/// Use of a period counts while it is open. What may be of a period
/// before the last one is taken for late: months differ in length, and nobody looks up all of them.
fn billed(at: i64, now: i64, subscription: &Subscription) -> Timely {
    let closed = match (subscription.ended_at, subscription.period()) {
        (_, Some((start, _))) if at < start => {
            let before = start.saturating_sub(subscription.shortest_cycle().unwrap_or(0));
            if at < before {
                return Timely::No("a period before the last one is invoiced".to_owned());
            }
            start
        }
        (Some(ended_at), _) => ended_at,
        (None, _) => return Timely::Yes,
    };
    if now < closed.saturating_add(OPEN) {
        return Timely::Yes;
    }
    Timely::No(
        "the period it belongs to is invoiced, or will be before it can be reported".to_owned(),
    )
}

/// Whole seconds.
fn seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn subscription(more: &str) -> Subscription {
        let json = format!(
            r#"{{"id":"sub_1","status":"active","customer":"cus_1","created":0,
                "items":{{"data":[{{"id":"si_1","current_period_start":{},"current_period_end":{},
                "price":{{"id":"price_1","recurring":{{"interval":"month"}}}}}}]}}{more}}}"#,
            40 * DAY,
            70 * DAY
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn use_counts_until_the_invoice_of_its_period_is_final_r_t6() {
        let running = subscription("");
        let start = 40 * DAY;
        let is_billed = |at, now| billed(at, now, &running) == Timely::Yes;
        assert!(is_billed(start, 69 * DAY), "in the period that runs");
        assert!(is_billed(start - 1, start + 2_999), "in good time");
        assert!(!is_billed(start - 1, start + 3_000));
        assert!(is_billed(start - 28 * DAY, start + 1), "in the last one");
        assert!(
            !is_billed(start - 28 * DAY - 1, start + 1),
            "or in one before"
        );
        let ended = subscription(&format!(r#","ended_at":{}"#, 60 * DAY));
        let is_billed = |at, now| billed(at, now, &ended) == Timely::Yes;
        assert!(is_billed(50 * DAY, 60 * DAY + 2_999) && !is_billed(50 * DAY, 60 * DAY + 3_000));
        let ended = subscription(&format!(r#","ended_at":{}"#, start + 600));
        let is_billed = |at, now| billed(at, now, &ended) == Timely::Yes;
        assert!(is_billed(start - 1, start + 2_999) && is_billed(start, start + 3_000));
        assert!(
            !is_billed(start - 1, start + 3_000),
            "its invoice is that of the renewal"
        );
    }
}

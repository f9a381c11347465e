//! Stripe's events, read again.
//!
//! Stripe lists them newest first and keeps them for 30 days. A stretch of time in which there are more
//! than fit into memory is halved until they do:
//!
//! | asked from | there are | handed out | asked from next |
//! |---|---|---|---|
//! | 10:00, at 12:00 | 800, the last of 11:50 | all | some minutes before 11:50 |
//! | 10:00, at 12:00 | 1,500, of which 700 before 11:00 | those before 11:00 | 11:00 |
//! | 10:00:00, at 12:00 | 2,000 in that second | those of that second | 10:00:01 |
//!
//! What is read to its end ends at its newest event and not at now: ours is another clock than Stripe's.
//!
//! An event has the id and the bytes' meaning that it has when it is delivered, but not the same bytes: it
//! was never signed, and comes over a connection that nobody else answers. Those of a connected account
//! are asked for in its name and get its id, which deliveries have and lists leave out.
//!
//! Thin events are not among them: Stripe lists those elsewhere. What they would have told is found where
//! Stripe has counted less than it has taken.

use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::engine::{
    EngineContext, EngineError, EngineErrorKind, NewsFeed, NewsPage, VerifiedEvent,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use super::{Client, foreign};
use crate::EVENTS;
use crate::answer::{Named, Page};
use crate::session::{PAGE, Session};
use crate::time::seconds;

/// Pages of one stretch of time that are held in memory.
const PAGES_MAX: usize = 10;
/// Pages of a single second.
const PAGES_OF_A_SECOND_MAX: usize = 100;

/// An event as it is listed.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    id: String,
    created: i64,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Named for Listed {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A page of the events from a second until before another one.
struct ListEvents<'a> {
    from: i64,
    until: i64,
    after: Option<&'a str>,
}

impl StripeRequest for ListEvents<'_> {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        let mut query = format!(
            "created%5Bgte%5D={}&created%5Blt%5D={}&limit={PAGE}",
            self.from, self.until
        );
        for (place, kind) in EVENTS.iter().enumerate() {
            query.push_str(&format!("&types%5B{place}%5D={kind}"));
        }
        if let Some(after) = self.after {
            query.push_str(&format!("&starting_after={after}"));
        }
        let mut request = RequestBuilder::new(StripeMethod::Get, "/events");
        request.query = Some(query);
        request
    }
}

#[async_trait]
impl NewsFeed for Client {
    async fn since(&self, cx: &EngineContext, from: Timestamp) -> Result<NewsPage, EngineError> {
        let session = self.session(cx);
        let (start, now) = (seconds(from), session.now());
        let mut end = now.max(start).saturating_add(1);
        let listed = loop {
            let span = end.saturating_sub(start);
            if let Some(listed) = session.events((start, end)).await? {
                break listed;
            }
            end = start.saturating_add((span / 2).max(1));
        };
        let is_last = end > now;
        let until = match listed.first() {
            _ if !is_last => end,
            Some(newest) => newest.created.max(start),
            None => start,
        };
        let messages = listed.into_iter().rev();
        let messages: Result<_, EngineError> = messages.map(|it| message(cx, it)).collect();
        Ok(NewsPage {
            messages: messages?,
            until: Timestamp::from_secs(until),
            is_last,
        })
    }
}

impl Session<'_> {
    /// The events of a stretch of time, newest first; `None` where it has to be a shorter one.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer.
    async fn events(&self, (from, until): (i64, i64)) -> Result<Option<Vec<Listed>>, EngineError> {
        let is_second = until.saturating_sub(from) <= 1;
        let pages_max = match is_second {
            true => PAGES_OF_A_SECOND_MAX,
            false => PAGES_MAX,
        };
        let mut listed: Vec<Listed> = Vec::new();
        for _ in 0..pages_max {
            let after = listed.last().map(|last| last.id.clone());
            let after = after.as_deref();
            let request = ListEvents { from, until, after };
            let page: Page<Listed> = self.ask(&request).await?;
            let is_last = !page.has_more || page.data.is_empty();
            listed.extend(page.data);
            if is_last {
                return Ok(Some(listed));
            }
        }
        if is_second {
            let message = "Stripe tells more events of one second than can be read";
            return Err(EngineError::new(EngineErrorKind::Retryable, message));
        }
        Ok(None)
    }
}

/// The event as it would be delivered: with the account it is about, which a list leaves out.
///
/// # Errors
/// `Permanent` for an id that is no name.
fn message(cx: &EngineContext, mut listed: Listed) -> Result<VerifiedEvent, EngineError> {
    if let Some(account) = &cx.account {
        let account = Value::from(account.as_str());
        listed.rest.insert("account".to_owned(), account);
    }
    let unwritable = |error| {
        EngineError::new(EngineErrorKind::Permanent, "the event cannot be written").because(error)
    };
    Ok(VerifiedEvent {
        id: foreign(&listed.id)?,
        body: serde_json::to_vec(&listed).map_err(unwritable)?,
    })
}

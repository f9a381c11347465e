//! Stripe's events, read again.
//!
//! Stripe lists them newest first and keeps them for 30 days. Where there are more than fit into memory, shorter
//! stretches are read one after the other, oldest first. How long one is follows from how dense the events were
//! that are at hand, and grows where there are few:
//!
//! | asked from | there are | handed out | asked from next |
//! |---|---|---|---|
//! | 10:00, at 12:00 | 800, the last of 11:50 | all | some minutes before 11:50 |
//! | 10:00, at 12:00 | 30,000, at equal distances | some 500 of the first two minutes | 10:02 |
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

/// Events of one stretch of time that are held in memory.
const EVENTS_MAX: usize = 1_000;
/// Events of a single second.
const EVENTS_OF_A_SECOND_MAX: usize = 10_000;
/// So many are sought in one call.
const EVENTS_SOUGHT: usize = EVENTS_MAX / 2;
/// Requests after which a call ends that has got on.
const REQUESTS_MAX: usize = 40;

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
        let start = seconds(from);
        let ahead = session.now().max(start).saturating_add(1);
        let all = session.events((start, ahead)).await?;
        let newest = all.listed.first();
        let newest = newest.map_or(start, |newest| newest.created.max(start));
        // What comes to be newer meanwhile is read the next time.
        let end = newest.saturating_add(1);
        let (listed, until) = match all.is_whole {
            true => (all.listed, end),
            false => session.oldest((start, end), all.shorter()).await?,
        };
        let messages = listed.into_iter().rev();
        let messages: Result<_, EngineError> = messages.map(|it| message(cx, it)).collect();
        Ok(NewsPage {
            messages: messages?,
            until: Timestamp::from_secs(until.min(newest)),
            is_last: until == end,
        })
    }
}

/// What was read of a stretch of time, newest first.
struct Read {
    from: i64,
    until: i64,
    listed: Vec<Listed>,
    requests: usize,
    /// Whether that is all.
    is_whole: bool,
}

impl Read {
    /// The second until before which there is anything, and that of the oldest event that was read.
    fn ends(&self) -> (i64, i64) {
        let newest = self.listed.first().map(|it| it.created.saturating_add(1));
        let oldest = self.listed.last().map(|it| it.created);
        (newest.unwrap_or(self.until), oldest.unwrap_or(self.until))
    }

    /// How many events the whole stretch has, if they are as dense as those that were read.
    fn expected(&self) -> i64 {
        let (newest, oldest) = self.ends();
        let read = newest.saturating_sub(oldest).max(1);
        let count = i64::try_from(self.listed.len()).unwrap_or(i64::MAX);
        let expected = count.saturating_mul(newest.saturating_sub(self.from));
        expected.checked_div(read).unwrap_or(count)
    }

    /// The next length to try: one of as many events as are sought, at most half of what is not read yet.
    fn shorter(&self) -> i64 {
        let (newest, oldest) = self.ends();
        let sought = i64::try_from(EVENTS_SOUGHT).unwrap_or(i64::MAX);
        let span = newest.saturating_sub(self.from);
        let dense = span.saturating_mul(sought).checked_div(self.expected());
        let left = oldest.saturating_sub(self.from) / 2;
        dense.unwrap_or(left).min(left).max(1)
    }
}

impl Session<'_> {
    /// The first events of a stretch of time, newest first, and the second until before which those are all:
    /// read in pieces, of which the first is so long.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer.
    async fn oldest(
        &self,
        (start, end): (i64, i64),
        mut span: i64,
    ) -> Result<(Vec<Listed>, i64), EngineError> {
        let (mut at, mut requests) = (start, 0_usize);
        let mut pieces: Vec<Vec<Listed>> = Vec::new();
        let mut found = 0_usize;
        while at < end && found < EVENTS_SOUGHT && (at == start || requests < REQUESTS_MAX) {
            let until = at.saturating_add(span).min(end);
            let read = self.events((at, until)).await?;
            requests = requests.saturating_add(read.requests);
            if !read.is_whole {
                span = read.shorter();
                continue;
            }
            if read.listed.len() < EVENTS_SOUGHT / 2 {
                span = span.saturating_mul(2);
            }
            found = found.saturating_add(read.listed.len());
            pieces.push(read.listed);
            at = until;
        }
        Ok((pieces.into_iter().rev().flatten().collect(), at))
    }

    /// The events of a stretch of time, newest first, or as many of them as show that it has to be a shorter one.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer.
    async fn events(&self, (from, until): (i64, i64)) -> Result<Read, EngineError> {
        let is_second = until.saturating_sub(from) <= 1;
        let mut read = Read {
            from,
            until,
            listed: Vec::new(),
            requests: 0,
            is_whole: false,
        };
        loop {
            let after = read.listed.last().map(|last| last.id.clone());
            let after = after.as_deref();
            let request = ListEvents { from, until, after };
            let page: Page<Listed> = self.ask(&request).await?;
            read.requests = read.requests.saturating_add(1);
            read.is_whole = !page.has_more || page.data.is_empty();
            read.listed.extend(page.data);
            let count = read.listed.len();
            let is_dense = || usize::try_from(read.expected()).is_ok_and(|it| it > 2 * EVENTS_MAX);
            if read.is_whole || !is_second && (count >= EVENTS_MAX || is_dense()) {
                return Ok(read);
            }
            if count >= EVENTS_OF_A_SECOND_MAX {
                let message = "Stripe tells more events of one second than can be read";
                return Err(EngineError::new(EngineErrorKind::Retryable, message));
            }
        }
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

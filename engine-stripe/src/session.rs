//! One call of the engine: the requests it takes, in the time it has.
//!
//! | | method | key |
//! |---|---|---|
//! | `ask`, `all`, `find` | `GET` | none |
//! | `reckon` | `POST`, of what would be | one that nothing else has |
//! | `order` | a write, the only one of the call | the call's |
//! | `step` | a write, one of several | the call's and the step's name |
//!
//! A call that takes several writes is mended by making it again: steps that were done are told again by
//! Stripe while it remembers their keys, and are looked for by our ids where it may have forgotten them.
//!
//! Lists are read page by page, newest first, until what is looked for is found. Those of the second version of
//! Stripe's interface are read whole by `all_linked`.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use monetization_core::engine::{EngineContext, EngineErrorKind, IdempotencyKey};
use monetization_core::text::ForeignId;
use serde::de::DeserializeOwned;
use stripe_client_core::StripeRequest;

use crate::answer::{Named, Page};
use crate::error::{Failure, Intent};
use crate::names;
use crate::time::seconds;
use crate::transport::{Outbound, SECOND_VERSION, Sender, Transport, is_replayed};

/// Objects of a page.
pub(crate) const PAGE: i64 = 100;
/// Pages of one list: what is longer is not read, and said not to be.
const PAGES_MAX: usize = 1_000;

/// A page of a list: the first, or the one that follows an id.
macro_rules! page {
    ($list:expr, $after:expr) => {{
        let list = $list.limit($crate::session::PAGE);
        match $after {
            Some(after) => list.starting_after(after),
            None => list,
        }
    }};
}
pub(crate) use page;

/// The requests of one call of the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session<'a> {
    transport: &'a Transport,
    /// What the caller has given.
    pub(crate) cx: &'a EngineContext,
    until: Duration,
}

/// What an order came to.
#[derive(Debug)]
pub(crate) struct Done<T> {
    /// How it stands now.
    pub(crate) object: T,
    /// Whether it was done before under the same key, and told again.
    pub(crate) is_replayed: bool,
}

impl<'a> Session<'a> {
    /// A call that begins now.
    pub(crate) fn new(transport: &'a Transport, cx: &'a EngineContext) -> Self {
        Self {
            transport,
            cx,
            until: transport.until(cx),
        }
    }

    /// The same call, as if its caller had given this context.
    pub(crate) fn with(self, cx: &'a EngineContext) -> Self {
        Self { cx, ..self }
    }

    /// The second that our own clock shows.
    pub(crate) fn now(&self) -> i64 {
        seconds(self.transport.now())
    }

    /// Asks for one object.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        request: &(impl StripeRequest + Sync),
    ) -> Result<T, Failure> {
        let answer = self.send(Outbound::typed(request), None).await?;
        read(Intent::Read, &answer)
    }

    /// Asks for an object of the account that the key itself belongs to.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer.
    pub(crate) async fn ask_own<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let from = Sender {
            account: None,
            ..self.sender()
        };
        let answer = self.transport.send(from, Outbound::get(path), None).await?;
        read(Intent::Read, &answer)
    }

    /// All that an event says of which only the id was told, as it stands in the answer: in the account that
    /// it names.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer.
    pub(crate) async fn told_event(
        &self,
        id: &ForeignId,
        context: Option<&str>,
    ) -> Result<Bytes, Failure> {
        let from = Sender {
            account: context,
            ..self.sender()
        };
        let path = format!("/core/events/{}", names::in_path(id)?);
        let outbound = Outbound::get_v2(&path);
        let answer = self.transport.send(from, outbound, None).await?;
        Ok(answer.into_body())
    }

    /// Asks for what would be, which Stripe takes for a write; an earlier answer would be out of date.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer.
    pub(crate) async fn reckon<T: DeserializeOwned>(
        &self,
        request: &(impl StripeRequest + Sync),
    ) -> Result<T, Failure> {
        let mut outbound = Outbound::typed(request);
        outbound.intent = Intent::Read;
        let key = self.fresh_key();
        let answer = self.send(outbound, Some(&key)).await?;
        read(Intent::Read, &answer)
    }

    /// A key that no other request has.
    pub(crate) fn fresh_key(&self) -> IdempotencyKey {
        self.transport.fresh_key(self.cx)
    }

    /// Has one thing done, under the key of the call.
    ///
    /// # Errors
    /// That of the request: `Ambiguous` where it may have been done all the same.
    pub(crate) async fn order<T: DeserializeOwned>(
        &self,
        request: &(impl StripeRequest + Sync),
    ) -> Result<Done<T>, Failure> {
        self.order_under(&self.cx.key, Outbound::typed(request))
            .await
    }

    /// Has one of several things done, under a key of its own.
    ///
    /// # Errors
    /// That of the request: `Ambiguous` where it may have been done all the same.
    pub(crate) async fn step<T: DeserializeOwned>(
        &self,
        step: &str,
        request: &(impl StripeRequest + Sync),
    ) -> Result<Done<T>, Failure> {
        let key = self.cx.key.step(step);
        self.order_under(&key, Outbound::typed(request)).await
    }

    /// Has something done, under this key.
    ///
    /// # Errors
    /// That of the request: `Ambiguous` where it may have been done all the same.
    pub(crate) async fn order_under<T: DeserializeOwned>(
        &self,
        key: &IdempotencyKey,
        outbound: Outbound,
    ) -> Result<Done<T>, Failure> {
        let answer = self.send(outbound, Some(key)).await?;
        Ok(Done {
            is_replayed: is_replayed(answer.headers()),
            object: read(Intent::Write, &answer)?,
        })
    }

    /// Everything that a list has, newest first: `request` asks for the page that follows an id.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer, and for a list without an end.
    pub(crate) async fn all<T: DeserializeOwned + Named + Send, R: StripeRequest + Send + Sync>(
        &self,
        request: impl Fn(Option<&str>) -> R + Send + Sync,
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        self.each_page(request, |page| {
            all.extend(page);
            None::<()>
        })
        .await?;
        Ok(all)
    }

    /// Everything that a list of the second version of Stripe's interface has: each page says where the next
    /// one is.
    ///
    /// # Errors
    /// That of the request: `Retryable` for one that changes nothing.
    pub(crate) async fn all_linked<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        let mut path = path.to_owned();
        for _ in 0..PAGES_MAX {
            let answer = self.send(Outbound::get_v2(&path), None).await?;
            let page: Page<T> = read(Intent::Read, &answer)?;
            all.extend(page.data);
            let Some(next) = page.next_page_url else {
                return Ok(all);
            };
            // The key goes nowhere else, whatever an answer says.
            let below = next.strip_prefix(SECOND_VERSION);
            let below = below.filter(|path| path.starts_with('/'));
            let elsewhere = || Failure::new(EngineErrorKind::Retryable, "a page leads elsewhere");
            path = below.ok_or_else(elsewhere)?.to_owned();
        }
        Err(endless())
    }

    /// The first thing of a list that fits.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer, and for a list without an end.
    pub(crate) async fn find<T: DeserializeOwned + Named + Send, R: StripeRequest + Send + Sync>(
        &self,
        request: impl Fn(Option<&str>) -> R + Send + Sync,
        fits: impl Fn(&T) -> bool + Send + Sync,
    ) -> Result<Option<T>, Failure> {
        let found = |page: Vec<T>| page.into_iter().find(|object| fits(object));
        self.each_page(request, found).await
    }

    /// Reads pages until one of them has what is looked for, or there are no more.
    ///
    /// # Errors
    /// That of the request: `Retryable` where it got no answer, and for a list without an end.
    async fn each_page<T, R, F: Send>(
        &self,
        request: impl Fn(Option<&str>) -> R + Send + Sync,
        mut look: impl FnMut(Vec<T>) -> Option<F> + Send,
    ) -> Result<Option<F>, Failure>
    where
        T: DeserializeOwned + Named + Send,
        R: StripeRequest + Send + Sync,
    {
        let mut after: Option<String> = None;
        let mut seen = BTreeSet::new();
        for _ in 0..PAGES_MAX {
            let page: Page<T> = self.ask(&request(after.as_deref())).await?;
            let last = page.data.last().map(|last| last.id().to_owned());
            if let Some(found) = look(page.data) {
                return Ok(Some(found));
            }
            match last.filter(|_| page.has_more) {
                // A list that leads back to where it was would never end.
                Some(last) if seen.insert(last.clone()) => after = Some(last),
                Some(_) => break,
                None => return Ok(None),
            }
        }
        Err(endless())
    }

    /// Sends for the account of the call.
    ///
    /// # Errors
    /// That of the request: `Retryable` for one that changes nothing, `Ambiguous` for a write without an answer.
    async fn send(
        &self,
        outbound: Outbound,
        key: Option<&IdempotencyKey>,
    ) -> Result<Response<Bytes>, Failure> {
        self.transport.send(self.sender(), outbound, key).await
    }

    /// Who asks, and until when.
    fn sender(&self) -> Sender<'a> {
        Sender {
            cx: self.cx,
            until: self.until,
            account: self.cx.account.as_ref().map(|account| account.as_str()),
        }
    }
}

/// For a list that has more pages than any.
fn endless() -> Failure {
    Failure::new(EngineErrorKind::Retryable, "Stripe's list does not end")
}

/// The object that an answer tells.
///
/// # Errors
/// That of the request: `Retryable` for one that changes nothing, `Ambiguous` for a write without an answer.
fn read<T: DeserializeOwned>(intent: Intent, answer: &Response<Bytes>) -> Result<T, Failure> {
    serde_json::from_slice(answer.body()).map_err(|error| Failure::nonsense(intent, error))
}

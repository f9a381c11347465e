//! Messages are posted until they have arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Uri};
use monetization_core::field::FieldError;
use monetization_core::text::ForeignId;

use crate::control::{Control, ControlError};
use crate::pool::{Pool, plain_address};
use crate::webhooks::Delivery;

/// Posts a provider's messages to each of some addresses, until each has answered with 2xx.
///
/// One address does not wait for another. Where something went wrong the next round is made after
/// half a second, then after twice as long, and so on up to half a minute. A message that has
/// reached all of them waits no longer at the provider; one that has reached only some is, after a
/// restart, posted to all of them again: at least once is what is promised. Without an address
/// nothing is posted, and messages wait to be fetched.
///
/// ```no_run
/// use monetization_engine_mock::MockEngine;
/// use monetization_engine_mock::serve::Postman;
///
/// # async fn posted() -> Result<(), monetization_core::field::FieldError> {
/// let mock = MockEngine::in_memory("2026-01-01T00:00:00Z".parse().unwrap());
/// let webhooks = ["http://127.0.0.1:8081/webhooks/mock"];
/// let postman = Postman::new(mock.control(), webhooks, |trouble| eprintln!("{trouble}"))?;
/// postman.run().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Postman {
    control: Control,
    pool: Pool,
    addresses: Vec<Uri>,
    tell: fn(&str),
    /// Messages that have reached some addresses, by their places, but not all.
    arrived: Mutex<BTreeMap<ForeignId, BTreeSet<usize>>>,
}

/// How often it is looked for messages that wait.
const EVERY: Duration = Duration::from_millis(200);
/// How long the first pause after a failure is.
const PAUSE: Duration = Duration::from_millis(500);
/// How long a pause becomes at most.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long the delivery of one message may take.
const DELIVERY_WITHIN: Duration = Duration::from_secs(10);

impl Postman {
    /// A postman for these addresses, who tells what goes wrong to `tell`, the same thing once.
    ///
    /// # Errors
    /// [`FieldError`] of `webhook_url` where an address is not of the form `http://host:port/path`.
    pub fn new<'a>(
        control: Control,
        addresses: impl IntoIterator<Item = &'a str>,
        tell: fn(&str),
    ) -> Result<Self, FieldError> {
        let addresses = addresses.into_iter();
        let addresses: Result<Vec<Uri>, FieldError> = addresses
            .map(|address| plain_address("webhook_url", address))
            .collect();
        Ok(Self {
            control,
            pool: Pool::new(),
            addresses: addresses?,
            tell,
            arrived: Mutex::default(),
        })
    }

    /// Makes rounds, for ever.
    pub async fn run(&self) {
        let rounds = (0..).zip(&self.addresses);
        join_all(rounds.map(|(place, address)| self.serve(place, address))).await;
        if self.addresses.is_empty() {
            std::future::pending().await
        }
    }

    /// Makes rounds to one address.
    async fn serve(&self, place: usize, address: &Uri) {
        let mut pause = PAUSE;
        let mut known = None;
        loop {
            match self.round(place, address).await {
                Ok(()) => {
                    (pause, known) = (PAUSE, None);
                    tokio::time::sleep(EVERY).await;
                }
                Err(trouble) => {
                    if known.as_ref() != Some(&trouble) {
                        (self.tell)(&format!("{address}: {trouble}"));
                    }
                    known = Some(trouble);
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Posts to one address what has not reached it. A message that is refused does not hold up
    /// the others; an address that is out of reach ends the round.
    async fn round(&self, place: usize, address: &Uri) -> Result<(), String> {
        let mut trouble = Ok(());
        for delivery in self.waiting(place) {
            let id = delivery.id.clone();
            match self.post(delivery, address).await? {
                status if status.is_success() => {
                    let marked = self.mark(id, place);
                    marked.map_err(|error| error.to_string())?;
                }
                status => trouble = Err(format!("a message was answered {status}")),
            }
        }
        trouble
    }

    /// What has not reached this address. What waits no longer is forgotten.
    fn waiting(&self, place: usize) -> Vec<Delivery> {
        let mut waiting = self.control.deliveries();
        let ids: BTreeSet<&ForeignId> = waiting.iter().map(|delivery| &delivery.id).collect();
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.retain(|id, _| ids.contains(id));
        waiting.retain(|delivery| {
            let places = arrived.get(&delivery.id);
            places.is_none_or(|places| !places.contains(&place))
        });
        waiting
    }

    /// Remembers that a message has reached an address; the provider is told with the last of them.
    fn mark(&self, id: ForeignId, place: usize) -> Result<(), ControlError> {
        {
            let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            let places = arrived.entry(id.clone()).or_default();
            places.insert(place);
            if places.len() < self.addresses.len() {
                return Ok(());
            }
            arrived.remove(&id);
        }
        self.control.delivered(&[id])
    }

    async fn post(&self, delivery: Delivery, address: &Uri) -> Result<http::StatusCode, String> {
        let mut request = Request::new(Bytes::from(delivery.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = address.clone();
        *request.headers_mut() = delivery.headers;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        let answered = self.pool.exchange(request, DELIVERY_WITHIN).await;
        answered
            .map(|answer| answer.status())
            .map_err(|silence| format!("no answer: {}", silence.cause))
    }
}

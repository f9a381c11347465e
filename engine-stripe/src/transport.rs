//! How requests reach Stripe: one attempt each, over connections that are kept.
//!
//! | header | value |
//! |---|---|
//! | `Authorization` | `Bearer` and the key of the call's context, marked as not to be shown |
//! | `Stripe-Version` | the version that the typed requests are made for |
//! | `Stripe-Account` | the connected account, where the call is for one; below `/v2` it is `Stripe-Context` |
//! | `Idempotency-Key` | of writes: the key of the call, or that of its step |
//! | `Content-Type` | of writes: a form; below `/v2` JSON |
//! | `User-Agent` | this crate and its version |
//!
//! Requests are built by the generated crates, which give method, path, query and form; everything else
//! is done here, and so are the few requests below `/v2`, which the generated crates do not have. Before one is sent it waits for its turn, and the time it may take is what is left of
//! the time of its call.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use monetization_core::clock::{Clock, Timestamp};
use monetization_core::engine::{EngineContext, EngineError, EngineErrorKind, IdempotencyKey};
use monetization_core::field::FieldError;
use monetization_core::reference::Mode;
use monetization_core::secret::Secret;
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use crate::error::{Failure, Intent};
use crate::form;
use crate::governor::{Governor, Lane};
use crate::names;
use crate::options::StripeOptions;
use address::base_address;
use pool::Pool;

mod address;
mod pool;

/// The version of Stripe's interface that every request names.
pub(crate) const API_VERSION: &str = "2026-09-30.endive";

/// What the paths of the second version of Stripe's interface begin with.
pub(crate) const SECOND_VERSION: &str = "/v2";

/// By which Stripe knows which version of its interface is spoken.
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
/// For which account a request is made.
const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
/// The same, for what stands below `/v2`.
const STRIPE_CONTEXT: HeaderName = HeaderName::from_static("stripe-context");
/// By which a write is recognised.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// By which Stripe knows who asks.
const WHO_WE_ARE: &str = concat!("monetization-engine-stripe/", env!("CARGO_PKG_VERSION"));

/// The way to Stripe.
#[derive(Debug)]
pub(crate) struct Transport {
    pool: Pool,
    base: String,
    mode: Mode,
    governor: Governor,
    clock: Clock,
}

/// A request that is to be sent: its path with the query, and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outbound {
    /// `GET`, `POST` or `DELETE`.
    pub(crate) method: Method,
    /// From `/v1` or `/v2` on, with the query.
    pub(crate) path: String,
    /// Of a write, even where it says nothing.
    pub(crate) body: Option<Bytes>,
    /// By which rate it waits for its turn.
    pub(crate) lane: Lane,
    /// Whether it changes anything, which its method does not always say.
    pub(crate) intent: Intent,
}

/// Whose request it is, and until when it may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// The call that it is part of.
    pub(crate) cx: &'a EngineContext,
    /// On the uptime of the clock.
    pub(crate) until: Duration,
    /// Whether it is made for the account of the context, or for the one the key belongs to.
    pub(crate) account: Option<&'a str>,
}

impl Outbound {
    /// What a typed request becomes.
    pub(crate) fn typed(request: &impl StripeRequest) -> Self {
        request.build().into()
    }

    /// Asks for what stands at this path.
    pub(crate) fn get(path: &str) -> Self {
        RequestBuilder::new(StripeMethod::Get, path).into()
    }

    /// Asks for what stands at this path of the second version of Stripe's interface.
    pub(crate) fn get_v2(path: &str) -> Self {
        Self {
            path: format!("{SECOND_VERSION}{path}"),
            ..Self::get(path)
        }
    }

    /// Writes to this path of the second version of Stripe's interface.
    pub(crate) fn post_v2(path: &str, said: &Value) -> Self {
        Self {
            path: format!("{SECOND_VERSION}{path}"),
            body: Some(said.to_string().into()),
            ..RequestBuilder::new(StripeMethod::Post, path).into()
        }
    }

    /// Reports a meter event in these bytes.
    pub(crate) fn event(form: &[u8]) -> Self {
        Self {
            body: Some(Bytes::copy_from_slice(form)),
            lane: Lane::Events,
            ..RequestBuilder::new(StripeMethod::Post, "/billing/meter_events").into()
        }
    }
}

impl From<RequestBuilder> for Outbound {
    fn from(built: RequestBuilder) -> Self {
        let query = built.query.map(|query| form::in_order(&query));
        let path = match query.filter(|query| !query.is_empty()) {
            Some(query) => format!("/v1{}?{query}", built.path),
            None => format!("/v1{}", built.path),
        };
        let (method, form) = match built.method {
            StripeMethod::Get => (Method::GET, None),
            StripeMethod::Post => (Method::POST, Some(built.body.unwrap_or_default())),
            StripeMethod::Delete => (Method::DELETE, Some(built.body.unwrap_or_default())),
        };
        let intent = match method {
            Method::GET => Intent::Read,
            _ => Intent::Write,
        };
        Self {
            method,
            path,
            body: form.map(|form| form::in_order(&form).into()),
            lane: Lane::Calls,
            intent,
        }
    }
}

impl Transport {
    /// A way to Stripe; nothing is contacted until a request is sent.
    ///
    /// # Errors
    /// A [`FieldError`] of `base_url` or `rates`.
    pub(crate) fn new(options: &StripeOptions) -> Result<Self, FieldError> {
        let base = base_address(&options.base_url)?;
        let pool = Pool::new(base.starts_with("https"));
        let pool = pool.map_err(|error| FieldError::new("base_url", error))?;
        Ok(Self {
            pool,
            base,
            mode: options.mode,
            governor: Governor::new(options.rates, options.clock.clone())?,
            clock: options.clock.clone(),
        })
    }

    /// What our own clock shows.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Until when a call of the engine that begins now may take.
    pub(crate) fn until(&self, cx: &EngineContext) -> Duration {
        self.clock.uptime().saturating_add(cx.timeout)
    }

    /// A key that no other request has: for what is asked by a write and changes nothing.
    pub(crate) fn fresh_key(&self, cx: &EngineContext) -> IdempotencyKey {
        let moment = (self.clock.now().as_micros(), self.clock.uptime().as_nanos());
        cx.key.step(format!("{}.{}", moment.0, moment.1))
    }

    /// Sends one request, once. A write carries `key`.
    ///
    /// # Errors
    /// `Unauthorized` for a key that is not taken, `Permanent` for what no header can carry; else as the table
    /// of errors says.
    pub(crate) async fn send(
        &self,
        from: Sender<'_>,
        outbound: Outbound,
        key: Option<&IdempotencyKey>,
    ) -> Result<Response<Bytes>, Failure> {
        let secret = self.credentials(from.cx)?;
        self.governor
            .wait(secret, from.account, outbound.lane, from.until)
            .await?;
        let within = from.until.saturating_sub(self.clock.uptime());
        if within.is_zero() {
            return Err(Failure::new(
                EngineErrorKind::Retryable,
                "no time is left for the request",
            ));
        }
        let intent = outbound.intent;
        let request = self.request(from, outbound, (secret, key))?;
        let answer = self.pool.exchange(request, within).await;
        let answer =
            answer.map_err(|silence| Failure::silent(intent, silence.left, silence.cause))?;
        Failure::check(intent, &answer, secret)?;
        Ok(answer)
    }

    /// What the call signs in with; a key of real money only where that was asked for.
    ///
    /// # Errors
    /// `Unauthorized` where there is none, or none that is taken.
    pub(crate) fn credentials<'a>(&self, cx: &'a EngineContext) -> Result<&'a Secret, EngineError> {
        let refuse = |problem| EngineError::new(EngineErrorKind::Unauthorized, problem);
        let secret = cx.credentials.as_ref();
        let secret = secret.ok_or_else(|| refuse("there is no key to sign in with"))?;
        if mode_of(secret) == Mode::Live && self.mode != Mode::Live {
            return Err(refuse(
                "the key is one for real money, and only test keys are taken here",
            ));
        }
        Ok(secret)
    }

    /// The request with all its headers.
    ///
    /// # Errors
    /// `Unauthorized` or `Permanent` for what no header can carry.
    fn request(
        &self,
        from: Sender<'_>,
        outbound: Outbound,
        (secret, key): (&Secret, Option<&IdempotencyKey>),
    ) -> Result<Request<Bytes>, EngineError> {
        let refuse = |problem: &str| EngineError::new(EngineErrorKind::Permanent, problem);
        let (whose, kind) = match outbound.path.starts_with(SECOND_VERSION) {
            true => (STRIPE_CONTEXT, "application/json"),
            false => (STRIPE_ACCOUNT, "application/x-www-form-urlencoded"),
        };
        let address = format!("{}{}", self.base, outbound.path);
        let address: Uri = address
            .parse()
            .map_err(|_| refuse("the request has no address"))?;
        let mut request = Request::new(outbound.body.clone().unwrap_or_default());
        *request.method_mut() = outbound.method;
        *request.uri_mut() = address;
        let headers = request.headers_mut();
        let mut bearer = value(&format!("Bearer {}", secret.reveal())).ok_or_else(|| {
            EngineError::new(EngineErrorKind::Unauthorized, "no header can carry the key")
        })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(STRIPE_VERSION, HeaderValue::from_static(API_VERSION));
        headers.insert(USER_AGENT, HeaderValue::from_static(WHO_WE_ARE));
        if outbound.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        if let Some(account) = from.account {
            let account =
                value(account).ok_or_else(|| refuse("no header can carry the account"))?;
            headers.insert(whose, account);
        }
        if let Some(key) = key {
            let key = value(&names::idempotency_key(key));
            headers.insert(
                IDEMPOTENCY_KEY,
                key.ok_or_else(|| refuse("no header can carry the key"))?,
            );
        }
        Ok(request)
    }
}

/// Whether money is real where this key opens.
pub(crate) fn mode_of(key: &Secret) -> Mode {
    // `sk_live_`, `rk_live_` and whatever else comes to stand before it.
    if key.reveal().contains("_live_") {
        Mode::Live
    } else {
        Mode::Test
    }
}

/// Whether an answer is an earlier one, told again.
pub(crate) fn is_replayed(headers: &HeaderMap) -> bool {
    headers
        .get("idempotent-replayed")
        .is_some_and(|value| value == "true")
}

/// A header's value; `None` for what no header can carry.
fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

#[cfg(test)]
mod tests;

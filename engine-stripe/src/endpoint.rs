//! Where Stripe sends its news: addresses that a program tells it, and finds again there.
//!
//! | messages | at Stripe | tell |
//! |---|---|---|
//! | [`Payload::Snapshot`] | a webhook endpoint | what happened, and how the object stood then |
//! | [`Payload::Thin`] | an event destination | that there is something to be read |
//!
//! A webhook endpoint is never sent thin events, so an address needs both. Each signs with a secret of its own.
//!
//! A webhook endpoint does not tell whose news it is sent. So those that are made here say it in their metadata,
//! and only those are believed: one that was made by hand is for whoever made it to delete.

use std::collections::BTreeSet;

use monetization_core::engine::{EngineContext, EngineError, EngineErrorKind, IdempotencyKey};
use monetization_core::field::FieldError;
use monetization_core::secret::Secret;

use crate::error::Failure;
use crate::options::StripeOptions;
use crate::session::Session;
use crate::transport::{API_VERSION, Transport};

mod snapshot;
mod thin;

/// The events that say anything to the engine, in the order of the alphabet.
pub const EVENTS: [&str; 12] = [
    "checkout.session.completed",
    "customer.subscription.deleted",
    "invoice.created",
    "invoice.deleted",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.overdue",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.updated",
    "invoice.voided",
];

/// The thin events that say anything to the engine, in the order of the alphabet: of reports that Stripe refuses
/// after it had taken them.
pub const THIN_EVENTS: [&str; 2] = [
    "v1.billing.meter.error_report_triggered",
    "v1.billing.meter.no_meter_found",
];

/// The webhook endpoints and event destinations of the account that a key belongs to.
///
/// Each call signs in with the credentials of its context, which need the permission to read those that it is
/// about, and to write them for [`ensure`](Self::ensure). Its account and its key are not looked at.
#[derive(Debug)]
pub struct Endpoints {
    transport: Transport,
}

/// A webhook endpoint or an event destination, as it is at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// Stripe's id of it, `we_…` or `ed_…`.
    pub id: String,
    /// Where messages are posted.
    pub url: String,
    /// What messages hold.
    pub payload: Payload,
    /// Whose news it is sent; `None` for a webhook endpoint that was not made here, since Stripe does not tell, and
    /// for an event destination of several kinds of accounts.
    pub scope: Option<Scope>,
    /// Whether messages are posted at all.
    pub is_enabled: bool,
    /// The kinds of events that it is sent; `*` for all.
    pub events: BTreeSet<String>,
    /// The version of Stripe's interface that messages are written in; `None` for the account's own, and for
    /// thin events, which are of no version.
    pub api_version: Option<String>,
}

/// What messages hold: an endpoint is sent one kind of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "Stripe knows no third")]
pub enum Payload {
    /// What happened, with the object as it was then: [`EVENTS`].
    Snapshot,
    /// Only that something happened: [`THIN_EVENTS`].
    Thin,
}

/// Whose news an endpoint is sent: one of them never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "Stripe knows no third")]
pub enum Scope {
    /// What happens in the platform's own account.
    Own,
    /// What happens in the accounts that are connected to it.
    Connected,
}

/// What had to be done for an endpoint to be as it should be.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Ensured {
    /// It was made. Stripe tells what it signs with now and never again.
    Made(Endpoint, Secret),
    /// It was there, and has been told other events or was switched on.
    Updated(Endpoint),
    /// It was there as it should be.
    Found(Endpoint),
}

impl Endpoints {
    /// Those of the Stripe that the options name. Nothing is contacted yet.
    ///
    /// # Errors
    /// A [`FieldError`] of `base_url` or `rates`.
    pub fn new(options: &StripeOptions) -> Result<Self, FieldError> {
        let transport = Transport::new(options)?;
        Ok(Self { transport })
    }

    /// Every endpoint of the account that is sent such messages, whoever has made it.
    ///
    /// # Errors
    /// `Unauthorized` where the key is not taken, or lacks the permission, which is named; `Retryable` where
    /// there is no answer.
    pub async fn list(
        &self,
        cx: &EngineContext,
        payload: Payload,
    ) -> Result<Vec<Endpoint>, EngineError> {
        let cx = of_the_platform(cx);
        let listed = Session::new(&self.transport, &cx).endpoints(payload).await;
        listed.map_err(|failure| explained(failure, payload, "Read"))
    }

    /// Sees to it that this address is sent [`EVENTS`], in the version of Stripe's interface that the engine
    /// speaks, or [`THIN_EVENTS`]. Doing it again makes no second one. An address needs it for each of
    /// [`Payload::ALL`]: they are done one by one, because the secret of each is told once.
    ///
    /// # Errors
    /// `Permanent`, saying what to do, for an endpoint there of another version, which Stripe does not
    /// change, or that was not made here; else as [`list`](Self::list), and `Ambiguous` where nobody
    /// knows what was done: then it is done again.
    pub async fn ensure(
        &self,
        cx: &EngineContext,
        (url, scope): (&str, Scope),
        payload: Payload,
    ) -> Result<Ensured, EngineError> {
        let cx = of_the_platform(cx);
        let session = Session::new(&self.transport, &cx);
        let ensured = session.ensured((url, scope), payload).await;
        ensured.map_err(|failure| explained(failure, payload, "Write"))
    }
}

impl Endpoint {
    /// Which of the events that it should be sent it is not.
    pub fn lacks(&self) -> impl Iterator<Item = &'static str> {
        let is_sent = |event: &&str| self.events.contains("*") || self.events.contains(*event);
        let wanted = self.payload.events().iter().copied();
        wanted.filter(move |event| !is_sent(event))
    }

    /// Whether its messages are written in the version that the engine speaks, or are of none.
    #[must_use]
    pub fn is_of_our_version(&self) -> bool {
        self.payload == Payload::Thin || self.api_version.as_deref() == Some(API_VERSION)
    }

    /// Whether it is sent what it should be and nothing else, and is switched on.
    fn is_as_wanted(&self) -> bool {
        self.is_enabled && self.has_wanted_events()
    }

    fn has_wanted_events(&self) -> bool {
        let wanted = self.payload.events().iter().copied();
        wanted.eq(self.events.iter().map(String::as_str))
    }
}

impl Payload {
    /// What an address needs: both.
    pub const ALL: [Self; 2] = [Self::Snapshot, Self::Thin];

    /// The events that say anything to the engine.
    #[must_use]
    pub const fn events(self) -> &'static [&'static str] {
        match self {
            Self::Snapshot => &EVENTS,
            Self::Thin => &THIN_EVENTS,
        }
    }

    /// What a key needs a permission for, to see to such endpoints.
    const fn permission(self) -> &'static str {
        match self {
            Self::Snapshot => "Webhook Endpoints",
            Self::Thin => "Event Destinations",
        }
    }

    /// As it stands in idempotency keys.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot => "webhook-endpoint",
            Self::Thin => "event-destination",
        }
    }
}

impl Scope {
    /// As it stands in metadata and idempotency keys.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Connected => "connected",
        }
    }
}

/// What was made, or is told again to have been.
#[derive(Debug)]
struct Made {
    endpoint: Endpoint,
    /// Only in the answer to its making.
    secret: Option<Secret>,
    is_replayed: bool,
}

impl Session<'_> {
    /// Every endpoint of the account that is sent such messages.
    ///
    /// # Errors
    /// That of a request.
    async fn endpoints(&self, payload: Payload) -> Result<Vec<Endpoint>, Failure> {
        match payload {
            Payload::Snapshot => self.webhook_endpoints().await,
            Payload::Thin => self.event_destinations().await,
        }
    }

    /// The endpoint that is there, mended, or a new one.
    ///
    /// # Errors
    /// `Permanent` for one that is in the way; else that of a request.
    async fn ensured(
        &self,
        (url, scope): (&str, Scope),
        payload: Payload,
    ) -> Result<Ensured, Failure> {
        let there = self.endpoints(payload).await?.into_iter();
        let there: Vec<Endpoint> = there.filter(|it| it.url == url).collect();
        if let Some(found) = there.iter().find(|it| it.scope == Some(scope)) {
            return self.mended(found).await;
        }
        if let Some(foreign) = there.iter().find(|it| it.scope.is_none()) {
            return Err(in_the_way(
                foreign,
                match payload {
                    Payload::Snapshot => {
                        "was not made by this program, and Stripe does not tell whose news it is sent"
                    }
                    Payload::Thin => "is sent the news of several kinds of accounts",
                },
            ));
        }
        self.made((url, scope), payload).await
    }

    /// The endpoint with our events, and switched on.
    ///
    /// # Errors
    /// `Permanent` for one of another version; else that of the request.
    async fn mended(&self, found: &Endpoint) -> Result<Ensured, Failure> {
        if !found.is_of_our_version() {
            let spoken = found.api_version.as_deref().unwrap_or("the account's");
            let problem = format!(
                "is of the version {spoken} and not {API_VERSION}, which Stripe never changes"
            );
            return Err(in_the_way(found, &problem));
        }
        if found.is_as_wanted() {
            return Ok(Ensured::Found(found.clone()));
        }
        let mended = match found.payload {
            Payload::Snapshot => self.mended_webhook_endpoint(found).await,
            Payload::Thin => self.mended_event_destination(found).await,
        };
        mended.map(Ensured::Updated)
    }

    /// A new endpoint with its secret.
    ///
    /// # Errors
    /// That of a request; `Permanent` where Stripe does not tell the secret.
    async fn made(
        &self,
        (url, scope): (&str, Scope),
        payload: Payload,
    ) -> Result<Ensured, Failure> {
        // Two programs at once make one.
        let key = format!("{}:{}:{url}", payload.as_str(), scope.as_str());
        let mut made = self
            .make((url, scope), payload, &IdempotencyKey::new(key))
            .await?;
        let is_told_again = made.is_replayed || made.secret.is_none();
        if is_told_again && !self.is_there(&made.endpoint).await? {
            // It was made while Stripe knows the key, and deleted since.
            let key = self.fresh_key();
            made = self.make((url, scope), payload, &key).await?;
        }
        let untold = "was made, and Stripe does not tell what it signs with";
        let secret = made
            .secret
            .ok_or_else(|| in_the_way(&made.endpoint, untold))?;
        Ok(Ensured::Made(made.endpoint, secret))
    }

    /// Has one made under this key.
    ///
    /// # Errors
    /// That of the request.
    async fn make(
        &self,
        wanted: (&str, Scope),
        payload: Payload,
        key: &IdempotencyKey,
    ) -> Result<Made, Failure> {
        match payload {
            Payload::Snapshot => self.make_webhook_endpoint(wanted, key).await,
            Payload::Thin => self.make_event_destination(wanted, key).await,
        }
    }

    /// Whether it still is.
    ///
    /// # Errors
    /// That of a request.
    async fn is_there(&self, endpoint: &Endpoint) -> Result<bool, Failure> {
        let all = self.endpoints(endpoint.payload).await?;
        Ok(all.iter().any(|other| other.id == endpoint.id))
    }
}

/// The same context for the account of its key: endpoints of the platform hear of connected accounts, too.
fn of_the_platform(cx: &EngineContext) -> EngineContext {
    EngineContext {
        account: None,
        ..cx.clone()
    }
}

/// For an endpoint that has to go before another one can take its place.
fn in_the_way(endpoint: &Endpoint, problem: &str) -> Failure {
    let message = format!(
        "{} at {} {problem}: delete it at Stripe, and do this again",
        endpoint.id, endpoint.url
    );
    Failure::new(EngineErrorKind::Permanent, message)
}

/// What a caller is told: of a key that may not do it, what it lacks.
fn explained(failure: Failure, payload: Payload, allowed: &str) -> EngineError {
    let Some(said) = failure.forbidden else {
        return failure.error;
    };
    let needed = payload.permission();
    let message = format!("the key needs the permission {needed}: {allowed}; Stripe says {said}");
    EngineError::new(EngineErrorKind::Unauthorized, message)
}

#[cfg(test)]
mod tests;

//! A provider as a process of its own: what several servers share, over HTTP.
//!
//! The binary `engine-mock` is [`router`], [`run`], [`follow`] and a [`Postman`] put together. A
//! test can do the same within its own process:
//!
//! ```
//! use std::time::Duration;
//!
//! use monetization_engine_mock::serve::{self, ServedClock};
//! use monetization_engine_mock::{MockEngine, RemoteOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mock = MockEngine::in_memory("2026-01-01T00:00:00Z".parse()?);
//! let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let address = format!("http://{}", socket.local_addr()?);
//! let router = serve::router(&mock, ServedClock::ByHand);
//! tokio::spawn(serve::run(socket, router, std::future::pending()));
//!
//! let options = RemoteOptions::ask(address, Duration::from_secs(5)).await?;
//! let engine = MockEngine::remote(options)?;
//! assert_eq!(engine.descriptor.limits.grace, Duration::from_secs(3_600));
//! # Ok(())
//! # }
//! ```
//!
//! # What is served
//! Bodies are JSON of at most 1 MiB; what is not known in them is refused by name.
//!
//! | method and path | body | what it does |
//! |---|---|---|
//! | `POST /v1/calls` | a call | answers `{"reply": …}` or `{"refusal": …}`; for engines |
//! | `GET /v1/calls` | | the calls that were seen, without their credentials |
//! | `GET /v1/provider` | | version, rules, where payment links lead |
//! | `GET /v1/clock` | | what the provider's clock says, and whether it can be moved |
//! | `POST /v1/clock` | `{"to": INSTANT}` or `{"advance_seconds": N}` | moves it forward |
//! | `POST /v1/payments` | `{"what": INVOICE, LINK or TOKEN, "payment": "pays" or "fails"}` | a customer pays, or fails to |
//! | `GET /pay/TOKEN`, `POST /pay/TOKEN` | | the page behind a link, and paying or storing a payment method there |
//! | `GET /v1/plans`, `/v1/customers`, `/v1/subscriptions`, `/v1/invoices` | | what there is, oldest first: `?after=NAME&limit=N` |
//! | `GET /v1/invoices/NAME` | | one invoice, with its newest payment link |
//! | `GET /v1/subscriptions/NAME/usage/METER` | | what was counted of a meter, in its scale |
//! | `PUT /v1/customers/NAME/behaviour` | `{"behaviour": "automatically", "declines" or "waits_for_link"}` | how a customer pays from now on |
//! | `GET /v1/messages` | | the messages that wait, signed as of now |
//! | `POST /v1/messages/delivered` | `{"messages": [NAME, …]}` | they wait no longer |
//! | `POST /v1/faults` | an [`Injection`](crate::faults::Injection) | adds a fault on this side of the network |
//! | `DELETE /v1/faults` | | takes back every fault to come |
//! | `POST /v1/faults/release` | | lets the held calls go on |
//! | `GET /healthz` | | 200, or 503 once the journal has failed |
//!
//! A request that comes to nothing is answered in the form of RFC 9457, with a `code` for programs
//! and `errors` that name the fields:
//!
//! ```json
//! {
//!   "title": "Unprocessable Entity",
//!   "status": 422,
//!   "code": "invalid_field",
//!   "detail": "to: 2026-01-01T00:00:00Z is past: allowed is 2026-01-02T00:00:00Z or later",
//!   "errors": [{ "field": "to", "problem": "2026-01-01T00:00:00Z is past: …" }]
//! }
//! ```
//!
//! # A call
//! What an engine posts is its call as data, in the provider's own words: see
//! [`Order`](crate::provider::Order) and [`Query`](crate::provider::Query) for all of them.
//!
//! ```text
//! POST /v1/calls HTTP/1.1
//! Content-Type: application/json
//! Authorization: Bearer what-the-caller-signs-in-with
//!
//! {
//!   "account": null,
//!   "key": "customer:con_0197f3a0000070008000000000000001",
//!   "timeout_milliseconds": 10000,
//!   "request": { "order": {
//!     "do": "ensure_customer",
//!     "consumer": "con_0197f3a0000070008000000000000001",
//!     "name": "Example Ltd"
//!   } },
//!   "breaks": null
//! }
//! ```
//!
//! The key recognises the order when it is sent again. `timeout_milliseconds` is how long the caller
//! waits: a fault that delays the answer for longer loses it. `breaks` is a refusal by which the
//! provider shall fail within. An answer of the provider has a body of one of two kinds:
//!
//! ```json
//! { "reply": { "named": "cus_0000000001" } }
//! { "refusal": { "kind": "conflict", "message": "the key was used for another order" } }
//! ```
//!
//! | status | what it is |
//! |---|---|
//! | 200 | a reply |
//! | 401, 404, 409, 422, 429, 500, 503 with a `refusal` | the provider refuses: credentials, no such object, conflict, for good, too many calls, failed within, out of reach |
//! | 503, `code` is `not_done` | the journal has failed before: nothing was done, start the process anew |
//! | 500, `code` is `unknown` | the journal has failed at this very order, or the fault that was asked for: nobody knows |
//! | 400, 413, 415, 422 with a `code` | the call cannot be read: nothing was done |
//!
//! A caller that hangs up has called all the same: what is on its way to the provider arrives.
//!
//! # A month by hand
//! ```sh
//! curl -s localhost:8082/v1/invoices | jq '.items[] | [.id, .state, .payment_url]'
//! curl -s localhost:8082/v1/payments -H 'content-type: application/json' \
//!     -d '{"what": "inv_0000000004", "payment": "fails"}'
//! curl -s localhost:8082/v1/clock -H 'content-type: application/json' \
//!     -d '{"advance_seconds": 2678400}'
//! curl -s localhost:8082/v1/faults -H 'content-type: application/json' \
//!     -d '{"fault": {"refuse": {"kind": "unavailable", "message": "back soon"}}, "times": 5}'
//! ```
//!
//! # Who may ask
//! Whoever reaches the port: there is no sign-in, because nothing here is worth one. Credentials
//! that calls bring along are recorded in memory as anywhere in the mock, and never shown. Listen
//! on loopback, and put something in front that asks who is there where others must reach it.

use std::convert::Infallible;
use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post, put};
use http::StatusCode;
use monetization_core::clock::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::control::{Control, ControlError};
use crate::mock::MockEngine;
use crate::transport::Transport;
use crate::wire::{BODY_BYTES_MAX, CALLS, PROVIDER, ProviderBody};
use problem::Problem;

pub use postman::Postman;

mod calls;
mod clock;
mod faults;
mod input;
mod messages;
mod objects;
mod payments;
mod postman;
mod problem;

/// What moves the provider's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum ServedClock {
    /// Requests do, and nothing else.
    ByHand,
    /// The machine's does: see [`follow`]. Requests to move it are refused.
    Machine,
}

/// What requests are answered from.
#[derive(Debug, Clone)]
struct Desk {
    transport: Arc<dyn Transport>,
    control: Control,
    clock: ServedClock,
}

/// For how long requests that are under way may take once the server is stopping.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How often the provider's clock follows the machine's.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Everything that is served about a provider.
pub fn router(mock: &MockEngine, clock: ServedClock) -> Router {
    let desk = Desk {
        transport: mock.transport(),
        control: mock.control(),
        clock,
    };
    Router::new()
        .route(CALLS, post(calls::carry_out).get(calls::seen))
        .route(PROVIDER, get(provider))
        .route("/v1/clock", get(clock::show).post(clock::move_on))
        .route("/v1/payments", post(payments::settle))
        .route("/v1/plans", get(objects::plans))
        .route("/v1/customers", get(objects::customers))
        .route("/v1/customers/{id}/behaviour", put(payments::behave))
        .route("/v1/subscriptions", get(objects::subscriptions))
        .route("/v1/subscriptions/{id}/usage/{meter}", get(objects::usage))
        .route("/v1/invoices", get(objects::invoices))
        .route("/v1/invoices/{id}", get(objects::invoice))
        .route("/v1/messages", get(messages::waiting))
        .route("/v1/messages/delivered", post(messages::delivered))
        .route("/v1/faults", post(faults::inject).delete(faults::clear))
        .route("/v1/faults/release", post(faults::release))
        .route("/pay/{token}", get(payments::page).post(payments::submit))
        .route("/healthz", get(health))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            let detail = "nothing here is done by that method";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(desk)
}

/// Serves on a socket until `stop` has come to its end. Requests that are under way by then are
/// finished, for at most five seconds.
///
/// # Errors
/// Where the socket cannot be served.
pub async fn run(
    socket: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = oneshot::channel::<Infallible>();
    let serving = axum::serve(socket, router).with_graceful_shutdown(async move {
        stop.await;
        drop(stopping);
    });
    tokio::select! {
        served = serving.into_future() => served,
        () = async {
            // Nothing is ever sent: what is waited for is that the other end is gone.
            drop(stopped.await);
            tokio::time::sleep(DRAIN_WITHIN).await;
        } => Ok(()),
    }
}

/// Lets the provider's clock follow this one, each second, for as long as that works.
///
/// # Errors
/// [`ControlError`] once the journal does not take it any more.
pub async fn follow(control: &Control, clock: &Clock) -> Result<Infallible, ControlError> {
    loop {
        control.set(clock.now())?;
        tokio::time::sleep(FOLLOW_EVERY).await;
    }
}

/// What a client has to know before it can speak for this provider.
async fn provider(State(desk): State<Desk>) -> axum::Json<ProviderBody> {
    axum::Json(ProviderBody {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        payment_url_base: desk.control.payment_url_base().to_owned(),
        rules: desk.control.rules(),
    })
}

/// Whether what is asked for can be written down.
async fn health(State(desk): State<Desk>) -> Result<axum::Json<Value>, Problem> {
    if desk.control.is_writable() {
        return Ok(axum::Json(json!({ "status": "ok" })));
    }
    Err(Problem::unavailable(
        "the journal has failed: start the process anew",
    ))
}

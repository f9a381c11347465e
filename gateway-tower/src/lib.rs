//! One tower [`Layer`](tower::Layer) that turns calls into money.
//!
//! It goes around any service that takes [`http::Request`] and answers [`http::Response`] with a
//! body of [`bytes::Bytes`]: an axum router, a hyper or tonic service, a reverse proxy. It decides
//! by the [`Gatekeeper`](monetization_core::runtime::Gatekeeper) it is given, never buffers a body,
//! and never asks an engine anything.
//!
//! | what you write | what it is |
//! |---|---|
//! | [`MonetizationLayer`] | the layer; [`Monetization`] is the service it makes |
//! | [`LayerOptions`] | which product a call is for, header style, durability, what is trusted |
//! | [`TokioRuntime`] | what runs the rest of a call whose client has gone; a [`Runtime`] of your own fits too |
//! | [`Forward`] | the extension that tells a proxy behind the layer where a call goes |
//! | [`RequestBytes`] | the extension by which the inner service says how long a body was that announced no length |
//! | [`canonical_path`] | how the layer reads a path, for who has one from elsewhere |
//!
//! # What happens to a call
//!
//! 1. Headers that only the gateway may send (`X-Consumer-*`, `X-Credential-*`,
//!    `X-Anonymous-Consumer`, however they are spelled), that end at this hop (`Connection` and all
//!    it lists, `Proxy-*`, `TE` but for trailers and so on), that override method or path, or that
//!    nobody vouches for (`Forwarded`, `X-Forwarded-*`, unless trusted) are taken off.
//! 2. A path that servers may read in different ways is answered with 400. Otherwise it is brought
//!    into its one canonical form, and that form is what is priced and what is forwarded, byte for
//!    byte.
//! 3. The first segment of the path names the product and is not forwarded; or the product is fixed
//!    and the path stays as it is ([`Mount`]). `Authorization: Bearer` or `X-API-Key` is the key; it
//!    never reaches the upstream.
//! 4. `X-Consumer-ID`, `X-Consumer-Custom-ID` and `X-Consumer-Username` are added, and [`Forward`].
//! 5. The inner service is called. If the client goes away first, the rest of the call goes on as a
//!    task of its own until its record is settled; a call that nobody drops costs no task. Whoever
//!    forwards must bound the time this takes: the layer has no time-out for the inner service.
//! 6. Data frames pass at once. The frame that completes a body of known length, otherwise the end
//!    or the trailers, waits until the record is durable; so does a head without a body. If it does
//!    not become durable in time, the end is never sent: the body fails and the connection with it;
//!    a head is replaced by a 503. In [`CommitMode::Background`] nothing waits but calls that spend
//!    from a strict quota. To a client of HTTP/1.0 that is told no length the closed connection is
//!    the end, so it cannot tell the two apart.
//! 7. Every answer to a caller that was let through, or that a limit refused, tells the limits.
//!
//! Exactly one record is written for every call that the upstream saw, and none for others:
//!
//! | the call | its record says |
//! |---|---|
//! | was answered to its end | the status, `complete` |
//! | was left by its client, before the answer or within it | the upstream's status, `client_gone` |
//! | was broken off by the upstream, or shorter than announced | the status, `upstream_broke` |
//! | was not answered: the inner service failed (502 to the client) | no status, `no_answer` |
//! | met a panic (500 to the client, or an aborted body) | the status if there was one, `failed` |
//!
//! Whether such a call is billed, and whether it gives its unit of a quota back, is the plan's
//! metering policy; what the gateway itself failed at is never billed.
//!
//! # Refusals
//!
//! | status | when | code |
//! |---|---|---|
//! | 400 | the path may be read in two ways | `ambiguous_path`, `path_not_canonical` |
//! | 400 | two hosts, a user in the target, a product's name with other characters | `ambiguous_host`, `invalid_product` |
//! | 401, `WWW-Authenticate: Bearer` | no key, several, or none that is good | `no_key`, `several_keys`, `invalid_key` |
//! | 402 | payment is due | `payment_required` |
//! | 403 | nothing bought, or no such product: one answer, so that nobody finds out which there are | `no_subscription` |
//! | 403 | not approved, stopped by the owner, over | `not_approved`, `blocked`, `subscription_ended` |
//! | 404 | no such operation; an archived product, which only its subscribers are told | `no_such_resource`, `not_served` |
//! | 413 | a body is announced whose length has more than 15 digits | `body_too_long` |
//! | 414 | path and query longer than 8,192 bytes | `target_too_long` |
//! | 429, `Retry-After` | a limit is reached; nothing is taken of any | see below |
//! | 500, 502 | see above | `internal_error`, `no_answer` |
//! | 503, `Retry-After` | the call cannot be decided or recorded now, and was not made | `busy` |
//! | 503 | the call was made, and its record is not known to be durable | `not_recorded` |
//!
//! All but 429 are `application/problem+json` with `type`, `title`, `status`, `detail` and `code`. A
//! 429 is exactly `{"message":"API rate limit exceeded"}` as `application/json`; a client that
//! accepts `application/problem+json`, or every client by [`LimitedBody::Problem`], gets a problem
//! that tells `rate_exceeded` from `quota_exceeded` and names the limits in `violated-policies`.
//!
//! # Headers
//!
//! [`HeaderStyle::Kong`], the default, for a plan with 20 calls a minute and 1,000 a month:
//!
//! ```text
//! X-RateLimit-Limit-Minute: 20
//! X-RateLimit-Remaining-Minute: 12
//! X-RateLimit-Limit-Month: 1000
//! X-RateLimit-Remaining-Month: 992
//! RateLimit-Limit: 20
//! RateLimit-Remaining: 12
//! RateLimit-Reset: 46
//! ```
//!
//! The last three are those of the most constrained limit: of a refused call the exceeded one that
//! resets last, else the one with the least left. Windows are `Second` to `Year`; a quota of the
//! billing period is `Period`. A burst has no window: it is told by the last three only, when it is
//! the most constrained. [`HeaderStyle::Ietf`] says the same as
//!
//! ```text
//! RateLimit-Policy: "minute";q=20;w=60, "month";q=1000;w=2592000
//! RateLimit: "minute";r=12;t=46, "month";r=992;t=1771186
//! ```
//!
//! where a burst has no `w`. A quota that does not count all calls has what it counts in its names, the
//! unit of its meter or `resource`; and the meter's name too where the plan limits another one of that unit
//! in the same window:
//!
//! | quota | Kong | IETF |
//! |---|---|---|
//! | 300 tokens a month | `X-RateLimit-Limit-Month-Tokens: 300` | `"month-tokens";q=300;qu="tokens";w=2592000` |
//! | 300 tokens a month of the meter `input`, beside another limit of tokens a month | `X-RateLimit-Limit-Month-Tokens-Input: 300` | `"month-tokens-input";q=300;qu="tokens";w=2592000` |
//! | 1,000 bytes a day | `X-RateLimit-Limit-Day-Bytes: 1000` | `"day-bytes";q=1000;qu="bytes";w=86400` |
//! | 2 calls of one operation, for ever | `X-RateLimit-Limit-Ever-Resource: 2` | `"ever-resource";q=2` |
//!
//! What was bought for ever does not come back: it has neither `RateLimit-Reset` nor `t`, and a call that
//! it alone refuses has no `Retry-After`. What a meter counts is known when a call is over: its quota tells
//! what was left before this call, and lets calls through while anything is. Seconds are whole, rounded up and at least 1, by the real calendar in
//! UTC, and counted from when the head of the answer is sent. `Retry-After` of a 429 is the
//! `RateLimit-Reset`, or later where several limits refuse. What the upstream says of limits is
//! replaced.
//!
//! # What meters read
//!
//! Of an answer the layer reads the headers that meters name, and while it passes the fields of JSON that
//! they name; of bodies it counts the bytes that the client was sent. The length of a request is the one
//! that is announced; a service that reads a body without one says how much it was by [`RequestBytes`].
//!
//! Where a meter counts a field, the inner service is asked for `Accept-Encoding: identity` and for no `Range`,
//! whatever the client wants, since neither an encoded answer nor a part of one can be read. The rest of an
//! answer whose client has gone is read without it, for at most
//! [`rest_wait_max`](LayerOptions::rest_wait_max). What comes encoded all the same, or is neither JSON nor
//! events, is counted in
//! [`Committer::answers_unread`](monetization_core::runtime::Committer::answers_unread).
//!
//! An adapter of your own does the same with the [`Permit`](monetization_core::runtime::Permit):
//! ask the upstream for what can be read where it
//! [`reads_answers`](monetization_core::runtime::Permit::reads_answers),
//! [`heed`](monetization_core::runtime::Permit::heed) the head of the answer, hand each part of the body
//! to the [`reader`](monetization_core::runtime::Permit::reader) where there is one and it back by
//! [`found`](monetization_core::runtime::Permit::found), say what was
//! [`transferred`](monetization_core::runtime::Permit::transferred), then settle.
//!
//! # What is not told of the upstream
//!
//! With [`Mount::FirstSegment`]: a `Location` or `Content-Location` within the product's endpoint
//! leads back through the gateway, and one to another place on its host is taken off; so are `Link`
//! and `Refresh` that name its host, `Alt-Svc`, and what belongs to its connection. Failures say no
//! address. [`LayerOptions::hides_server`] takes off `Server`, `Via` and `X-Powered-By`. Bodies are
//! the upstream's own. Upgrades of the protocol end at this hop.
//!
//! # A proxy behind it
//!
//! ```
//! use http::{Request, Uri};
//! use monetization_gateway_tower::Forward;
//!
//! /// Where a call that was let through goes.
//! fn target<B>(request: &Request<B>) -> Option<Uri> {
//!     let forward = request.extensions().get::<Forward>()?;
//!     let base = forward.endpoint.as_str().trim_end_matches('/');
//!     format!("{base}{}", forward.path_and_query).parse().ok()
//! }
//!
//! # let request = Request::new(());
//! assert_eq!(target(&request), None); // It did not come through the layer.
//! ```

mod asked;
mod body;
mod call;
mod commit;
mod concealment;
mod forward;
mod hygiene;
mod layer;
mod limit_headers;
mod options;
mod path;
mod refusal;
mod request_bytes;
mod rest;
mod runtime;
mod selling;

pub use body::{BodyError, GatewayBody};
pub use call::Call;
pub use commit::NotCommitted;
pub use forward::Forward;
pub use layer::{Monetization, MonetizationLayer};
pub use options::{CommitMode, HeaderStyle, LayerOptions, LimitedBody, Mount};
pub use path::{PathError, canonical_path};
pub use refusal::Refused;
pub use request_bytes::RequestBytes;
pub use runtime::{Runtime, TokioRuntime};

/// The example of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

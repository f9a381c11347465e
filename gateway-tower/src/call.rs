//! One call, from its admission to the head of its answer.
//!
//! | state | dropped then |
//! |---|---|
//! | `Admitting`: the decision needs the store | nothing was taken, nothing is recorded |
//! | `Calling`: the inner service has the call | the rest goes on as a task, and is recorded |
//! | `Committing`: a head without a body waits for the ledger | the record is on its way already |
//! | `Answered` | its body settles the call |
//!
//! The inner future is boxed, so that it can be moved into a task when it is dropped; a call whose
//! client stays pays for the box and for no task.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::FutureExt;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use monetization_core::runtime::Permit;
use monetization_core::usage::{Ending, Outcome};
use tower::Service;

use crate::asked::Asked;
use crate::body::{GatewayBody, Metering};
use crate::commit::CommitWait;
use crate::concealment::conceal;
use crate::layer::Shared;
use crate::refusal;
use crate::request_bytes::RequestBytes;
use crate::rest;

/// The answer to come of one call.
///
/// Dropping it never stops a call that was sent: the rest of it goes on in the background until
/// it is known how it ended and what meters read from it, and is recorded. That is what a server does whose client hangs up, so
/// hanging up saves nobody the price of a call that the upstream has worked for.
///
/// It never fails but for the inner service's readiness; every failure of a call is an answer.
pub struct Call<S, B, RB>
where
    S: Service<Request<B>>,
    S::Error: Send + 'static,
    RB: Send + 'static,
{
    state: State<S, B, RB>,
}

enum State<S, B, RB>
where
    S: Service<Request<B>>,
    S::Error: Send + 'static,
    RB: Send + 'static,
{
    /// What the decision needs is being got.
    Admitting(Box<Admitting<S, B>>),
    Calling(Calling<RB, S::Error>),
    /// An answer without a body waits for its record itself.
    Committing(CommitWait, Response<GatewayBody<RB>>),
    Answered(Response<GatewayBody<RB>>),
    Over,
}

/// A call that was let through, with its request, or the answer that refuses it.
pub(crate) type Admission<B> = Result<(Request<B>, Asked, Permit), refusal::Answer>;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Admitting<S, B> {
    admission: BoxFuture<Admission<B>>,
    inner: Option<S>,
    shared: Arc<Shared>,
}

impl<S, B, RB> Call<S, B, RB>
where
    S: Service<Request<B>>,
    S::Error: Send + 'static,
    RB: Send + 'static,
{
    /// A call that the gateway answers itself.
    pub(crate) fn answered(answer: refusal::Answer) -> Self {
        Self {
            state: State::Answered(answer.map(GatewayBody::own)),
        }
    }

    /// A call that waits for what its decision needs, with the service that was polled ready.
    pub(crate) fn admitting(
        shared: Arc<Shared>,
        inner: S,
        admission: BoxFuture<Admission<B>>,
    ) -> Self {
        let inner = Some(inner);
        let admitting = Admitting {
            admission,
            inner,
            shared,
        };
        Self {
            state: State::Admitting(Box::new(admitting)),
        }
    }

    /// A call that the inner service has.
    pub(crate) fn calling(calling: Calling<RB, S::Error>) -> Self {
        Self {
            state: State::Calling(calling),
        }
    }

    /// The inner service panicked before it gave a future.
    pub(crate) fn panicked(shared: &Arc<Shared>, permit: Permit) -> Self {
        let head = Head::failed(shared, permit, Ending::Failed);
        Self { state: head.into() }
    }
}

impl<S, B, RB> Future for Call<S, B, RB>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<Response<GatewayBody<RB>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let next = match &mut this.state {
                State::Admitting(admitting) => {
                    let admission = ready!(admitting.admission.as_mut().poll(cx));
                    match (admission, admitting.inner.take()) {
                        (Ok((request, asked, permit)), Some(mut inner)) => {
                            let shared = Arc::clone(&admitting.shared);
                            shared.forward(&mut inner, request, asked, permit).state
                        }
                        (Err(answer), _) => State::Answered(answer.map(GatewayBody::own)),
                        (Ok(_), None) => State::Over,
                    }
                }
                State::Calling(calling) => ready!(calling.poll_head(cx)).into(),
                State::Committing(wait, _) => {
                    let committed = ready!(Pin::new(wait).poll(cx));
                    match std::mem::replace(&mut this.state, State::Over) {
                        State::Committing(_, response) if committed.is_ok() => {
                            State::Answered(response)
                        }
                        _ => State::Answered(refusal::not_recorded().map(GatewayBody::own)),
                    }
                }
                State::Answered(_) | State::Over => {
                    return match std::mem::replace(&mut this.state, State::Over) {
                        State::Answered(response) => Poll::Ready(Ok(response)),
                        // As of any future that has answered, nothing more comes.
                        _ => Poll::Pending,
                    };
                }
            };
            this.state = next;
        }
    }
}

// Nothing in it is pinned where it lies.
impl<S, B, RB> Unpin for Call<S, B, RB>
where
    S: Service<Request<B>>,
    S::Error: Send + 'static,
    RB: Send + 'static,
{
}

impl<S, B, RB> fmt::Debug for Call<S, B, RB>
where
    S: Service<Request<B>>,
    S::Error: Send + 'static,
    RB: Send + 'static,
{
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.state {
            State::Admitting(_) => "Call(admitting)",
            State::Calling(_) => "Call(calling)",
            State::Committing(..) => "Call(committing)",
            State::Answered(_) => "Call(answered)",
            State::Over => "Call(over)",
        })
    }
}

/// A call that is with the inner service. When the client drops it, the rest goes on as a task.
pub(crate) struct Calling<RB, E>
where
    RB: Send + 'static,
    E: Send + 'static,
{
    answer: Option<Answering<RB, E>>,
    permit: Option<Permit>,
    of_request: OfRequest,
    shared: Arc<Shared>,
    /// What goes on without the client.
    rest: Rest<RB, E>,
}

/// What of a request decides about its answer.
#[derive(Default)]
pub(crate) struct OfRequest {
    /// It asks for no body.
    pub(crate) is_head: bool,
    /// The length of its body, where it counts.
    pub(crate) bytes: Option<RequestBytes>,
}

impl OfRequest {
    /// Whether an answer of this status has no body, whatever its headers say.
    fn rules_body_out(&self, status: StatusCode) -> bool {
        self.is_head
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || status.is_informational()
    }

    /// How long its body was, where it counts.
    fn bytes(&self) -> u64 {
        self.bytes.as_ref().map_or(0, RequestBytes::total)
    }
}

type Answering<RB, E> = BoxFuture<Result<Response<RB>, E>>;
type Rest<RB, E> = fn(Answering<RB, E>, Permit, OfRequest, Arc<Shared>) -> BoxFuture<()>;

impl<RB, E> Calling<RB, E>
where
    RB: Send + 'static,
    E: Send + 'static,
{
    pub(crate) fn new(
        answer: Answering<RB, E>,
        permit: Permit,
        of_request: OfRequest,
        shared: Arc<Shared>,
    ) -> Self
    where
        RB: Body<Data = Bytes>,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Self {
            answer: Some(answer),
            permit: Some(permit),
            of_request,
            shared,
            rest: |answer, permit, of_request, shared| {
                Box::pin(without_client(answer, permit, of_request, shared))
            },
        }
    }

    /// Waits for the head of the answer; a panic counts as one.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Head<RB>>
    where
        RB: Body<Data = Bytes>,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Some(answer) = self.answer.as_mut() else {
            return Poll::Pending;
        };
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
        let answered = match polled {
            Ok(polled) => Ok(ready!(polled)),
            Err(panic) => Err(panic),
        };
        self.answer = None;
        let Some(permit) = self.permit.take() else {
            return Poll::Pending;
        };
        Poll::Ready(match answered {
            Ok(Ok(response)) => {
                let of_request = std::mem::take(&mut self.of_request);
                Head::answered(&self.shared, permit, response, of_request)
            }
            Ok(Err(_)) => Head::failed(&self.shared, permit, Ending::NoAnswer),
            Err(_) => Head::failed(&self.shared, permit, Ending::Failed),
        })
    }
}

impl<RB, E> Drop for Calling<RB, E>
where
    RB: Send + 'static,
    E: Send + 'static,
{
    fn drop(&mut self) {
        // Most calls have been answered by now, and have nothing left to be taken.
        if let Some(answer) = self.answer.take()
            && let Some(permit) = self.permit.take()
        {
            let of_request = std::mem::take(&mut self.of_request);
            let rest = (self.rest)(answer, permit, of_request, Arc::clone(&self.shared));
            self.shared.options.runtime.spawn(rest);
        }
    }
}

/// What is left of a call whose client has gone: how the upstream answers it. The body of that
/// answer is read where a meter reads fields of it. Otherwise it is of no use to anybody and is dropped
/// unread, which tells the upstream to stop.
async fn without_client<RB, E>(
    answer: Answering<RB, E>,
    mut permit: Permit,
    of_request: OfRequest,
    shared: Arc<Shared>,
) where
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (status, ending) = match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(response)) => {
            let status = response.status();
            permit.heed(response.headers());
            if !of_request.rules_body_out(status)
                && let Some(mut reader) = permit.reader(status.as_u16(), response.headers())
            {
                let body = rest::boxed(response.into_body());
                rest::read(&shared, body, &mut reader).await;
                permit.found(reader);
            }
            (Some(status.as_u16()), Ending::ClientGone)
        }
        Ok(Err(_)) => (None, Ending::NoAnswer),
        Err(_) => (None, Ending::Failed),
    };
    permit.transferred(of_request.bytes(), 0);
    permit.settle_in_background(Outcome { status, ending });
}

/// The head of an answer, ready to be sent or waiting for the ledger.
struct Head<RB> {
    wait: Option<CommitWait>,
    response: Response<GatewayBody<RB>>,
}

impl<RB> Head<RB> {
    /// The upstream has answered. A body that is empty, or that the method or status rules out, is
    /// over with the head, so the call is settled here and the head waits; any other settles itself.
    fn answered(
        shared: &Arc<Shared>,
        mut permit: Permit,
        mut response: Response<RB>,
        of_request: OfRequest,
    ) -> Self
    where
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let status = response.status();
        let headers = response.headers_mut();
        permit.heed(headers);
        let reader = permit.reader(status.as_u16(), headers);
        conceal(headers, &shared.options, &permit);
        shared.tell_limits(&permit, headers);
        let announced = announced_length(headers);
        let expected = announced.or(response.body().size_hint().exact());
        let bodiless = of_request.rules_body_out(status);
        let empty = expected == Some(0) || (expected.is_none() && response.body().is_end_stream());
        let status = status.as_u16();
        if bodiless || empty {
            permit.transferred(of_request.bytes(), 0);
            let outcome = Outcome {
                status: Some(status),
                ending: Ending::Complete,
            };
            return Self {
                wait: shared.settle(permit, outcome),
                response: response.map(GatewayBody::passing),
            };
        }
        let metering = Metering {
            permit,
            shared: Arc::clone(shared),
            status,
            expected,
            received: 0,
            request_bytes: of_request.bytes,
            reader,
        };
        Self {
            wait: None,
            response: response.map(|body| GatewayBody::metered(body, metering)),
        }
    }

    /// The inner service gave no answer.
    fn failed(shared: &Arc<Shared>, permit: Permit, ending: Ending) -> Self {
        let answer = match ending {
            Ending::Failed => refusal::panicked(),
            _ => refusal::unreachable(),
        };
        let mut response = answer.map(GatewayBody::own);
        shared.tell_limits(&permit, response.headers_mut());
        let outcome = Outcome {
            status: None,
            ending,
        };
        Self {
            wait: shared.settle(permit, outcome),
            response,
        }
    }
}

impl<S, B, RB> From<Head<RB>> for State<S, B, RB>
where
    S: Service<Request<B>>,
    S::Error: Send + 'static,
    RB: Send + 'static,
{
    fn from(head: Head<RB>) -> Self {
        match head.wait {
            Some(wait) => Self::Committing(wait, head.response),
            None => Self::Answered(head.response),
        }
    }
}

/// The length that the head announces. What is no length, or several, is taken off, so that the
/// client cannot take a part for the whole.
fn announced_length(headers: &mut HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(CONTENT_LENGTH).into_iter();
    let first = values.next()?;
    let several = values.next().is_some();
    let digits = first
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let length = digits
        .and_then(|digits| digits.parse().ok())
        .filter(|_| !several);
    if length.is_none() {
        headers.remove(CONTENT_LENGTH);
    }
    length
}

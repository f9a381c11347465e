//! The body of an answer, metered to its end.
//!
//! A body is the longest part of a call, and the one in which everything may still go wrong: the
//! upstream breaks off, the client leaves, the store is slow. Whatever happens, the permit inside is
//! settled exactly once:
//!
//! | state | what it waits for | what may come next |
//! |---|---|---|
//! | `Metering` | frames of the inner body | `Committing` at its end, `Passing` or `Over` where nobody waits |
//! | `Committing` | the ledger; the last frame or the end is held | `Passing` with the frame, `Over` |
//! | `Passing` | frames that need no metering: after a known length there may be trailers | `Over` |
//! | `Own` | nothing: an answer of the gateway | `Over` |
//!
//! A body that is dropped while it is `Metering` was left by its client; where a meter reads fields of
//! it, the rest of it is read all the same before the call is settled. Servers stop reading a body
//! once they have sent the length that was announced, so the frame that completes it is its end:
//! whoever waited for the end of the stream would take every such client for one that left.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use monetization_core::runtime::{AnswerReader, Permit};
use monetization_core::usage::{Ending, Outcome};
use pin_project_lite::pin_project;

use crate::commit::{CommitWait, NotCommitted};
use crate::layer::Shared;
use crate::request_bytes::RequestBytes;
use crate::rest::{self, Boxed, Inner};

pin_project! {
    /// The body of an answer: the inner service's, metered, or one of the gateway's own.
    ///
    /// Frames pass as they come. The frame that completes a body of known length, and otherwise
    /// the end or the trailers, waits for the call's record to be durable where the
    /// [`CommitMode`](crate::CommitMode) or a strict quota asks for it. A body that is dropped
    /// before its end is recorded as one whose client has gone; where a meter reads fields of it,
    /// the rest of it is read on beside the calls for that.
    pub struct GatewayBody<RB> {
        #[pin]
        inner: Option<Inner<RB>>,
        state: State,
    }

    impl<RB> PinnedDrop for GatewayBody<RB> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let State::Metering(metering) = std::mem::replace(this.state, State::Over) {
                let rest = this.inner.as_pin_mut().and_then(Inner::take);
                metering.left(rest);
            }
        }
    }
}

/// Why a body breaks off.
///
/// To a server it means: send nothing more, and close the connection (or reset the stream), so that
/// the client can tell that the answer is not whole. What hyper and axum do with a body's error is
/// just that. None of it is shown to the client; the source may name the upstream, so it belongs
/// into a log and nowhere else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The inner service's body failed. The call is recorded as broken off by the upstream.
    #[error("the upstream broke off within its answer")]
    Upstream(#[source] Box<dyn Error + Send + Sync>),
    /// The inner service's body ended before the length it had announced; likewise.
    #[error("the upstream's answer was shorter than announced")]
    TooShort,
    /// The inner service's body panicked. The call is recorded as failed, and not billed.
    #[error("the answer's body panicked")]
    Panicked,
    /// The call's record is not known to be durable, so the end must not be sent. The call is
    /// recorded as complete if it is recorded at all: the upstream has done its part.
    #[error("the end of the answer is held back")]
    HeldBack(#[source] NotCommitted),
}

#[derive(Debug)]
enum State {
    /// What is left needs no metering.
    Passing,
    /// An answer of our own.
    Own(Bytes),
    Metering(Metering),
    /// The frame, or the end, waits for the ledger.
    Committing(CommitWait, Option<Frame<Bytes>>),
    Over,
}

/// What a body has given last: a frame, its end, or why it broke off.
type Last = Result<Option<Frame<Bytes>>, BodyError>;

impl State {
    /// Settles the call; hands `last` back where it need not wait for the ledger.
    fn end(&mut self, last: Last) -> Option<Last> {
        let Self::Metering(metering) = std::mem::replace(self, Self::Over) else {
            return Some(last);
        };
        let frame = match last {
            Ok(_) if metering.is_short() => {
                metering.settle(Ending::UpstreamBroke);
                return Some(Err(BodyError::TooShort));
            }
            Ok(frame) => frame,
            Err(error) => {
                metering.settle(match error {
                    BodyError::Panicked => Ending::Failed,
                    _ => Ending::UpstreamBroke,
                });
                return Some(Err(error));
            }
        };
        if let Some(wait) = metering.complete() {
            *self = Self::Committing(wait, frame);
            return None;
        }
        if frame.is_some() {
            *self = Self::Passing;
        }
        Some(Ok(frame))
    }
}

/// A call whose answer is on its way to the client.
#[derive(Debug)]
pub(crate) struct Metering {
    pub(crate) permit: Permit,
    pub(crate) shared: Arc<Shared>,
    pub(crate) status: u16,
    /// The length of the body, where it is known.
    pub(crate) expected: Option<u64>,
    pub(crate) received: u64,
    /// The length of the request's body, where it counts.
    pub(crate) request_bytes: Option<RequestBytes>,
    /// What reads fields that are counted from the answer.
    pub(crate) reader: Option<AnswerReader>,
}

impl<RB> GatewayBody<RB> {
    /// An answer of the gateway itself, which has been settled or never was a call.
    pub(crate) fn own(bytes: Bytes) -> Self {
        Self {
            inner: None,
            state: State::Own(bytes),
        }
    }

    /// The body of an answer whose head was its end: a client may not read it, but its length is
    /// told.
    pub(crate) fn passing(inner: RB) -> Self {
        Self {
            inner: Some(Inner::InPlace { body: inner }),
            state: State::Passing,
        }
    }

    /// The body of an answer that is settled at its end.
    pub(crate) fn metered(inner: RB, metering: Metering) -> Self
    where
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let inner = match &metering.reader {
            Some(_) => Inner::Boxed {
                body: rest::boxed(inner),
            },
            None => Inner::InPlace { body: inner },
        };
        Self {
            inner: Some(inner),
            state: State::Metering(metering),
        }
    }
}

impl Metering {
    /// Whether less came than was announced.
    fn is_short(&self) -> bool {
        self.expected
            .is_some_and(|expected| self.received < expected)
    }

    /// Counts a frame; whether it completes the body.
    fn receive(&mut self, frame: &Frame<Bytes>) -> bool {
        let Some(data) = frame.data_ref() else {
            return true;
        };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(length);
        if let Some(reader) = &mut self.reader {
            reader.read(data);
        }
        self.expected
            .is_some_and(|expected| self.received >= expected)
    }

    /// The client has gone; what it has not been sent may still be counted.
    fn left(mut self, rest: Option<Boxed>) {
        let (Some(rest), Some(mut reader)) = (rest, self.reader.take()) else {
            self.settle(Ending::ClientGone);
            return;
        };
        let runtime = Arc::clone(&self.shared.options.runtime);
        runtime.spawn(Box::pin(async move {
            rest::read(&self.shared, rest, &mut reader).await;
            self.reader = Some(reader);
            self.settle(Ending::ClientGone);
        }));
    }

    /// Nobody waits for the record.
    fn settle(self, ending: Ending) {
        let outcome = outcome(self.status, ending);
        self.measured().permit.settle_in_background(outcome);
    }

    /// Tells the permit what was seen of the bodies.
    fn measured(mut self) -> Self {
        let request_bytes = self.request_bytes.as_ref();
        let request_bytes = request_bytes.map_or(0, RequestBytes::total);
        self.permit.transferred(request_bytes, self.received);
        if let Some(reader) = self.reader.take() {
            self.permit.found(reader);
        }
        self
    }

    /// The wait for the record, where the end has to wait.
    fn complete(self) -> Option<CommitWait> {
        let outcome = outcome(self.status, Ending::Complete);
        let measured = self.measured();
        measured.shared.settle(measured.permit, outcome)
    }
}

fn outcome(status: u16, ending: Ending) -> Outcome {
    Outcome {
        status: Some(status),
        ending,
    }
}

impl<RB> Body for GatewayBody<RB>
where
    RB: Body<Data = Bytes>,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        loop {
            match this.state {
                State::Over => return Poll::Ready(None),
                State::Own(bytes) => {
                    let bytes = std::mem::take(bytes);
                    *this.state = State::Over;
                    let frame = (!bytes.is_empty()).then(|| Ok(Frame::data(bytes)));
                    return Poll::Ready(frame);
                }
                State::Passing => {
                    let polled = ready!(poll_inner(this.inner.as_mut(), cx));
                    if !matches!(polled, Ok(Some(_))) {
                        *this.state = State::Over;
                    }
                    return Poll::Ready(polled.transpose());
                }
                State::Committing(wait, frame) => {
                    let committed = ready!(Pin::new(wait).poll(cx));
                    let frame = frame.take();
                    *this.state = match (&committed, &frame) {
                        (Ok(()), Some(_)) => State::Passing,
                        _ => State::Over,
                    };
                    return Poll::Ready(match committed {
                        Ok(()) => frame.map(Ok),
                        Err(error) => Some(Err(BodyError::HeldBack(error))),
                    });
                }
                State::Metering(metering) => match ready!(poll_inner(this.inner.as_mut(), cx)) {
                    Ok(Some(frame)) if !metering.receive(&frame) => {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    last => {
                        if let Some(last) = this.state.end(last) {
                            return Poll::Ready(last.transpose());
                        }
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Over => true,
            State::Own(bytes) => bytes.is_empty(),
            State::Passing => self.inner.as_ref().is_none_or(Body::is_end_stream),
            State::Metering(_) | State::Committing(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        let held = match &self.state {
            State::Over => return SizeHint::with_exact(0),
            State::Own(bytes) => return exactly(bytes),
            State::Passing | State::Metering(_) => 0,
            State::Committing(_, None) => return SizeHint::with_exact(0),
            State::Committing(_, Some(frame)) => frame.data_ref().map_or(0, length),
        };
        let inner = self
            .inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper().and_then(|upper| upper.checked_add(held)) {
            hint.set_upper(upper);
        }
        hint.set_lower(inner.lower().saturating_add(held));
        hint
    }
}

impl<RB> fmt::Debug for GatewayBody<RB> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("GatewayBody")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Polls the inner body; a panic in it is an error, so that the call is settled as what it was.
fn poll_inner<RB>(inner: Pin<&mut Option<RB>>, cx: &mut Context<'_>) -> Poll<Last>
where
    RB: Body<Data = Bytes>,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Some(inner) = inner.as_pin_mut() else {
        return Poll::Ready(Ok(None));
    };
    let polled = catch_unwind(AssertUnwindSafe(|| inner.poll_frame(cx)));
    match polled {
        Ok(polled) => polled.map(|frame| {
            frame
                .transpose()
                .map_err(|error| BodyError::Upstream(error.into()))
        }),
        Err(_) => Poll::Ready(Err(BodyError::Panicked)),
    }
}

fn exactly(bytes: &Bytes) -> SizeHint {
    SizeHint::with_exact(length(bytes))
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{LengthLimitError, Limited};
use hyper::body::Incoming;
use monetization_gateway_tower::RequestBytes;
use tokio::time::Sleep;

use super::{Failing, Word};

/// What the body of a request may hold up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyBounds {
    /// Bytes it may have.
    pub(crate) bytes_max: usize,
    /// For how long nothing of it may come.
    pub(crate) idle_max: Duration,
}

/// The body of a request on its way to the upstream, within its bounds.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: Limited<Incoming>,
    idle_max: Duration,
    /// Runs while the client is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
    word: Word,
    /// Counts what is read, where that is billed.
    read: Option<RequestBytes>,
}

/// The client has not sent the next piece of its body in time.
#[derive(Debug, thiserror::Error)]
#[error("the client stopped sending its body")]
struct ClientSlow;

impl RequestBody {
    pub(super) fn new(
        body: Incoming,
        bounds: BodyBounds,
        word: Word,
        read: Option<RequestBytes>,
    ) -> Self {
        Self {
            inner: Limited::new(body, bounds.bytes_max),
            idle_max: bounds.idle_max,
            waiting: None,
            word,
            read,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.waiting = None;
                if let Some(Err(error)) = &frame {
                    self.word.leave(if error.is::<LengthLimitError>() {
                        Failing::BodyTooLong
                    } else {
                        Failing::ClientGone
                    });
                }
                if let (Some(read), Some(Ok(frame))) = (&self.read, &frame) {
                    let length = frame.data_ref().map_or(0, Bytes::len);
                    read.add(u64::try_from(length).unwrap_or(u64::MAX));
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let idle_max = self.idle_max;
                let waiting = self
                    .waiting
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_max)));
                if waiting.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.word.leave(Failing::ClientSlow);
                Poll::Ready(Some(Err(ClientSlow.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

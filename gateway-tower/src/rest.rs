//! What is left of an answer whose client has gone.
//!
//! Where a meter reads fields of an answer, its body lies in a box: it is read on as a task when its
//! client leaves, since the field may stand at its end. Any other body stays where it is, and is
//! dropped with its client, which tells the upstream to stop.

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{Either, select};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use monetization_core::runtime::AnswerReader;
use pin_project_lite::pin_project;

use crate::layer::Shared;

pin_project! {
    /// The body of the inner service's answer.
    #[project = Projected]
    pub(crate) enum Inner<RB> {
        InPlace {
            #[pin]
            body: RB,
        },
        /// It may be read on without its client.
        Boxed { body: Boxed },
    }
}

/// A body that can be taken along.
pub(crate) type Boxed = UnsyncBoxBody<Bytes, BoxError>;

type BoxError = Box<dyn Error + Send + Sync>;

/// Bytes that are read without a client at most.
const REST_MAX: u64 = 64 << 20;

/// Puts a body into a box.
pub(crate) fn boxed<RB>(body: RB) -> Boxed
where
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// Reads what is left of a body, within its bounds: it ends with the body, with
/// [`rest_wait_max`](crate::LayerOptions::rest_wait_max), or when the gatekeeper is shut down.
pub(crate) async fn read(shared: &Shared, body: Boxed, reader: &mut AnswerReader) {
    let wait_max = shared.options.rest_wait_max;
    let bound = select(
        shared.options.runtime.sleep(wait_max),
        Box::pin(shared.closed()),
    );
    // A body that panics has nothing more to tell.
    let reading = AssertUnwindSafe(read_all(body, reader)).catch_unwind();
    let is_read = match select(bound, pin!(reading)).await {
        Either::Right((Ok(is_read), _)) => is_read,
        Either::Right((Err(_), _)) | Either::Left(_) => false,
    };
    if !is_read {
        reader.cut_off();
    }
}

/// Whether it came to the end of what there is to read.
async fn read_all(mut body: Boxed, reader: &mut AnswerReader) -> bool {
    let mut received = 0_u64;
    while reader.wants_more() {
        let data = match body.frame().await {
            Some(Ok(frame)) => frame.into_data(),
            Some(Err(_)) => return false,
            None => return true,
        };
        let Ok(data) = data else {
            return true;
        };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        received = received.saturating_add(length);
        if received > REST_MAX {
            return false;
        }
        reader.read(&data);
    }
    true
}

impl<RB> Inner<RB> {
    /// The body, where it can be taken along; what stays behind is empty.
    pub(crate) fn take(self: Pin<&mut Self>) -> Option<Boxed> {
        match self.project() {
            Projected::InPlace { .. } => None,
            Projected::Boxed { body } => Some(std::mem::take(body)),
        }
    }
}

impl<RB> Body for Inner<RB>
where
    RB: Body<Data = Bytes>,
    RB::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            Projected::InPlace { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            Projected::Boxed { body } => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::InPlace { body } => body.is_end_stream(),
            Self::Boxed { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::InPlace { body } => body.size_hint(),
            Self::Boxed { body } => body.size_hint(),
        }
    }
}

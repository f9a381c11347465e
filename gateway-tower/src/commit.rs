//! Waiting for the ledger.
//!
//! The wait is bounded by the layer, because the committer's is not: it holds a record until the
//! store takes it, however long that is. A wait that ends too late aborts the answer and not the
//! record, so a client that was aborted may find the call in its bill; one that was answered to the
//! end always does.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use monetization_core::runtime::{NotRecorded, Settlement};

use crate::runtime::Runtime;

/// The end of an answer, waiting until its record is durable.
pub(crate) struct CommitWait {
    settlement: Settlement,
    runtime: Arc<dyn Runtime>,
    wait_max: Duration,
    /// Begins when the ledger has not answered at once.
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// Why the end of an answer cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCommitted {
    /// The ledger did not take the record: its quota's block had been closed under it, or a sum
    /// would not fit; or the committer has been stopped.
    #[error("the call was not recorded")]
    NotRecorded(#[source] NotRecorded),
    /// The ledger did not answer in time. The record may still be written.
    #[error("the ledger did not answer in time")]
    TimedOut,
}

impl CommitWait {
    /// Waits for at most `wait_max` of the runtime's time, counted from the first poll that finds
    /// the ledger not done.
    pub(crate) fn new(
        settlement: Settlement,
        runtime: Arc<dyn Runtime>,
        wait_max: Duration,
    ) -> Self {
        Self {
            settlement,
            runtime,
            wait_max,
            timer: None,
        }
    }
}

impl Future for CommitWait {
    type Output = Result<(), NotCommitted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Poll::Ready(committed) = Pin::new(&mut this.settlement).poll(cx) {
            return Poll::Ready(committed.map(drop).map_err(NotCommitted::NotRecorded));
        }
        let timer = this
            .timer
            .get_or_insert_with(|| this.runtime.sleep(this.wait_max));
        timer
            .as_mut()
            .poll(cx)
            .map(|()| Err(NotCommitted::TimedOut))
    }
}

impl fmt::Debug for CommitWait {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CommitWait")
    }
}

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Polls a future so many times, whenever it wakes, and drops it where that was not enough: as a caller
/// does who goes away meanwhile.
///
/// ```
/// # use monetization_conformance::polled;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(polled(async { 7 }, 1).await, Some(7));
/// assert_eq!(polled(async { 7 }, 0).await, None);
/// # }
/// ```
pub async fn polled<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        let Some(fewer) = left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        left = fewer;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

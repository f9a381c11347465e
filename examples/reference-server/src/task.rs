//! Tasks that do not outlive whoever started them.

use std::mem;
use std::sync::{Mutex, PoisonError};

use tokio::task::{JoinHandle, JoinSet};

/// A task that is stopped where it stands when this is dropped.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    /// Starts it.
    pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) {
        // That it panicked has been told by then.
        drop((&mut self.0).await);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Work that nobody has to wait for until the server ends. What is left when this is dropped is stopped where it
/// stands.
#[derive(Debug, Default)]
pub(crate) struct Errands(Mutex<JoinSet<()>>);

impl Errands {
    /// Starts one.
    pub(crate) fn spawn(&self, errand: impl Future<Output = ()> + Send + 'static) {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while under_way.try_join_next().is_some() {}
        under_way.spawn(errand);
    }

    /// Waits for the end of all that were started.
    pub(crate) async fn end(&self) {
        let mut under_way = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        while under_way.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn errands_are_waited_for_in_the_end() {
        let (errands, done) = (Errands::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..3 {
            let done = Arc::clone(&done);
            errands.spawn(async move {
                tokio::task::yield_now().await;
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        errands.end().await;
        assert_eq!(done.load(Ordering::Relaxed), 3);
    }
}

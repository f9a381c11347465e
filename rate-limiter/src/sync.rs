//! The only place that names primitives shared between threads, so that a model checker can stand in for them.

pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, and carries on after a panic elsewhere: what is guarded here is integers that are written only once a
/// decision is complete.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

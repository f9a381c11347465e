//! The only place that names primitives shared between threads, so that a model checker can stand in for them.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::AtomicU64;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;
pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

use std::hint::spin_loop;
use std::sync::{PoisonError, TryLockError};

/// Locks, and carries on after a panic elsewhere: what is guarded here is integers that are written only once a
/// decision is complete.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.try_lock() {
        Ok(guard) => guard,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => wait(mutex),
    }
}

/// Stays out of the holder's way for a little while, ever longer, since locks here are held for some nanoseconds; then
/// sleeps until the lock is free.
#[cold]
fn wait<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    for attempt in 0..SPINS {
        for _ in 0..1_u32 << attempt.wrapping_mul(2) {
            spin_loop();
        }
        if let Ok(guard) = mutex.try_lock() {
            return guard;
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SPINS: u32 = 4;

//! Whether to ask at all.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Away;

/// Says whether the server is asked. After it failed nobody waits for it in vain: calls are decided without it until a probe
/// shows that it is back.
#[derive(Debug)]
pub(crate) struct Circuit {
    /// Read by every call.
    is_open: AtomicBool,
    /// Why, while it is open.
    why: Mutex<Away>,
    /// Calls in a row that were not answered in time.
    slow: AtomicU32,
}

/// So many calls in a row without an answer in time are no coincidence.
const SLOW_MAX: u32 = 3;

impl Circuit {
    /// Nobody is connected yet.
    pub(crate) const fn unconnected() -> Self {
        Self {
            is_open: AtomicBool::new(true),
            why: Mutex::new(Away::Disconnected),
            slow: AtomicU32::new(0),
        }
    }

    /// Why not to ask, if so.
    pub(crate) fn why_not(&self) -> Option<Away> {
        self.is_open
            .load(Ordering::Acquire)
            .then(|| *self.why.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A call was answered.
    pub(crate) fn answered(&self) {
        if self.slow.load(Ordering::Relaxed) != 0 {
            self.slow.store(0, Ordering::Relaxed);
        }
    }

    /// A call was not answered; says whether that is news.
    pub(crate) fn failed(&self, away: Away) -> bool {
        let is_chance = away == Away::Slow
            && self.slow.fetch_add(1, Ordering::Relaxed).saturating_add(1) < SLOW_MAX;
        if is_chance || !away.concerns_all() {
            return false;
        }
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = away;
        !self.is_open.swap(true, Ordering::AcqRel)
    }

    /// A probe was answered in time.
    pub(crate) fn close(&self) {
        self.slow.store(0, Ordering::Relaxed);
        self.is_open.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_at_once_for_what_is_broken_and_later_for_what_is_slow() {
        let circuit = Circuit::unconnected();
        assert_eq!(circuit.why_not(), Some(Away::Disconnected));
        circuit.close();
        assert!(!circuit.failed(Away::Slow) && !circuit.failed(Away::Slow));
        circuit.answered();
        assert!(!circuit.failed(Away::Slow) && !circuit.failed(Away::Slow));
        assert_eq!(circuit.why_not(), None);
        assert!(circuit.failed(Away::Slow));
        assert_eq!(circuit.why_not(), Some(Away::Slow));
        circuit.close();
        assert!(circuit.failed(Away::ReadOnly) && !circuit.failed(Away::ReadOnly));
        assert_eq!(circuit.why_not(), Some(Away::ReadOnly));
    }

    #[test]
    fn what_concerns_one_holder_leaves_it_closed_r_q6() {
        let circuit = Circuit::unconnected();
        circuit.close();
        assert!(!circuit.failed(Away::Foreign));
        assert_eq!(circuit.why_not(), None);
    }
}

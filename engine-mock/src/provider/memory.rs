//! Remembering for a while.
//!
//! A provider cannot keep every key for ever, and a caller must not rely on it: after a while the
//! same key or identifier is a new one, and what was done once is done twice. That is why
//! intents are settled by looking the object up, and why sealed batches are not sent again late.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use monetization_core::clock::Timestamp;

/// What is remembered for a while and then forgotten: keys with their answers, identifiers of
/// usage records. Each entry lasts from when it was kept, however often it is recalled since.
#[derive(Debug, Clone)]
pub(crate) struct Memory<K, V> {
    lasts: Duration,
    kept: BTreeMap<K, (Timestamp, V)>,
    order: VecDeque<(Timestamp, K)>,
}

impl<K: Ord + Clone, V> Memory<K, V> {
    /// Nothing yet; each entry will last so long.
    pub(crate) fn lasting(lasts: Duration) -> Self {
        Self {
            lasts,
            kept: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// What was kept under this key. Whoever asks has made it [`forget`](Self::forget) before.
    pub(crate) fn recall(&self, key: &K) -> Option<&V> {
        self.kept.get(key).map(|(_, value)| value)
    }

    /// Keeps something from `now` on, under a key that holds nothing.
    pub(crate) fn keep(&mut self, key: K, value: V, now: Timestamp) {
        self.order.push_back((now, key.clone()));
        self.kept.insert(key, (now, value));
    }

    /// Forgets what was kept too long ago: what has lasted its full time is gone.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        while let Some((since, _)) = self.order.front() {
            if now.saturating_since(*since) < self.lasts {
                break;
            }
            if let Some((_, key)) = self.order.pop_front() {
                self.kept.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_forgotten_when_its_time_is_over_and_not_before() {
        let mut memory = Memory::lasting(Duration::from_secs(10));
        memory.keep("a", 1, Timestamp::from_secs(0));
        memory.keep("b", 2, Timestamp::from_secs(5));
        memory.forget(Timestamp::from_micros(9_999_999));
        assert_eq!(memory.recall(&"a"), Some(&1));
        memory.forget(Timestamp::from_secs(10));
        assert_eq!((memory.recall(&"a"), memory.recall(&"b")), (None, Some(&2)));
    }
}

//! What is known for a day and then forgotten.

use std::collections::{BTreeMap, VecDeque};

use super::calendar::DAY;

/// Things by their names, each for 24 hours.
#[derive(Debug, Clone)]
pub(super) struct Memory<K, V> {
    known: BTreeMap<K, (i64, V)>,
    order: VecDeque<(i64, K)>,
}

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Ord + Clone, V> Memory<K, V> {
    /// Forgets what was kept a day ago.
    pub(super) fn forget(&mut self, now: i64) {
        while let Some((at, key)) = self.order.front()
            && at + DAY <= now
        {
            if self.known.get(key).is_some_and(|(kept, _)| kept == at) {
                self.known.remove(key);
            }
            self.order.pop_front();
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.known.get(key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.known.get_mut(key).map(|(_, value)| value)
    }

    pub(super) fn keep(&mut self, key: K, value: V, now: i64) {
        self.order.push_back((now, key.clone()));
        self.known.insert(key, (now, value));
    }
}

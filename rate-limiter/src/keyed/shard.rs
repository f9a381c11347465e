//! One shard: an index of keys over a slab of counters.

use super::index::{ENTRIES_MAX, Index};
use super::slab::{Entry, Slab};
use crate::word::Word;
use crate::{Decision, Limits, Timestamp};

/// The counters of the keys whose hash leads here.
pub(super) struct Shard<K, const N: usize> {
    index: Index,
    slab: Slab<K, N>,
    hand: usize,
    evicted_at: Timestamp,
}

impl<K, const N: usize> Shard<K, N> {
    /// Empty.
    pub(super) const fn new() -> Self {
        Self {
            index: Index::new(),
            slab: Slab::new(),
            hand: 0,
            evicted_at: Timestamp::MIN,
        }
    }

    /// Whether no key more can be named.
    pub(super) const fn is_full(&self) -> bool {
        self.slab.len() >= ENTRIES_MAX
    }

    /// The latest instant at which a key was found idle and dropped. Whatever starts afresh starts no earlier, or a
    /// clock that steps back could count in a dropped window again.
    pub(super) const fn evicted_at(&self) -> Timestamp {
        self.evicted_at
    }
}

impl<K: Eq, const N: usize> Shard<K, N> {
    /// Where the counters of `key` lie.
    #[inline]
    pub(super) fn find(&self, tag: u32, key: &K) -> Option<usize> {
        self.index
            .find(tag, |index| self.slab.get(index).key.as_ref() == Some(key))
    }

    /// Takes from the counters at `index`, all or none.
    #[inline]
    pub(super) fn take(&mut self, index: usize, limits: &Limits, decision: &mut Decision) {
        let words = &mut self.slab.get_mut(index).words;
        let mut next = *words;
        decision.ask(limits, |place, _| words[place], &mut next);
        if decision.takes() {
            *words = next;
        }
    }

    /// Stores the counters of a key that has none yet.
    pub(super) fn insert(&mut self, tag: u32, key: K, words: [Word; N]) {
        if self.slab.len() == self.slab.capacity() {
            self.slab.grow();
        }
        if self.slab.len() == self.index.capacity() {
            self.index.grow(self.slab.iter().map(|entry| entry.tag));
        }
        self.index.insert(tag, self.slab.len());
        self.slab.push(Entry {
            words,
            tag,
            key: Some(key),
        });
    }

    /// Drops the counters of `key`; says whether there were any.
    pub(super) fn remove(&mut self, tag: u32, key: &K) -> bool {
        let index = self.find(tag, key);
        if let Some(index) = index {
            self.remove_at(index);
        }
        index.is_some()
    }

    /// Drops one key whose counters are idle at `now`, if the next few hold one.
    pub(super) fn evict(&mut self, limits: &Limits, now: Timestamp) -> bool {
        for _ in 0..EVICTION_STEPS_MAX.min(self.slab.len()) {
            self.hand = match self.hand.checked_sub(1) {
                Some(below) if below < self.slab.len() => below,
                _ => self.slab.len().saturating_sub(1),
            };
            let words = &self.slab.get(self.hand).words;
            let mut states = limits.into_iter().zip(words);
            if states.all(|(limit, word)| word.is_idle(limit, now.as_micros())) {
                self.remove_at(self.hand);
                self.evicted_at = self.evicted_at.max(now);
                return true;
            }
        }
        false
    }

    /// Removes one entry; the last one of the slab moves into the gap.
    fn remove_at(&mut self, index: usize) {
        let last = self.slab.len().saturating_sub(1);
        let tag_of = |index| self.slab.get(index).tag;
        self.index.remove(tag_of(index), index, tag_of);
        if last != index {
            self.index.moved(tag_of(last), last, index);
        }
        self.slab.swap_remove(index);
    }
}

/// Keys looked at for one that is idle.
const EVICTION_STEPS_MAX: usize = 32;

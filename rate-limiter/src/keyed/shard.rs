//! One shard: an index of keys over a slab of counters.

use hashbrown::HashTable;

use super::slab::{Head, Slab};
use crate::limits::LIMITS_MAX;
use crate::slot::Slot;
use crate::{Decision, Limits, Timestamp};

/// The counters of the keys whose hash leads here.
pub(super) struct Shard<K> {
    index: HashTable<Place>,
    slab: Slab<K>,
    hand: usize,
    evicted_at: Timestamp,
}

impl<K: Eq> Shard<K> {
    /// For `width` limits a key.
    pub(super) const fn new(width: usize) -> Self {
        Self {
            index: HashTable::new(),
            slab: Slab::new(width),
            hand: 0,
            evicted_at: Timestamp::MIN,
        }
    }

    /// The latest instant at which a key was found idle and dropped. Whatever starts afresh starts no earlier, or a
    /// clock that steps back could count in a dropped window again.
    pub(super) const fn evicted_at(&self) -> Timestamp {
        self.evicted_at
    }

    /// Where the counters of `key` lie.
    #[inline]
    pub(super) fn find(&self, tag: u32, key: &K) -> Option<usize> {
        self.index
            .find(spread(tag), |place| {
                place.tag == tag && self.slab.head(place.index()).key == *key
            })
            .map(Place::index)
    }

    /// Takes from the counters at `index`, all or none.
    #[inline]
    pub(super) fn take(
        &mut self,
        index: usize,
        limits: &Limits,
        now: Timestamp,
        weight: u64,
    ) -> Decision {
        let slots = self.slab.slots_mut(index);
        let mut next = [Slot::FRESH; LIMITS_MAX];
        let decision = Decision::make(limits, now, weight, |place, _| slots[place], &mut next);
        if decision.takes() {
            for (slot, next) in slots.iter_mut().zip(next) {
                *slot = next;
            }
        }
        decision
    }

    /// Stores the counters of a key that has none yet.
    pub(super) fn insert(&mut self, tag: u32, key: K, slots: &[Slot]) {
        let place = Place::new(tag, self.slab.len());
        self.slab.push(Head { key, tag }, slots);
        self.index
            .insert_unique(spread(tag), place, |place| spread(place.tag));
    }

    /// Drops the counters of `key`; says whether there were any.
    pub(super) fn remove(&mut self, tag: u32, key: &K) -> bool {
        let index = self.find(tag, key);
        if let Some(index) = index {
            self.remove_at(index, tag);
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
            let idle = limits
                .into_iter()
                .zip(self.slab.slots(self.hand))
                .all(|(limit, slot)| slot.is_idle(limit, now.as_micros()));
            if idle {
                self.remove_at(self.hand, self.slab.head(self.hand).tag);
                self.evicted_at = self.evicted_at.max(now);
                return true;
            }
        }
        false
    }

    /// Removes one entry; the last one of the slab moves into the gap.
    fn remove_at(&mut self, index: usize, tag: u32) {
        let last = self.slab.len().saturating_sub(1);
        if let Ok(entry) = self
            .index
            .find_entry(spread(tag), |place| place.index() == index)
        {
            entry.remove();
        }
        if last != index
            && let Some(place) = self
                .index
                .find_mut(spread(self.slab.head(last).tag), |place| {
                    place.index() == last
                })
        {
            *place = Place::new(place.tag, index);
        }
        self.slab.swap_remove(index);
    }
}

/// Where the counters of a key lie, with enough of its hash to rebuild the index without touching the keys.
#[derive(Clone, Copy)]
struct Place {
    tag: u32,
    index: u32,
}

impl Place {
    fn new(tag: u32, index: usize) -> Self {
        Self {
            tag,
            index: u32::try_from(index).expect("a limiter has fewer keys than 2^32"),
        }
    }

    #[inline]
    const fn index(&self) -> usize {
        self.index as usize
    }
}

/// Keys looked at for one that is idle.
const EVICTION_STEPS_MAX: usize = 32;

/// The hash by which the index places a tag: low bits choose the group, high bits are compared in it.
#[inline]
const fn spread(tag: u32) -> u64 {
    (tag as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

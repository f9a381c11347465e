//! The shards of a keyed limiter, and the bound on all of them together.

use std::num::NonZeroU32;

use super::Full;
use super::shard::Shard;
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, lock};
use crate::word::Word;
use crate::{Decision, Limits, Timestamp};

/// Shards with `N` words a key.
pub(super) struct Shards<K, const N: usize> {
    lanes: Box<[Lane<K, N>]>,
    len: AtomicUsize,
    keys_max: usize,
    rotor: AtomicUsize,
}

impl<K, const N: usize> Shards<K, N> {
    /// Empty, for so many keys in all.
    pub(super) fn new(keys_max: NonZeroU32) -> Self {
        let keys_max = keys_max.get() as usize;
        let count = (keys_max / KEYS_PER_SHARD)
            .clamp(1, SHARDS_MAX)
            .next_power_of_two();
        Self {
            lanes: (0..count).map(|_| Lane(Mutex::new(Shard::new()))).collect(),
            len: AtomicUsize::new(0),
            keys_max,
            rotor: AtomicUsize::new(0),
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }
}

impl<K: Eq + Clone, const N: usize> Shards<K, N> {
    /// Takes from the counters of `key`, all or none, as the open `decision` says.
    #[inline]
    pub(super) fn take(
        &self,
        hash: u64,
        key: &K,
        limits: &Limits,
        decision: &mut Decision,
    ) -> Result<(), Full> {
        let spot = self.spot(hash);
        let mut shard = self.lock(spot.shard);
        match shard.find(spot.tag, key) {
            Some(index) => {
                shard.take(index, limits, decision);
                Ok(())
            }
            None => self.take_first(shard, &Newcomer { spot, key }, limits, decision),
        }
    }

    /// Drops the counters of `key`; says whether there were any.
    pub(super) fn forget(&self, hash: u64, key: &K) -> bool {
        let spot = self.spot(hash);
        let forgotten = self.lock(spot.shard).remove(spot.tag, key);
        if forgotten {
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
        forgotten
    }

    /// The first call of a key that has no counters.
    #[inline(never)]
    fn take_first(
        &self,
        mut shard: MutexGuard<'_, Shard<K, N>>,
        newcomer: &Newcomer<'_, K>,
        limits: &Limits,
        decision: &mut Decision,
    ) -> Result<(), Full> {
        let Newcomer { spot, key } = *newcomer;
        let now = decision.decided_at().max(shard.evicted_at());
        *decision = Decision::open(now, decision.weight());
        let mut words = [Word::FRESH; N];
        decision.ask(limits, |_, _| Word::FRESH, &mut words);
        if !decision.takes() || limits.is_empty() {
            return Ok(());
        }
        let room = if shard.is_full() {
            shard.evict(limits, now)
        } else {
            self.reserve()
                || shard.evict(limits, now)
                || self.evict_elsewhere(spot.shard, limits, now)
        };
        if !room {
            return Err(Full {
                keys_max: self.keys_max,
            });
        }
        shard.insert(spot.tag, key.clone(), words);
        Ok(())
    }

    /// Claims a place among `keys_max`.
    fn reserve(&self) -> bool {
        let more = |len: usize| (len < self.keys_max).then(|| len.saturating_add(1));
        self.len
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok()
    }

    /// Frees a place in one of some other shards. It only tries their locks, because the caller holds one.
    fn evict_elsewhere(&self, own: usize, limits: &Limits, now: Timestamp) -> bool {
        let first = self.rotor.fetch_add(SHARDS_SEARCHED_MAX, Ordering::Relaxed);
        (0..SHARDS_SEARCHED_MAX.min(self.lanes.len()))
            .map(|step| self.wrapped(first.wrapping_add(step)))
            .filter(|other| *other != own)
            .filter_map(|other| self.lanes.get(other)?.0.try_lock().ok())
            .any(|mut shard| shard.evict(limits, now))
    }

    #[inline]
    fn spot(&self, hash: u64) -> Spot {
        // Spread once more, since a foreign hasher may leave bits unused.
        let hash = hash.wrapping_mul(SPREAD);
        let [a, b, c, d, e, f, g, h] = hash.to_be_bytes();
        let high = u32::from_be_bytes([a, b, c, d]);
        let low = u32::from_be_bytes([e, f, g, h]);
        Spot {
            shard: self.wrapped((high >> SHARD_SHIFT) as usize),
            tag: low ^ high,
        }
    }

    #[inline]
    fn wrapped(&self, shard: usize) -> usize {
        // The number of shards is a power of two.
        shard & self.lanes.len().saturating_sub(1)
    }

    #[inline]
    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard<K, N>> {
        lock(&self.lanes[shard].0)
    }
}

/// A key that has no counters, and where they would lie.
struct Newcomer<'a, K> {
    spot: Spot,
    key: &'a K,
}

/// A shard in cache lines of its own.
#[repr(align(128))]
struct Lane<K, const N: usize>(Mutex<Shard<K, N>>);

/// Where a hash leads: a shard, and what tells keys apart in it.
#[derive(Clone, Copy)]
struct Spot {
    shard: usize,
    tag: u32,
}

const SHARDS_MAX: usize = 16;
const KEYS_PER_SHARD: usize = 2_048;
const SHARDS_SEARCHED_MAX: usize = 8;
/// Spreads what a hash has in its low bits to its high ones.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
const SHARD_SHIFT: u32 = 20;

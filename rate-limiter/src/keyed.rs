//! A limiter that finds its counters by key.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU32;

use hashbrown::DefaultHashBuilder;
use thiserror::Error;

use crate::limits::LIMITS_MAX;
use crate::slot::Slot;
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering, lock};
use crate::{Decision, Limits, Timestamp};
use shard::Shard;

mod shard;
mod slab;

/// A limiter for many holders: one set of [`Limits`], counters found by key, exact under threads, bounded in size.
///
/// The keys are spread over shards with a lock each. Counters lie in chunks that are never moved, so that growing
/// only ever rebuilds the small index of one shard. An active key costs its own size, 16 bytes a limit, and 9 to 21
/// bytes of index.
///
/// **When full** a new key takes the place of an idle one: one whose counters all say what fresh ones would. The search
/// looks at a bounded number of keys and goes on where it last ended; if it finds none, the answer is [`Full`]. A count
/// that still matters is never forgotten, except by [`forget`](Self::forget).
///
/// A refused call of an unknown key, and one of weight zero, leaves no trace. A clock that steps back behaves as with
/// [`Bucket`](crate::Bucket).
///
/// `S` hashes the keys. The default is fast and seeded at random for each limiter; take
/// [`std::hash::RandomState`] where outsiders choose keys at will and observe timing closely.
pub struct Keyed<K, S = DefaultHashBuilder> {
    limits: Limits,
    shards: Box<[Lane<K>]>,
    len: AtomicUsize,
    keys_max: usize,
    rotor: AtomicUsize,
    hasher: S,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// A limiter for at most `keys_max` active keys, empty.
    #[must_use]
    pub fn new(limits: Limits, keys_max: NonZeroU32) -> Self {
        Self::with_hasher(limits, keys_max, DefaultHashBuilder::default())
    }
}

impl<K: Hash + Eq + Clone, S: BuildHasher> Keyed<K, S> {
    /// As [`new`](Keyed::new), with a hasher of one's own.
    #[must_use]
    pub fn with_hasher(limits: Limits, keys_max: NonZeroU32, hasher: S) -> Self {
        let keys_max = keys_max.get() as usize;
        let shards = (keys_max / KEYS_PER_SHARD)
            .clamp(1, SHARDS_MAX)
            .next_power_of_two();
        let width = limits.len();
        Self {
            limits,
            shards: (0..shards)
                .map(|_| Lane(Mutex::new(Shard::new(width))))
                .collect(),
            len: AtomicUsize::new(0),
            keys_max,
            rotor: AtomicUsize::new(0),
            hasher,
        }
    }

    /// The limits that hold for each key.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many keys have counters now, idle ones included until their place is needed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether no key has counters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes `weight` units of all limits for `key` at `now`, or of none. A weight of zero always passes and takes
    /// nothing.
    ///
    /// # Errors
    /// [`Full`] when the key is new, all places are taken, and no idle one was found. Nothing is taken then; whether
    /// the call passes is the caller's choice.
    #[inline]
    pub fn take(&self, key: &K, now: Timestamp, weight: u64) -> Result<Decision, Full> {
        let spot = self.spot(key);
        let mut shard = self.lock(spot.shard);
        match shard.find(spot.tag, key) {
            Some(index) => Ok(shard.take(index, &self.limits, now, weight)),
            None => self.take_first(shard, spot, key, Call { now, weight }),
        }
    }

    /// Drops the counters of `key`, so that its next call starts fresh; says whether there were any.
    pub fn forget(&self, key: &K) -> bool {
        let spot = self.spot(key);
        let forgotten = self.lock(spot.shard).remove(spot.tag, key);
        if forgotten {
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
        forgotten
    }

    /// The first call of a key that has no counters.
    #[cold]
    fn take_first(
        &self,
        mut shard: MutexGuard<'_, Shard<K>>,
        spot: Spot,
        key: &K,
        call: Call,
    ) -> Result<Decision, Full> {
        let mut slots = [Slot::FRESH; LIMITS_MAX];
        let now = call.now.max(shard.evicted_at());
        let decision = Decision::make(
            &self.limits,
            now,
            call.weight,
            |_, _| Slot::FRESH,
            &mut slots,
        );
        if !decision.takes() || self.limits.is_empty() {
            return Ok(decision);
        }
        if self.reserve() || shard.evict(&self.limits, now) || self.evict_elsewhere(spot.shard, now)
        {
            let slots = slots.get(..self.limits.len()).unwrap_or_default();
            shard.insert(spot.tag, key.clone(), slots);
            return Ok(decision);
        }
        Err(Full {
            keys_max: self.keys_max,
        })
    }

    /// Claims a place among `keys_max`.
    fn reserve(&self) -> bool {
        self.len
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |len| {
                (len < self.keys_max).then(|| len.saturating_add(1))
            })
            .is_ok()
    }

    /// Frees a place in one of some other shards. It only tries their locks, because the caller holds one.
    fn evict_elsewhere(&self, own: usize, now: Timestamp) -> bool {
        let turn = self.rotor.fetch_add(1, Ordering::Relaxed);
        (0..SHARDS_SEARCHED_MAX.min(self.shards.len()))
            .map(|step| self.wrapped(turn.wrapping_mul(SHARDS_SEARCHED_MAX).wrapping_add(step)))
            .filter(|other| *other != own)
            .filter_map(|other| self.shards.get(other)?.0.try_lock().ok())
            .any(|mut shard| shard.evict(&self.limits, now))
    }

    #[inline]
    fn spot(&self, key: &K) -> Spot {
        // Spread once more, since a foreign hasher may leave bits unused.
        let hash = self.hasher.hash_one(key).wrapping_mul(SPREAD);
        let [shard, tag] = halves(hash);
        Spot {
            shard: self.wrapped((shard >> SHARD_SHIFT) as usize),
            tag: tag ^ shard,
        }
    }

    #[inline]
    fn wrapped(&self, shard: usize) -> usize {
        // The number of shards is a power of two.
        shard & self.shards.len().saturating_sub(1)
    }

    #[inline]
    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard<K>> {
        lock(&self.shards[shard].0)
    }
}

impl<K, S> fmt::Debug for Keyed<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("limits", &self.limits)
            .field("len", &self.len)
            .field("keys_max", &self.keys_max)
            .finish_non_exhaustive()
    }
}

/// A keyed limiter has no place for a new key: all are taken, and no idle one was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("limiter is full with {keys_max} active keys")]
pub struct Full {
    keys_max: usize,
}

impl Full {
    /// The bound that was reached.
    #[must_use]
    pub const fn keys_max(self) -> usize {
        self.keys_max
    }
}

/// A shard in cache lines of its own.
#[repr(align(128))]
struct Lane<K>(Mutex<Shard<K>>);

#[derive(Clone, Copy)]
struct Spot {
    shard: usize,
    tag: u32,
}

#[derive(Clone, Copy)]
struct Call {
    now: Timestamp,
    weight: u64,
}

const SHARDS_MAX: usize = 64;
const KEYS_PER_SHARD: usize = 512;
const SHARDS_SEARCHED_MAX: usize = 8;
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
const SHARD_SHIFT: u32 = 20;

#[inline]
const fn halves(hash: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = hash.to_be_bytes();
    [
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    ]
}

//! A limiter that finds its counters by key.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU32;

use foldhash::fast::RandomState;
use thiserror::Error;

use crate::word::Word;
use crate::{Decision, DoesNotFit, Limits, Timestamp};
use shards::Shards;

mod index;
mod shard;
mod shards;
mod slab;

/// A limiter for many holders: one set of [`Limits`], counters found by key, exact under threads, bounded in size.
///
/// The keys are spread over shards with a lock each. Counters lie in chunks that are never moved, so that growing
/// only ever makes one chunk, or the small index of one shard anew. An active key costs its own size, 8 bytes a limit
/// (one, two, four or seven of them) and 5 bytes, together rounded up to a multiple of 32, and 5 to 10 bytes of index;
/// of each shard's room up to half, and at most 8,192 places, may be empty. Counts are packed as in a
/// [`PackedCell`](crate::PackedCell), so the same maxima fit and the same stretch of time is told.
///
/// **When full** a new key takes the place of an idle one: one whose counters all say what fresh ones would. The search
/// looks at no more than 32 keys in each of nine shards, and goes on where it last ended; if it finds none, the answer
/// is [`Full`]. A count that still matters is never forgotten, except by [`forget`](Self::forget).
///
/// A refused call of an unknown key, and one of weight zero, leaves no trace. A clock that steps back behaves as with
/// [`Bucket`](crate::Bucket).
///
/// `S` hashes the keys. The default is fast and seeded at random for each limiter; take
/// [`std::hash::RandomState`] where outsiders choose keys at will and observe timing closely.
///
/// ```
/// use std::net::IpAddr;
/// use std::num::NonZeroU32;
/// use monetization_rate_limiter::{Keyed, Limit, Limits, Timestamp, Window};
///
/// let limits = Limits::new([Limit::calendar(Window::Minute, 1)])?;
/// let addresses_max = NonZeroU32::new(100_000).ok_or("not zero")?;
/// let limiter: Keyed<IpAddr> = Keyed::new(limits, addresses_max)?;
///
/// let (address, now) = ("192.0.2.7".parse()?, Timestamp::from_secs(1_800_000_000));
/// assert!(limiter.take(&address, now, 1)?.is_allowed());
/// assert!(!limiter.take(&address, now, 1)?.is_allowed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Keyed<K, S = RandomState> {
    table: Table<K>,
    limits: Limits,
    hasher: S,
}

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// An empty limiter for at most `keys_max` active keys.
    ///
    /// # Errors
    /// When a limit's maximum is too large to be packed.
    pub fn new(limits: Limits, keys_max: NonZeroU32) -> Result<Self, DoesNotFit> {
        Self::with_hasher(limits, keys_max, RandomState::default())
    }
}

impl<K: Hash + Eq + Clone, S: BuildHasher> Keyed<K, S> {
    /// As [`new`](Keyed::new), with a hasher of one's own.
    ///
    /// # Errors
    /// When a limit's maximum is too large to be packed.
    pub fn with_hasher(
        limits: Limits,
        keys_max: NonZeroU32,
        hasher: S,
    ) -> Result<Self, DoesNotFit> {
        for limit in &limits {
            Word::can_keep(limit)?;
        }
        let table = match limits.len() {
            0 | 1 => Table::One(Shards::new(keys_max)),
            2 => Table::Two(Shards::new(keys_max)),
            3 | 4 => Table::Four(Shards::new(keys_max)),
            _ => Table::Seven(Shards::new(keys_max)),
        };
        Ok(Self {
            table,
            limits,
            hasher,
        })
    }

    /// The limits that hold for each key.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many keys have counters now, idle ones included until their place is needed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
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
        let hash = self.hasher.hash_one(key);
        let limits = &self.limits;
        // Wrapped from the start: the answer is large, and this way it is written only once, where the caller wants it.
        let mut answer = Ok(Decision::open(now, weight));
        if let Ok(decision) = &mut answer {
            let done = match &self.table {
                Table::One(shards) => shards.take(hash, key, limits, decision),
                Table::Two(shards) => shards.take(hash, key, limits, decision),
                Table::Four(shards) => shards.take(hash, key, limits, decision),
                Table::Seven(shards) => shards.take(hash, key, limits, decision),
            };
            if let Err(full) = done {
                answer = Err(full);
            }
        }
        answer
    }

    /// Drops the counters of `key`, so that its next call starts fresh; says whether there were any.
    ///
    /// For a key that is known to be gone, or for an operator who grants a fresh start.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use monetization_rate_limiter::{Keyed, Limit, Limits, Timestamp, Window};
    ///
    /// let limits = Limits::new([Limit::calendar(Window::Minute, 1)])?;
    /// let limiter: Keyed<u64> = Keyed::new(limits, NonZeroU32::MIN)?;
    /// assert!(limiter.take(&7, Timestamp::EPOCH, 1)?.is_allowed());
    /// assert!(limiter.forget(&7));
    /// assert!(limiter.take(&7, Timestamp::EPOCH, 1)?.is_allowed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forget(&self, key: &K) -> bool {
        let hash = self.hasher.hash_one(key);
        match &self.table {
            Table::One(shards) => shards.forget(hash, key),
            Table::Two(shards) => shards.forget(hash, key),
            Table::Four(shards) => shards.forget(hash, key),
            Table::Seven(shards) => shards.forget(hash, key),
        }
    }
}

impl<K, S> fmt::Debug for Keyed<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("limits", &self.limits)
            .field("len", &self.table.len())
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

/// Entries of as many words as the limits need, or a few more, so that an entry is one piece of memory.
enum Table<K> {
    One(Shards<K, 1>),
    Two(Shards<K, 2>),
    Four(Shards<K, 4>),
    Seven(Shards<K, 7>),
}

impl<K> Table<K> {
    fn len(&self) -> usize {
        match self {
            Self::One(shards) => shards.len(),
            Self::Two(shards) => shards.len(),
            Self::Four(shards) => shards.len(),
            Self::Seven(shards) => shards.len(),
        }
    }
}

//! What is sent to the script that decides.

use sha2::{Digest, Sha256};

use crate::key::first_bytes;
use crate::numbers::bytes;
use crate::{HolderKey, SharedLimits};

/// How many units a question is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// What must be had, or nothing is.
    pub(crate) weight: u64,
    /// What may be had at most; never less than the weight.
    pub(crate) most: u64,
    /// For how many units time of a GCRA may be had at most.
    pub(crate) reach: u64,
    /// Beyond the weight at most one of so many parts of what a limit has left.
    pub(crate) parts: u64,
}

impl Wanted {
    /// These units, no more and no less.
    pub(crate) const fn exactly(weight: u64) -> Self {
        Self {
            weight,
            most: weight,
            reach: weight,
            parts: 1,
        }
    }
}

/// One question, and the hash by which its answer is known.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) wanted: Wanted,
    pub(crate) limits: SharedLimits,
    hash: Hash,
    /// Wishes and limits, as they are sent.
    ask: Vec<u8>,
}

/// A hash of what is asked.
pub(crate) type Hash = [u8; 16];

impl Question {
    /// The question with this number; no two of one connection have the same.
    pub(crate) fn new(
        number: u64,
        key: &HolderKey,
        limits: SharedLimits,
        wanted: Wanted,
        back: &[u8],
    ) -> Self {
        let wishes = [wanted.weight, wanted.most, wanted.reach, wanted.parts];
        let mut numbers = wishes.map(|number| number.min(UNITS_MAX)).to_vec();
        numbers.extend_from_slice(limits.numbers());
        let ask = bytes(&numbers);
        let hash = hash_of(number, [key.as_str().as_bytes(), &ask, back]);
        Self {
            wanted,
            limits,
            hash,
            ask,
        }
    }

    pub(crate) const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// What the script is given besides the key and what is handed back.
    pub(crate) fn arguments(&self) -> [&[u8]; 2] {
        [&self.hash, &self.ask]
    }
}

/// A hash of what is asked, and of the number that makes this question differ from every other.
pub(crate) fn hash_of<const N: usize>(number: u64, parts: [&[u8]; N]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(number.to_be_bytes());
    for part in parts {
        hasher.update(part);
    }
    first_bytes(&hasher.finalize())
}

/// More than any limit that can be shared, and still exact in the script.
const UNITS_MAX: u64 = SharedLimits::WINDOW_MAX + 1;

#[cfg(test)]
mod tests;

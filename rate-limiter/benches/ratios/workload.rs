//! Keys, limits and time.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use governor::Quota;
use monetization_rate_limiter::{Gcra, Limit, Limits, Timestamp, Window};

pub(crate) type Key = [u8; 16];

/// Calls a thread makes in one round on keys of a distribution.
pub(crate) const CALLS: usize = 30_000;

const SEQUENCES: usize = 12;

/// The time, read once a round.
pub(crate) fn now() -> Timestamp {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Timestamp::EPOCH.saturating_add(elapsed)
}

/// So high that nothing is ever refused.
pub(crate) fn wide_rate() -> Limit {
    Limit::gcra(
        Gcra::new(
            units(1_000_000_000),
            Duration::from_secs(1),
            units(2_000_000_000),
        )
        .unwrap(),
    )
}

/// Four limits: smooth, minute, day, month.
pub(crate) fn wide_limits() -> Limits {
    let calendar = |window| Limit::calendar(window, 1 << 34);
    Limits::new([
        wide_rate(),
        calendar(Window::Minute),
        calendar(Window::Day),
        calendar(Window::Month),
    ])
    .unwrap()
}

pub(crate) fn wide_quota() -> Quota {
    Quota::per_second(units(1_000_000_000)).allow_burst(units(2_000_000_000))
}

/// One unit an hour: everything but the first call is refused.
pub(crate) fn narrow_rate() -> Limit {
    Limit::gcra(Gcra::new(units(1), Duration::from_secs(3_600), units(1)).unwrap())
}

pub(crate) fn narrow_quota() -> Quota {
    Quota::per_hour(units(1))
}

pub(crate) fn units(units: u32) -> NonZeroU32 {
    NonZeroU32::new(units).unwrap()
}

/// A key that differs in all its bytes.
pub(crate) fn key(number: u64) -> Key {
    let low = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let high = (low ^ low >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

/// Sequences of key numbers by Zipf's law with exponent 1, spread so that frequent keys are not neighbours.
pub(crate) struct Zipf {
    sequences: Vec<Vec<u32>>,
    keys: Vec<Vec<Key>>,
}

impl Zipf {
    pub(crate) fn new(keys: u32) -> Self {
        let mut sum = 0.0;
        let heights: Vec<f64> = (1..=keys)
            .map(|rank| {
                sum += 1.0 / f64::from(rank);
                sum
            })
            .collect();
        let mut state = 88_172_645_463_325_252_u64;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = (state >> 11) as f64 / (1_u64 << 53) as f64 * sum;
            let rank = heights.partition_point(|height| *height < at) as u64;
            (rank.wrapping_mul(2_654_435_761) % u64::from(keys)) as u32
        };
        let sequences = (0..SEQUENCES)
            .map(|_| (0..CALLS).map(|_| draw()).collect())
            .collect();
        Self {
            sequences,
            keys: Vec::new(),
        }
    }

    pub(crate) fn sequence(&self, thread: usize, round: usize) -> &[u32] {
        &self.sequences[(round + thread * 7) % SEQUENCES]
    }

    /// With the keys laid out in a row, as a request has its key at hand.
    pub(crate) fn with_keys(self) -> Self {
        let keys = |sequence: &Vec<u32>| {
            sequence
                .iter()
                .map(|number| key(u64::from(*number)))
                .collect()
        };
        Self {
            keys: self.sequences.iter().map(keys).collect(),
            ..self
        }
    }

    pub(crate) fn keys(&self, thread: usize, round: usize) -> &[Key] {
        &self.keys[(round + thread * 7) % SEQUENCES]
    }
}

//! Randomness, handed in: where new ids and secrets come from.
//!
//! A program makes one source when it starts ([`Entropy::system`]) and shares it. A test makes one
//! from a seed, and every id and every key of its run is the same the next time.
//!
//! ```
//! use monetization_core::clock::Timestamp;
//! use monetization_core::entropy::Entropy;
//! use monetization_core::ids::{InvoiceId, TypedId};
//!
//! let now: Timestamp = "2026-03-01T00:00:00Z".parse()?;
//! let id: InvoiceId = Entropy::seeded(7).id(now);
//! let same: InvoiceId = Entropy::seeded(7).id(now);
//! assert_eq!(id, same);
//! assert_eq!(id.uuid().get_version_num(), 7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::clock::Timestamp;
use crate::ids::TypedId;

/// A source of random bits (`ChaCha`, fit for secrets). Share it by reference or in an `Arc`.
///
/// Its state is behind a lock that is held while bits are drawn and never across an await.
pub struct Entropy(Mutex<StdRng>);

impl Entropy {
    /// Seeded by the operating system: for production.
    ///
    /// # Panics
    /// If the operating system has no randomness to give, which no program can go on without.
    #[must_use]
    pub fn system() -> Self {
        Self(Mutex::new(rand::make_rng()))
    }

    /// The same ids and secrets for the same seed: for tests and simulations only.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A new time-ordered id; ids made within one millisecond are in no order.
    #[must_use]
    pub fn id<T: TypedId>(&self, now: Timestamp) -> T {
        let milliseconds = u64::try_from(now.as_micros().div_euclid(1_000)).unwrap_or(0);
        let mut random = [0_u8; 10];
        self.fill(&mut random);
        let builder = uuid::Builder::from_unix_timestamp_millis(milliseconds, &random);
        T::from_uuid(builder.into_uuid())
    }

    /// Fills `bytes` with random bits.
    ///
    /// Whatever stood there before is overwritten.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The generator's state would tell every secret to come.
        out.write_str("Entropy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordId;

    #[test]
    fn ids_of_later_milliseconds_sort_later() {
        let entropy = Entropy::seeded(1);
        let earlier: RecordId = entropy.id(Timestamp::from_micros(5_000));
        let later: RecordId = entropy.id(Timestamp::from_micros(6_000));
        assert!(earlier < later);
    }

    #[test]
    fn debug_shows_no_state() {
        assert_eq!(format!("{:?}", Entropy::seeded(7)), "Entropy");
    }
}

//! Names for objects, made up from a seed.

use sha2::{Digest, Sha256};

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LONG: usize = 24;

/// Where names come from: the same ones for the same seed.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    seed: String,
    made: u64,
}

impl Ids {
    pub(super) fn seeded(seed: String) -> Self {
        Self { seed, made: 0 }
    }

    /// A new one, as `cus_4fJ..`.
    pub(super) fn make(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!(
            "{prefix}_{}",
            letters(&format!("{}/{}", self.seed, self.made))
        )
    }
}

/// The name that belongs to these parts, always the same.
pub(super) fn derived(prefix: &str, parts: &[&str]) -> String {
    format!("{prefix}_{}", letters(&parts.join("/")))
}

fn letters(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let letters = digest.iter().take(LONG);
    letters
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect()
}

use monetization_core::entropy::Entropy;

/// Chance that comes out the same in each run.
#[derive(Debug)]
pub(crate) struct Dice(Entropy);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Entropy::seeded(seed))
    }

    /// A number from zero up to `end`, which is not reached.
    pub(crate) fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_be_bytes(bytes) % end
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

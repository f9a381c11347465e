//! Numbers as the script reads them: eight bytes each, the highest first.

/// Writes numbers; none of them is more than the script can count to.
pub(crate) fn bytes(numbers: &[u64]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

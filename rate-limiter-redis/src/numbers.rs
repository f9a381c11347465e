//! Lists of numbers, as the script reads them: MessagePack, with every number in eight bytes.

/// Writes a list of numbers; none of them is negative.
pub(crate) fn list(numbers: &[u64]) -> Vec<u8> {
    let length = u16::try_from(numbers.len()).unwrap_or(u16::MAX);
    let mut list = Vec::with_capacity(numbers.len().saturating_mul(NUMBER_BYTES).saturating_add(3));
    list.push(LIST);
    list.extend_from_slice(&length.to_be_bytes());
    for number in numbers.iter().take(usize::from(length)) {
        list.push(NUMBER);
        list.extend_from_slice(&number.to_be_bytes());
    }
    list
}

const LIST: u8 = 0xdc;
const NUMBER: u8 = 0xcf;
const NUMBER_BYTES: usize = 9;

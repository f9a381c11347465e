//! What the keyed limiter keeps in memory, as the operating system sees it.
#![cfg(target_os = "linux")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "small numbers of a test, which may fail"
)]

use std::num::NonZeroU32;
use std::time::Duration;

use monetization_rate_limiter::{Keyed, Limit, Limits, Timestamp, Window};

/// Key, counter and the rest, and the index, as `Keyed` documents it for one limit.
const BYTES_PER_KEY: usize = 32 + 10;
/// What the allocator and the test itself take.
const SLACK: usize = 512 * 1_024;

/// R-Q7: ten times as many random keys as there is room for, in one minute and over many.
#[test]
fn any_number_of_keys_takes_no_more_than_the_documented_memory_r_q7() {
    let keys: u32 = 100_000;
    let keys_max = keys / 10;
    let limits = Limits::new([Limit::calendar(Window::Minute, 3)]).unwrap();
    let room = NonZeroU32::new(keys_max).unwrap();
    let now = Timestamp::from_secs(1_800_000_000);
    // Up to half of the room may be empty.
    let bound = 2 * usize::try_from(keys_max).unwrap() * BYTES_PER_KEY;
    for idle_between in [Duration::ZERO, Duration::from_secs(60)] {
        let before = memory();
        let keyed: Keyed<[u8; 16]> = Keyed::new(limits.clone(), room).unwrap();
        let mut refused = 0;
        for number in 0..keys {
            let at = now.saturating_add(idle_between * (number / keys_max));
            refused += u32::from(keyed.take(&random(number), at, 1).is_err());
        }
        let grown = memory().saturating_sub(before);
        println!("{keys} keys, {refused} refused: {grown} bytes of {bound}");
        assert_eq!(keyed.len(), usize::try_from(keys_max).unwrap());
        if idle_between.is_zero() {
            assert_eq!(refused, keys - keys_max, "no live count is forgotten");
        } else {
            assert!(refused < keys / 10, "idle keys make room: {refused}");
        }
        assert!(grown < bound + SLACK, "{grown} of {bound}");
    }
}

/// A key of its own for each number.
fn random(number: u32) -> [u8; 16] {
    let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    mixed.to_be_bytes()
}

/// What this process has in memory, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() * 1_024
}

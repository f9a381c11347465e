//! The keyed limiter's bound.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU32;
use std::time::Duration;

use monetization_rate_limiter::{Gcra, Keyed, Limit, Limits, Timestamp, Window};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn minute(max: u64) -> Limits {
    Limits::new([Limit::calendar(Window::Minute, max)]).unwrap()
}

fn allowed<S: std::hash::BuildHasher>(keyed: &Keyed<u32, S>, key: u32, now: Timestamp) -> bool {
    keyed.take(&key, now, 1).unwrap().is_allowed()
}

#[test]
fn keys_are_counted_apart() {
    let keyed = Keyed::new(minute(2), number(100)).unwrap();
    for key in 0..50 {
        assert!(allowed(&keyed, key, NOW));
        assert!(allowed(&keyed, key, NOW));
        assert!(!allowed(&keyed, key, NOW));
    }
    assert_eq!(keyed.len(), 50);
}

#[test]
fn a_full_limiter_says_so_and_forgets_no_live_count() {
    let keyed = Keyed::new(minute(1), number(4)).unwrap();
    for key in 0..4 {
        assert!(allowed(&keyed, key, NOW));
    }
    let error = keyed.take(&4, NOW, 1).unwrap_err();
    assert_eq!(error.keys_max(), 4);
    assert_eq!(error.to_string(), "limiter is full with 4 active keys");
    for key in 0..4 {
        assert!(!allowed(&keyed, key, NOW));
    }
    assert_eq!(keyed.len(), 4);
}

#[test]
fn idle_keys_make_room() {
    let keyed = Keyed::new(minute(1), number(4)).unwrap();
    for key in 0..4 {
        assert!(allowed(&keyed, key, NOW));
    }
    let later = NOW.saturating_add(Duration::from_secs(60));
    assert!(allowed(&keyed, 2, later));
    for key in 4..7 {
        assert!(allowed(&keyed, key, later));
    }
    assert_eq!(keyed.len(), 4);
    assert!(!allowed(&keyed, 2, later), "the key in use was kept");
    assert!(keyed.take(&7, later, 1).is_err());
}

#[test]
fn a_key_is_idle_only_when_all_its_limits_are() {
    let gcra = Gcra::new(number(1), Duration::from_secs(1), number(10)).unwrap();
    let limits = Limits::new([Limit::gcra(gcra), Limit::calendar(Window::Hour, 10)]).unwrap();
    let keyed = Keyed::new(limits, number(1)).unwrap();
    assert!(allowed(&keyed, 0, NOW));
    assert!(
        keyed
            .take(&1, NOW.saturating_add(Duration::from_secs(10)), 1)
            .is_err()
    );
    let next_hour = Window::Hour.containing(NOW).end;
    assert!(allowed(&keyed, 1, next_hour));
}

#[test]
fn a_dropped_key_cannot_return_to_its_window_by_a_clock_that_steps_back() {
    let keyed = Keyed::new(minute(1), number(1)).unwrap();
    assert!(allowed(&keyed, 0, NOW));
    let later = NOW.saturating_add(Duration::from_secs(60));
    assert!(allowed(&keyed, 1, later));
    let much_later = later.saturating_add(Duration::from_secs(60));
    assert!(allowed(&keyed, 0, much_later));
    assert!(!allowed(&keyed, 0, NOW));
}

#[test]
fn calls_that_take_nothing_leave_no_key() {
    let keyed = Keyed::new(minute(5), number(10)).unwrap();
    assert!(keyed.take(&1_u32, NOW, 0).unwrap().is_allowed());
    assert!(!keyed.take(&2_u32, NOW, 6).unwrap().is_allowed());
    assert!(keyed.is_empty());
    let unlimited = Keyed::new(Limits::default(), number(1)).unwrap();
    for key in 0..5 {
        assert!(allowed(&unlimited, key, NOW));
    }
    assert!(unlimited.is_empty());
}

#[test]
fn a_forgotten_key_starts_fresh() {
    let keyed = Keyed::new(minute(1), number(300)).unwrap();
    for key in 0..300 {
        assert!(allowed(&keyed, key, NOW));
    }
    for key in (0..300).step_by(3) {
        assert!(keyed.forget(&key));
        assert!(!keyed.forget(&key));
    }
    assert_eq!(keyed.len(), 200);
    for key in 0..300 {
        assert_eq!(allowed(&keyed, key, NOW), key % 3 == 0, "{key}");
    }
    assert_eq!(keyed.len(), 300);
}

#[test]
fn many_shards_together_hold_exactly_the_bound() {
    let keyed = Keyed::new(minute(1), number(20_000)).unwrap();
    let mut refused = 0;
    for key in 0..30_000 {
        match keyed.take(&key, NOW, 1) {
            Ok(decision) => assert!(decision.is_allowed()),
            Err(_) => refused += 1,
        }
    }
    assert_eq!((keyed.len(), refused), (20_000, 10_000));
    let later = NOW.saturating_add(Duration::from_secs(60));
    for key in 30_000..45_000 {
        assert!(allowed(&keyed, key, later), "{key}");
    }
    assert_eq!(keyed.len(), 20_000);
}

/// Hashes everything to one number.
#[derive(Default)]
struct Worst;

impl Hasher for Worst {
    fn finish(&self) -> u64 {
        7
    }

    fn write(&mut self, _: &[u8]) {}
}

#[test]
fn keys_with_the_same_hash_are_told_apart() {
    let keyed =
        Keyed::with_hasher(minute(1), number(1_000), BuildHasherDefault::<Worst>::new()).unwrap();
    for key in 0..200 {
        assert!(allowed(&keyed, key, NOW));
    }
    for key in (0..200).step_by(2) {
        assert!(keyed.forget(&key));
    }
    for key in 0..200 {
        assert_eq!(allowed(&keyed, key, NOW), key % 2 == 0);
    }
}

use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::runtime::{Standing, Subject, WindowName};

use super::*;

fn prepaid(max: u64) -> [Standing; 1] {
    [Standing {
        name: WindowName::Ever,
        of: Subject::Resource,
        max,
        remaining: max,
        reset_at: Timestamp::MAX,
        length: Duration::ZERO,
        exceeded: false,
    }]
}

// There was one text for each plan version: two callers with different limits made it anew in turn, and
// every other call waited for them.
#[test]
fn callers_of_one_plan_with_different_limits_keep_their_texts() {
    let policies = Policies::default();
    let (small, large) = (prepaid(100), prepaid(5_000));
    let first = [policies.of(&small), policies.of(&large)];
    assert_eq!(first[0], "\"ever-resource\";q=100");
    assert_eq!(first[1], "\"ever-resource\";q=5000");
    for _ in 0..3 {
        let next = [policies.of(&small), policies.of(&large)];
        let at = |texts: &[HeaderValue; 2]| texts.each_ref().map(|text| text.as_bytes().as_ptr());
        assert_eq!(at(&next), at(&first), "they are the texts there were");
    }
}

#[test]
fn limits_that_share_a_place_take_turns_and_never_each_others_text() {
    let policies = Policies::default();
    for max in (0..5_000).chain(0..5_000) {
        let expected = format!("\"ever-resource\";q={max}");
        assert_eq!(policies.of(&prepaid(max)), expected);
    }
}

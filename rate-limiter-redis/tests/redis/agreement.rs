//! What the server decides is what the limiter in process decides, at the instants that the server tells.

use std::num::NonZeroU32;
use std::time::Duration;

use monetization_conformance::size_in_ci;
use monetization_rate_limiter::{Bucket, Gcra, Limit, Limits, Window};
use monetization_rate_limiter_redis::{Ask, By, Outcome, SharedLimits};

use crate::machine::{holder, namespace, nodes, number};

/// With the server's own clock, over the ends of real seconds. The script's tests do it on made-up instants.
#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn calls_of_three_nodes_are_decided_as_by_one_limiter_r_q8() {
    let namespace = namespace();
    let (nodes, holder) = (nodes(3, namespace).await, holder(namespace, number()));
    let positive = |number| NonZeroU32::new(number).unwrap();
    let rate = Gcra::new(positive(3_000), Duration::from_secs(1), positive(20)).unwrap();
    let limits = Limits::new([
        Limit::calendar(Window::Year, 3_000_000),
        Limit::gcra(rate),
        Limit::calendar(Window::Second, 1_500),
        Limit::calendar(Window::Minute, 200_000),
    ]);
    let limits = SharedLimits::new(limits.unwrap()).unwrap();
    let mut reference = Bucket::new();
    let mut refused = 0;
    for call in 0..size_in_ci(4_000, 8_000, 1_000_000_u64) {
        let weight = [1, 2, 1, 0, 7, 1, 25][usize::try_from(call % 7).unwrap()];
        let node = &nodes[usize::try_from(call % 3).unwrap()];
        let Outcome::Decided {
            decision,
            by: By::Server,
        } = node
            .take(&holder, &Ask::new(&limits).weighing(weight))
            .await
        else {
            panic!("the server was away at call {call}");
        };
        let expected = reference.take(limits.limits(), decision.decided_at(), weight);
        assert_eq!(decision, expected, "call {call}");
        refused += u64::from(!decision.is_allowed());
    }
    assert!(refused > 100, "only {refused} calls met a limit");
}

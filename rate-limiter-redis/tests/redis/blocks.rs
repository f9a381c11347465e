//! Blocks: what they let through, and how they come back.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use monetization_conformance::size_in_ci;
use monetization_rate_limiter::{Gcra, Limit, Limits, Window};
use monetization_rate_limiter_redis::{Ask, By, Outcome, RedisLimiter, SharedLimits, Way};

use crate::machine::{address, calendar, clock, holder, namespace, nodes, number, options};

fn rate(count: u32, burst: u32) -> SharedLimits {
    let number = |number| NonZeroU32::new(number).unwrap();
    let rate = Gcra::new(number(count), Duration::from_secs(1), number(burst)).unwrap();
    let limits = Limits::new([Limit::gcra(rate), Limit::calendar(Window::Year, 1 << 40)]);
    SharedLimits::new(limits.unwrap()).unwrap()
}

/// Over any stretch of time no more than the rate and one burst: three nodes want all they can get, with pauses in which
/// the burst comes back while units lie in blocks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn a_rate_in_blocks_never_lets_a_burst_and_a_half_through_r_q1() {
    const RATE: u32 = 2_000;
    const BURST: u32 = 300;
    let namespace = namespace();
    let (nodes, limits, id) = (nodes(3, namespace).await, rate(RATE, BURST), number());
    let passed = Arc::new(Mutex::new(Vec::new()));
    let begun = Instant::now();
    let lasts = size_in_ci(
        Duration::from_secs(3),
        Duration::from_secs(3),
        Duration::from_secs(60),
    );
    let callers = nodes.iter().enumerate().map(|(at, node)| {
        let (node, limits, passed) = (node.clone(), limits.clone(), Arc::clone(&passed));
        let holder = holder(namespace, id);
        tokio::spawn(async move {
            let ask = Ask::new(&limits).by(Way::Blocks);
            while begun.elapsed() < lasts {
                for _ in 0..250 {
                    let asked_at = begun.elapsed();
                    if node.take(&holder, &ask).await.is_allowed() {
                        passed.lock().unwrap().push((asked_at, begun.elapsed()));
                    }
                }
                tokio::time::sleep(Duration::from_millis(20 + 13 * at as u64)).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    // A call passed somewhere between being asked and being answered: those that surely passed within a stretch count.
    let mut passed = std::mem::take(&mut *passed.lock().unwrap());
    passed.sort_unstable();
    assert!(passed.len() > BURST as usize, "{} passed", passed.len());
    let mut within: VecDeque<(Duration, Duration)> = VecDeque::new();
    let stretch = Duration::from_secs(1) / 20;
    let most = BURST as usize + RATE as usize / 20 + 1;
    let mut peak = 0;
    for call in &passed {
        within.push_back(*call);
        while within
            .front()
            .is_some_and(|first| first.0 + stretch < call.0)
        {
            within.pop_front();
        }
        let sure = within
            .iter()
            .filter(|it| it.1 <= within[0].0 + stretch)
            .count();
        peak = peak.max(sure);
        assert!(
            sure <= most,
            "{sure} calls within {stretch:?}, at most {most} may pass"
        );
    }
    println!(
        "{} passed, {peak} at most within {stretch:?} where {most} may",
        passed.len()
    );
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn a_hot_holder_is_served_from_blocks() {
    let namespace = namespace();
    let (node, limits) = (
        nodes(1, namespace).await.remove(0),
        rate(1_000_000, 100_000),
    );
    let (holder, ask) = (holder(namespace, 1), Ask::new(&limits).by(Way::Blocks));
    let mut asked = 0;
    for _ in 0..2_000 {
        let Outcome::Decided { decision, by } = node.take(&holder, &ask).await else {
            panic!("the server was away");
        };
        assert!(decision.is_allowed());
        asked += u32::from(by == By::Server);
    }
    assert!(
        (10..200).contains(&asked),
        "{asked} of 2000 calls were asked of the server"
    );
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn what_lies_unspent_goes_back() {
    let namespace = namespace();
    let mut chosen = options(&address(), namespace);
    chosen.block_life = Duration::from_millis(200);
    chosen.announce_every = Duration::from_millis(200);
    let node = RedisLimiter::start(chosen, clock()).await.unwrap();
    let (holder, limits) = (holder(namespace, 1), calendar(Window::Year, 100_000));
    let in_blocks = Ask::new(&limits).by(Way::Blocks);
    let left = async || {
        let outcome = node.take(&holder, &Ask::new(&limits).weighing(0)).await;
        outcome.decision().unwrap().standings()[0].remaining()
    };

    // Some calls, so that the last block is a large one.
    for _ in 0..70 {
        assert!(node.take(&holder, &in_blocks).await.is_allowed());
    }
    assert!(left().await < 100_000 - 70, "nothing was in the block");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(
        left().await,
        100_000 - 70,
        "the keeper has handed back the rest"
    );

    // At shutdown it does not wait for the block's life; nor does it matter that the holder is gone.
    for _ in 0..70 {
        assert!(node.take(&holder, &in_blocks).await.is_allowed());
    }
    assert!(left().await < 100_000 - 140);
    node.release().await.unwrap();
    assert_eq!(left().await, 100_000 - 140);
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn a_block_of_another_plan_goes_back_before_the_next_is_had() {
    let namespace = namespace();
    let (node, holder) = (nodes(1, namespace).await.remove(0), holder(namespace, 1));
    let (small, large) = (calendar(Window::Year, 1_000), calendar(Window::Year, 5_000));
    for _ in 0..50 {
        assert!(
            node.take(&holder, &Ask::new(&small).by(Way::Blocks))
                .await
                .is_allowed()
        );
    }
    for _ in 0..50 {
        assert!(
            node.take(&holder, &Ask::new(&large).by(Way::Blocks))
                .await
                .is_allowed()
        );
    }
    node.release().await.unwrap();
    let outcome = node.take(&holder, &Ask::new(&small).weighing(0)).await;
    assert_eq!(outcome.decision().unwrap().standings()[0].remaining(), 900);
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn a_call_that_shall_not_count_gives_back_what_it_took() {
    let namespace = namespace();
    let (node, holder) = (nodes(1, namespace).await.remove(0), holder(namespace, 1));
    let limits = rate(1_000, 1_000);
    for way in [Way::EachCall, Way::Blocks] {
        let ask = Ask::new(&limits).by(way).weighing(3);
        let outcomes = [
            node.take(&holder, &ask).await,
            node.take(&holder, &ask).await,
        ];
        for outcome in &outcomes {
            assert!(outcome.is_allowed());
            node.give_back(&holder, &limits, outcome).await;
        }
    }
    node.release().await.unwrap();
    let outcome = node.take(&holder, &Ask::new(&limits).weighing(0)).await;
    let remaining = outcome.decision().unwrap().standings()[1].remaining();
    assert_eq!(remaining, 1 << 40);
}

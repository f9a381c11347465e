//! The request path where somebody else counts the rates.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use super::world::*;
use crate::memory::MemoryRates;
use crate::plan::{Overage, Rate, WhenAway};
use crate::rates::SharedRates;

/// A gatekeeper of this world that counts its rates there.
fn sharing(world: &World, rates: &Arc<MemoryRates>) -> Gatekeeper {
    Gatekeeper::with(
        Arc::<crate::memory::MemoryStore>::clone(&world.store),
        (world.clock.clone(), Arc::clone(&world.entropy)),
        crate::key::Pepper::new(&[7; 16]).unwrap(),
        GatekeeperOptions::default(),
        Beside {
            rates: Some(Arc::clone(rates) as Arc<dyn SharedRates>),
            ..Beside::default()
        },
    )
}

fn remaining(standings: &Standings) -> Vec<u64> {
    let standings = standings.as_slice().iter();
    standings.map(|standing| standing.remaining).collect()
}

async fn sharing_world(per_minute: u64, per_month: u64) -> (World, Arc<MemoryRates>) {
    let world = World::new(limits(per_minute, per_month, Overage::Strict)).await;
    let rates = Arc::new(MemoryRates::new(world.clock.clone()));
    (world, rates)
}

async fn admitted(world: &World, gatekeepers: &[Gatekeeper], calls: usize) -> usize {
    let mut passed = 0;
    for gatekeeper in gatekeepers.iter().cycle().take(calls) {
        if let Ok(permit) = world.admit_by(gatekeeper).await {
            permit.settle_in_background(DONE);
            passed += 1;
        }
    }
    passed
}

#[tokio::test]
async fn gatekeepers_that_share_rates_let_them_through_once_r_q1() {
    let (world, rates) = sharing_world(10, 1_000).await;
    let gatekeepers = [(); 3].map(|()| sharing(&world, &rates));
    assert_eq!(admitted(&world, &gatekeepers, 60).await, 10);
    world.time.advance(Duration::from_secs(60));
    assert_eq!(admitted(&world, &gatekeepers, 60).await, 10);
    // The same calls without it: each lets the rate through.
    let alone = [(); 3].map(|()| gatekeeper(&world.store, &world.clock, &world.entropy));
    assert_eq!(admitted(&world, &alone, 60).await, 30);
}

#[tokio::test]
async fn a_call_that_a_quota_refuses_takes_nothing_of_shared_rates() {
    let (world, rates) = sharing_world(10, 3).await;
    let gatekeeper = sharing(&world, &rates);
    assert_eq!(
        admitted(&world, std::slice::from_ref(&gatekeeper), 3).await,
        3
    );
    for _ in 0..5 {
        let Err(Denial::Limited(limited)) = world.admit_by(&gatekeeper).await else {
            panic!("the quota is used up");
        };
        assert_eq!(remaining(&limited.standings), [7, 0]);
        assert!(limited.quota);
    }
}

#[tokio::test]
async fn a_call_that_shared_rates_refuse_takes_nothing_of_a_quota() {
    let (world, rates) = sharing_world(2, 10).await;
    let gatekeeper = sharing(&world, &rates);
    assert_eq!(
        admitted(&world, std::slice::from_ref(&gatekeeper), 20).await,
        2
    );
    world.stop(&gatekeeper).await;
    let counter = world.counter().await;
    assert_eq!((counter.committed, counter.leased), (2, 2));
}

#[tokio::test]
async fn what_was_taken_of_shared_rates_goes_back_where_the_call_shall_not_count() {
    let (world, rates) = sharing_world(3, 1_000).await;
    let gatekeeper = sharing(&world, &rates);
    // Never sent: all of it goes back. Sent and not billed: the upstream has had its work.
    world.admit_by(&gatekeeper).await.unwrap().abandon();
    let first = world.admit_by(&gatekeeper).await.unwrap();
    assert_eq!(remaining(first.standings()), [2, 999]);
    first.settle_in_background(FAILED);
    drop(world.admit_by(&gatekeeper).await.unwrap());
    let third = world.admit_by(&gatekeeper).await.unwrap();
    assert_eq!(remaining(third.standings()), [0, 999]);
}

#[tokio::test]
async fn a_client_that_does_not_wait_gives_its_unit_back() {
    let (world, rates) = sharing_world(1, 1_000).await;
    let gatekeeper = sharing(&world, &rates);
    gatekeeper.refresh().await.unwrap();
    let permit = world.admit_by(&gatekeeper).await.unwrap();
    let held = permit.held();
    let (stretch, counters) = (Arc::clone(&held.stretch), held.gate.known_counters());
    let counters = Arc::clone(counters.unwrap());
    permit.abandon();
    drop(shared::wait_for(counters, stretch, 1).await);
    assert!(world.admit_by(&gatekeeper).await.is_ok());
    assert!(world.admit_by(&gatekeeper).await.is_err());
}

#[tokio::test]
async fn while_shared_rates_are_away_the_plan_says_what_passes_r_q3() {
    let (world, rates) = sharing_world(4, 1_000).await;
    let gatekeepers = [(); 2].map(|()| sharing(&world, &rates));
    rates.set_away(true);
    assert_eq!(admitted(&world, &gatekeepers, 20).await, 8);
    rates.set_away(false);
    assert_eq!(admitted(&world, &gatekeepers, 20).await, 4);

    let closed = World::with(|draft| {
        let (rate, quota) = limits(4, 1_000, Overage::Strict);
        draft.rates = vec![rate];
        draft.quotas = vec![quota];
        draft.rates_when_away = WhenAway::Refuse;
    })
    .await;
    let rates = Arc::new(MemoryRates::new(closed.clock.clone()));
    let gatekeeper = sharing(&closed, &rates);
    rates.set_away(true);
    for _ in 0..20 {
        let refused = closed.admit_by(&gatekeeper).await;
        assert!(matches!(refused, Err(Denial::Busy { .. })), "{refused:?}");
    }
    rates.set_away(false);
    assert_eq!(admitted(&closed, &[gatekeeper], 20).await, 4);
}

#[tokio::test]
async fn shared_rates_go_on_under_another_plan() {
    let (world, rates) = sharing_world(5, 1_000).await;
    let gatekeepers = [(); 2].map(|()| sharing(&world, &rates));
    assert_eq!(admitted(&world, &gatekeepers, 4).await, 4);
    let now = world.clock.now();
    world
        .change_plan(now, limits(7, 1_000, Overage::Strict))
        .await;
    for gatekeeper in &gatekeepers {
        gatekeeper.refresh().await.unwrap();
    }
    assert_eq!(admitted(&world, &gatekeepers, 10).await, 3);
}

#[tokio::test]
async fn who_has_no_rate_waits_for_nobody() {
    let world = World::with(|draft| {
        draft.quotas = vec![limits(1, 5, Overage::Loose).1];
    })
    .await;
    let rates = Arc::new(MemoryRates::new(world.clock.clone()));
    let gatekeeper = sharing(&world, &rates);
    world.admit_by(&gatekeeper).await.unwrap().abandon();
    let target = Target {
        product: "weather",
        method: "GET",
        path: "/",
    };
    let decided = gatekeeper.decide(&world.headers, &target, world.clock.now());
    assert!(matches!(decided, Decided::Granted(_)), "{decided:?}");
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Call { billed: bool },
    Abandon,
    Advance { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::bool::weighted(0.8).prop_map(|billed| Step::Call { billed }),
        1 => Just(Step::Abandon),
        2 => (1_u64..40_000).prop_map(|millis| Step::Advance { millis }),
    ]
}

/// What one gatekeeper says to these steps, all numbers that headers tell.
async fn told(steps: &[Step], is_sharing: bool) -> Vec<String> {
    let world = World::with(|draft| {
        let (minute, month) = limits(6, 40, Overage::Strict);
        let number = |number| std::num::NonZeroU32::new(number).unwrap();
        let burst = Rate::Gcra {
            count: number(10),
            seconds: number(60),
            burst: number(3),
        };
        draft.rates = vec![minute, burst];
        draft.quotas = vec![month];
    })
    .await;
    let rates = Arc::new(MemoryRates::new(world.clock.clone()));
    let gatekeeper = if is_sharing {
        sharing(&world, &rates)
    } else {
        world.gatekeeper.clone()
    };
    let mut told = Vec::new();
    for step in steps {
        if let Step::Advance { millis } = step {
            world.time.advance(Duration::from_millis(*millis));
            gatekeeper.refresh().await.unwrap();
            continue;
        }
        match world.admit_by(&gatekeeper).await {
            Ok(permit) => {
                told.push(format!("{:?}", permit.standings()));
                match step {
                    Step::Abandon => permit.abandon(),
                    Step::Call { billed: true } => permit.settle_in_background(DONE),
                    _ => permit.settle_in_background(FAILED),
                }
            }
            Err(denial) => told.push(format!("{denial:?}")),
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever shares rates with nobody is told what is told without sharing.
    #[test]
    fn one_gatekeeper_that_shares_tells_what_one_that_does_not_tells(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let [local, shared] = [false, true].map(|is_sharing| {
            runtime.block_on(told(&steps, is_sharing))
        });
        prop_assert_eq!(local, shared);
    }
}

//! How much of a strict quota several gateways let through at first ask, with calls that come over
//! seconds, and what that costs the store.

use std::collections::VecDeque;
use std::pin::Pin;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::clock::Clock;

/// Calls on some gateways, over a time, at instants and gateways that are drawn.
struct Load {
    gateways: usize,
    max: u64,
    calls: u64,
    over: Duration,
    /// How much oftener each gateway is called than the one before it.
    lean: u32,
}

/// What came of it.
#[derive(Debug)]
struct Had {
    passed: u64,
    blocks: usize,
}

impl Load {
    /// The gateway and the instant of each call.
    fn draw(&self) -> Vec<(Duration, usize)> {
        let mut dice = StdRng::seed_from_u64(7);
        let weights: Vec<u32> = (0..)
            .map(|at| self.lean.pow(at))
            .take(self.gateways)
            .collect();
        let all: u32 = weights.iter().sum();
        let mut calls: Vec<_> = (0..self.calls)
            .map(|_| {
                let at = Duration::from_micros(dice.random_range(0..=self.over_micros()));
                let mut place = dice.random_range(0..all);
                let gateway = weights.iter().position(|weight| {
                    let here = place < *weight;
                    place = place.saturating_sub(*weight);
                    here
                });
                (at, gateway.unwrap())
            })
            .collect();
        calls.sort();
        calls
    }

    fn over_micros(&self) -> u64 {
        u64::try_from(self.over.as_micros()).unwrap()
    }

    async fn offer(&self) -> Had {
        let world = World::new(limits(1_000_000, self.max, Overage::Strict)).await;
        let gateways: Vec<_> = (0..self.gateways)
            .map(|_| gatekeeper(&world.store, &world.clock, &world.entropy))
            .collect();
        let running: Vec<_> = gateways
            .iter()
            .map(|it| tokio::spawn(it.clone().run(on(&world.clock))))
            .collect();
        let (mut passed, mut under_way) = (0, VecDeque::new());
        for (at, gateway) in self.draw() {
            world.time.advance(at.saturating_sub(world.clock.uptime()));
            tokio::task::yield_now().await;
            match world.admit_by(&gateways[gateway]).await {
                Ok(permit) => {
                    passed += 1;
                    under_way.push_back((at, permit));
                }
                Err(denial) => assert!(matches!(denial, Denial::Limited(_)), "{denial}"),
            }
            while under_way
                .front()
                .is_some_and(|(began, _)| *began + LATENCY <= at)
            {
                under_way.pop_front().unwrap().1.settle_in_background(DONE);
            }
        }
        for (_, permit) in under_way {
            permit.settle_in_background(DONE);
        }
        for gatekeeper in &gateways {
            gatekeeper.shutdown();
        }
        // Whoever waits for its turn is woken.
        world.time.advance(Duration::from_secs(1));
        for running in running {
            running.await.unwrap();
        }
        let counter = world.counter().await;
        assert_eq!((counter.committed, counter.leased), (passed, passed));
        assert!(passed <= self.max, "{passed} of {} passed", self.max);
        Had {
            passed,
            blocks: world.store.blocks_handed_out(),
        }
    }
}

/// How long a call takes.
const LATENCY: Duration = Duration::from_millis(20);

/// Waits on the clock of the test.
fn on(clock: &Clock) -> Arc<dyn Sleep> {
    let clock = clock.clone();
    Arc::new(move |length| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = clock.clone();
        Box::pin(async move {
            let until = clock.uptime() + length;
            while clock.uptime() < until {
                tokio::task::yield_now().await;
            }
        })
    })
}

/// Nothing passes beyond what was bought. Of what was bought nearly all passes where it is asked for first, evenly
/// or unevenly, and for a fraction of a block each call.
#[tokio::test]
async fn gateways_let_through_what_was_bought_at_first_ask_r_q1() {
    let grid = [1, 3, 5, 9].into_iter().flat_map(|gateways| {
        let limits = [10, 100, 1_000].into_iter();
        limits.flat_map(move |max| [9, 10, 20, 30].map(|tenths| (gateways, max, tenths)))
    });
    let grid = grid.flat_map(|point| [1, 2].map(|lean| (point, lean)));
    for ((gateways, max, tenths), lean) in grid {
        let load = Load {
            gateways,
            max,
            calls: max * tenths / 10,
            over: Duration::from_secs(10),
            lean,
        };
        let had = load.offer().await;
        let possible = load.calls.min(max);
        let told = format!(
            "{gateways} gateways, {} calls of {max}, lean {lean}: {had:?}",
            load.calls
        );
        assert!(had.passed * 100 >= possible * 99, "{told}");
        let blocks = if gateways == 1 {
            12 + max / 10
        } else {
            10 + max / 4
        };
        assert!(had.blocks as u64 <= blocks.max(max.min(100)), "{told}");
    }
}

/// What lies at nine gateways is less than anybody misses, and each asks once for hundreds of its calls.
#[tokio::test]
async fn who_calls_a_large_quota_seldom_asks_seldom_r_q1() {
    let load = Load {
        gateways: 9,
        max: 1_000_000,
        calls: 900,
        over: Duration::from_secs(3_600),
        lean: 1,
    };
    let had = load.offer().await;
    assert_eq!((had.passed, had.blocks), (900, 9));
    let to_the_end = Load {
        max: 10_000,
        calls: 10_000,
        over: Duration::from_secs(10),
        ..load
    };
    let had = to_the_end.offer().await;
    assert!(had.passed >= 9_900, "{had:?}");
}

/// Where all calls come in one instant, at one gateway after the other, no block can go back in time. Each has at
/// most doubled, so half passes at the least.
#[tokio::test]
async fn in_one_instant_at_least_half_of_what_was_bought_passes_at_first_ask_r_q1() {
    for gateways in [3, 9] {
        for max in [10, 100, 1_000] {
            let load = Load {
                gateways,
                max,
                calls: max,
                over: Duration::ZERO,
                lean: 1,
            };
            let had = load.offer().await;
            assert!(had.passed * 2 >= max, "{gateways} gateways, {max}: {had:?}");
        }
    }
}

//! One world from its beginning to its end, and the tests that live through many.

use std::time::Duration;

use monetization_conformance::size;
use monetization_core::engine::CancelMode;

use crate::check::Violation;
use crate::flaws::Flaw;
use crate::world::World;

const STEPS: usize = 500;
/// Steps between two looks at every record.
const LEDGER_EVERY: usize = 25;

/// Lives through a world; what went wrong, and when.
fn live(seed: u64, flaw: Option<Flaw>, on_sqlite: bool) -> Result<(), (Violation, String)> {
    let mut world = World::new(seed, flaw, on_sqlite);
    let ended = (0..STEPS)
        .try_for_each(|step| {
            world.step();
            world.check()?;
            if step % LEDGER_EVERY == 0 {
                world.check_ledger()?;
            }
            Ok(())
        })
        .and_then(|()| world.end());
    ended.map_err(|violation| (violation, world.story()))
}

impl World {
    /// Everything heals, comes to its end, and is looked at.
    fn end(&mut self) -> Result<(), Violation> {
        self.note("everything heals, and comes to its end");
        self.is_told = false;
        self.heal();
        self.finish();
        self.check()?;
        self.check_ledger()?;
        self.check_nothing_lost()?;
        let tenant = self.market.tenant.id;
        for subscription in self.subscriptions() {
            let alive = self.nodes[0].alive.clone().unwrap();
            let monetizer = alive.monetizer.clone();
            self.runner.spawn(0, &alive.stop, async move {
                drop(
                    monetizer
                        .cancel(tenant, subscription.id, CancelMode::Now)
                        .await,
                );
            });
            self.finish();
        }
        // Replies that were lost one after the other make a job wait for half a day, and more.
        for _ in 0..40 {
            self.pass(Duration::from_secs(3 * 3_600));
            self.run_jobs();
            self.finish();
            self.publish();
            self.finish();
            self.hear_all();
            self.finish();
        }
        self.check()?;
        self.check_ledger()?;
        for node in 0..self.nodes.len() {
            self.kill(node);
        }
        self.start(0);
        self.check_end()
    }

    /// Nothing fails any more, and every node runs.
    fn heal(&mut self) {
        self.provider.clear_faults();
        for node in 0..self.nodes.len() {
            self.nodes[node].paused = false;
            self.skew(node, 0);
            match &self.nodes[node].alive {
                Some(alive) => alive.stop.set_stormy(false),
                None => self.start(node),
            }
        }
    }

    /// Lets all that is under way come to its end.
    fn finish(&mut self) {
        const POLLS_MAX: usize = 100_000;
        for _ in 0..POLLS_MAX {
            self.poll_all();
            if self.runner.under_way() == 0 {
                // What nobody waits for is written by those who serve, who may wait for a store
                // that was away.
                for _ in 0..20 {
                    self.pass(Duration::from_millis(100));
                    self.poll_all();
                }
                return;
            }
            // Some wait for the time: a block that may come back, a store that was away.
            self.pass(Duration::from_millis(5));
        }
        panic!("it never comes to its end");
    }

    fn hear_all(&mut self) {
        let alive = self.nodes[0].alive.clone().unwrap();
        let (provider, monetizer) = (self.provider.clone(), alive.monetizer.clone());
        self.runner.spawn(0, &alive.stop, async move {
            let (engine, secrets) = ("mock".parse().unwrap(), provider.webhook_secrets());
            for message in provider.deliveries() {
                let taken = monetizer.take_in(&engine, &secrets, &message.headers, &message.body);
                if taken.await.is_ok() {
                    provider.delivered(&[message.id]).unwrap();
                }
            }
        });
    }
}

/// Seeds in which something has gone wrong once, and what it was.
const WENT_WRONG: [u64; 0] = [];

fn holds(seeds: impl IntoIterator<Item = u64>, on_sqlite: bool) {
    for seed in seeds {
        if let Err((violation, story)) = live(seed, None, on_sqlite) {
            panic!("seed {seed}: {violation}\n{story}");
        }
    }
}

/// Half of the seeds, so that two cores share them.
fn seeds(half: u64) -> impl Iterator<Item = u64> {
    (0..size(200, 20_000)).filter(move |seed| seed % 2 == half)
}

#[test]
fn what_must_hold_holds_after_every_step_of_any_life() {
    holds(WENT_WRONG.into_iter().chain(seeds(0)), false);
}

#[test]
fn what_must_hold_holds_after_every_step_of_any_other_life() {
    holds(seeds(1), false);
}

#[test]
fn what_must_hold_holds_on_a_file_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    holds(0..size(4, 400), true);
}

/// The first life in which a mistake is found.
fn found(flaw: Flaw) -> Option<(u64, Violation, String)> {
    const SEEDS_MAX: u64 = 2_000;
    (0..SEEDS_MAX).find_map(|seed| {
        let (violation, story) = live(seed, Some(flaw), false).err()?;
        Some((seed, violation, story))
    })
}

#[test]
fn every_planted_mistake_is_found() {
    let mut missed = Vec::new();
    for flaw in Flaw::ALL {
        match found(flaw) {
            Some((seed, violation, _)) => println!("{flaw:?}: seed {seed}: {violation}"),
            None => missed.push(flaw),
        }
    }
    assert_eq!(missed, [], "mistakes that nobody noticed");
}

#[test]
fn debug_one() {
    let seed: u64 = std::env::var("SEED").unwrap().parse().unwrap();
    let mut world = World::new(seed, None, false);
    for step in 0..STEPS {
        world.step();
        let mut done = world.check();
        if step % LEDGER_EVERY == 0 && done.is_ok() {
            done = world.check_ledger();
        }
        if let Err(violation) = done {
            println!("step {step}: {violation}");
            let needle = violation.split(' ').next().unwrap().to_owned();
            let dump = format!("{:#?}", world.view);
            let lines: Vec<&str> = dump.lines().collect();
            for (i, line) in lines.iter().enumerate() {
                if line.contains(&needle) {
                    println!("---");
                    for l in &lines[i.saturating_sub(3)..(i + 40).min(lines.len())] {
                        println!("{l}");
                    }
                }
            }
            for s in world.subscriptions() {
                println!(
                    "{} {:?} closed {} {:?}",
                    s.id, s.state, s.closed_periods, s.timeline
                );
            }
            return;
        }
    }
    println!("end: {:?}", world.end());
}

//! Rounds in turns, and the table.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// Pairs of rounds a row.
const ROUNDS: usize = 61;

/// Rounds before them, that only fill the maps and the caches.
const WARM_UPS: usize = 3;

/// What one row must reach: our figure divided by the peer's.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    /// Printed to be seen, bound to nothing.
    Shown,
}

/// Collects rows and prints them at the end.
pub(crate) struct Report {
    words: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    ours: f64,
    peer: f64,
    ratio: f64,
    unit: &'static str,
    goal: Goal,
}

impl Report {
    pub(crate) const fn new(words: Vec<String>) -> Self {
        Self {
            words,
            rows: Vec::new(),
        }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.words.iter().all(|word| name.contains(word.as_str()))
    }

    /// Runs both sides in turns on so many threads; each side gets the number of its round.
    pub(crate) fn compare(
        &mut self,
        name: &str,
        threads: usize,
        goal: Goal,
        sides: (impl Side, impl Side),
    ) {
        if !self.wants(name) {
            return;
        }
        let (ours, peer) = sides;
        let (mut ours_ns, mut peer_ns) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS + WARM_UPS {
            let (a, b) = if round % 2 == 0 {
                let a = timed(threads, round, &ours);
                (a, timed(threads, round, &peer))
            } else {
                let b = timed(threads, round, &peer);
                (timed(threads, round, &ours), b)
            };
            if round >= WARM_UPS {
                ours_ns.push(a);
                peer_ns.push(b);
            }
        }
        let [ours, peer] = [quiet(ours_ns), quiet(peer_ns)];
        self.add(name, [ours, peer, ours / peer], "ns", goal);
    }

    pub(crate) fn add(
        &mut self,
        name: &str,
        [ours, peer, ratio]: [f64; 3],
        unit: &'static str,
        goal: Goal,
    ) {
        println!("{name}: {ours:.1} against {peer:.1} {unit}, ratio {ratio:.2}");
        self.rows.push(Row {
            name: name.to_owned(),
            ours,
            peer,
            ratio,
            unit,
            goal,
        });
    }

    pub(crate) fn print(&self) {
        println!();
        println!(
            "{:<78} {:>8} {:>8} {:>6} {:>6}",
            "", "ours", "peer", "ratio", "goal"
        );
        for row in &self.rows {
            let (goal, verdict) = match row.goal {
                Goal::AtMost(most) => (
                    format!("{most:.2}"),
                    if row.ratio <= most { "met" } else { "MISSED" },
                ),
                Goal::Shown => ("-".to_owned(), ""),
            };
            let Row {
                name,
                ours,
                peer,
                ratio,
                unit,
                ..
            } = row;
            println!(
                "{name:<78} {ours:>8.1} {peer:>8.1} {ratio:>6.2} {goal:>6} {verdict} ({unit})"
            );
        }
    }
}

/// One side of a comparison: what one thread does in one round. The answer is how many calls it made.
pub(crate) trait Side: Fn(usize, usize) -> usize + Sync {}

impl<F: Fn(usize, usize) -> usize + Sync> Side for F {}

/// Nanoseconds a call.
fn timed(threads: usize, round: usize, side: &impl Side) -> f64 {
    if threads == 1 {
        let start = Instant::now();
        let calls = black_box(side(0, round));
        return start.elapsed().as_nanos() as f64 / calls as f64;
    }
    // Spinning, so that all begin at once.
    let missing = AtomicUsize::new(threads);
    let caller = |thread| {
        missing.fetch_sub(1, Ordering::SeqCst);
        while missing.load(Ordering::SeqCst) > 0 {
            spin_loop();
        }
        let start = Instant::now();
        let calls = black_box(side(thread, round));
        start.elapsed().as_nanos() as f64 / calls as f64
    };
    let all: Vec<f64> = thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || caller(thread)))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .collect()
    });
    all.iter().sum::<f64>() / threads as f64
}

/// The lower quartile: what else the machine does only ever adds.
pub(crate) fn quiet(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 4]
}

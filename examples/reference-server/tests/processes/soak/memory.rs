use std::collections::BTreeMap;
use std::fmt::Write;

use monetization_conformance::size;

/// What the processes held of memory, second by second, while nobody ended them.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    /// Calls that were answered by then.
    calls: u64,
    /// What each process held, by its name.
    kib: BTreeMap<String, u64>,
}

/// Not looked at in the end: it keeps all that ever was.
pub(super) const PROVIDER: &str = "provider";

/// By so much a process may hold more in the last sixth than in the one after the warm-up. There are
/// more and more subscriptions, and caches fill; a hundred bytes lost with each call of the longer
/// run would be about twice as much.
fn growth_kib_max() -> u64 {
    size(4, 8) * 1_024
}

impl Memory {
    /// Looks at these processes, after so many calls were answered.
    pub(super) fn sample(&mut self, calls: u64, processes: Vec<(String, u32)>) {
        let held = processes
            .into_iter()
            .filter_map(|(name, id)| Some((name, held(id)?)));
        let kib = held.collect();
        self.0.push(Sample { calls, kib });
    }

    /// How it went, in KiB.
    pub(super) fn told(&self) -> String {
        let mut told = String::from("memory in KiB, by calls answered:");
        for Sample { calls, kib } in self.0.iter().step_by((self.0.len() / 10).max(1)) {
            write!(told, "\n{calls:>8}:").unwrap();
            for (name, kib) in kib {
                write!(told, " {name} {kib}").unwrap();
            }
        }
        told
    }

    pub(super) fn assert_flat(&self) {
        let names = self.0.iter().flat_map(|sample| sample.kib.keys());
        let names: std::collections::BTreeSet<&String> = names.collect();
        for name in names.into_iter().filter(|name| *name != PROVIDER) {
            self.assert_flat_of(name);
        }
    }

    /// The first third is for warming up.
    fn assert_flat_of(&self, name: &str) {
        let all = &self.0;
        let half = all.len() / 2;
        let early = median(&all[all.len() / 3..half], name);
        let late = median(&all[all.len() * 5 / 6..], name);
        let calls = all[all.len() - 1].calls - all[half].calls;
        let told = format!("the {name} held {early} KiB, and {late} KiB {calls} calls later");
        println!("{told}");
        assert!(late <= early + growth_kib_max(), "{told}: it grows");
    }
}

fn median(samples: &[Sample], of: &str) -> u64 {
    let kib = samples.iter().filter_map(|sample| sample.kib.get(of));
    let mut kib: Vec<u64> = kib.copied().collect();
    kib.sort_unstable();
    kib[kib.len() / 2]
}

/// Memory of a process that is nobody else's and no file's, in KiB; nothing once it has ended.
pub(in super::super) fn held(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line?.trim().strip_suffix(" kB");
    Some(kib.unwrap().parse().unwrap())
}

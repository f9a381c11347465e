use std::fmt::Write;

use monetization_conformance::size;

use super::stage::Stage;

/// What the processes held of memory, second by second, while nobody ended them.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<Sample>);

#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Calls that were answered by then.
    calls: u64,
    server_kib: u64,
    publisher_kib: u64,
    provider_kib: u64,
}

/// By so much a process may hold more in the last sixth than in the one after the warm-up. There are
/// more and more subscriptions, and caches fill; a hundred bytes lost with each call of the longer
/// run would be about twice as much.
fn growth_kib_max() -> u64 {
    size(4, 8) * 1_024
}

impl Memory {
    pub(super) fn sample(&mut self, stage: &Stage) {
        self.0.push(Sample {
            calls: stage.answered(),
            server_kib: held(stage.server().id()),
            publisher_kib: held(stage.publisher.id().unwrap()),
            provider_kib: held(stage.provider.id()),
        });
    }

    /// How it went, in KiB.
    pub(super) fn told(&self) -> String {
        let mut told = String::from("memory in KiB, by calls answered:");
        for sample in self.0.iter().step_by((self.0.len() / 10).max(1)) {
            let Sample {
                calls,
                server_kib,
                publisher_kib,
                provider_kib,
            } = sample;
            write!(
                told,
                "\n{calls:>8}: server {server_kib}, publisher {publisher_kib}, provider {provider_kib}"
            )
            .unwrap();
        }
        told
    }

    /// The provider is not looked at: it keeps all that ever was.
    pub(super) fn assert_flat(&self) {
        self.assert_flat_of("server", |sample| sample.server_kib);
        self.assert_flat_of("publisher", |sample| sample.publisher_kib);
    }

    /// The first third is for warming up.
    fn assert_flat_of(&self, name: &str, kib: impl Fn(&Sample) -> u64) {
        let all = &self.0;
        let half = all.len() / 2;
        let early = median(&all[all.len() / 3..half], &kib);
        let late = median(&all[all.len() * 5 / 6..], &kib);
        let calls = all[all.len() - 1].calls - all[half].calls;
        let told = format!("the {name} held {early} KiB, and {late} KiB {calls} calls later");
        println!("{told}");
        assert!(late <= early + growth_kib_max(), "{told}: it grows");
    }
}

fn median(samples: &[Sample], kib: impl Fn(&Sample) -> u64) -> u64 {
    let mut kib: Vec<u64> = samples.iter().map(kib).collect();
    kib.sort_unstable();
    kib[kib.len() / 2]
}

/// Memory of a process that is nobody else's and no file's, in KiB.
pub(in super::super) fn held(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.unwrap().parse().unwrap()
}

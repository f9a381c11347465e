use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use reference_server::cli::DemoArgs;
use reference_server::demo::{self, Story};

/// Keeps what was told.
#[derive(Debug, Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn tell(args: &DemoArgs) -> String {
    let paper = Paper::default();
    let mut story = Story::new(paper.clone(), false);
    demo::run(args, &mut story).await.unwrap();
    let told = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    assert!(story.is_good(), "{told}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn the_month_of_the_demo_adds_up() {
    let told = tell(&DemoArgs::default()).await;
    let expected = [
        "402 Payment Required",
        "429 Too Many Requests",
        "{\"message\":\"API rate limit exceeded\"}",
        "202 Accepted",
        "409 Conflict",
        "status after the run: COMPLETED, SUCCESSFUL",
        "PASS  a strict quota of 100 let through: 100",
        "PASS  invariants of the database that do not hold: 0",
    ];
    for line in expected {
        assert!(told.contains(line), "{line} is missing in\n{told}");
    }
    assert!(!told.contains("FAIL") && !told.contains("mk_"), "{told}");
}

/// The slice has a line that is none, one whose path means different things to different servers,
/// and one that was cut off; it is counted here without any of the server's code.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_billed_as_a_naive_count_of_its_lines_says() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/access.log");
    let log = std::fs::read_to_string(&path).unwrap();
    let mut good: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut lines, mut malformed) = (0, 0);
    for line in log.lines() {
        lines += 1;
        let words: Vec<&str> = line.split(' ').collect();
        let Some(status) = words.get(8).filter(|status| status.parse::<u16>().is_ok()) else {
            malformed += 1;
            continue;
        };
        if status.starts_with('2') && !words[6].contains("//") {
            *good.entry(words[0]).or_default() += 1;
        }
    }
    let billed: u64 = good.values().sum();
    let owed: u64 = good.values().map(|calls| calls.saturating_sub(3) * 2).sum();
    let args = DemoArgs {
        traffic: Some(path),
        all: true,
        rate: 100_000,
        included: 3,
        price: "0.02".to_owned(),
    };
    let told = tell(&args).await;
    let figure = |what: &str, figure: u64| {
        let line = told
            .lines()
            .find(|line| line.trim_start().starts_with(what));
        let line = line.unwrap_or_else(|| panic!("{what} is missing in\n{told}"));
        assert!(
            line.ends_with(&format!(" {figure}")),
            "{line} instead of {figure}\n{told}"
        );
    };
    assert!(malformed > 0 && billed > 100);
    figure("lines", lines);
    figure("malformed lines", malformed);
    figure("refused by the gateway: ambiguous path", 1);
    figure("PASS  billed calls and the log's own count:", billed);
    let dollars = format!(
        "PASS  USD invoiced and counted by hand: {}.{:02}",
        owed / 100,
        owed % 100
    );
    assert!(told.contains(&dollars), "{dollars} is missing in\n{told}");
    for (address, calls) in good {
        let row = told
            .lines()
            .find(|line| line.trim_start().split(' ').next() == Some(address));
        let columns: Vec<&str> = row.unwrap().split_whitespace().collect();
        assert_eq!(columns[4], calls.to_string(), "{address}");
    }
}

/// With a rate that is too low for the log, what is refused is not billed.
#[tokio::test(flavor = "multi_thread")]
async fn calls_over_the_rate_are_refused_and_not_billed() {
    let args = DemoArgs {
        traffic: Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/access.log")),
        all: false,
        rate: 2,
        included: 0,
        price: "1".to_owned(),
    };
    let told = tell(&args).await;
    assert!(
        told.contains("refused by the gateway: over the rate"),
        "{told}"
    );
}

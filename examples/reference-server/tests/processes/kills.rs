use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::size;
use serde_json::json;

use super::dice::Dice;
use super::ledger::{self, Books};
use super::load::{Crowd, Load};
use super::market::Market;
use super::server::Home;
use super::upstream::Upstream;

const CLIENTS: u64 = 16;

/// R-M1, R-D6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_received_has_its_row_after_a_kill() {
    let kills: u64 = size(20, 200);
    let upstream = Upstream::start().await;
    let mut home = Home::new(&[]);
    let mut server = home.start().await;
    let terms = json!({ "billing": "free", "currency": "USD", "cycle": "month" });
    let subscribers = size(8, 64);
    let market = Market::open(&server.api, upstream.address, terms, subscribers).await;
    let market = Arc::new(market);
    let crowd = Crowd {
        clients: CLIENTS,
        wait_ms_max: 0,
        pause_ms_max: 0,
    };
    let load = Load::start(&market, crowd);
    let dice = Dice::seeded(1);
    for _ in 0..kills {
        let before = load.received();
        load.point_at(server.gateway);
        load.until_received(before + 1 + dice.below(100)).await;
        tokio::time::sleep(Duration::from_micros(dice.below(400_000))).await;
        server.kill().await;
        load.point_nowhere();
        ledger::assert_invariants(home.directory()).await;
        server = home.start().await;
    }
    let tally = load.finish().await;
    server.terminate().await;

    let books = Books::audited(home.directory(), &market).await;
    let seen = upstream.seen();
    let unheard = books.agree_with(&tally, &seen);
    let (rows, served) = (books.records.len(), seen.len());
    println!("{kills} kills: {tally}; {served} calls served, {rows} recorded, {unheard} unheard");
    assert!(
        unheard as u64 <= CLIENTS * kills,
        "{unheard} rows that nobody heard of"
    );
    assert_eq!(
        tally.refused,
        [].into(),
        "a free plan without limits refuses nobody"
    );
    assert!(
        tally.cut_off >= kills,
        "each kill should have met calls under way"
    );
}

/// R-M1 and R-D6 for quotas: what a killed server had leased is spent or comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_quota_is_reached_exactly_and_never_exceeded_through_kills() {
    let kills: u64 = size(20, 200);
    let quota: u64 = size(2_000, 10_000);
    let upstream = Upstream::start().await;
    // Business time stands still, so that no month ends within.
    let mut home = Home::new(&["--manual-clock=2026-01-10T12:00:00Z"]);
    let mut server = home.start().await;
    let terms = json!({
        "billing": "free", "currency": "USD", "cycle": "month",
        "quotas": [{ "window": "month", "max": quota, "overage": "strict" }],
    });
    let market = Arc::new(Market::open(&server.api, upstream.address, terms, 1).await);
    let crowd = Crowd {
        clients: CLIENTS,
        wait_ms_max: 0,
        pause_ms_max: 0,
    };
    let load = Load::start(&market, crowd);
    let dice = Dice::seeded(2);
    let mut told = 0;
    for kill in 0..kills {
        load.point_at(server.gateway);
        // Most strike on the way, a fifth of them where the last blocks are handed out.
        let fifth = kills / 5;
        let way = match kill / fifth {
            4 => quota * 9 / 10 + kill % fifth * quota / 20 / fifth,
            _ => kill * quota / kills,
        };
        tokio::select! {
            () = load.until_received(way) => {}
            () = load.until_refused(CLIENTS * 10) => {}
        }
        tokio::time::sleep(Duration::from_micros(dice.below(20_000))).await;
        let complaints = server.complaints();
        told += u64::from(complaints.contains("did not end in good order"));
        server.kill().await;
        load.point_nowhere();
        assert_committed(home.directory(), 0..=quota).await;
        ledger::assert_invariants(home.directory()).await;
        server = home.start().await;
    }
    assert!(
        told > kills / 2,
        "{told} starts tell what was found and that it is well"
    );
    load.point_at(server.gateway);
    load.until_refused(CLIENTS * 10).await;
    let tally = load.finish().await;
    server.terminate().await;

    let books = Books::audited(home.directory(), &market).await;
    let seen = upstream.seen();
    let unheard = books.agree_with(&tally, &seen) as u64;
    let served = seen.len() as u64;
    println!("{kills} kills, a quota of {quota}: {tally}; {served} served, {unheard} unheard");
    assert_eq!(
        books.records.len() as u64,
        quota,
        "one record for each unit"
    );
    assert_committed(home.directory(), quota..=quota).await;
    assert!(
        served <= quota + CLIENTS * kills,
        "more than calls under way went beyond"
    );
    assert!(
        tally.refused.keys().all(|status| *status == 429),
        "{:?}",
        tally.refused
    );
}

async fn assert_committed(directory: &std::path::Path, allowed: std::ops::RangeInclusive<u64>) {
    let mut file = ledger::open(directory).await;
    let select = sqlx::query_scalar("SELECT committed FROM quota");
    let committed: Option<i64> = select.fetch_optional(&mut file).await.unwrap();
    let committed = u64::try_from(committed.unwrap_or_default()).unwrap();
    assert!(
        allowed.contains(&committed),
        "{committed} committed, allowed are {allowed:?}"
    );
}

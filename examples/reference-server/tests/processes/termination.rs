use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::size;
use serde_json::json;

use super::dice::Dice;
use super::ledger::Books;
use super::load::{Crowd, Load, Tally};
use super::market::Market;
use super::server::{Home, Process};
use super::upstream::Upstream;

/// R-M4. Calls are kept waiting by their upstream, so that each termination meets many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_termination_drains_what_is_under_way() {
    let terminations: u64 = size(10, 100);
    let upstream = Upstream::start().await;
    let mut home = Home::new(&[]);
    let server = home.start().await;
    let terms = json!({
        "billing": "free", "currency": "USD", "cycle": "month",
        "quotas": [{ "window": "month", "max": 10_000_000, "overage": "strict" }],
    });
    let market = Market::open(&server.api, upstream.address, terms, size(4, 16)).await;
    let market = Arc::new(market);
    let crowd = Crowd {
        clients: 16,
        wait_ms_max: 60,
        pause_ms_max: 0,
    };
    let load = Load::start(&market, crowd);
    let server = terminate_under(&load, (&mut home, server), terminations).await;
    let tally = load.finish().await;
    server.terminate().await;

    let books = Books::audited(home.directory(), &market).await;
    println!("{terminations} terminations: {tally}");
    let unheard = unheard_and_none_lost(&books, &tally, &upstream);
    assert_eq!(unheard, 0, "a call that was accepted has its answer");
    assert_eq!(tally.refused, [].into());
    let leased = "SELECT sum(leased - committed) FROM quota";
    let mut file = super::ledger::open(home.directory()).await;
    let leased: i64 = sqlx::query_scalar(leased)
        .fetch_one(&mut file)
        .await
        .unwrap();
    assert_eq!(leased, 0, "blocks of quotas were not given back");
}

/// Terminates a server of this directory so many times, while it is called; answers the last one.
pub(super) async fn terminate_under(
    load: &Load,
    (home, mut server): (&mut Home, Process),
    times: u64,
) -> Process {
    let dice = Dice::seeded(3);
    for _ in 0..times {
        let before = load.received();
        load.point_at(server.gateway);
        load.until_received(before + 1).await;
        tokio::time::sleep(Duration::from_micros(dice.below(300_000))).await;
        server.terminate().await;
        load.point_nowhere();
        server = home.start().await;
    }
    server
}

/// Whoever was served has its record; how many of them have no answer.
pub(super) fn unheard_and_none_lost(books: &Books, tally: &Tally, upstream: &Upstream) -> usize {
    let seen = upstream.seen();
    let unheard = books.agree_with(tally, &seen);
    let (rows, served) = (books.records.len(), seen.len());
    assert_eq!(rows, served, "a call that was accepted has its record");
    unheard
}

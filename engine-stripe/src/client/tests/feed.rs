use monetization_core::clock::{Clock, Timestamp};

use crate::tests::{Reply, Server, cx};

const ASKED_FROM: i64 = 1_767_225_600;
const TOLD_AT: i64 = ASKED_FROM + 90;

/// Our clock is a day ahead of Stripe's.
#[tokio::test]
async fn news_end_with_the_newest_whatever_our_clock_says_r_w6() {
    let event = |created: i64| {
        format!(r#"{{"id":"evt_{created}","created":{created},"type":"invoice.paid"}}"#)
    };
    let told = [event(TOLD_AT), event(TOLD_AT - 60)];
    let none: [String; 0] = [];
    for (events, until) in [(&told[..], TOLD_AT), (&none[..], ASKED_FROM)] {
        let list: Vec<&str> = events.iter().map(String::as_str).collect();
        let answer = Reply::list(&list);
        let server = Server::start(move |_| answer.clone()).await;
        let mut options = server.options();
        let (clock, _) = Clock::manual_business(Timestamp::from_secs(ASKED_FROM + 86_400));
        options.clock = clock;
        let feed = crate::engine(&options).unwrap().feed.unwrap();
        let asked_from = Timestamp::from_secs(ASKED_FROM);
        let page = feed.since(&cx("news"), asked_from).await.unwrap();
        assert_eq!(page.messages.len(), events.len());
        assert_eq!(page.until, Timestamp::from_secs(until));
        assert!(page.is_last);
    }
}

/// Stripe pages from the newest on: for each stretch of time it has to be found out how long one may be.
#[tokio::test]
async fn a_large_backlog_is_read_in_few_requests_r_w6() {
    const COUNT: i64 = 30_000;
    const DAYS: i64 = 20 * 86_400;
    let even = |place: i64| ASKED_FROM + place * DAYS / COUNT;
    let first_all = |place: i64| ASKED_FROM + place / 500 + (place - 29_000).max(0) * DAYS / 1_000;
    let last_all =
        |place: i64| ASKED_FROM + place.min(1_000) * DAYS / 1_000 + (place - 1_000).max(0) / 500;
    let spread: [(&str, &dyn Fn(i64) -> i64); 3] = [
        ("evenly", &even),
        ("most at first", &first_all),
        ("most at last", &last_all),
    ];
    for (how, created) in spread {
        let told: Vec<i64> = (0..COUNT).map(created).collect();
        assert!(told.is_sorted());
        let ends = *told.last().unwrap();
        let server = Server::start(move |seen| listed(&told, &seen.path)).await;
        let mut options = server.options();
        (options.clock, _) = Clock::manual_business(Timestamp::from_secs(ends + 10 * 86_400));
        options.rates.test = std::num::NonZeroU32::new(1_000_000).unwrap();
        let feed = crate::engine(&options).unwrap().feed.unwrap();
        let (mut from, mut read, mut calls) = (Timestamp::from_secs(ASKED_FROM), 0, 0);
        loop {
            let before = server.seen().len();
            let page = feed.since(&cx("news"), from).await.unwrap();
            let asked = server.seen().len() - before;
            assert!(asked <= 80, "{how}: {asked} requests for a call");
            read += i64::try_from(page.messages.len()).unwrap();
            calls += 1;
            from = page.until;
            if page.is_last {
                break;
            }
        }
        assert_eq!(read, COUNT, "{how}: each is told once");
        let asked = server.seen().len();
        assert!(asked <= 1_000, "{how}: {asked} requests in {calls} calls");
    }
}

/// A page of the events of these seconds, the newest first.
fn listed(told: &[i64], path: &str) -> Reply {
    let query = path.replace("%5B", "[").replace("%5D", "]");
    let query = query.split_once('?').unwrap().1;
    let value = |name: &str| crate::form::value(query, name);
    let second = |name: &str| value(name).unwrap().parse::<i64>().unwrap();
    let (from, until) = (second("created[gte]"), second("created[lt]"));
    let after = value("starting_after").map(|id| id[4..].parse::<usize>().unwrap());
    let end = after.unwrap_or(told.partition_point(|it| *it < until));
    let start = told.partition_point(|it| *it < from);
    let page = (start..end).rev().take(100);
    let events: Vec<String> = page
        .map(|place| {
            let created = told[place];
            format!(r#"{{"id":"evt_{place}","created":{created},"type":"invoice.paid"}}"#)
        })
        .collect();
    let has_more = end - start > 100;
    let data = events.join(",");
    Reply::ok(format!(r#"{{"data":[{data}],"has_more":{has_more}}}"#))
}

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

//! One report of use that comes again and again, and at once.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream;
use http::Method;
use monetization_conformance::size;
use serde_json::{Value, json};

use super::client::Api;
use super::market::{Market, Subscription};
use super::server::Home;
use super::upstream::Upstream;

const ARGUMENTS: [&str; 1] = ["--engine=none"];

/// Somebody's subscription, and the servers to which its use is reported in turn.
struct Reported<'a> {
    apis: Vec<&'a Api>,
    market: Market,
}

impl<'a> Reported<'a> {
    async fn at(apis: Vec<&'a Api>) -> Self {
        let upstream = Upstream::start().await;
        let terms = json!({ "billing": "free", "currency": "USD", "cycle": "month" });
        let market = Market::open(apis[0], upstream.address, terms, 1).await;
        Self { apis, market }
    }

    fn subscription(&self) -> &Subscription {
        &self.market.subscriptions[0]
    }

    fn event(&self, quantity: usize) -> Value {
        json!({
            "source": "elsewhere", "id": "one", "subscription": self.subscription().id,
            "meter": "requests", "quantity": quantity.to_string(),
        })
    }

    /// Reports these at once, each by a request of its own; how often each answer was given.
    async fn answers(&self, events: Vec<Value>) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        let count = events.len();
        let apis = self.apis.iter().cycle();
        let mut replies = stream::iter(events.into_iter().zip(apis))
            .map(|(event, api)| reported(api, json!([event])))
            .buffer_unordered(count.min(1_000));
        while let Some(reply) = replies.next().await {
            *answers.entry(reply).or_default() += 1;
        }
        answers
    }

    async fn assert_used(&self, units: &str) {
        let path = format!("/api/v1/subscriptions/{}/usage", self.subscription().id);
        for api in &self.apis {
            assert_eq!(api.get(&path).await["used"][0]["used"], units);
        }
    }

    /// The same report a thousand times at once, and as often again.
    async fn the_same_counts_once(&self) {
        let same = || vec![self.event(5); 1_000];
        let expected = [(answer("accepted"), 1), (answer("duplicate"), 999)];
        assert_eq!(self.answers(same()).await, BTreeMap::from(expected));
        let expected = [(answer("duplicate"), 1_000)];
        assert_eq!(self.answers(same()).await, BTreeMap::from(expected));
        self.assert_used("5").await;
    }

    async fn others_are_conflicts(&self) {
        self.answers(vec![self.event(5)]).await;
        let count = size(200, 10_000);
        let others = (0..count).map(|number| self.event(6 + number));
        let told = self.answers(others.collect()).await;
        assert_eq!(told, BTreeMap::from([(answer("conflict"), count)]));
        self.assert_used("5").await;
    }
}

/// What is answered in the end: whoever is asked to come again does.
async fn reported(api: &Api, events: Value) -> String {
    loop {
        let path = "/api/v1/usage";
        let answer = api.try_to(Method::POST, path, events.clone()).await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status == 200 {
            let answer: Value = serde_json::from_str(&text).unwrap();
            return answer.to_string();
        }
        assert_eq!(answer.status, 503, "{text}");
    }
}

fn answer(result: &str) -> String {
    json!([{ "source": "elsewhere", "id": "one", "result": result }]).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_posted_a_thousand_times_at_once_counts_once_r_m3() {
    let mut home = Home::new(&ARGUMENTS);
    let server = home.start().await;
    let reported = Reported::at(vec![&server.api]).await;
    reported.the_same_counts_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_report_under_a_known_id_that_says_something_else_is_a_conflict_r_m3() {
    let mut home = Home::new(&ARGUMENTS);
    let server = home.start().await;
    let reported = Reported::at(vec![&server.api]).await;
    reported.others_are_conflicts().await;
}

#[cfg(feature = "postgres")]
mod over_one_database {
    use super::super::gateways::Group;
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
    async fn a_report_posted_a_thousand_times_at_once_to_three_servers_counts_once_r_m3() {
        let group = Group::start(3, &ARGUMENTS).await;
        let reported = Reported::at(group.apis()).await;
        reported.the_same_counts_once().await;
        group.end().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
    async fn every_report_that_says_something_else_to_one_of_three_servers_is_a_conflict_r_m3() {
        let group = Group::start(3, &ARGUMENTS).await;
        let reported = Reported::at(group.apis()).await;
        reported.others_are_conflicts().await;
        group.end().await;
    }
}

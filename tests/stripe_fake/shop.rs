//! A fake without a network, and a shop in it.

use monetization_conformance::stripe::fake::{Answer, Fake, Request, SECRET_KEY};
use serde_json::Value;

/// 2026-01-01, 00:00 UTC.
pub(crate) const START: i64 = 1_767_225_600;
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 86_400;

/// Somebody who asks, each time under a key of its own. What is asked and answered has to fit the
/// specification in the end.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) fake: Fake,
    account: Option<String>,
    asked: u64,
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self {
            fake: Fake::new(7, START, "http://127.0.0.1"),
            account: None,
            asked: 0,
        }
    }

    /// From now on it asks for this account.
    pub(crate) fn turn_to(&mut self, account: Option<&str>) {
        self.account = account.map(str::to_owned);
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Value {
        let answer = self.try_post(path, body);
        assert_eq!(answer.status, 200, "{path} {body}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn try_post(&mut self, path: &str, body: &str) -> Answer {
        self.asked += 1;
        let key = format!("key-{}", self.asked);
        self.ask(Request::post(path, body).idempotent(&key))
    }

    /// A write to the second version.
    pub(crate) fn post_v2(&mut self, path: &str, body: &Value) -> Answer {
        self.asked += 1;
        let key = format!("key-{}", self.asked);
        self.ask(Request::post_v2(path, body).idempotent(&key))
    }

    pub(crate) fn delete(&mut self, path: &str, query: &str) -> Answer {
        self.asked += 1;
        let key = format!("key-{}", self.asked);
        self.ask(Request::delete(path, query).idempotent(&key))
    }

    pub(crate) fn get(&mut self, path: &str, query: &str) -> Value {
        let answer = self.ask(Request::get(path, query));
        assert_eq!(answer.status, 200, "{path}?{query}: {}", answer.body);
        answer.json()
    }

    pub(crate) fn ask(&mut self, request: Request) -> Answer {
        let request = request.key(SECRET_KEY);
        let request = match &self.account {
            Some(account) => request.account(account),
            None => request,
        };
        self.fake.answer(&request)
    }

    /// An id of what is made.
    pub(crate) fn make(&mut self, path: &str, body: &str) -> String {
        self.post(path, body)["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn meter(&mut self, event_name: &str) -> String {
        let body = format!(
            "display_name={event_name}&event_name={event_name}&default_aggregation[formula]=sum"
        );
        self.make("/v1/billing/meters", &body)
    }

    pub(crate) fn product(&mut self, name: &str) -> String {
        self.make("/v1/products", &format!("name={name}"))
    }

    /// A flat monthly price in cents of US dollars.
    pub(crate) fn flat(&mut self, product: &str, amount: i64) -> String {
        let body = format!(
            "currency=usd&product={product}&unit_amount={amount}&recurring[interval]=month"
        );
        self.make("/v1/prices", &body)
    }

    /// A metered monthly price in US dollars; `terms` says how much.
    pub(crate) fn metered(&mut self, product: &str, meter: &str, terms: &str) -> String {
        let recurring = format!(
            "recurring[interval]=month&recurring[usage_type]=metered&recurring[meter]={meter}"
        );
        let body = format!("currency=usd&product={product}&{recurring}&{terms}");
        self.make("/v1/prices", &body)
    }

    pub(crate) fn customer(&mut self) -> String {
        self.make("/v1/customers", "name=Example&email=a%40example.com")
    }

    pub(crate) fn use_units(&mut self, customer: &str, at: i64, identifier: &str, value: &str) {
        let payload = format!("payload[stripe_customer_id]={customer}&payload[value]={value}");
        let body = format!("event_name=calls&identifier={identifier}&timestamp={at}&{payload}");
        self.post("/v1/billing/meter_events", &body);
    }

    /// Sends invoices, due after thirty days.
    pub(crate) fn subscribe(&mut self, customer: &str, prices: &[&str], more: &str) -> Value {
        let items: String = prices
            .iter()
            .enumerate()
            .map(|(index, price)| format!("&items[{index}][price]={price}"))
            .collect();
        let sent = "collection_method=send_invoice&days_until_due=30";
        self.post(
            "/v1/subscriptions",
            &format!("customer={customer}&{sent}{items}{more}"),
        )
    }

    pub(crate) fn latest_invoice(&mut self, subscription: &str) -> Value {
        let path = format!("/v1/subscriptions/{subscription}");
        let found = self.get(&path, "expand[]=latest_invoice");
        found["latest_invoice"].clone()
    }

    /// Amounts of the lines of an invoice.
    pub(crate) fn amounts(invoice: &Value) -> Vec<i64> {
        let lines = invoice["lines"]["data"].as_array().unwrap();
        lines
            .iter()
            .map(|it| it["amount"].as_i64().unwrap())
            .collect()
    }

    /// Types of what happened, oldest first.
    pub(crate) fn happened(&mut self) -> Vec<String> {
        let events = self.get("/v1/events", "limit=100");
        let events = events["data"].as_array().unwrap().iter().rev();
        events
            .map(|it| it["type"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let found = self.fake.violations();
            assert!(found.is_empty(), "{found:#?}");
            let found = self.fake.check_all();
            assert!(found.is_empty(), "{found:#?}");
        }
    }
}

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use monetization_conformance::engine::{CANARY, Fixture, Message};
use monetization_conformance::sample::{START, text};
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::{CONNECTED, Delivery, PLATFORM, Request, SECRET_KEY};
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_conformance::stripe::spec::Violation;
use monetization_core::clock::{Clock, ManualClock, Timestamp};
use monetization_core::engine::{Engine, EngineInvoice};
use monetization_core::invoice::InvoiceState;
use monetization_core::money::Money;
use monetization_core::reference::ObjectKind;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;
use monetization_engine_stripe::{StripeOptions, engine};
use serde_json::Value;

/// A fake Stripe of its own, and the engine that speaks to it.
pub(crate) struct StripeFixture {
    stripe: Arc<FakeStripe>,
    engine: Engine,
    secret: Secret,
    clock: ManualClock,
}

impl StripeFixture {
    pub(crate) async fn start() -> Self {
        let stripe = Arc::new(FakeStripe::start().await.unwrap());
        stripe.fake().add_key(CANARY, PLATFORM);
        let secret = stripe.fake().listen("http://127.0.0.1:9/hooks", false);
        // What the account's owner does once, in Stripe's dashboard.
        let portal = "features[payment_method_update][enabled]=true";
        let saved = Request::post("/v1/billing_portal/configurations", portal)
            .key(SECRET_KEY)
            .idempotent("portal");
        stripe.fake().answer(&saved);
        let mut options = StripeOptions::default();
        options.base_url = stripe.base_url();
        let (clock, manual) = Clock::manual_business(START);
        options.clock = clock;
        options.rates.test = NonZeroU32::new(10_000).unwrap();
        Self {
            engine: engine(&options).unwrap(),
            secret: Secret::new(secret),
            clock: manual,
            stripe,
        }
    }

    /// Where faults are planned, also once the fixture belongs to a bench.
    pub(crate) fn faults(&self) -> Arc<FakeStripe> {
        Arc::clone(&self.stripe)
    }

    fn get(&self, path: &str, query: &str) -> Value {
        let request = Request::get(path, query).key(SECRET_KEY);
        self.stripe.fake().answer(&request).json()
    }

    /// All that there are, page by page.
    fn list(&self, path: &str, query: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let last = all.last().and_then(|last| last["id"].as_str());
            let after = last.map_or_else(String::new, |id| format!("&starting_after={id}"));
            let page = self.get(path, &format!("limit=100{query}{after}"));
            all.extend(page["data"].as_array().cloned().unwrap_or_default());
            if page["has_more"] != true {
                return all;
            }
        }
    }
}

impl Drop for StripeFixture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let violations = self.stripe.violations();
            // One check reports use too far ahead on purpose, once.
            let is_ahead = |it: &&Violation| it.at == "timestamp" && it.reason.contains("ahead");
            let ahead = violations.iter().filter(is_ahead).count();
            assert!(violations.len() == ahead && ahead <= 1, "{violations:?}");
        }
    }
}

#[async_trait]
impl Fixture for StripeFixture {
    fn engine(&self) -> Engine {
        self.engine.clone()
    }

    async fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.stripe.now())
    }

    async fn advance(&self, by: Duration) {
        let seconds = i64::try_from(by.as_secs()).unwrap();
        self.stripe.advance_to(self.stripe.now() + seconds);
        self.clock.set(Timestamp::from_secs(self.stripe.now()));
    }

    async fn pay(&self, payment_url: &str) {
        let invoice = payment_url.rsplit('/').next().unwrap();
        // Nobody can pay what was taken back.
        drop(self.stripe.pay(invoice));
    }

    async fn store_method(&self, checkout_url: &str) {
        let session = checkout_url.rsplit('/').next().unwrap();
        self.stripe.complete_checkout(session).unwrap();
    }

    async fn lose_reply(&self, after: u32) {
        for method in ["POST", "DELETE"] {
            let plan = Plan::after(Fault::Drop).on(method, "/").skip(after);
            self.stripe.plan(plan);
        }
    }

    async fn refuse_later(&self) {
        self.stripe.fake().refuse_meter_events(1);
    }

    async fn count(&self, kind: ObjectKind) -> usize {
        match kind {
            ObjectKind::Plan => self.list("/v1/products", "&active=true").len(),
            ObjectKind::Customer => self.list("/v1/customers", "").len(),
            ObjectKind::Subscription => self.list("/v1/subscriptions", "").len(),
            ObjectKind::Invoice => {
                let made = self.list("/v1/invoices", "");
                made.iter().filter(|it| it["status"] != "void").count()
            }
            _ => unreachable!("the suite counts no {kind:?}"),
        }
    }

    async fn invoice(&self, invoice: &ForeignId) -> Option<EngineInvoice> {
        let found = self.get(&format!("/v1/invoices/{invoice}"), "");
        let currency = found["currency"].as_str()?.parse().unwrap();
        let money = |amount: &Value| Money::new(amount.as_i64().unwrap(), currency);
        let lines = found["lines"]["data"].as_array().unwrap();
        let second = |name: &str| Timestamp::from_secs(found[name].as_i64().unwrap_or_default());
        Some(EngineInvoice {
            external: Some(invoice.clone()),
            period: None,
            lines: lines
                .iter()
                .map(|it| {
                    (
                        it["description"].as_str().unwrap().to_owned(),
                        money(&it["amount"]),
                    )
                })
                .collect(),
            total: money(&found["total"]),
            state: match found["status"].as_str().unwrap() {
                "draft" => InvoiceState::Draft,
                "open" => InvoiceState::Open,
                "paid" => InvoiceState::Paid,
                "void" => InvoiceState::Void,
                _ => InvoiceState::Uncollectible,
            },
            payment_url: found["hosted_invoice_url"].as_str().map(str::to_owned),
            issued_at: second("created"),
            due_at: second("due_date"),
        })
    }

    async fn messages(&self) -> Vec<Message> {
        let now = self.stripe.now();
        let deliveries = self.stripe.deliveries();
        deliveries.iter().map(|it| message(it, now)).collect()
    }

    fn webhook_secret(&self) -> Secret {
        self.secret.clone()
    }

    fn account(&self) -> Option<ForeignId> {
        Some(text(CONNECTED))
    }
}

/// A delivery as it arrives where it is signed at this second.
pub(crate) fn message(delivery: &Delivery, at: i64) -> Message {
    let mut headers = HeaderMap::new();
    let signature = HeaderValue::from_str(&delivery.signature(at)).unwrap();
    headers.insert("stripe-signature", signature);
    Message {
        headers,
        body: delivery.body.clone().into_bytes(),
    }
}

//! From a meter to the total of an invoice at Stripe itself, by one of its test clocks.
//!
//! It is ignored unless somebody asks for it: `scripts/prove.sh live` runs it where `STRIPE_TEST_KEY` is a
//! secret key of a sandbox, or a restricted one that may also write test clocks and customers. A key for
//! real money is refused. What it makes there is kept by Stripe for 30 days, as all on a test clock; its
//! product and prices stay. `STRIPE_BASE_URL` leads it somewhere else.
//!
//! The same steps are taken over the project's own fake each time that the tests run, which shows that they
//! hang together, and nothing of Stripe.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use monetization_conformance::engine::Offer;
use monetization_conformance::sample::{Sample, text};
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::SECRET_KEY;
use monetization_conformance::stripe::server::Settings;
use monetization_core::clock::{Clock, Timestamp};
use monetization_core::engine::{
    Engine, EngineContext, IdempotencyKey, NewSubscription, Receipt, SealedReport, UsageReport,
};
use monetization_core::estimate::{Question, estimate};
use monetization_core::ids::TenantId;
use monetization_core::money::{Money, Quantity};
use monetization_core::period::Schedule;
use monetization_core::plan::PlanVersion;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;
use monetization_engine_stripe::{StripeOptions, engine};
use serde_json::Value;

use requests::Requests;

#[path = "stripe_live/requests.rs"]
mod requests;

const MINUTE: Duration = Duration::from_secs(60);
/// How often Stripe is asked whether it is done, two seconds apart.
const LOOKS_MAX: u32 = 150;
const UNITS: i64 = 1_200;
/// 25 dollars a month with 1,000 requests, and a cent for each further one.
const OFFER: Offer = Offer {
    base_price: "25",
    included: "1000",
    ..Offer::A_CENT_EACH
};

#[tokio::test]
#[ignore = "it needs a sandbox of Stripe's: STRIPE_TEST_KEY=sk_test_.. scripts/prove.sh live"]
async fn use_reported_to_stripe_itself_is_on_its_invoice_as_core_estimates_it() {
    let mut options = StripeOptions::default();
    if let Some(elsewhere) = asked("STRIPE_BASE_URL") {
        options.base_url = elsewhere;
    }
    let key = asked("STRIPE_TEST_KEY").expect("STRIPE_TEST_KEY is the key of a sandbox");
    let key = Secret::new(key);
    options.check_key(&key).unwrap();
    Sandbox::new(&options, key).is_billed_as_estimated().await;
}

/// So that what is run there once in a while is known to run.
#[tokio::test]
async fn what_is_tried_at_stripe_itself_goes_through_over_the_fake() {
    let settings = Settings {
        now: Clock::system().now().as_micros() / 1_000_000,
        ..Settings::default()
    };
    let stripe = FakeStripe::start_with(settings).await.unwrap();
    let mut options = StripeOptions::default();
    options.base_url = stripe.base_url();
    let sandbox = Sandbox::new(&options, Secret::new(SECRET_KEY));
    // Its own clock goes on, too, faster than a test wants to wait until something is counted.
    let time_passes = async {
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            stripe.advance_to(stripe.now() + 60);
        }
    };
    tokio::select! {
        () = sandbox.is_billed_as_estimated() => {}
        () = time_passes => {}
    }
    assert!(stripe.violations().is_empty(), "{:?}", stripe.violations());
}

/// An account at Stripe in which nothing is real.
struct Sandbox {
    engine: Engine,
    requests: Requests,
    key: Secret,
    sample: Sample,
    tenant: TenantId,
    /// What its test clock shows at first.
    now: Timestamp,
    /// When the subscription begins: use is told by whole minutes.
    begin: Timestamp,
}

impl Sandbox {
    fn new(options: &StripeOptions, key: Secret) -> Self {
        let seconds = Clock::system().now().as_micros() / 1_000_000;
        let now = Timestamp::from_secs(seconds);
        let sample = Sample::seeded(u64::try_from(seconds).unwrap());
        Self {
            engine: engine(options).unwrap(),
            requests: Requests::to(&options.base_url, &key),
            key,
            tenant: sample.id(),
            sample,
            now,
            begin: Timestamp::from_secs((seconds / 60 - 2) * 60),
        }
    }

    async fn is_billed_as_estimated(&self) {
        let clock = self.test_clock().await;
        let customer = self.customer(&clock).await;
        let plan = self.plan();
        let schedule = Schedule::new(self.begin, OFFER.cycle);
        let subscription = self.subscribe(&plan, &schedule, &customer).await;
        self.report(&subscription, &customer).await;
        let period = schedule.period(0).unwrap();
        let counted = async || {
            let usage = self.engine.usage.as_ref().unwrap();
            let (cx, meter) = (self.cx("counted"), OFFER.meter());
            let sum = usage.summary(&cx, &subscription, &meter, period);
            sum.await.unwrap() == Quantity::from_scaled(UNITS)
        };
        until(counted).await;
        let end = period.end.saturating_add(120 * MINUTE);
        self.advance(&clock, end).await;
        let statements = self.engine.statements.as_ref().unwrap();
        let invoices = statements.list(&self.cx("list"), &subscription).await;
        let invoices = invoices.unwrap();
        let of_start = invoices.iter().find(|it| it.period.is_none()).unwrap();
        assert_eq!(of_start.total, Money::new(2_500, text("USD")));
        let of_period = invoices.iter().find(|it| it.period.is_some()).unwrap();
        assert_eq!(of_period.total, estimated(&plan), "{of_period:?}");
    }

    fn plan(&self) -> PlanVersion {
        PlanVersion {
            id: self.sample.id(),
            tenant: self.tenant,
            product: self.sample.id(),
            plan: self.sample.id(),
            number: 1,
            name: text("Gold"),
            terms: OFFER.terms(),
            created_at: self.now,
        }
    }

    async fn subscribe(
        &self,
        plan: &PlanVersion,
        schedule: &Schedule,
        customer: &ForeignId,
    ) -> ForeignId {
        let billing = &self.engine.billing;
        let known = billing.create_billing_plan(&self.cx("plan"), plan).await;
        let new = NewSubscription {
            subscription: self.sample.id(),
            customer: customer.clone(),
            plan: known.unwrap(),
            schedule: schedule.clone(),
            is_cancelled: false,
        };
        let started = billing.create_subscription(&self.cx("start"), &new).await;
        started.unwrap().external
    }

    async fn report(&self, subscription: &ForeignId, customer: &ForeignId) {
        let usage = self.engine.usage.as_ref().unwrap();
        let report = UsageReport {
            batch: self.sample.id(),
            subscription: subscription.clone(),
            customer: customer.clone(),
            meter: OFFER.meter(),
            quantity: Quantity::from_scaled(UNITS),
            used_at: self.begin.saturating_add(MINUTE),
        };
        let sealed = SealedReport {
            batch: report.batch,
            body: usage.serialise(&report).unwrap(),
        };
        let receipts = usage.publish(&self.cx("publish"), &[sealed]).await;
        assert_eq!(receipts.unwrap(), [Receipt::Accepted]);
    }

    async fn test_clock(&self) -> String {
        let form = format!("frozen_time={}", self.now.as_micros() / 1_000_000);
        let clock = self.requests.post("/v1/test_helpers/test_clocks", &form);
        clock.await["id"].as_str().unwrap().to_owned()
    }

    async fn customer(&self, clock: &str) -> ForeignId {
        let form = format!("name=Example&test_clock={clock}");
        let customer = self.requests.post("/v1/customers", &form).await;
        text(customer["id"].as_str().unwrap())
    }

    async fn advance(&self, clock: &str, to: Timestamp) {
        let path = format!("/v1/test_helpers/test_clocks/{clock}");
        let form = format!("frozen_time={}", to.as_micros() / 1_000_000);
        let advance = format!("{path}/advance");
        drop::<Value>(self.requests.post(&advance, &form).await);
        until(async || self.requests.get(&path).await["status"] == "ready").await;
    }

    /// Each step has a key of its own in each run.
    fn cx(&self, step: &str) -> EngineContext {
        EngineContext {
            tenant: self.tenant,
            credentials: Some(self.key.clone()),
            account: None,
            key: IdempotencyKey::new(format!("{}:{step}", self.tenant)),
            repeated: false,
            timeout: Duration::from_secs(60),
        }
    }
}

/// What core says that a period costs in which so much was used.
fn estimated(plan: &PlanVersion) -> Money {
    let used = Quantity::from_scaled(UNITS).into();
    let used = BTreeMap::from([(OFFER.meter().id, used)]);
    let question = Question {
        terms: &plan.terms,
        used: &used,
        span: None,
    };
    estimate(&question).unwrap().total
}

/// Waits for what Stripe does by and by.
async fn until(is_done: impl AsyncFn() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is_done().await {
            return;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert!(
        is_done().await,
        "Stripe is not done after {LOOKS_MAX} looks"
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "whoever starts this test hands it a key by the environment"
)]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

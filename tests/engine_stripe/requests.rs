//! What things take at Stripe, counted. The README of the engine publishes these figures, and is held to
//! them.

use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::engine::{Bench, Offer};
use monetization_conformance::stripe::FakeStripe;
use monetization_core::clock::Timestamp;
use monetization_core::engine::{EngineContext, SealedReport, UsageReport};
use monetization_core::ids::{MeterId, TypedId};
use monetization_core::money::Quantity;
use monetization_core::period::Cycle;
use monetization_core::plan::{Billing, PlanTerms, PlanVersion, TermsDraft, UsageDraft};
use monetization_core::product::MeterDraft;
use monetization_core::text::ForeignId;

use super::fixture::StripeFixture;
use crate::Shop;

const README: &str = include_str!("../../engine-stripe/README.md");
const REPORTS: usize = 1_000;
const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn what_things_take_at_stripe_is_what_the_readme_says() {
    let mut counter = Counter::start().await;
    let one = counter.plan(1);
    let three = counter.plan(3);
    counter.sell("a plan with 1 meter", &one).await;
    counter.sell("a plan with 3 meters", &three).await;
    let another = counter.plan(3);
    counter
        .sell("a plan with 3 meters that are there", &another)
        .await;
    let customer = counter.consumer("a consumer").await;
    let started = "the start of a subscription with 1 meter";
    let subscription = counter.subscribe(started, &customer, &one).await;
    let other = counter.consumer("a consumer").await;
    let started = "the start of a subscription with 3 meters";
    counter.subscribe(started, &other, &three).await;
    counter
        .invoice("an invoice of core's with 3 lines", &customer)
        .await;
    let used_at = counter.bench.fixture.now().await;
    let of = (&customer, &subscription, &one);
    counter.report("1,000 reports of use", of, used_at).await;
    counter.bench.fixture.advance(2 * HOUR).await;
    let late = "1,000 reports of use that is older than 50 minutes";
    counter.report(late, of, used_at).await;
}

/// Counts the requests that reach Stripe.
struct Counter {
    bench: Bench,
    stripe: Arc<FakeStripe>,
    counted: usize,
}

impl Counter {
    async fn start() -> Self {
        let fixture = StripeFixture::start().await;
        Self {
            stripe: fixture.faults(),
            bench: Bench::new(fixture),
            counted: 0,
        }
    }

    /// What was asked since the last time is what the README says of this.
    fn holds(&mut self, what: &str) {
        let so_far = self.stripe.requests().len();
        let row = format!("| {what} | {} |", so_far.saturating_sub(self.counted));
        self.counted = so_far;
        assert!(README.contains(&row), "the README does not say: {row}");
    }

    /// A base price, a setup fee and so many meters; plans share those of the same number.
    fn plan(&self, meters: u8) -> PlanVersion {
        let meter = |place: u8| {
            let name = format!("meter-{place}-of-{meters}").parse().unwrap();
            let id = MeterId::derived(&[&[place, meters]]);
            MeterDraft::new(name).check(id).unwrap()
        };
        let meters: Vec<_> = (0..meters).map(meter).collect();
        let mut draft = TermsDraft::new(Billing::Metered, "USD".parse().unwrap(), Cycle::MONTH);
        draft.base_price = Some("25".to_owned());
        draft.setup_fee = Some("10".to_owned());
        let priced = |meter: &monetization_core::product::Meter| {
            UsageDraft::per_unit(meter.name.clone(), "0.01".parse().unwrap())
        };
        draft.usage = meters.iter().map(priced).collect();
        PlanVersion {
            terms: PlanTerms::new(draft, &meters[..]).unwrap(),
            ..self
                .bench
                .version(&self.bench.product(), Offer::A_CENT_EACH)
        }
    }

    /// As core asks, which takes it that it may have asked before.
    fn again(&self) -> EngineContext {
        EngineContext {
            repeated: true,
            ..self.bench.cx()
        }
    }

    async fn sell(&mut self, what: &str, plan: &PlanVersion) {
        let billing = self.bench.fixture.engine().billing;
        let cx = self.again();
        billing.create_billing_plan(&cx, plan).await.unwrap();
        self.holds(what);
    }

    async fn consumer(&mut self, what: &str) -> ForeignId {
        let consumer = Shop::new(&self.bench).await.consumer;
        let billing = self.bench.fixture.engine().billing;
        let cx = self.again();
        let customer = billing.ensure_customer(&cx, &consumer).await.unwrap();
        self.holds(what);
        customer
    }

    async fn subscribe(
        &mut self,
        what: &str,
        customer: &ForeignId,
        plan: &PlanVersion,
    ) -> ForeignId {
        let shop = Shop::new(&self.bench).await;
        let new = shop.subscription_to(plan.id.to_string().parse().unwrap(), customer);
        let billing = self.bench.fixture.engine().billing;
        let started = billing.create_subscription(&self.bench.cx(), &new).await;
        let subscription = started.unwrap().external;
        self.holds(what);
        subscription
    }

    async fn invoice(&mut self, what: &str, customer: &ForeignId) {
        let invoice = Shop::new(&self.bench).await.invoice;
        let issuing = self.bench.fixture.engine().invoices.unwrap();
        let cx = self.bench.cx();
        issuing.issue(&cx, customer, &invoice).await.unwrap();
        self.holds(what);
    }

    async fn report(
        &mut self,
        what: &str,
        (customer, subscription, plan): (&ForeignId, &ForeignId, &PlanVersion),
        used_at: Timestamp,
    ) {
        let engine = self.bench.fixture.engine();
        let usage = engine.usage.unwrap();
        let sealed = || {
            let report = UsageReport {
                batch: self.bench.sample.id(),
                subscription: subscription.clone(),
                customer: customer.clone(),
                meter: plan.terms.usage()[0].meter.clone(),
                quantity: Quantity::from_scaled(1_000),
                used_at,
            };
            SealedReport {
                batch: report.batch,
                body: usage.serialise(&report).unwrap(),
            }
        };
        let reports: Vec<SealedReport> = (0..REPORTS).map(|_| sealed()).collect();
        for call in reports.chunks(engine.descriptor.limits.batch_max) {
            usage.publish(&self.bench.cx(), call).await.unwrap();
        }
        self.holds(what);
    }
}

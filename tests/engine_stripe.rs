//! The engine suite over Stripe's engine and the project's own fake of Stripe.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use monetization_conformance::engine::{Bench, Offer};
use monetization_conformance::engine_suite;
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_core::clock::Timestamp;
use monetization_core::consumer::Consumer;
use monetization_core::engine::{
    CancelMode, ChangeMode, EngineContext, EngineError, IdempotencyKey, Issued, NewSubscription,
    PlanSwitch, Receipt, SealedReport, SubscriptionStart, UsageReport,
};
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::{Invoice, InvoiceState, Invoicing, Line, LineItem, Occasion};
use monetization_core::money::{Money, Quantity};
use monetization_core::period::Schedule;
use monetization_core::plan::PlanVersion;
use monetization_core::reference::ObjectKind;
use monetization_core::text::ForeignId;

use engine_stripe::fixture::StripeFixture;

mod engine_stripe {
    pub(crate) mod fixture;
    mod requests;
    mod tenants;
}

engine_suite! {
    StripeFixture::start().await => {
        usage: yes,
        invoicing: yes,
        issuing: yes,
        webhooks: yes,
        portal: yes,
        accounts: yes,
    }
}

/// Whichever reply was the last before a process died, and though Stripe has forgotten every key when
/// another one goes on: nothing is there twice, and nothing is missing.
#[tokio::test]
async fn what_broke_off_anywhere_is_gone_on_with_after_the_keys_are_forgotten_c1() {
    for lost in 0..WRITES {
        let fixture = StripeFixture::start().await;
        let stripe = fixture.faults();
        let bench = Bench::new(fixture);
        let shop = Shop::new(&bench).await;
        bench.fixture.lose_reply(lost).await;
        // A meter whose reply was lost is looked for at once: then nothing breaks off.
        drop(shop.sell(false).await);
        assert!(is_met(&stripe), "reply {lost} was lost");
        bench.fixture.advance(Duration::from_secs(25 * 3_600)).await;
        let sold = shop.sell(true).await.unwrap();
        let counted = [
            ObjectKind::Plan,
            ObjectKind::Customer,
            ObjectKind::Subscription,
        ];
        for kind in counted {
            let count = bench.fixture.count(kind).await;
            assert_eq!(count, 1, "{kind:?} after reply {lost} was lost");
        }
        let issued = bench.fixture.invoice(&sold.external).await.unwrap();
        assert_eq!(issued.lines.len(), 3, "after reply {lost} was lost");
        assert_eq!(
            (issued.total, issued.state),
            (shop.invoice.total, InvoiceState::Open)
        );
        // That of the start, and the one of core's.
        assert_eq!(bench.fixture.count(ObjectKind::Invoice).await, 2);
    }
}

/// Though nobody went on until the trial was over: the fee is on one invoice.
#[tokio::test]
async fn the_fee_of_a_start_that_broke_off_is_owed_once_however_late_it_goes_on_b16() {
    const DAY: Duration = Duration::from_secs(86_400);
    for (plan, days) in [
        (Plan::before(Fault::Drop), 1),
        (Plan::before(Fault::Drop), 20),
        (Plan::after(Fault::Drop), 1),
        (Plan::after(Fault::Drop), 20),
    ] {
        let fixture = StripeFixture::start().await;
        let stripe = fixture.faults();
        let bench = Bench::new(fixture);
        let mut shop = Shop::new(&bench).await;
        let now = bench.fixture.now().await;
        shop.schedule.trial_ends_at = Some(now.saturating_add(14 * DAY));
        stripe.plan(plan.clone().on("POST", "/v1/invoiceitems"));
        assert!(shop.start(false).await.is_err(), "{plan:?}");
        bench.fixture.advance(days * DAY).await;
        shop.start(true).await.unwrap();
        bench.fixture.advance(60 * DAY).await;
        let invoices = stripe.fake().objects("invoice");
        let lines = invoices
            .iter()
            .filter_map(|it| it["lines"]["data"].as_array());
        let fees = lines.flatten().filter(|line| line["amount"] == 1_000);
        assert_eq!(fees.count(), 1, "{plan:?} after {days} days");
    }
}

/// Within the hour in which Stripe's invoice is a draft, and after it.
#[tokio::test]
async fn what_reaches_stripe_after_the_period_is_billed_as_if_it_had_come_in_time_c5_c6() {
    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);
    for (late, ends) in [(10, true), (90, true), (10, false), (90, false)] {
        let fixture = StripeFixture::start().await;
        let stripe = fixture.faults();
        let bench = Bench::new(fixture);
        let shop = Shop::new(&bench).await;
        let (_, subscription) = shop.subscribe().await;
        let end = shop.schedule.period(0).unwrap().end;
        let now = bench.fixture.now().await;
        let after = end.saturating_add(MINUTE * late).saturating_since(now);
        bench.fixture.advance(after).await;
        let owed = if ends {
            let billing = bench.fixture.engine().billing;
            billing
                .cancel_subscription(&bench.cx(), &subscription, CancelMode::Since(end))
                .await
                .unwrap();
            0
        } else {
            to_a_cheaper_plan(&bench, &subscription, end).await;
            2 * 500
        };
        bench.fixture.advance(31 * DAY).await;
        let invoices = stripe.fake().objects("invoice").into_iter();
        let renewals = invoices.filter(|it| it["billing_reason"] != "subscription_create");
        let renewals = renewals.filter(|it| it["status"] != "void");
        let amount = |it: &serde_json::Value, name: &str| it[name].as_i64().unwrap();
        let asked: i64 = renewals
            .map(|it| amount(&it, "total") - amount(&it, "pre_payment_credit_notes_amount"))
            .sum();
        assert_eq!(asked, owed, "{late} minutes late, ended: {ends}");
    }
}

/// Changes to a plan of 5.00 a month, with the period that ends then.
async fn to_a_cheaper_plan(bench: &Bench, subscription: &ForeignId, at: Timestamp) {
    let billing = bench.fixture.engine().billing;
    let cheaper = Offer {
        base_price: "5",
        ..Offer::A_CENT_EACH
    };
    let cheaper = bench.version(&bench.product(), cheaper);
    let plan = billing.create_billing_plan(&bench.cx(), &cheaper).await;
    let to = PlanSwitch {
        plan: plan.unwrap(),
        mode: ChangeMode::AtPeriodEnd,
        at,
    };
    billing
        .change_subscription(&bench.cx(), subscription, &to)
        .await
        .unwrap();
}

/// Whoever breaks off at each write in turn has to know how many there are.
#[tokio::test]
async fn a_sale_takes_as_many_writes_as_are_broken_off() {
    let fixture = StripeFixture::start().await;
    let stripe = fixture.faults();
    let bench = Bench::new(fixture);
    Shop::new(&bench).await.sell(false).await.unwrap();
    let writes = stripe
        .requests()
        .into_iter()
        .filter(|it| it.method != "GET");
    assert_eq!(u32::try_from(writes.count()).unwrap(), WRITES);
}

/// Whether a fault that was planned befell anybody.
fn is_met(stripe: &FakeStripe) -> bool {
    stripe.requests().iter().any(|it| it.fault.is_some())
}

/// Each fault, before and after each write: repeated as flows repeat, under the same keys, it ends with
/// everything there once.
#[tokio::test]
async fn every_fault_at_every_write_is_mended_by_repeating_r_p5() {
    for fault in FAULTS {
        for plan in [Plan::before(fault), Plan::after(fault)] {
            for write in 0..WRITES {
                let fixture = StripeFixture::start().await;
                let stripe = fixture.faults();
                stripe.plan(plan.clone().on("POST", "/").skip(write));
                let bench = Bench::new(fixture);
                let shop = Shop::new(&bench).await;
                let mut sold = shop.sell(false).await;
                for _ in 0..30 {
                    let Err(error) = sold else { break };
                    assert!(error.is_temporary(), "{plan:?} at {write}: {error:?}");
                    bench.fixture.advance(Duration::from_secs(3_600)).await;
                    sold = shop.sell(true).await;
                }
                let sold = sold.unwrap();
                assert!(is_met(&stripe), "{plan:?} at {write}");
                for kind in [
                    ObjectKind::Plan,
                    ObjectKind::Customer,
                    ObjectKind::Subscription,
                ] {
                    let count = bench.fixture.count(kind).await;
                    assert_eq!(count, 1, "{kind:?} with {plan:?} at {write}");
                }
                let issued = bench.fixture.invoice(&sold.external).await.unwrap();
                assert_eq!(issued.lines.len(), 3, "{plan:?} at {write}");
                assert_eq!(bench.fixture.count(ObjectKind::Invoice).await, 2);
            }
        }
    }
}

/// Use that is reported until each report has its receipt is counted once, whatever befalls it.
#[tokio::test]
async fn use_is_counted_once_whatever_befalls_its_reports_r_p2_r_p5() {
    const REPORTS: u32 = 4;
    for fault in FAULTS {
        for plan in [Plan::before(fault), Plan::after(fault)] {
            for write in 0..REPORTS {
                let fixture = StripeFixture::start().await;
                let faults = fixture.faults();
                let bench = Bench::new(fixture);
                let shop = Shop::new(&bench).await;
                let (customer, subscription) = shop.subscribe().await;
                let usage = bench.fixture.engine().usage.unwrap();
                let meter = shop.plan.terms.usage()[0].meter.clone();
                let used_at = bench.fixture.now().await;
                let sealed = |_| {
                    let report = UsageReport {
                        batch: bench.sample.id(),
                        subscription: subscription.clone(),
                        customer: customer.clone(),
                        meter: meter.clone(),
                        quantity: Quantity::from_scaled(7),
                        used_at,
                    };
                    let body = usage.serialise(&report).unwrap();
                    SealedReport {
                        batch: report.batch,
                        body,
                    }
                };
                let mut open: Vec<SealedReport> = (0..REPORTS).map(sealed).collect();
                faults.plan(plan.clone().on("POST", "/").skip(write));
                let mut cx = bench.cx();
                let mut attempts = 0;
                while !open.is_empty() {
                    if let Ok(receipts) = usage.publish(&cx, &open).await {
                        let is_refused = |it: &Receipt| matches!(it, Receipt::Rejected { .. });
                        assert!(!receipts.iter().any(is_refused), "{plan:?}: {receipts:?}");
                        let mut receipts = receipts.into_iter();
                        let is_open = |it: Receipt| {
                            matches!(it, Receipt::Unknown { .. } | Receipt::NotSent { .. })
                        };
                        open.retain(|_| receipts.next().is_some_and(is_open));
                    }
                    cx.repeated = true;
                    attempts += 1;
                    assert!(attempts <= 3, "{plan:?} at {write}");
                    bench.fixture.advance(Duration::from_secs(3_600)).await;
                }
                assert!(is_met(&faults), "{plan:?} at {write}");
                let span = shop.schedule.period(0).unwrap();
                let counted = usage
                    .summary(&bench.cx(), &subscription, &meter, span)
                    .await;
                assert_eq!(
                    counted.unwrap(),
                    Quantity::from_scaled(7 * 4),
                    "{plan:?} at {write}"
                );
            }
        }
    }
}

const FAULTS: [Fault; 9] = [
    Fault::Drop,
    Fault::TooMany { retry_after: 1 },
    Fault::StoredFailure,
    Fault::Failure,
    Fault::Unavailable,
    Fault::Lock,
    Fault::Garbage,
    Fault::Truncated,
    Fault::ShouldRetry(true),
];

/// Product, three prices and a meter, that it is on sale, customer, subscription, invoice with three lines, its end.
const WRITES: u32 = 13;

/// Everything that one sale takes at an engine.
struct Shop<'a> {
    bench: &'a Bench,
    plan: PlanVersion,
    consumer: Consumer,
    subscription: SubscriptionId,
    schedule: Schedule,
    invoice: Invoice,
}

impl<'a> Shop<'a> {
    async fn new(bench: &'a Bench) -> Self {
        let offer = Offer {
            base_price: "25",
            setup_fee: "10",
            included: "1000",
            ..Offer::A_CENT_EACH
        };
        let now = bench.fixture.now().await;
        let schedule = Schedule::new(now, offer.cycle);
        let period = schedule.period(0).unwrap();
        let usd = "USD".parse().unwrap();
        let line = |minor| Line {
            item: LineItem::Setup,
            description: format!("line of {minor}"),
            amount: Money::new(minor, usd),
        };
        let subscription = bench.sample.id();
        let consumer = Consumer {
            id: bench.sample.id(),
            tenant: bench.tenant,
            name: "Example Ltd".parse().unwrap(),
            members: Vec::new(),
            grace_days: None,
            created_at: now,
        };
        let invoice = Invoice {
            id: bench.sample.id(),
            tenant: bench.tenant,
            consumer: consumer.id,
            subscription,
            product: bench.sample.id(),
            invoicing: Invoicing::ByCore,
            occasion: Occasion::Period { index: 0, period },
            lines: vec![line(2_500), line(200), line(-100)],
            currency: usd,
            total: Money::new(2_600, usd),
            state: InvoiceState::Draft,
            payment_url: None,
            issued_at: now,
            due_at: period.end,
            grace_ends_at: None,
            paid_at: None,
            credits: Vec::new(),
            engine_version: 0,
        };
        let plan = bench.version(&bench.product(), offer);
        Self {
            bench,
            plan,
            consumer,
            subscription,
            schedule,
            invoice,
        }
    }

    /// The subscription alone: who pays, and what it is called.
    async fn subscribe(&self) -> (ForeignId, ForeignId) {
        let (customer, started) = self.start(false).await.unwrap();
        (customer, started.external)
    }

    /// A plan, who pays for it, and their subscription.
    async fn start(&self, repeated: bool) -> Result<(ForeignId, SubscriptionStart), EngineError> {
        let cx = |key: &str| self.cx(key, repeated);
        let billing = self.bench.fixture.engine().billing;
        let plan = billing.create_billing_plan(&cx("plan"), &self.plan).await?;
        let customer = billing
            .ensure_customer(&cx("customer"), &self.consumer)
            .await?;
        let new = self.subscription_to(plan, &customer);
        let started = billing.create_subscription(&cx("start"), &new).await?;
        Ok((customer, started))
    }

    fn subscription_to(&self, plan: ForeignId, customer: &ForeignId) -> NewSubscription {
        NewSubscription {
            subscription: self.subscription,
            customer: customer.clone(),
            plan,
            schedule: self.schedule.clone(),
            is_cancelled: false,
        }
    }

    async fn sell(&self, repeated: bool) -> Result<Issued, EngineError> {
        let (customer, started) = self.start(repeated).await?;
        assert!(started.payment_url.is_some());
        let issuing = self.bench.fixture.engine().invoices.unwrap();
        let cx = self.cx("issue", repeated);
        issuing.issue(&cx, &customer, &self.invoice).await
    }

    fn cx(&self, key: &str, repeated: bool) -> EngineContext {
        EngineContext {
            key: IdempotencyKey::new(key),
            repeated,
            ..self.bench.cx()
        }
    }
}

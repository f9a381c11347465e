use std::sync::Arc;
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::consumer::Consumer;
use monetization_core::engine::{
    BillingEngine, CancelMode, EngineContext, EngineError, EngineErrorKind, EngineInvoice,
    InvoiceReading, NewSubscription, Receipt, Removal, SealedReport, SubscriptionSnapshot,
    SubscriptionStart, UsageReport, UsageReporting,
};
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::InvoiceState;
use monetization_core::period::Schedule;
use monetization_core::plan::PlanVersion;
use monetization_core::product::{Meter, Product};
use monetization_core::text::ForeignId;

use super::{Bench, Offer};
use crate::sample::{START, text};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A subscription at the provider and what it was made of.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) product: Product,
    pub(super) plan: PlanVersion,
    pub(super) plan_there: ForeignId,
    pub(super) new: NewSubscription,
    pub(super) start: SubscriptionStart,
    pub(super) meter: Meter,
    pub(super) offer: Offer,
    cx: EngineContext,
}

impl Running {
    pub(super) fn external(&self) -> &ForeignId {
        &self.start.external
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.new.schedule
    }
}

impl Bench {
    pub(super) fn billing(&self) -> Arc<dyn BillingEngine> {
        self.fixture.engine().billing
    }

    pub(super) fn reporting(&self) -> Arc<dyn UsageReporting> {
        self.fixture.engine().usage.expect("handed over")
    }

    pub(super) fn statements(&self) -> Arc<dyn InvoiceReading> {
        self.fixture.engine().statements.expect("handed over")
    }

    pub(super) fn consumer(&self) -> Consumer {
        Consumer {
            id: self.sample.id(),
            tenant: self.tenant,
            name: text("Example Ltd"),
            members: Vec::new(),
            grace_days: None,
            created_at: START,
        }
    }

    /// What is to be started: a new customer's subscription to a new plan, from now on.
    pub(super) async fn wanted(
        &self,
        cx: &EngineContext,
        offer: Offer,
    ) -> (Product, PlanVersion, NewSubscription) {
        let product = self.product();
        let plan = self.version(&product, offer);
        let engine = self.billing();
        let keyed = |step: &str| EngineContext {
            key: cx.key.step(step),
            ..cx.clone()
        };
        let plan_there = engine
            .create_billing_plan(&keyed("plan"), &plan)
            .await
            .unwrap();
        let customer = engine
            .ensure_customer(&keyed("customer"), &self.consumer())
            .await
            .unwrap();
        let new = NewSubscription {
            subscription: self.sample.id::<SubscriptionId>(),
            customer,
            plan: plan_there,
            schedule: self.schedule(offer).await,
            is_cancelled: false,
        };
        (product, plan, new)
    }

    /// The periods of what begins now.
    async fn schedule(&self, offer: Offer) -> Schedule {
        let now = self.fixture.now().await;
        let trial = offer.terms().trial();
        Schedule {
            trial_ends_at: trial.map(|trial| now.saturating_add(DAY * u32::from(trial.days))),
            ..Schedule::new(now, offer.cycle)
        }
    }

    /// A subscription that has just been started.
    pub(super) async fn running(&self, offer: Offer) -> Running {
        self.running_in(&self.cx(), offer).await
    }

    /// As `running`, in the account of `cx`.
    pub(super) async fn running_in(&self, cx: &EngineContext, offer: Offer) -> Running {
        let (product, plan, new) = self.wanted(cx, offer).await;
        let start = self.billing().create_subscription(cx, &new).await.unwrap();
        Running {
            product,
            plan,
            plan_there: new.plan.clone(),
            new,
            start,
            meter: offer.meter(),
            offer,
            cx: cx.clone(),
        }
    }

    pub(super) async fn snapshot(&self, of: &Running) -> SubscriptionSnapshot {
        let found = self
            .billing()
            .subscription(&self.cx(), of.external())
            .await
            .unwrap();
        found.expect("the subscription is there")
    }

    pub(super) async fn cancel(&self, of: &Running, mode: CancelMode) -> Removal {
        let cancelled = self
            .billing()
            .cancel_subscription(&self.cx(), of.external(), mode)
            .await;
        cancelled.unwrap()
    }

    /// A report of so much use at that time, sealed.
    pub(super) fn sealed(&self, of: &Running, quantity: &str, used_at: Timestamp) -> SealedReport {
        let report = self.report(of, quantity, used_at);
        let body = self.reporting().serialise(&report).unwrap();
        SealedReport {
            batch: report.batch,
            body,
        }
    }

    pub(super) fn report(&self, of: &Running, quantity: &str, used_at: Timestamp) -> UsageReport {
        UsageReport {
            batch: self.sample.id(),
            subscription: of.external().clone(),
            customer: of.new.customer.clone(),
            meter: of.meter.clone(),
            quantity: of.offer.units(quantity),
            used_at,
        }
    }

    /// Reports so much use at that time, and has it taken.
    pub(super) async fn used(&self, of: &Running, quantity: &str, used_at: Timestamp) {
        let receipts = self.publish(&[self.sealed(of, quantity, used_at)]).await;
        assert_eq!(receipts, [Receipt::Accepted]);
    }

    pub(super) async fn publish(&self, reports: &[SealedReport]) -> Vec<Receipt> {
        self.reporting().publish(&self.cx(), reports).await.unwrap()
    }

    /// Moves the provider's clock to `at`.
    pub(super) async fn wait_until(&self, at: Timestamp) {
        let now = self.fixture.now().await;
        self.fixture.advance(at.saturating_since(now)).await;
    }

    /// Lets the current period end and its invoice become final.
    pub(super) async fn wait_for_invoice(&self, of: &Running) {
        let end = self.snapshot(of).await.period.end;
        let grace = self.fixture.engine().descriptor.limits.grace;
        self.wait_until(end.saturating_add(grace).saturating_add(SECOND))
            .await;
    }

    /// What the final invoices of a subscription come to, oldest first.
    pub(super) async fn totals(&self, of: &Running) -> Vec<i64> {
        let invoices = self.invoices(of).await;
        invoices.iter().map(|made| made.total.minor()).collect()
    }

    /// The invoices of a subscription that are final, oldest first.
    pub(super) async fn invoices(&self, of: &Running) -> Vec<EngineInvoice> {
        let cx = EngineContext {
            key: self.cx().key,
            ..of.cx.clone()
        };
        let mut invoices = self.statements().list(&cx, of.external()).await.unwrap();
        invoices.retain(|invoice| invoice.state != InvoiceState::Draft);
        for invoice in &invoices {
            let sum = invoice
                .lines
                .iter()
                .map(|(_, amount)| amount.minor())
                .sum::<i64>();
            assert_eq!(sum, invoice.total.minor(), "the lines add up: {invoice:?}");
        }
        invoices
    }
}

/// The error of a call whose reply was lost.
pub(super) fn assert_lost<T: std::fmt::Debug>(answer: Result<T, EngineError>) {
    let error = answer.expect_err("the reply was lost");
    assert!(
        error.may_have_taken_effect() && error.is_temporary(),
        "{error:?}"
    );
}

/// The error of a key that was used for something else.
pub(super) fn assert_conflict<T: std::fmt::Debug>(answer: Result<T, EngineError>) {
    let error = answer.expect_err("the key was used for something else");
    assert_eq!(error.kind(), &EngineErrorKind::Conflict, "{error:?}");
}

/// The error of what will never be done.
pub(super) fn assert_refused<T: std::fmt::Debug>(answer: Result<T, EngineError>) {
    let error = answer.expect_err("this is not done");
    assert!(!error.is_temporary(), "{error:?}");
}

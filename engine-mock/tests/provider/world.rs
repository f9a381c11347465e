use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::engine::Offer;
use monetization_conformance::sample::{START, text};
use monetization_core::clock::Timestamp;
use monetization_core::consumer::Consumer;
use monetization_core::engine::{
    BillingEngine, EngineContext, IdempotencyKey, NewSubscription, SealedReport, SubscriptionStart,
    UsageReport, UsageReporting,
};
use monetization_core::entropy::Entropy;
use monetization_core::ids::{SubscriptionId, TenantId, TypedId};
use monetization_core::invoice::InvoiceState;
use monetization_core::period::Schedule;
use monetization_core::plan::PlanVersion;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;
use monetization_engine_mock::provider::{Invoice, Rules};
use monetization_engine_mock::{Control, MockEngine, MockOptions};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// The mock and what tests ask of it.
pub(super) struct World {
    pub(super) mock: MockEngine,
    pub(super) control: Control,
    entropy: Entropy,
}

/// A subscription and who it is.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) customer: ForeignId,
    pub(super) new: NewSubscription,
    pub(super) start: SubscriptionStart,
    pub(super) offer: Offer,
}

impl World {
    pub(super) fn new() -> Self {
        Self::of(MockEngine::in_memory(START), 3)
    }

    pub(super) fn with_rules(rules: Rules) -> Self {
        let options = MockOptions::in_memory(START).with_rules(rules);
        Self::of(MockEngine::open(options).unwrap(), 3)
    }

    /// Ids differ from those of another seed.
    pub(super) fn of(mock: MockEngine, seed: u64) -> Self {
        let control = mock.control();
        Self {
            mock,
            control,
            entropy: Entropy::seeded(seed),
        }
    }

    pub(super) fn id<T: TypedId>(&self) -> T {
        self.entropy.id(START)
    }

    pub(super) fn cx(&self) -> EngineContext {
        let key: SubscriptionId = self.id();
        self.keyed(&key.to_string())
    }

    pub(super) fn keyed(&self, key: &str) -> EngineContext {
        EngineContext {
            tenant: TenantId::derived(&[b"one"]),
            credentials: Some(Secret::new("canary-credentials")),
            account: None,
            key: IdempotencyKey::new(key),
            repeated: false,
            timeout: SECOND * 10,
        }
    }

    pub(super) fn billing(&self) -> Arc<dyn BillingEngine> {
        self.mock.engine().billing
    }

    pub(super) fn usage(&self) -> Arc<dyn UsageReporting> {
        self.mock.engine().usage.unwrap()
    }

    pub(super) fn consumer(&self) -> Consumer {
        Consumer {
            id: self.id(),
            tenant: TenantId::derived(&[b"one"]),
            name: text("Example Ltd"),
            members: Vec::new(),
            grace_days: None,
            created_at: START,
        }
    }

    pub(super) fn version(&self, offer: Offer) -> PlanVersion {
        PlanVersion {
            id: self.id(),
            tenant: TenantId::derived(&[b"one"]),
            product: self.id(),
            plan: self.id(),
            number: 1,
            name: text("Gold"),
            terms: offer.terms(),
            created_at: START,
        }
    }

    pub(super) async fn running(&self, offer: Offer) -> Running {
        let plan = self
            .billing()
            .create_billing_plan(&self.cx(), &self.version(offer))
            .await
            .unwrap();
        let customer = self
            .billing()
            .ensure_customer(&self.cx(), &self.consumer())
            .await
            .unwrap();
        self.started(offer, plan, customer).await
    }

    pub(super) async fn started(
        &self,
        offer: Offer,
        plan: ForeignId,
        customer: ForeignId,
    ) -> Running {
        let new = NewSubscription {
            subscription: self.id(),
            customer: customer.clone(),
            plan,
            schedule: Schedule::new(self.control.now(), offer.cycle),
            is_cancelled: false,
        };
        let start = self
            .billing()
            .create_subscription(&self.cx(), &new)
            .await
            .unwrap();
        Running {
            customer,
            new,
            start,
            offer,
        }
    }

    pub(super) fn report(&self, of: &Running, units: &str, used_at: Timestamp) -> UsageReport {
        UsageReport {
            batch: self.id(),
            subscription: of.start.external.clone(),
            customer: of.customer.clone(),
            meter: of.offer.meter(),
            quantity: of.offer.units(units),
            used_at,
        }
    }

    pub(super) fn sealed(&self, report: &UsageReport) -> SealedReport {
        SealedReport {
            batch: report.batch,
            body: self.usage().serialise(report).unwrap(),
        }
    }

    /// So many reports of one unit each, used now.
    pub(super) fn ones(&self, of: &Running, count: usize) -> Vec<SealedReport> {
        let now = self.control.now();
        (0..count)
            .map(|_| self.sealed(&self.report(of, "1", now)))
            .collect()
    }

    pub(super) fn total(&self, of: &Running) -> i64 {
        self.control
            .usage(&of.start.external, of.offer.meter().id)
            .unwrap()
            .scaled()
    }

    /// The one invoice there is.
    pub(super) fn only_invoice(&self) -> Invoice {
        let mut invoices = self.control.invoices();
        assert_eq!(invoices.len(), 1, "{invoices:?}");
        invoices.remove(0)
    }

    pub(super) fn states(&self) -> Vec<InvoiceState> {
        self.control
            .invoices()
            .iter()
            .map(|invoice| invoice.state)
            .collect()
    }
}

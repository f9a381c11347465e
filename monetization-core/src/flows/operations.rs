//! Carries out at the engine what has been written down.

use std::time::Duration;

use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::clock::Timestamp;
use crate::consumer::Consumer;
use crate::engine::{CancelMode, Engine, EngineErrorKind, IdempotencyKey, NewSubscription};
use crate::ids::{
    ConsumerId, InvoiceId, PlanVersionId, ProductId, SubscriptionId, TenantId, TypedId,
};
use crate::intent::{Intent, Operation};
use crate::invoice::{Invoice, InvoiceEvent, InvoiceState, Occasion};
use crate::plan::PlanVersion;
use crate::product::Product;
use crate::reference::{ObjectKind, Place, Reference};
use crate::store::{ChangeSet, Claim, Conflict, Finished, StoreExt, Stored, Write};
use crate::subscription::{Subscription, SubscriptionEvent, SubscriptionState};
use crate::tenant::Publisher;
use crate::text::ForeignId;

/// What a run has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationsReport {
    /// Operations that were carried out.
    pub done: usize,
    /// Operations that have to be tried again.
    pub postponed: usize,
    /// Operations that were given up: an operator has to look at them.
    pub parked: usize,
}

/// One operation in hand.
struct Task {
    tenant: TenantId,
    key: IdempotencyKey,
    finished: Finished,
}

/// One thing of ours that has, or shall have, an object at an engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thing {
    pub(super) tenant: TenantId,
    pub(super) object: ObjectKind,
    pub(super) ours: uuid::Uuid,
}

const CLAIM: Claim = Claim {
    limit: 100,
    lease: Duration::from_secs(120),
};
/// After so many tries of what may help, somebody has to look at it.
const TRIES_MAX: u32 = 100;

impl Monetizer {
    /// Carries out operations that are due, until none is left. Another process may do the same
    /// at the same time; a crash at any point is mended by the next run.
    ///
    /// # Errors
    /// [`FlowError::Store`]; errors of an engine are in the report.
    pub async fn carry_out_operations(&self) -> Result<OperationsReport, FlowError> {
        let mut report = OperationsReport::default();
        loop {
            let claimed = self.store.claim_intents(self.now(), CLAIM).await?;
            if claimed.is_empty() {
                return Ok(report);
            }
            for (intent, fence) in claimed {
                self.carry_out(&intent, fence, &mut report).await?;
            }
        }
    }

    async fn carry_out(
        &self,
        intent: &Intent,
        fence: u64,
        report: &mut OperationsReport,
    ) -> Result<(), FlowError> {
        let finished = |parked_because| Finished {
            intent: intent.id,
            fence,
            parked_because,
        };
        let error = match self.perform(intent, finished(None)).await {
            Ok(()) => {
                report.done = report.done.saturating_add(1);
                return Ok(());
            }
            // Somebody else has claimed it since: it is theirs now.
            Err(FlowError::Conflict(Conflict::Fenced { .. })) => return Ok(()),
            Err(FlowError::Store(error)) => return Err(error.into()),
            Err(error) => error,
        };
        let (temporary, wait) = match &error {
            FlowError::Engine(error) => (error.is_temporary(), error.wait()),
            FlowError::Contended => (true, None),
            _ => (false, None),
        };
        if temporary && intent.attempts < TRIES_MAX {
            let wait = wait.unwrap_or_else(|| back_off(intent.attempts));
            self.store
                .postpone_intent(intent.id, fence, self.now().saturating_add(wait))
                .await?;
            report.postponed = report.postponed.saturating_add(1);
            return Ok(());
        }
        let mut change = self.change();
        change.finished.push(finished(Some(chain(&error))));
        match self.apply(&change).await {
            Ok(_) => report.parked = report.parked.saturating_add(1),
            Err(FlowError::Conflict(Conflict::Fenced { .. })) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn perform(&self, intent: &Intent, finished: Finished) -> Result<(), FlowError> {
        let task = Task {
            tenant: intent.tenant,
            key: IdempotencyKey::new(intent.operation.key()),
            finished,
        };
        match intent.operation {
            Operation::IssueInvoice { invoice } => self.issue(&task, invoice).await,
            Operation::VoidInvoice { invoice } => self.void(&task, invoice).await,
            Operation::StartSubscription { subscription } => self.start(&task, subscription).await,
            Operation::CancelSubscription {
                subscription,
                at_period_end: true,
            } => {
                self.stop(&task, subscription, CancelMode::AtPeriodEnd)
                    .await
            }
            Operation::CancelSubscription {
                subscription,
                at_period_end: false,
            } => self.stop(&task, subscription, CancelMode::Now).await,
        }
    }

    async fn issue(&self, task: &Task, id: InvoiceId) -> Result<(), FlowError> {
        let Task {
            tenant,
            key,
            finished,
        } = task;
        let tenant = *tenant;
        let invoice = self.must::<Invoice>(tenant, id).await?.fact;
        let wanted = matches!(invoice.state, InvoiceState::Draft | InvoiceState::PastDue);
        // A claim after the first may repeat a try that has taken effect: then it has to be found
        // out what the engine has, to take it back there as well.
        let tried = invoice.state == InvoiceState::Void && finished.fence > 1;
        if !wanted && !tried {
            return self.finish(finished).await;
        }
        invoice.check()?;
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, invoice.product).await?;
        let customer = self
            .customer(engine, &place, tenant, invoice.consumer)
            .await?;
        let issuing = engine
            .invoices
            .as_ref()
            .ok_or_else(|| unable(engine, "collect invoices"))?;
        let cx = self.context(tenant, place.account.clone(), key.clone());
        let issued = issuing.issue(&cx, &customer, &invoice).await?;
        for _ in 0..ATTEMPTS_MAX {
            let mut change = self.change();
            let mut stored = self.must::<Invoice>(tenant, id).await?;
            if stored.fact.state == InvoiceState::Void {
                let operation = Operation::VoidInvoice { invoice: id };
                let key = IdempotencyKey::new(operation.key());
                let cx = self.context(tenant, place.account.clone(), key);
                issuing.void(&cx, &issued.external).await?;
            }
            stored.fact.state = stored.fact.state.on(InvoiceEvent::Opened)?;
            stored.fact.payment_url.clone_from(&issued.payment_url);
            change.writes.push(stored.write()?);
            if stored.fact.occasion == Occasion::Start {
                let mut subscription = self
                    .must::<Subscription>(tenant, stored.fact.subscription)
                    .await?;
                subscription
                    .fact
                    .payment_url
                    .clone_from(&issued.payment_url);
                change.writes.push(subscription.write()?);
            }
            self.refer(
                &mut change,
                &place,
                thing(tenant, ObjectKind::Invoice, id),
                &issued.external,
            )
            .await?;
            change.finished.push(finished.clone());
            if self.apply(&change).await? {
                return Ok(());
            }
        }
        Err(FlowError::Contended)
    }

    async fn void(&self, task: &Task, id: InvoiceId) -> Result<(), FlowError> {
        let Task {
            tenant,
            key,
            finished,
        } = task;
        let tenant = *tenant;
        let invoice = self.must::<Invoice>(tenant, id).await?.fact;
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, invoice.product).await?;
        // Without a reference it may still be on its way there: issuing looks at its state first.
        if let Some(external) = self
            .reference(&place, thing(tenant, ObjectKind::Invoice, id))
            .await?
        {
            let issuing = engine
                .invoices
                .as_ref()
                .ok_or_else(|| unable(engine, "collect invoices"))?;
            let cx = self.context(tenant, place.account.clone(), key.clone());
            issuing.void(&cx, &external).await?;
        }
        self.finish(finished).await
    }

    async fn start(&self, task: &Task, id: SubscriptionId) -> Result<(), FlowError> {
        let Task {
            tenant,
            key,
            finished,
        } = task;
        let tenant = *tenant;
        let subscription = self.must::<Subscription>(tenant, id).await?.fact;
        let wanted = subscription.state == SubscriptionState::AwaitingPayment;
        // As for invoices: a try before this one may have made it there.
        let tried = subscription.state == SubscriptionState::Ended && finished.fence > 1;
        if !wanted && !tried {
            return self.finish(finished).await;
        }
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, subscription.product).await?;
        let customer = self
            .customer(engine, &place, tenant, subscription.consumer)
            .await?;
        let plan = self
            .plan(engine, &place, tenant, subscription.timeline.first)
            .await?;
        let new = NewSubscription {
            subscription: id,
            customer,
            plan,
            schedule: subscription.timeline.schedule,
        };
        let cx = self.context(tenant, place.account.clone(), key.clone());
        let start = engine.billing.create_subscription(&cx, &new).await?;
        for _ in 0..ATTEMPTS_MAX {
            let mut change = self.change();
            let mut stored = self.must::<Subscription>(tenant, id).await?;
            match stored.fact.state {
                SubscriptionState::AwaitingPayment if start.payment_url.is_none() => {
                    stored.fact.on(SubscriptionEvent::FirstPaid)?;
                }
                // It was cancelled while it was being made.
                SubscriptionState::Ended => {
                    let cx = self.context(tenant, place.account.clone(), key.step("take back"));
                    let mode = CancelMode::Now;
                    engine
                        .billing
                        .cancel_subscription(&cx, &start.external, mode)
                        .await?;
                }
                _ => {}
            }
            stored.fact.payment_url.clone_from(&start.payment_url);
            change.writes.push(stored.write()?);
            self.refer(
                &mut change,
                &place,
                thing(tenant, ObjectKind::Subscription, id),
                &start.external,
            )
            .await?;
            change.finished.push(finished.clone());
            if self.apply(&change).await? {
                return Ok(());
            }
        }
        Err(FlowError::Contended)
    }

    async fn stop(
        &self,
        task: &Task,
        id: SubscriptionId,
        mode: CancelMode,
    ) -> Result<(), FlowError> {
        let Task {
            tenant,
            key,
            finished,
        } = task;
        let tenant = *tenant;
        let subscription = self.must::<Subscription>(tenant, id).await?.fact;
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, subscription.product).await?;
        if let Some(external) = self
            .reference(&place, thing(tenant, ObjectKind::Subscription, id))
            .await?
        {
            let cx = self.context(tenant, place.account.clone(), key.clone());
            match engine
                .billing
                .cancel_subscription(&cx, &external, mode)
                .await
            {
                Err(error) if *error.kind() != EngineErrorKind::NotFound => {
                    return Err(error.into());
                }
                Ok(_) | Err(_) => {}
            }
        }
        for _ in 0..ATTEMPTS_MAX {
            let mut change = self.change();
            let mut stored = self.must::<Subscription>(tenant, id).await?;
            if mode == CancelMode::Now && stored.fact.state == SubscriptionState::Draining {
                stored.fact.on(SubscriptionEvent::Drained)?;
                change.writes.push(stored.write()?);
            }
            change.finished.push(finished.clone());
            if self.apply(&change).await? {
                return Ok(());
            }
        }
        Err(FlowError::Contended)
    }

    async fn finish(&self, finished: &Finished) -> Result<(), FlowError> {
        let mut change = self.change();
        change.finished.push(finished.clone());
        self.apply(&change).await.map(drop)
    }

    /// Where a product's objects live: at the tenant's engine, in its publisher's account.
    pub(super) async fn place(
        &self,
        tenant: TenantId,
        engine: &Engine,
        product: ProductId,
    ) -> Result<Place, FlowError> {
        let product = self.must::<Product>(tenant, product).await?.fact;
        let publisher = self
            .must::<Publisher>(tenant, product.publisher)
            .await?
            .fact;
        Ok(Place {
            engine: engine.descriptor.id.clone(),
            account: publisher.account,
        })
    }

    /// What the engine calls an object of ours, where it has been told.
    pub(super) async fn reference(
        &self,
        place: &Place,
        thing: Thing,
    ) -> Result<Option<ForeignId>, FlowError> {
        let id = place.reference(thing.tenant, thing.object, thing.ours);
        let stored = self.store.fact::<Reference>(thing.tenant, id).await?;
        Ok(stored.map(|stored| stored.fact.external))
    }

    /// What the engine calls a consumer, who is made known there first if need be.
    async fn customer(
        &self,
        engine: &Engine,
        place: &Place,
        tenant: TenantId,
        id: ConsumerId,
    ) -> Result<ForeignId, FlowError> {
        if let Some(known) = self
            .reference(place, thing(tenant, ObjectKind::Customer, id))
            .await?
        {
            return Ok(known);
        }
        let consumer: Stored<Consumer> = self.must(tenant, id).await?;
        let key = IdempotencyKey::new(format!("customer:{id}"));
        let cx = self.context(tenant, place.account.clone(), key);
        let external = engine.billing.ensure_customer(&cx, &consumer.fact).await?;
        self.remember(place, thing(tenant, ObjectKind::Customer, id), &external)
            .await?;
        Ok(external)
    }

    /// What the engine calls a plan version, which is made known there first if need be.
    async fn plan(
        &self,
        engine: &Engine,
        place: &Place,
        tenant: TenantId,
        id: PlanVersionId,
    ) -> Result<ForeignId, FlowError> {
        if let Some(known) = self
            .reference(place, thing(tenant, ObjectKind::Plan, id))
            .await?
        {
            return Ok(known);
        }
        let version: Stored<PlanVersion> = self.must(tenant, id).await?;
        let cx = self.context(
            tenant,
            place.account.clone(),
            IdempotencyKey::new(format!("plan:{id}")),
        );
        let external = engine
            .billing
            .create_billing_plan(&cx, &version.fact)
            .await?;
        self.remember(place, thing(tenant, ObjectKind::Plan, id), &external)
            .await?;
        Ok(external)
    }

    /// Writes down what the engine calls an object of ours.
    pub(super) async fn remember(
        &self,
        place: &Place,
        thing: Thing,
        external: &ForeignId,
    ) -> Result<(), FlowError> {
        let mut change = self.change();
        self.refer(&mut change, place, thing, external).await?;
        // Somebody else may have written the same meanwhile, and nothing else can stand there.
        self.apply(&change).await.map(drop)
    }

    /// Adds the reference to a change, unless it is written already.
    pub(super) async fn refer(
        &self,
        change: &mut ChangeSet,
        place: &Place,
        thing: Thing,
        external: &ForeignId,
    ) -> Result<(), FlowError> {
        let Thing {
            tenant,
            object,
            ours,
        } = thing;
        if self.reference(place, thing).await?.is_none() {
            change.writes.push(Write::insert(&Reference {
                id: place.reference(tenant, object, ours),
                tenant,
                engine: place.engine.clone(),
                account: place.account.clone(),
                object,
                ours,
                external: external.clone(),
                created_at: self.now(),
            })?);
        }
        Ok(())
    }
}

pub(super) fn thing(tenant: TenantId, object: ObjectKind, id: impl TypedId) -> Thing {
    Thing {
        tenant,
        object,
        ours: id.uuid(),
    }
}

/// How long to wait after so many tries: doubling from a second to an hour.
pub(super) fn back_off(attempts: u32) -> Duration {
    Duration::from_secs(
        1_u64
            .checked_shl(attempts.min(12))
            .unwrap_or(3_600)
            .min(3_600),
    )
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

pub(super) fn unable(engine: &Engine, ability: &'static str) -> FlowError {
    FlowError::Unable {
        engine: engine.descriptor.id.to_string(),
        ability,
    }
}

/// The instant just before `end`: the last that belongs to a stretch ending there.
pub(super) fn last_instant(end: Timestamp) -> Timestamp {
    end.saturating_sub(Duration::from_micros(1))
}

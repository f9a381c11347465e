//! What each operation is.
//!
//! Each looks at the facts first, since they may have moved on since it was written down; then it
//! asks the engine under the operation's key; then it writes what the engine answered and the end
//! of the operation in one change, fenced by its claim. A crash in between leaves the operation to
//! the next claim, which asks the engine the same and gets the same answer.

use super::{End, Task, chain, told_end, unable};
use crate::engine::{
    CancelMode, ChangeMode, Engine, EngineContext, EngineErrorKind, IdempotencyKey,
    NewSubscription, PlanSwitch,
};
use crate::flows::references::thing;
use crate::flows::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::ids::{InvoiceId, PlanVersionId, SubscriptionId};
use crate::intent::{Intent, Operation};
use crate::invoice::{Invoice, InvoiceEvent, InvoiceState, Occasion};
use crate::reference::ObjectKind;
use crate::subscription::{Subscription, SubscriptionEvent, SubscriptionState};
use crate::text::ForeignId;

impl Monetizer {
    /// Has the engine collect an invoice. One that was taken back meanwhile is taken back there too.
    pub(super) async fn issue(&self, task: &Task, id: InvoiceId) -> Result<End, FlowError> {
        let (tenant, mut finished) = (task.tenant, task.finished.clone());
        let invoice = self.must::<Invoice>(tenant, id).await?.fact;
        let wanted = matches!(invoice.state, InvoiceState::Draft | InvoiceState::PastDue);
        // A claim after the first may repeat a try that has taken effect: then it has to be found
        // out what the engine has, to take it back there as well.
        let tried = invoice.state == InvoiceState::Void && finished.fence > 1;
        if !wanted && !tried {
            self.finish(&finished).await?;
            return Ok(End::Done);
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
        let cx = self.context_of(task, &place);
        let issued = issuing.issue(&cx, &customer, &invoice).await?;
        for _ in 0..ATTEMPTS_MAX {
            let mut change = self.change();
            let mut stored = self.must::<Invoice>(tenant, id).await?;
            if stored.fact.state == InvoiceState::Void {
                let operation = Operation::VoidInvoice { invoice: id };
                let key = IdempotencyKey::new(operation.key());
                let cx = self.context(tenant, place.account.clone(), key);
                match issuing.void(&cx, &issued.external).await {
                    // It was paid before it could be taken back: somebody has to give the money back.
                    Err(error) if !error.is_temporary() => {
                        finished.parked_because = Some(chain(&error));
                    }
                    voided => drop(voided?),
                }
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
                return Ok(End::of(&finished));
            }
        }
        Err(FlowError::Contended)
    }

    /// Has the engine no longer collect an invoice, where it was ever told to.
    pub(super) async fn void(&self, task: &Task, id: InvoiceId) -> Result<(), FlowError> {
        let Task {
            tenant, finished, ..
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
            let cx = self.context_of(task, &place);
            issuing.void(&cx, &external).await?;
        }
        self.finish(finished).await
    }

    /// Makes the subscription at an engine that invoices it, with its customer and its plan. Where
    /// nothing is to be paid first it is in force with this change.
    pub(super) async fn start(&self, task: &Task, id: SubscriptionId) -> Result<End, FlowError> {
        let Task { tenant, key, .. } = task;
        let (tenant, mut finished) = (*tenant, task.finished.clone());
        let subscription = self.must::<Subscription>(tenant, id).await?.fact;
        let wanted = subscription.state == SubscriptionState::AwaitingPayment;
        // As for invoices: a try before this one may have made it there.
        let tried = subscription.state == SubscriptionState::Ended && finished.fence > 1;
        if !wanted && !tried {
            self.finish(&finished).await?;
            return Ok(End::Done);
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
            is_cancelled: tried,
        };
        let cx = self.context_of(task, &place);
        let start = engine.billing.create_subscription(&cx, &new).await?;
        // Without a link nothing is due, or it is being collected: the provider knows which.
        let first_paid = match start.payment_url {
            Some(_) => false,
            None => {
                let snapshot = engine.billing.subscription(&cx, &start.external).await?;
                snapshot.is_some_and(|snapshot| snapshot.first_paid)
            }
        };
        for _ in 0..ATTEMPTS_MAX {
            let mut change = self.change();
            let mut stored = self.must::<Subscription>(tenant, id).await?;
            match stored.fact.state {
                SubscriptionState::AwaitingPayment if first_paid => {
                    change
                        .intents
                        .extend(self.enter_into_force(&mut stored.fact)?);
                }
                SubscriptionState::Ended => {
                    // It was cancelled while it was being made.
                    let cx = self.context(tenant, place.account.clone(), key.step("take back"));
                    let billing = &engine.billing;
                    let cancelled =
                        billing.cancel_subscription(&cx, &start.external, CancelMode::Now);
                    cancelled.await?;
                    finished.parked_because = charged(engine, &cx, &start.external).await?;
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
                return Ok(End::of(&finished));
            }
        }
        Err(FlowError::Contended)
    }

    /// Moves the subscription to another plan at an engine that invoices it. A change that another one
    /// has followed is left out: the last word may have been carried out before it. Where one follows while
    /// the engine is asked, the last word is said again.
    pub(super) async fn switch(
        &self,
        task: &Task,
        id: SubscriptionId,
        (version, number, mode): (PlanVersionId, u32, ChangeMode),
    ) -> Result<(), FlowError> {
        let tenant = task.tenant;
        let subscription = self.must::<Subscription>(tenant, id).await?.fact;
        let is_over = matches!(
            subscription.state,
            SubscriptionState::Draining | SubscriptionState::Ended
        );
        if subscription.plan_changes != number || is_over {
            return self.finish(&task.finished).await;
        }
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, subscription.product).await?;
        let plan = self.plan(engine, &place, tenant, version).await?;
        let of = thing(tenant, ObjectKind::Subscription, id);
        let external = self.reference(&place, of).await?;
        let external = external.ok_or_else(|| FlowError::NotFound { id: id.to_string() })?;
        // Several changes to one version may follow each other: it holds from the first of them on.
        let changes = subscription.timeline.changes.iter().rev();
        let change = changes.take_while(|it| it.version == version).last();
        let to = PlanSwitch {
            plan,
            mode,
            at: change.map_or(subscription.timeline.schedule.anchor, |change| change.at),
        };
        let cx = self.context_of(task, &place);
        engine
            .billing
            .change_subscription(&cx, &external, &to)
            .await?;
        for _ in 0..ATTEMPTS_MAX {
            let mut change = self.change();
            let mut stored = self.must::<Subscription>(tenant, id).await?;
            if stored.fact.plan_changes != number {
                let operation = stored.fact.change_again();
                let again = Intent::new(tenant, operation, self.now());
                change.intents.push(again);
                change.writes.push(stored.write()?);
            }
            change.finished.push(task.finished.clone());
            if self.apply(&change).await? {
                return Ok(());
            }
        }
        Err(FlowError::Contended)
    }

    /// Ends the subscription at an engine that invoices it. That the engine does not have it is as good.
    pub(super) async fn stop(
        &self,
        task: &Task,
        id: SubscriptionId,
        mode: CancelMode,
    ) -> Result<(), FlowError> {
        let Task {
            tenant, finished, ..
        } = task;
        let tenant = *tenant;
        let subscription = self.must::<Subscription>(tenant, id).await?.fact;
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, subscription.product).await?;
        if let Some(external) = self
            .reference(&place, thing(tenant, ObjectKind::Subscription, id))
            .await?
        {
            let mut cx = self.context_of(task, &place);
            let mode = told_end(&subscription, mode, self.now());
            if let CancelMode::Since(_) = mode {
                // It may have been asked for in another way before it was past.
                cx.key = cx.key.step("since");
            }
            let billing = &engine.billing;
            match billing.cancel_subscription(&cx, &external, mode).await {
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
}

impl Subscription {
    /// Its newest change of plan as a further one: the engine may have heard of an earlier one after it.
    fn change_again(&mut self) -> Operation {
        self.plan_changes = self.plan_changes.saturating_add(1);
        let newest = self.timeline.changes.last();
        Operation::ChangeSubscription {
            subscription: self.id,
            version: newest.map_or(self.timeline.first, |it| it.version),
            number: self.plan_changes,
            at_period_end: newest.is_none_or(|it| !it.prorated),
        }
    }
}

/// That money was taken for a subscription which was cancelled while it was being made: somebody has to
/// give it back.
async fn charged(
    engine: &Engine,
    cx: &EngineContext,
    subscription: &ForeignId,
) -> Result<Option<String>, FlowError> {
    let Some(statements) = &engine.statements else {
        return Ok(None);
    };
    let invoices = statements.list(cx, subscription).await?;
    let paid = invoices
        .iter()
        .find(|it| it.state == InvoiceState::Paid && !it.total.is_zero());
    Ok(paid.map(|invoice| {
        format!(
            "the subscription was cancelled while it was being made, and its invoice over {} is paid",
            invoice.total
        )
    }))
}

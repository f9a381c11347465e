//! How subscriptions begin, change and end.

use super::closing::closings;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::clock::Timestamp;
use crate::consumer::{Buyer, Consumer};
use crate::engine::{CancelMode, Engine};
use crate::field::FieldError;
use crate::ids::{ConsumerId, PlanId, PlanVersionId, SubscriptionId, TenantId, TypedId};
use crate::intent::{Intent, Operation};
use crate::invoice::{Invoice, InvoiceEvent, InvoiceState, Invoicing, Line, Occasion};
use crate::key::ApiKey;
use crate::period::Schedule;
use crate::plan::{Approval, Billing, Plan, PlanState, PlanTerms, PlanVersion};
use crate::product::Product;
use crate::rating::{start_lines, total};
use crate::secret::Secret;
use crate::store::{ChangeSet, Conflict, Index, RowKey, StoreExt, Stored, Write};
use crate::subscription::{
    BlockReason, PlanChange, Subscription, SubscriptionEvent, SubscriptionState, Timeline,
};
use crate::tenant::Tenant;
use crate::text::{ForeignId, Name, Prose};

/// A wish to subscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Who pays.
    pub consumer: ConsumerId,
    /// Who buys.
    pub buyer: Buyer,
    /// What for, in the buyer's words.
    pub application: Option<Name>,
    /// On which plan.
    pub plan: PlanId,
    /// Recognises the order when it is sent again.
    pub request_key: Option<ForeignId>,
}

/// What came of an order.
#[derive(Debug)]
pub struct Ordered {
    /// The subscription.
    pub subscription: Subscription,
    /// Its key and the key's secret, which is in this answer and nowhere else. `None` while
    /// approval is pending, and for an order that was recognised.
    pub key: Option<(ApiKey, Secret)>,
    /// Whether it is new; otherwise the order was recognised.
    pub new: bool,
}

/// What an invoice is made of.
pub(super) struct Draft<'a> {
    pub(super) occasion: Occasion,
    pub(super) lines: Vec<Line>,
    pub(super) terms: &'a PlanTerms,
}

impl Monetizer {
    /// Subscribes a consumer to a plan.
    ///
    /// Free and due-later plans are in force at once; otherwise the first invoice is on its way
    /// and calls are refused until it is paid. Under manual approval nothing happens before it.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Field`] for a plan that is not on sale or that the
    /// tenant's engine cannot bill, [`FlowError::Store`].
    pub async fn subscribe(&self, tenant: TenantId, order: Order) -> Result<Ordered, FlowError> {
        if let Some(known) = self.ordered_before(tenant, &order).await? {
            return Ok(known);
        }
        self.must::<Consumer>(tenant, order.consumer).await?;
        let plan = self.must::<Plan>(tenant, order.plan).await?.fact;
        let version = self.must::<PlanVersion>(tenant, plan.current).await?.fact;
        let product = self.must::<Product>(tenant, plan.product).await?.fact;
        let (tenant_fact, engine) = self.engine_of(tenant).await?;
        check_on_sale(&plan, &product)?;
        check_billable(&version.terms, &product, tenant_fact.invoicing, engine)?;
        let schedule = Schedule {
            anchor: self.now(),
            cycle: version.terms.cycle(),
        };
        let mut subscription = Subscription {
            id: self.id(),
            tenant,
            consumer: order.consumer,
            buyer: order.buyer.clone(),
            application: order.application.clone(),
            product: product.id,
            plan: plan.id,
            invoicing: tenant_fact.invoicing,
            state: SubscriptionState::PendingApproval,
            blocks: std::collections::BTreeSet::new(),
            timeline: Timeline::starting(schedule, version.id),
            closed_periods: 0,
            request_key: order.request_key.clone(),
            rejected_because: None,
            payment_url: None,
            created_at: self.now(),
        };
        let mut change = self.change();
        let mut key = None;
        if plan.approval == Approval::Automatic {
            self.begin(&mut subscription, &version.terms, &tenant_fact, &mut change)?;
            let (fact, secret) = self.new_key(&subscription);
            change.writes.push(Write::insert(&fact)?);
            key = Some((fact, secret));
        }
        change.writes.push(Write::insert(&subscription)?);
        match self.apply(&change).await {
            Ok(true) => Ok(Ordered {
                subscription,
                key,
                new: true,
            }),
            Ok(false) => Err(FlowError::Contended),
            // The same order came twice at once, and the other one was quicker.
            Err(FlowError::Conflict(Conflict::Taken {
                index: Index::SubscriptionRequest,
                ..
            })) => self
                .ordered_before(tenant, &order)
                .await?
                .ok_or(FlowError::Contended),
            Err(error) => Err(error),
        }
    }

    /// Says yes to a subscription that waits for approval: it begins now.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Illegal`] where it does not wait, [`FlowError::Store`].
    pub async fn approve(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
    ) -> Result<Subscription, FlowError> {
        let (tenant_fact, _) = self.engine_of(tenant).await?;
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Subscription>(tenant, id).await?;
            let version = self
                .must::<PlanVersion>(tenant, stored.fact.timeline.first)
                .await?
                .fact;
            let mut change = self.change();
            stored.fact.timeline.schedule.anchor = self.now();
            self.begin(&mut stored.fact, &version.terms, &tenant_fact, &mut change)?;
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// Says no to a subscription that waits for approval. Nothing was and nothing will be charged.
    ///
    /// # Errors
    /// As [`approve`](Self::approve).
    pub async fn reject(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        because: Prose,
    ) -> Result<Subscription, FlowError> {
        self.change_subscription(tenant, id, |subscription, _| {
            subscription.on(SubscriptionEvent::Rejected)?;
            subscription.rejected_because = Some(because.clone());
            Ok(())
        })
        .await
    }

    /// Ends a subscription, now or with its period. Use up to then is billed; an unpaid first
    /// invoice is taken back. Ending what is ending or over changes nothing.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn cancel(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        mode: CancelMode,
    ) -> Result<Subscription, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Subscription>(tenant, id).await?;
            let before = stored.fact.clone();
            let mut change = self.change();
            self.end(&mut stored.fact, mode, &mut change).await?;
            if stored.fact == before {
                return Ok(before);
            }
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// Stops a subscription's calls until it is unblocked, whatever is paid meanwhile.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn block(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
    ) -> Result<Subscription, FlowError> {
        self.change_subscription(tenant, id, |subscription, _| {
            subscription.blocks.insert(BlockReason::Admin);
            Ok(())
        })
        .await
    }

    /// Takes the owner's block back; one for payment stays.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn unblock(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
    ) -> Result<Subscription, FlowError> {
        self.change_subscription(tenant, id, |subscription, _| {
            subscription.blocks.remove(&BlockReason::Admin);
            Ok(())
        })
        .await
    }

    /// Moves a subscription to another version of its plan from `at` on, or as soon as every
    /// gateway can know of it where that is later. What was used before is rated by the version
    /// before; the base price of the running period stays as it was charged.
    ///
    /// # Errors
    /// [`FlowError::Field`] for a version of another plan, for a subscription that the engine
    /// invoices, or for too many changes; [`FlowError::Illegal`] where it is not in force.
    pub async fn migrate(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        version: PlanVersionId,
        at: Option<Timestamp>,
    ) -> Result<Subscription, FlowError> {
        let version = self.must::<PlanVersion>(tenant, version).await?.fact;
        let earliest = self.now().saturating_add(self.settings.change_notice);
        let at = at.map_or(earliest, |at| at.max(earliest));
        self.change_subscription(tenant, id, |subscription, _| {
            if version.plan != subscription.plan {
                return Err(FieldError::new("version", "it is a version of another plan").into());
            }
            if subscription.invoicing == Invoicing::ByEngine {
                let problem = "the engine invoices this subscription and keeps its prices: cancel it and subscribe again";
                return Err(FieldError::new("version", problem).into());
            }
            if !matches!(subscription.state, SubscriptionState::Active | SubscriptionState::AwaitingPayment) {
                return Err(crate::product::IllegalMove::new(subscription.state, "Migrate").into());
            }
            let timeline = &mut subscription.timeline;
            // A change that has not come into force is replaced: only what is past is settled.
            timeline.changes.retain(|change| change.at < at);
            if timeline.changes.len() >= Timeline::CHANGES_MAX {
                let problem = format!("too many changes of plan: allowed are {}", Timeline::CHANGES_MAX);
                return Err(FieldError::new("version", problem).into());
            }
            timeline.changes.push(PlanChange { at, version: version.id });
            Ok(())
        })
        .await
    }

    /// Puts a subscription into force, or its first invoice on its way.
    fn begin(
        &self,
        subscription: &mut Subscription,
        terms: &PlanTerms,
        tenant: &Tenant,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        let free = terms.billing() == Billing::Free;
        let due = terms.due_at_start()?;
        if free || (subscription.invoicing == Invoicing::ByCore && due.is_zero()) {
            subscription.on(SubscriptionEvent::ApprovedPaid)?;
            return Ok(());
        }
        subscription.on(SubscriptionEvent::ApprovedUnpaid)?;
        let operation = match subscription.invoicing {
            Invoicing::ByEngine => Operation::StartSubscription {
                subscription: subscription.id,
            },
            Invoicing::ByCore => {
                let period = subscription
                    .timeline
                    .schedule
                    .period(0)
                    .ok_or(crate::money::MoneyError::Overflow)?;
                let invoice = self.invoice(
                    subscription,
                    tenant,
                    Draft {
                        occasion: Occasion::Start,
                        lines: start_lines(terms, period),
                        terms,
                    },
                )?;
                change.writes.push(Write::insert(&invoice)?);
                Operation::IssueInvoice {
                    invoice: invoice.id,
                }
            }
        };
        change
            .intents
            .push(Intent::new(subscription.tenant, operation, self.now()));
        Ok(())
    }

    async fn end(
        &self,
        subscription: &mut Subscription,
        mode: CancelMode,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        let before = subscription.state;
        let now = self.now();
        let event = match mode {
            CancelMode::Now => SubscriptionEvent::CancelNow,
            CancelMode::AtPeriodEnd => SubscriptionEvent::CancelAtPeriodEnd,
        };
        subscription.on(event)?;
        if subscription.state == before && before != SubscriptionState::Ending {
            return Ok(());
        }
        let timeline = &mut subscription.timeline;
        match subscription.state {
            SubscriptionState::Draining => timeline.ends_at = Some(now),
            SubscriptionState::Ending if timeline.ends_at.is_none() => {
                timeline.ends_at = timeline.schedule.period_at(now).map(|period| period.end);
                let (id, tenant) = (subscription.id, subscription.tenant);
                if subscription.invoicing == Invoicing::ByEngine {
                    let operation = Operation::CancelSubscription {
                        subscription: id,
                        at_period_end: true,
                    };
                    change.intents.push(Intent::new(tenant, operation, now));
                }
            }
            SubscriptionState::Ended => {
                timeline.ends_at = Some(now);
                self.take_back_start(subscription, change).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes back what was due before the first call and has not been paid. Use that is reported
    /// of the time before all the same goes to the aftermath.
    pub(super) async fn take_back_start(
        &self,
        subscription: &Subscription,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        let (id, tenant, now) = (subscription.id, subscription.tenant, self.now());
        change.closings = closings(subscription, now)?;
        match subscription.invoicing {
            Invoicing::ByEngine => {
                let operation = Operation::CancelSubscription {
                    subscription: id,
                    at_period_end: false,
                };
                change.intents.push(Intent::new(tenant, operation, now));
            }
            Invoicing::ByCore => {
                let invoice = invoice_id(id, Occasion::Start);
                if let Some(mut stored) = self.store.fact::<Invoice>(tenant, invoice).await? {
                    stored.fact.state = stored.fact.state.on(InvoiceEvent::Voided)?;
                    change.writes.push(stored.write()?);
                    change.intents.push(Intent::new(
                        tenant,
                        Operation::VoidInvoice { invoice },
                        now,
                    ));
                }
            }
        }
        Ok(())
    }

    /// An invoice of this subscription. One over nothing is paid from the start.
    pub(super) fn invoice(
        &self,
        subscription: &Subscription,
        tenant: &Tenant,
        draft: Draft<'_>,
    ) -> Result<Invoice, FlowError> {
        let Draft {
            occasion,
            lines,
            terms,
        } = draft;
        let now = self.now();
        let total = total(terms, &lines)?;
        let paid = total.is_zero();
        let days =
            std::time::Duration::from_secs(u64::from(tenant.payment_days).saturating_mul(86_400));
        let invoice = Invoice {
            id: invoice_id(subscription.id, occasion),
            tenant: subscription.tenant,
            consumer: subscription.consumer,
            subscription: subscription.id,
            product: subscription.product,
            invoicing: Invoicing::ByCore,
            occasion,
            lines,
            currency: terms.currency(),
            total,
            state: if paid {
                InvoiceState::Paid
            } else {
                InvoiceState::Draft
            },
            payment_url: None,
            issued_at: now,
            due_at: now.saturating_add(days),
            paid_at: paid.then_some(now),
            engine_version: 0,
        };
        invoice.check()?;
        Ok(invoice)
    }

    pub(super) async fn change_subscription(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        decide: impl Fn(&mut Subscription, &mut ChangeSet) -> Result<(), FlowError> + Send + Sync,
    ) -> Result<Subscription, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Subscription>(tenant, id).await?;
            let before = stored.fact.clone();
            let mut change = self.change();
            decide(&mut stored.fact, &mut change)?;
            if stored.fact == before {
                return Ok(before);
            }
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    async fn ordered_before(
        &self,
        tenant: TenantId,
        order: &Order,
    ) -> Result<Option<Ordered>, FlowError> {
        let Some(key) = &order.request_key else {
            return Ok(None);
        };
        let key = RowKey::request(order.consumer, key);
        let known = self.store.fact_by::<Subscription>(tenant, key).await?;
        let Some(Stored {
            fact: subscription, ..
        }) = known
        else {
            return Ok(None);
        };
        if subscription.plan != order.plan {
            let problem = format!(
                "it was used for another order, which became {}",
                subscription.id
            );
            return Err(FieldError::new("request_key", problem).into());
        }
        Ok(Some(Ordered {
            subscription,
            key: None,
            new: false,
        }))
    }
}

/// The id of the invoice of this occasion: one occasion, one invoice.
pub(super) fn invoice_id(
    subscription: SubscriptionId,
    occasion: Occasion,
) -> crate::ids::InvoiceId {
    let occasion = match occasion {
        Occasion::Start => "start".to_owned(),
        Occasion::Period { index, .. } => format!("period {index}"),
    };
    TypedId::derived(&[subscription.uuid().as_bytes(), occasion.as_bytes()])
}

fn check_on_sale(plan: &Plan, product: &Product) -> Result<(), FlowError> {
    if !product.state.is_on_sale() {
        // Whoever may not see a product learns nothing about it.
        return Err(FlowError::NotFound {
            id: plan.id.to_string(),
        });
    }
    if plan.state == PlanState::Active {
        Ok(())
    } else {
        Err(FieldError::new("plan", "it is no longer on sale: choose another one").into())
    }
}

fn check_billable(
    terms: &PlanTerms,
    product: &Product,
    invoicing: Invoicing,
    engine: &Engine,
) -> Result<(), FlowError> {
    if terms.billing() == Billing::Free {
        return Ok(());
    }
    let id = &engine.descriptor.id;
    if product.monetization.is_none() {
        return Err(
            FieldError::new("plan", "its product is not monetized: enable that first").into(),
        );
    }
    let able = engine.webhooks.is_some()
        && match invoicing {
            Invoicing::ByCore => engine.invoices.is_some(),
            Invoicing::ByEngine => engine.usage.is_some(),
        };
    if !able {
        let problem =
            format!("engine {id} cannot collect its price: choose a free plan or another engine");
        return Err(FieldError::new("plan", problem).into());
    }
    if invoicing == Invoicing::ByEngine {
        engine.descriptor.shapes.check(terms)?;
    }
    Ok(())
}

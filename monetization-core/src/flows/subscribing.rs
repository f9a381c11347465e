//! How subscriptions begin, change and end.

use super::invoicing::Draft;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::consumer::{Buyer, Consumer};
use crate::engine::Engine;
use crate::field::FieldError;
use crate::ids::{ConsumerId, PlanId, ProductId, SubscriptionId, TenantId};
use crate::intent::{Intent, Operation};
use crate::invoice::{Invoicing, Occasion};
use crate::key::ApiKey;
use crate::money::MoneyError;
use crate::period::{CalendarDuration, Schedule, TimeZone};
use crate::plan::{Approval, Billing, Plan, PlanState, PlanTerms, PlanVersion, TrialEnd};
use crate::product::Product;
use crate::rating::start_lines;
use crate::secret::Secret;
use crate::store::{ChangeSet, Conflict, Index, RowKey, StoreExt, Stored, Write};
use crate::subscription::{Subscription, SubscriptionEvent, SubscriptionState, Timeline};
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
    /// The time zone that its billing periods go by.
    pub time_zone: TimeZone,
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
        for _ in 0..ATTEMPTS_MAX {
            if let Some(known) = self.ordered_before(tenant, &order).await? {
                return Ok(known);
            }
            let (ordered, change) = self.ordered_now(tenant, &order).await?;
            match self.apply(&change).await {
                Ok(true) => return Ok(ordered),
                // The same order came twice at once, or another one for what may be tried once: look
                // again.
                Ok(false)
                | Err(FlowError::Conflict(Conflict::Taken {
                    index: Index::SubscriptionRequest,
                    ..
                })) => {}
                Err(error) => return Err(error),
            }
        }
        Err(FlowError::Contended)
    }

    /// What comes of an order that is new, and what that changes.
    async fn ordered_now(
        &self,
        tenant: TenantId,
        order: &Order,
    ) -> Result<(Ordered, ChangeSet), FlowError> {
        let consumer = self.must::<Consumer>(tenant, order.consumer).await?;
        let plan = self.must::<Plan>(tenant, order.plan).await?.fact;
        let version = self.must::<PlanVersion>(tenant, plan.current).await?.fact;
        let product = self.must::<Product>(tenant, plan.product).await?.fact;
        let (tenant_fact, engine) = self.engine_of(tenant).await?;
        check_on_sale(&plan, &product)?;
        let invoicing = tenant_fact.invoicing;
        check_billable(
            &version.terms,
            &product,
            (invoicing, order.time_zone),
            engine,
        )?;
        let schedule = Schedule {
            alignment: version.terms.alignment(),
            time_zone: order.time_zone,
            ..Schedule::new(self.now(), version.terms.cycle())
        };
        let tries = self.may_try(consumer, product.id).await?;
        let mut subscription = Subscription {
            id: self.id(),
            tenant,
            consumer: order.consumer,
            buyer: order.buyer.clone(),
            application: order.application.clone(),
            product: product.id,
            plan: plan.id,
            plan_changes: 0,
            invoicing: tenant_fact.invoicing,
            state: SubscriptionState::PendingApproval,
            blocks: std::collections::BTreeSet::new(),
            timeline: Timeline::starting(schedule, version.id),
            closed_periods: 0,
            request_key: order.request_key.clone(),
            rejected_because: None,
            prepaid: std::collections::BTreeMap::new(),
            payment_url: None,
            created_at: self.now(),
        };
        let mut change = self.change();
        let mut key = None;
        if plan.approval == Approval::Automatic {
            let terms = (&version.terms, tries);
            self.begin(&mut subscription, terms, &tenant_fact, &mut change)?;
            let (fact, secret) = self.new_key(&subscription);
            change.writes.push(Write::insert(&fact)?);
            key = Some((fact, secret));
        }
        change.writes.push(Write::insert(&subscription)?);
        let ordered = Ordered {
            subscription,
            key,
            new: true,
        };
        Ok((ordered, change))
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
            let consumer = self.must::<Consumer>(tenant, stored.fact.consumer).await?;
            let tries = self.may_try(consumer, stored.fact.product).await?;
            stored.fact.timeline.schedule.anchor = self.now();
            let terms = (&version.terms, tries);
            self.begin(&mut stored.fact, terms, &tenant_fact, &mut change)?;
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

    /// A consumer to whom a product is new, who has subscribed to none of its plans before; `None` for
    /// another one.
    async fn may_try(
        &self,
        consumer: Stored<Consumer>,
        product: ProductId,
    ) -> Result<Option<Stored<Consumer>>, FlowError> {
        let Consumer { id, tenant, .. } = consumer.fact;
        let key = RowKey::new(Index::SubscriptionsOfConsumer, id);
        let known = self.store.facts_by::<Subscription>(tenant, key).await?;
        let is_new = !known.iter().any(|known| {
            let has_begun = !matches!(
                known.fact.state,
                SubscriptionState::PendingApproval | SubscriptionState::Rejected
            );
            has_begun && known.fact.product == product
        });
        Ok(is_new.then_some(consumer))
    }

    /// Puts a subscription into force, or its first invoice on its way.
    fn begin(
        &self,
        subscription: &mut Subscription,
        (terms, tries): (&PlanTerms, Option<Stored<Consumer>>),
        tenant: &Tenant,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        let free = terms.billing() == Billing::Free;
        let timeline = &mut subscription.timeline;
        if let Some((trial, consumer)) = terms.trial().zip(tries) {
            // Written though it is as it was: another order at once would find nothing tried, either.
            change.writes.push(consumer.write()?);
            let schedule = &mut timeline.schedule;
            let days = CalendarDuration::days(trial.days.into());
            let end = days.after(schedule.anchor, schedule.zone());
            schedule.trial_ends_at = Some(end.ok_or(MoneyError::Overflow)?);
            timeline.ends_at = end.filter(|_| trial.then == TrialEnd::Expire);
        }
        let lines = if timeline.schedule.is_trial(0) {
            Vec::new()
        } else {
            start_lines(terms, &timeline.schedule)?
        };
        if free || (subscription.invoicing == Invoicing::ByCore && lines.is_empty()) {
            return Ok(subscription.on(SubscriptionEvent::ApprovedPaid)?);
        }
        subscription.on(SubscriptionEvent::ApprovedUnpaid)?;
        let operation = match subscription.invoicing {
            Invoicing::ByEngine => Operation::StartSubscription {
                subscription: subscription.id,
            },
            Invoicing::ByCore => {
                let invoice = self.invoice(
                    subscription,
                    tenant,
                    Draft {
                        occasion: Occasion::Start,
                        lines,
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

pub(super) fn check_on_sale(plan: &Plan, product: &Product) -> Result<(), FlowError> {
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

pub(super) fn check_billable(
    terms: &PlanTerms,
    product: &Product,
    (invoicing, time_zone): (Invoicing, TimeZone),
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
        let shapes = engine.descriptor.shapes;
        shapes.check(terms)?;
        if time_zone != TimeZone::UTC && !shapes.calendar {
            let problem = "the engine invoices this plan by itself, in UTC: leave it out";
            return Err(FieldError::new("time_zone", problem).into());
        }
    }
    Ok(())
}

//! How subscriptions move to another plan, or to another version of theirs.
//!
//! | | [`migrate`](Monetizer::migrate) | [`change_plan`](Monetizer::change_plan) |
//! |---|---|---|
//! | who decides | the owner of the plan | the consumer, or whoever acts for them |
//! | to | another version of the plan | the current version of another plan of the product, or of the same |
//! | when | at an instant | as soon as every gateway can know of it, or with the next period |
//! | use before | rated by the version before | the same |
//! | base price of the running period | stays as it was charged | of what is left: that of the old plan is taken back, that of the new one charged, as the proration of each says |
//! | invoiced by the engine | refused | an operation there: the subscription stays the same one |
//!
//! Both are one change of the timeline. What the change bills follows from the timeline alone, by the
//! invoice of the period in which it lies: deciding twice bills once.

use std::time::Duration;

use super::subscribing::{check_billable, check_on_sale};
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::clock::Timestamp;
use crate::engine::ChangeMode;
use crate::field::FieldError;
use crate::ids::{PlanId, PlanVersionId, SubscriptionId, TenantId};
use crate::intent::{Intent, Operation};
use crate::invoice::Invoicing;
use crate::money::MoneyError;
use crate::plan::{Approval, Billing, Plan, PlanTerms, PlanVersion};
use crate::product::{IllegalMove, Product};
use crate::rating::{change_lines, total};
use crate::store::Stored;
use crate::subscription::{PlanChange, Subscription, SubscriptionState, Timeline};

impl Monetizer {
    /// Moves a subscription to another version of its plan from `at` on, or as soon as every
    /// gateway can know of it where that is later. What was used before is rated by the version
    /// before; the base price of the running period stays as it was charged.
    ///
    /// One change of the timeline. A move that has not come into force by `at` is replaced, so that
    /// asking twice is asking once. What is closed is not changed: where this clock is behind, `at` is
    /// the start of the period that is open.
    ///
    /// # Errors
    /// [`FlowError::Field`] for a version of another plan, while a change of plan is to come that the move
    /// would take the place of, for a version that sells no bundles of an operation of which some calls of
    /// bundles are left, for a subscription that the engine invoices, or for too many changes;
    /// [`FlowError::Illegal`] where it is not in force.
    pub async fn migrate(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        version: PlanVersionId,
        at: Option<Timestamp>,
    ) -> Result<Subscription, FlowError> {
        let version = self.must::<PlanVersion>(tenant, version).await?.fact;
        let now = self.now();
        let earliest = now.saturating_add(self.settings.change_notice);
        let at = at.map_or(earliest, |at| at.max(earliest));
        for _ in 0..ATTEMPTS_MAX {
            let stored = self.must::<Subscription>(tenant, id).await?;
            let mut moved = stored.clone();
            let at = check_migration(&stored.fact, at)?;
            self.check_replaces_no_plan(&stored.fact, at).await?;
            migrate(&mut moved.fact, &version, (now, at))?;
            let kept = self.check_keeps_bundles(&stored.fact, ("version", &version.terms));
            kept.await?;
            if moved == stored {
                return Ok(stored.fact);
            }
            let mut change = self.change();
            change.writes.push(moved.write()?);
            if self.apply(&change).await? {
                return Ok(moved.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// Moves a subscription to the current version of another plan of its product, or of its own. It
    /// stays the same subscription, with its keys, its periods and what it has used.
    ///
    /// | `mode` | holds | the base price |
    /// |---|---|---|
    /// | `Now` | as soon as every gateway can know of it | of what is left of the period is charged, less what is left of the old one, by the [`Proration`](crate::period::Proration) of each plan; that of a plan with `none` is neither charged nor taken back |
    /// | `AtPeriodEnd` | from the next period on | of the next period is the new one |
    /// | left out | `Now` where what is left then costs the same or more, as it does between plans with `none`; `AtPeriodEnd` where it costs less | |
    ///
    /// The last word counts: a change that has not come into force is replaced, and moving to the plan
    /// that is in force takes it back. What the change bills is on the invoice of its period.
    ///
    /// # Errors
    /// [`FlowError::Field`] for `plan` where it is one of another product, is not on sale, has another
    /// currency, cycle or alignment, asks for approval, or costs something where nothing was to be paid
    /// so far; for `mode` where changing now would give money back; [`FlowError::Illegal`] where the
    /// subscription is not in force; [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn change_plan(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        plan: PlanId,
        mode: Option<ChangeMode>,
    ) -> Result<Subscription, FlowError> {
        let plan = self.must::<Plan>(tenant, plan).await?.fact;
        let version = self.must::<PlanVersion>(tenant, plan.current).await?.fact;
        for _ in 0..ATTEMPTS_MAX {
            let stored = self.must::<Subscription>(tenant, id).await?;
            let mut moved = stored.clone();
            let Some(mode) = self
                .replan(&mut moved.fact, (&plan, &version), mode)
                .await?
            else {
                return Ok(stored.fact);
            };
            let kept = self.check_keeps_bundles(&stored.fact, ("plan", &version.terms));
            kept.await?;
            let mut change = self.change();
            if moved.fact.invoicing == Invoicing::ByEngine {
                let operation = Operation::ChangeSubscription {
                    subscription: id,
                    version: version.id,
                    number: moved.fact.plan_changes,
                    at_period_end: mode == ChangeMode::AtPeriodEnd,
                };
                change
                    .intents
                    .push(Intent::new(tenant, operation, self.now()));
            }
            change.writes.push(moved.write()?);
            if self.apply(&change).await? {
                return Ok(moved.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// Refuses a move from `at` on while the consumer's change of plan is to come: the move would take
    /// its place, and bring it forward without what it costs.
    async fn check_replaces_no_plan(
        &self,
        of: &Subscription,
        at: Timestamp,
    ) -> Result<(), FlowError> {
        let (earlier, later): (Vec<PlanChange>, Vec<PlanChange>) =
            of.timeline.changes.iter().partition(|it| it.at < at);
        let before = earlier.last().map_or(of.timeline.first, |it| it.version);
        let before = self.must::<PlanVersion>(of.tenant, before).await?.fact;
        for change in later {
            let version = self.must::<PlanVersion>(of.tenant, change.version).await?;
            let is_charged = change.prorated && change.version != before.id;
            if is_charged || version.fact.plan != before.plan {
                let problem = format!(
                    "a change of plan is to come at {}: take it back first, by changing to the plan in force, or move the subscription once it has come",
                    change.at
                );
                return Err(FieldError::new("version", problem).into());
            }
        }
        Ok(())
    }

    /// Lets a version of this plan hold; `None` where nothing else was to.
    async fn replan(
        &self,
        subscription: &mut Subscription,
        (plan, version): (&Plan, &PlanVersion),
        mode: Option<ChangeMode>,
    ) -> Result<Option<ChangeMode>, FlowError> {
        if subscription.state != SubscriptionState::Active {
            return Err(IllegalMove::new(subscription.state, "ChangePlan").into());
        }
        let now = self.now();
        let schedule = &subscription.timeline.schedule;
        let beyond = FlowError::Money(MoneyError::Overflow);
        let (at, index, next) = self.soonest(subscription).ok_or(beyond)?;
        let before = subscription.timeline.version_at(at);
        let before: Stored<PlanVersion> = self.must(subscription.tenant, before).await?;
        let before = before.fact;
        self.check_change(subscription, (plan, version), &before)
            .await?;
        let terms = (&before.terms, &version.terms);
        let owed = total(&version.terms, &change_lines(terms, schedule, (index, at))?)?;
        let is_cheaper = owed.minor() < 0;
        let takes_back = before.id == version.id;
        let mode = match mode {
            Some(ChangeMode::Now) if is_cheaper => {
                let problem = "it would give money back: choose period_end";
                return Err(FieldError::new("mode", problem).into());
            }
            Some(mode) if !takes_back => mode,
            None if !takes_back && !is_cheaper => ChangeMode::Now,
            _ => ChangeMode::AtPeriodEnd,
        };
        let is_now = takes_back || mode == ChangeMode::Now;
        let change = PlanChange {
            at: if is_now { at } else { next },
            version: version.id,
            prorated: is_now && !takes_back,
        };
        let timeline = &mut subscription.timeline;
        let is_known = timeline.versions_from(change.at).all(|it| it == version.id);
        if is_known {
            return Ok(None);
        }
        check_room(timeline, "plan")?;
        timeline.change(now, change);
        subscription.plan = plan.id;
        subscription.plan_changes = subscription.plan_changes.saturating_add(1);
        Ok(Some(mode))
    }

    /// The soonest instant that every gateway can know of in time, the number of the period it lies in,
    /// and the end of that; `None` beyond the calendar. What is closed is not changed: where this
    /// clock is behind, that is the beginning of the period that is open.
    fn soonest(&self, subscription: &Subscription) -> Option<(Timestamp, u32, Timestamp)> {
        let schedule = &subscription.timeline.schedule;
        let open = schedule.period(subscription.closed_periods)?.start;
        let at = self.now().saturating_add(self.settings.change_notice);
        let at = at.max(open.saturating_add(Duration::from_micros(1)));
        let index = schedule.index_at(at)?;
        Some((at, index, schedule.period(index)?.end))
    }

    async fn check_change(
        &self,
        subscription: &Subscription,
        (plan, version): (&Plan, &PlanVersion),
        before: &PlanVersion,
    ) -> Result<(), FlowError> {
        let refuse = |problem: &str| Err(FieldError::new("plan", problem).into());
        if plan.product != subscription.product {
            return refuse("it is a plan of another product: subscribe to it");
        }
        let product = self
            .must::<Product>(subscription.tenant, subscription.product)
            .await?
            .fact;
        if plan.id != before.plan {
            check_on_sale(plan, &product)?;
            if plan.approval == Approval::Manual {
                return refuse("its subscriptions have to be approved: subscribe to it");
            }
        }
        let periods = |terms: &PlanTerms| (terms.currency(), terms.cycle(), terms.alignment());
        if periods(&before.terms) != periods(&version.terms) {
            return refuse(
                "it has another currency, cycle or alignment: cancel, and subscribe to it",
            );
        }
        let is_free = |terms: &PlanTerms| terms.billing() == Billing::Free;
        match (is_free(&before.terms), is_free(&version.terms)) {
            // Access begins with the first payment.
            (true, false) => return refuse("nothing was to be paid so far: subscribe to it"),
            (false, true) if subscription.invoicing == Invoicing::ByEngine => {
                return refuse(
                    "the engine invoices this subscription: cancel, and subscribe to it",
                );
            }
            _ => {}
        }
        let (_, engine) = self.engine_of(subscription.tenant).await?;
        let zone = subscription.timeline.schedule.zone();
        check_billable(
            &version.terms,
            &product,
            (subscription.invoicing, zone),
            engine,
        )
    }
}

/// From when on another version may hold that is to hold from `at` on, where any may.
fn check_migration(of: &Subscription, at: Timestamp) -> Result<Timestamp, FlowError> {
    if of.invoicing == Invoicing::ByEngine {
        let problem = "the engine invoices this subscription and keeps its prices: change its plan";
        return Err(FieldError::new("version", problem).into());
    }
    if !matches!(
        of.state,
        SubscriptionState::Active | SubscriptionState::AwaitingPayment
    ) {
        return Err(IllegalMove::new(of.state, "Migrate").into());
    }
    let open = of.timeline.schedule.period(of.closed_periods);
    Ok(at.max(open.ok_or(MoneyError::Overflow)?.start))
}

/// Lets this version hold from `at` on, as seen `now`.
fn migrate(
    subscription: &mut Subscription,
    version: &PlanVersion,
    (now, at): (Timestamp, Timestamp),
) -> Result<(), FieldError> {
    if version.plan != subscription.plan {
        return Err(FieldError::new(
            "version",
            "it is a version of another plan",
        ));
    }
    check_room(&subscription.timeline, "version")?;
    let change = PlanChange {
        at,
        version: version.id,
        prorated: false,
    };
    subscription.timeline.change(now, change);
    Ok(())
}

fn check_room(timeline: &Timeline, field: &str) -> Result<(), FieldError> {
    if timeline.changes.len() < Timeline::CHANGES_MAX {
        return Ok(());
    }
    let problem = format!(
        "too many changes of plan: allowed are {}",
        Timeline::CHANGES_MAX
    );
    Err(FieldError::new(field, problem))
}

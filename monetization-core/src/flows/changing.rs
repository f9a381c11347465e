//! How subscriptions are stopped, moved and ended.
//!
//! Each is one change: the subscription, and what follows from it. Gateways follow the change
//! sequence; until one has the news, calls that it lets through are recorded in the segment that it
//! knows of.

use std::time::Duration;

use super::closing::closings;
use super::invoicing::invoice_id;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::engine::CancelMode;
use crate::field::FieldError;
use crate::ids::{SubscriptionId, TenantId};
use crate::intent::{Intent, Operation};
use crate::invoice::{Invoice, InvoiceState, Invoicing, Occasion};
use crate::money::MoneyError;
use crate::period::{Schedule, TimeZone};
use crate::product::IllegalMove;
use crate::store::{ChangeSet, StoreExt};
use crate::subscription::{
    BlockReason, Subscription, SubscriptionEvent, SubscriptionState, Timeline,
};

impl Monetizer {
    /// Ends a subscription, now or with its period. Use up to then is billed; an unpaid first
    /// invoice is taken back, and so are bundles that are unpaid when it ends. Ending what is ending
    /// or over changes nothing.
    ///
    /// | state before | now | with the period |
    /// |---|---|---|
    /// | pending approval | ended; nothing was asked for | the same |
    /// | awaiting payment | ended; the first invoice or the engine's subscription is taken back | the same |
    /// | active | draining, ends now; closing bills the rest | ending, ends with the running period |
    /// | ending | draining, ends now | stays as it is |
    /// | anything later | stays as it is | stays as it is |
    ///
    /// What has to happen at the engine is an operation in the same change.
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
            if !self.end(&mut stored.fact, mode, &mut change).await? {
                continue;
            }
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

    /// Lets the billing periods of a subscription go by another time zone. The running period stays as
    /// it is; the one after it begins where that ends, by the old zone, and ends by the new one, so that no
    /// instant is in two periods or in none. A period that some clock of the marketplace may take for
    /// running counts as running. Moving to the zone that it goes by changes nothing.
    ///
    /// # Errors
    /// [`FlowError::Field`] for a subscription that the engine invoices, for too many moves, or for a
    /// zone a day apart where periods are days; [`FlowError::Illegal`] where it is not in force.
    pub async fn move_zone(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        time_zone: TimeZone,
    ) -> Result<Subscription, FlowError> {
        let by_any_clock = self.now().saturating_add(Timeline::CLOCKS_APART_MAX);
        self.change_subscription(tenant, id, |subscription, _| {
            if subscription.invoicing == Invoicing::ByEngine {
                let problem = "the engine invoices this subscription and keeps its periods";
                return Err(FieldError::new("time_zone", problem).into());
            }
            if !matches!(
                subscription.state,
                SubscriptionState::Active | SubscriptionState::AwaitingPayment
            ) {
                return Err(
                    IllegalMove::new(subscription.state, "MoveZone").into(),
                );
            }
            let schedule = &mut subscription.timeline.schedule;
            if schedule.zone() == time_zone {
                return Ok(());
            }
            if schedule.moves.len() >= Schedule::MOVES_MAX {
                let problem = format!("too many moves: allowed are {}", Schedule::MOVES_MAX);
                return Err(FieldError::new("time_zone", problem).into());
            }
            let open = schedule
                .period(subscription.closed_periods)
                .ok_or(MoneyError::Overflow)?;
            let running = schedule
                .period_at(by_any_clock.max(open.start))
                .ok_or(MoneyError::Overflow)?;
            let problem = "it is a day or more apart from the one before, and periods are days: cancel and subscribe again";
            *schedule = schedule
                .moved(time_zone, running.end)
                .ok_or_else(|| FieldError::new("time_zone", problem))?;
            Ok(())
        })
        .await
    }

    /// Lets it end; `false` where it was changed meanwhile and has to be read again.
    pub(super) async fn end(
        &self,
        subscription: &mut Subscription,
        mode: CancelMode,
        change: &mut ChangeSet,
    ) -> Result<bool, FlowError> {
        let before = subscription.state;
        let now = self.now();
        let event = match mode {
            CancelMode::Now | CancelMode::Since(_) => SubscriptionEvent::CancelNow,
            CancelMode::AtPeriodEnd => SubscriptionEvent::CancelAtPeriodEnd,
        };
        subscription.on(event)?;
        if subscription.state == before && before != SubscriptionState::Ending {
            return Ok(true);
        }
        let timeline = &mut subscription.timeline;
        // The period that is open has lasted for an instant at least, also by a clock that is
        // behind: what was used in it stands in a segment.
        let open = timeline.schedule.period(subscription.closed_periods);
        let open = open.ok_or(MoneyError::Overflow)?.start;
        let soonest = open.saturating_add(Duration::from_micros(1));
        match subscription.state {
            SubscriptionState::Draining => {
                timeline.ends_at = Some(now.max(soonest));
                self.take_back_bundles(subscription, change).await?;
            }
            SubscriptionState::Ending if timeline.ends_at.is_none() => {
                timeline.ends_at = timeline
                    .schedule
                    .period_at(now.max(open))
                    .map(|period| period.end);
                change.intents.extend(self.ending_there(subscription));
            }
            SubscriptionState::Ended => {
                timeline.ends_at = Some(now.max(soonest));
                return self.take_back_start(subscription, change).await;
            }
            _ => {}
        }
        Ok(true)
    }

    /// Lets it be in force now that what was due before the first call is paid, or nothing was; answers
    /// what of that the engine has to be told: that a trial expires.
    pub(super) fn enter_into_force(
        &self,
        subscription: &mut Subscription,
    ) -> Result<Option<Intent>, IllegalMove> {
        subscription.on(SubscriptionEvent::FirstPaid)?;
        Ok(self.ending_there(subscription))
    }

    /// Has an engine that invoices it end it with its period, too.
    fn ending_there(&self, of: &Subscription) -> Option<Intent> {
        let is_told = of.state == SubscriptionState::Ending && of.invoicing == Invoicing::ByEngine;
        let operation = Operation::CancelSubscription {
            subscription: of.id,
            at_period_end: true,
        };
        is_told.then(|| Intent::new(of.tenant, operation, self.now()))
    }

    /// Takes back what was due before the first call and has not been paid; `false` where it has been
    /// paid since the subscription was read. Use that is reported of the time before all the same goes
    /// to the aftermath.
    pub(super) async fn take_back_start(
        &self,
        subscription: &Subscription,
        change: &mut ChangeSet,
    ) -> Result<bool, FlowError> {
        let (id, tenant, now) = (subscription.id, subscription.tenant, self.now());
        let end = subscription.timeline.ends_at.unwrap_or(now);
        change.closings = closings(subscription, end)?;
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
                if let Some(stored) = self.store.fact::<Invoice>(tenant, invoice).await? {
                    if stored.fact.state == InvoiceState::Paid {
                        return Ok(false);
                    }
                    self.take_back(stored, change)?;
                }
            }
        }
        Ok(true)
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
}

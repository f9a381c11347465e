//! A change of plan that waits for the next period: a schedule of two phases at Stripe, what there is
//! until the period ends and what comes then. Afterwards Stripe lets the subscription go on by itself.
//!
//! ```text
//! POST /v1/subscription_schedules                 from_subscription=sub_1
//! POST /v1/subscription_schedules/sub_sched_1     end_behavior=release
//!                                                 phases[0]: the prices there are, to the period's end
//!                                                 phases[1]: those of the plan, for one cycle
//! POST /v1/subscription_schedules/sub_sched_1/release
//! ```
//!
//! Each phase says what the platform keeps, and the first one of a trial where that ends: what a phase
//! does not say Stripe takes for none, and would end the trial at once.
//!
//! The last word holds: a later change rewrites the phases, one that holds at once or an end releases
//! the schedule first, and so does going back to the plan that is in force.

use monetization_core::engine::EngineError;
use stripe_billing::SubscriptionScheduleEndBehavior;
use stripe_billing::subscription_schedule::{
    CreateSubscriptionSchedule, ReleaseSubscriptionSchedule, RetrieveSubscriptionSchedule,
    UpdateSubscriptionSchedule, UpdateSubscriptionSchedulePhases,
    UpdateSubscriptionSchedulePhasesCollectionMethod, UpdateSubscriptionSchedulePhasesDuration,
    UpdateSubscriptionSchedulePhasesDurationInterval, UpdateSubscriptionSchedulePhasesEndDate,
    UpdateSubscriptionSchedulePhasesItems, UpdateSubscriptionSchedulePhasesProrationBehavior,
    UpdateSubscriptionSchedulePhasesStartDate, UpdateSubscriptionSchedulePhasesTrialEnd,
};

use super::permanent;
use super::starting::Offer;
use crate::answer::{AnyObject, Expandable, Price, Schedule, Subscription};
use crate::error::Failure;
use crate::session::Session;

impl Session<'_> {
    /// Has the prices of the offer take the place of those there are when the running period ends. The last
    /// word holds.
    ///
    /// # Errors
    /// `Permanent` for prices that are not billed by day, week, month or year; else that of the request that
    /// failed: done again, it rewrites the same phases.
    pub(super) async fn schedule(
        &self,
        known: &Subscription,
        (start, end): (i64, i64),
        offer: &Offer,
    ) -> Result<(), EngineError> {
        let schedule = self.schedule_of(known).await?;
        let current = schedule
            .current_phase
            .map_or(start, |phase| phase.start_date);
        let now = known.items.data.iter().map(|item| &item.price);
        let mut before = UpdateSubscriptionSchedulePhases::new(items(now));
        before.start_date = Some(UpdateSubscriptionSchedulePhasesStartDate::Timestamp(
            current,
        ));
        before.end_date = Some(UpdateSubscriptionSchedulePhasesEndDate::Timestamp(end));
        // The period of a trial is the trial.
        before.trial_end = known
            .is_tried()
            .then_some(UpdateSubscriptionSchedulePhasesTrialEnd::Timestamp(end));
        let mut after = UpdateSubscriptionSchedulePhases::new(items(offer.recurring.iter()));
        after.duration = Some(one_cycle(offer)?);
        // Without prorations Stripe would not bill what was used of a metered price that goes.
        let prorated = UpdateSubscriptionSchedulePhasesProrationBehavior::CreateProrations;
        after.proration_behavior = Some(prorated);
        let kept = known.application_fee_percent.as_ref();
        let kept = kept.and_then(serde_json::Number::as_f64);
        before.application_fee_percent = kept;
        after.application_fee_percent = kept;
        if known.is_charged() {
            let charged = UpdateSubscriptionSchedulePhasesCollectionMethod::ChargeAutomatically;
            before.collection_method = Some(charged.clone());
            after.collection_method = Some(charged);
        }
        let update = UpdateSubscriptionSchedule::new(schedule.id.as_str())
            .end_behavior(SubscriptionScheduleEndBehavior::Release)
            .phases([before, after]);
        // Another key where it is charged by now, or its period has ended: it is another form.
        let paid = if known.is_charged() {
            "charged"
        } else {
            "sent"
        };
        let step = format!("phases:{current}-{end}:{paid}");
        self.step::<AnyObject>(&step, &update).await?;
        Ok(())
    }

    /// Takes a change back that waits for the next period.
    ///
    /// # Errors
    /// That of the request that failed: done again, nothing waits any more.
    pub(super) async fn unschedule(&self, known: &Subscription) -> Result<(), Failure> {
        if let Some(schedule) = known.schedule.as_ref().map(Expandable::id) {
            let release = ReleaseSubscriptionSchedule::new(schedule);
            self.step::<AnyObject>("release", &release).await?;
        }
        Ok(())
    }

    /// The schedule that there is, or a new one of what there is.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn schedule_of(&self, known: &Subscription) -> Result<Schedule, Failure> {
        if let Some(id) = known.schedule.as_ref().map(Expandable::id) {
            return self.ask(&RetrieveSubscriptionSchedule::new(id)).await;
        }
        let create = CreateSubscriptionSchedule::new().from_subscription(known.id.as_str());
        Ok(self.step("schedule", &create).await?.object)
    }
}

/// Prices as items of a phase; of metered ones Stripe wants no quantity.
fn items<'a>(
    prices: impl Iterator<Item = &'a Price>,
) -> Vec<UpdateSubscriptionSchedulePhasesItems> {
    let item = |price: &Price| {
        let mut item = UpdateSubscriptionSchedulePhasesItems::new();
        item.price = Some(price.id.clone());
        item
    };
    prices.map(item).collect()
}

/// How long the second phase lasts: long enough to begin.
///
/// # Errors
/// `Permanent` for a price that is not billed by day, week, month or year.
fn one_cycle(offer: &Offer) -> Result<UpdateSubscriptionSchedulePhasesDuration, EngineError> {
    use UpdateSubscriptionSchedulePhasesDurationInterval::{Day, Month, Week, Year};

    let missing = || permanent("Stripe's price says not how often it is billed");
    let recurring = offer
        .recurring
        .first()
        .and_then(|price| price.recurring.as_ref());
    let recurring = recurring.ok_or_else(missing)?;
    let interval = match recurring.interval.as_deref() {
        Some("day") => Day,
        Some("week") => Week,
        Some("month") => Month,
        Some("year") => Year,
        _ => return Err(missing()),
    };
    let mut cycle = UpdateSubscriptionSchedulePhasesDuration::new(interval);
    cycle.interval_count = recurring.interval_count;
    Ok(cycle)
}

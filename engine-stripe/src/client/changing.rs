//! What becomes of a subscription: another plan, and how it stands.
//!
//! | wish | requests | repeated |
//! |---|---|---|
//! | another plan now | `POST` with the items whose prices change, `create_prorations` from the instant of the change | the items are as they shall be: nothing |
//! | another plan with the next period | a [schedule](super::scheduling) of two phases | the same phases again |
//! | the same, where Stripe is in that period already | as now, from the period's beginning on | nothing |
//! | the plan that is in force | the schedule is released, if there is one | nothing |
//! | the end | see [`ending`](super::ending) | |
//!
//! Items are matched by the meter they price, the base price being the one without. Those that have a
//! counterpart keep their id and change their price, those that have none are deleted, and what is new
//! is added. Stripe bills what was used of a metered price until it goes, as long as prorations are
//! asked for; with `none` that use would be lost.
//!
//! Stripe changes nothing of a period that it has invoiced: a change of the last one that reaches it late holds
//! from the beginning of the running one on.
//!
//! Included units are those of each price: a plan that is changed within a period includes its own from
//! then on, where core would count those of the period once.

use std::collections::BTreeMap;

use monetization_core::clock::Timestamp;
use monetization_core::engine::{ChangeMode, EngineError, PlanSwitch, SubscriptionSnapshot};
use monetization_core::text::ForeignId;
use stripe_billing::invoice::ListInvoice;
use stripe_billing::subscription::{
    RetrieveSubscription, UpdateSubscription, UpdateSubscriptionItems,
    UpdateSubscriptionProrationBehavior,
};
use stripe_types::RangeQueryTs;

use super::starting::{Offer, check_meters};
use super::{missing_is_none, permanent};
use crate::answer::{Invoice, Item, Price, Subscription};
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};
use crate::time::{seconds, span};

/// In this many seconds after a subscription its first invoice is made.
const FIRST_INVOICE_WITHIN: i64 = 3_600;

impl Session<'_> {
    /// A subscription with its latest invoice; `None` where there is none of that name.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn known_subscription(
        &self,
        subscription: &ForeignId,
    ) -> Result<Option<Subscription>, EngineError> {
        let Ok(id) = names::in_path(subscription) else {
            return Ok(None);
        };
        let retrieve = RetrieveSubscription::new(id).expand(["latest_invoice".to_owned()]);
        Ok(missing_is_none(self.ask(&retrieve).await)?)
    }

    /// Puts the prices of another plan in the place of those there are, now or when the period ends:
    /// each item keeps its id, so none is there twice.
    ///
    /// # Errors
    /// `NotFound` for a subscription or a plan that is not there; `Permanent` for a subscription that is over, a
    /// plan that is not on sale, or a meter that is taken; else that of the request that failed.
    pub(super) async fn change(
        &self,
        subscription: &ForeignId,
        to: &PlanSwitch,
    ) -> Result<(), EngineError> {
        let id = names::in_path(subscription)?;
        let known: Subscription = self.ask(&RetrieveSubscription::new(id)).await?;
        if !known.is_live() {
            return Err(permanent(format!("the subscription {id} is over")));
        }
        let offer = self.offer(&to.plan).await?;
        let items = changed_items(&known.items.data, &offer);
        if items.is_empty() {
            return Ok(self.unschedule(&known).await?);
        }
        self.check_new_meters(&known, &offer).await?;
        let running = running(&known)?;
        let from = seconds(to.at).max(running.0);
        if to.mode == ChangeMode::AtPeriodEnd && from > running.0 {
            return self.schedule(&known, running, &offer).await;
        }
        self.unschedule(&known).await?;
        // Without prorations Stripe would not bill what was used of a metered price that goes.
        let update = UpdateSubscription::new(id)
            .items(items)
            .proration_behavior(UpdateSubscriptionProrationBehavior::CreateProrations)
            .proration_date(from);
        // Another key where the period has ended meanwhile: it is another form.
        self.step::<Subscription>(&format!("from:{from}"), &update)
            .await?;
        Ok(())
    }

    /// Refuses a plan whose new meters count for another subscription of the customer too.
    ///
    /// # Errors
    /// `Permanent` for a meter that is taken; else that of the request that failed.
    async fn check_new_meters(
        &self,
        known: &Subscription,
        offer: &Offer,
    ) -> Result<(), EngineError> {
        let has = |meter: &str| {
            known
                .items
                .data
                .iter()
                .any(|item| item.price.meter() == Some(meter))
        };
        let meters = offer.recurring.iter().filter_map(Price::meter);
        let added: Vec<&str> = meters.filter(|meter| !has(meter)).collect();
        if added.is_empty() {
            return Ok(());
        }
        let mut others = self.subscriptions_of(known.customer.id()).await?;
        others.retain(|other| other.id != known.id);
        check_meters(added.into_iter(), &others)
    }

    /// How a subscription of ours stands; `None` where there is none, or it is somebody else's.
    ///
    /// # Errors
    /// `Permanent` for a subscription without a period; else that of the request that failed.
    pub(super) async fn snapshot(
        &self,
        subscription: &ForeignId,
    ) -> Result<Option<SubscriptionSnapshot>, EngineError> {
        let Some(known) = self.known_subscription(subscription).await? else {
            return Ok(None);
        };
        let ours = known
            .metadata
            .get(names::SUBSCRIPTION)
            .and_then(|ours| ours.parse().ok());
        let Some(ours) = ours else {
            return Ok(None);
        };
        let period = running(&known)?;
        let at_period_end = known.cancel_at_period_end.then_some(period.1);
        let ends_at = known.ended_at.or(known.cancel_at).or(at_period_end);
        let first = self.first_invoice(&known).await?;
        Ok(Some(SubscriptionSnapshot {
            subscription: ours,
            live: known.is_live(),
            first_paid: first.is_none_or(|first| first.is("paid")),
            period: span(period),
            ends_at: ends_at.map(Timestamp::from_secs),
        }))
    }

    /// The invoice of the start, where something was due.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn first_invoice(
        &self,
        of: &Subscription,
    ) -> Result<Option<Invoice>, Failure> {
        let latest = of.latest_invoice.as_ref();
        if let Some(first) = latest
            .and_then(|latest| latest.object())
            .filter(|latest| latest.is_first())
        {
            return Ok(Some(first.clone()));
        }
        if latest.is_none() {
            return Ok(None);
        }
        let until = of.created.saturating_add(FIRST_INVOICE_WITHIN);
        let request = |after: Option<&str>| {
            page!(
                ListInvoice::new()
                    .subscription(of.id.as_str())
                    .created(RangeQueryTs::lte(until)),
                after
            )
        };
        self.find(request, Invoice::is_first).await
    }
}

/// Its running period, in seconds.
///
/// # Errors
/// `Permanent` for a subscription without one.
fn running(of: &Subscription) -> Result<(i64, i64), EngineError> {
    of.period()
        .ok_or_else(|| permanent("Stripe's subscription has no period"))
}

/// How the items there are become those of the offer. An item is known by the meter it prices.
fn changed_items(items: &[Item], offer: &Offer) -> Vec<UpdateSubscriptionItems> {
    let mut wanted: BTreeMap<Option<&str>, &str> = BTreeMap::new();
    for price in &offer.recurring {
        wanted.insert(price.meter(), price.id.as_str());
    }
    let mut changed = Vec::new();
    for item in items {
        let mut update = UpdateSubscriptionItems::new();
        update.id = Some(item.id.clone());
        match wanted.remove(&item.price.meter()) {
            Some(price) if price == item.price.id => continue,
            Some(price) => update.price = Some(price.to_owned()),
            None => update.deleted = Some(true),
        }
        changed.push(update);
    }
    for price in wanted.into_values() {
        let mut update = UpdateSubscriptionItems::new();
        update.price = Some(price.to_owned());
        changed.push(update);
    }
    changed
}

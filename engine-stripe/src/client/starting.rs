//! The start of a subscription.
//!
//! It is looked for first, among all that its customer ever had: there is never a second one. Stripe
//! counts use by customer and not by subscription, so of two that live and price one meter each would
//! be billed for the use of both: the second is refused.
//!
//! ```text
//! GET  /v1/subscriptions    customer=cus_1 status=all expand[0]=data.customer …
//! GET  /v1/products/plv_1   is it on sale, and how many prices has it?
//! GET  /v1/prices           product=plv_1 active=true
//! POST /v1/subscriptions    customer=cus_1 collection_method=send_invoice days_until_due=14
//!                           items[0][price]=… the base price, items[1][price]=… metered, no quantity
//!                           add_invoice_items[0][price]=… the setup fee
//!                           backdate_start_date=… billing_cycle_anchor=… the first period
//!                           metadata[monetization_subscription]=sub_…
//! ```
//!
//! The form says nothing of the time at which it is sent, so that a repetition is the same. What is due
//! first is on the latest invoice, whose page is handed back as the link to pay by; where Stripe leaves
//! that invoice a draft it is made final at once. Who has stored a payment method is charged at once; see
//! [`charging`](super::charging).
//!
//! For a connected account the platform keeps `application_fee_percent` of each invoice. A trial is told
//! by `trial_end`; see [`trying`](super::trying).

use monetization_core::engine::{EngineError, EngineErrorKind, NewSubscription, SubscriptionStart};
use monetization_core::text::ForeignId;
use rust_decimal::Decimal;
use stripe_billing::SubscriptionCollectionMethod;
use stripe_billing::invoice::{FinalizeInvoiceInvoice, RetrieveInvoice};
use stripe_billing::subscription::{
    CreateSubscription, CreateSubscriptionAddInvoiceItems,
    CreateSubscriptionBillingCycleAnchorConfig, CreateSubscriptionBillingMode,
    CreateSubscriptionBillingModeType, CreateSubscriptionItems, CreateSubscriptionTrialEnd,
    ListSubscription, ListSubscriptionStatus,
};
use stripe_product::product::RetrieveProduct;

use super::{foreign, permanent};
use crate::anchor::{Anchor, check_calendar};
use crate::answer::{Expandable, Invoice, Price, Product, Subscription};
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};
use crate::time::seconds;

/// How what a subscription costs is collected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Collected {
    /// Days from an invoice to its due date.
    pub(super) days_until_due: u32,
    /// Of a hundred; `None` where the platform keeps nothing.
    pub(super) fee_percent: Option<Decimal>,
}

/// The prices of a plan.
#[derive(Debug)]
pub(super) struct Offer {
    /// Of each period, the base price first.
    pub(super) recurring: Vec<Price>,
    /// Of the start, once.
    pub(super) setup: Option<Price>,
}

impl Session<'_> {
    /// Starts a subscription, or finds it started.
    ///
    /// # Errors
    /// `Permanent` for a plan that is not on sale, a meter that is taken, or periods that Stripe cannot keep;
    /// else that of the request that failed.
    pub(super) async fn start(
        &self,
        new: &NewSubscription,
        collected: Collected,
    ) -> Result<SubscriptionStart, EngineError> {
        let customer = names::in_path(&new.customer)?;
        let others = self.subscriptions_of(customer).await?;
        let id = new.subscription.to_string();
        let is_it = |other: &&Subscription| other.metadata.get(names::SUBSCRIPTION) == Some(&id);
        if let Some(known) = others.iter().find(is_it) {
            if new.schedule.trial_ends_at.is_some() {
                self.owe_still(new, known).await?;
            }
            return self.started(known, new.is_cancelled).await;
        }
        let offer = self.offer(&new.plan).await?;
        let meters = offer.recurring.iter().filter_map(Price::meter);
        check_meters(meters, &others)?;
        let create = create(new, customer, &offer, collected)?;
        let made = self.order::<Subscription>(&create).await;
        let made = made.map_err(too_early)?.object;
        if let Some(fee) = offer.setup.filter(|_| new.schedule.trial_ends_at.is_some()) {
            self.owe_at_trial_end(customer, &made, &fee).await?;
        }
        self.started(&made, new.is_cancelled).await
    }

    /// What a start with a trial costs, where an earlier call broke off before it said so: the trial may
    /// be over by now.
    ///
    /// # Errors
    /// `Permanent` for a plan that is not on sale; else that of the request that failed.
    async fn owe_still(
        &self,
        new: &NewSubscription,
        known: &Subscription,
    ) -> Result<(), EngineError> {
        let customer = names::in_path(&new.customer)?;
        let is_forgiven = known.is_tried() && known.cancel_at_period_end;
        if is_forgiven || !known.is_live() || self.was_owed(customer, known).await? {
            return Ok(());
        }
        match self.offer(&new.plan).await?.setup {
            Some(fee) => self.owe_at_trial_end(customer, known, &fee).await,
            None => Ok(()),
        }
    }

    /// Every subscription that a customer ever had, each with its latest invoice.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn subscriptions_of(
        &self,
        customer: &str,
    ) -> Result<Vec<Subscription>, Failure> {
        self.all(|after| {
            page!(
                ListSubscription::new()
                    .customer(customer)
                    .status(ListSubscriptionStatus::All)
                    .expand(["data.customer".to_owned(), "data.latest_invoice".to_owned()]),
                after
            )
        })
        .await
    }

    /// The prices of a plan that is on sale and whole.
    ///
    /// # Errors
    /// `Permanent` for a plan that is not; else that of the request that failed.
    pub(super) async fn offer(&self, plan: &ForeignId) -> Result<Offer, EngineError> {
        let id = names::in_path(plan)?;
        let product: Product = self.ask(&RetrieveProduct::new(id)).await?;
        if !product.active {
            return Err(permanent(format!("the plan {plan} is not on sale")));
        }
        let mut prices = self.prices_of(id).await?;
        let wanted = product.metadata.get(names::PRICES);
        if wanted != Some(&prices.len().to_string()) {
            return Err(permanent(format!(
                "the plan {plan} lacks prices: put it on sale again"
            )));
        }
        prices.sort_by(|one, other| one.lookup_key.cmp(&other.lookup_key));
        let is_setup = |price: &Price| price.lookup_key.as_deref().is_some_and(names::is_setup);
        let setup = prices
            .iter()
            .position(is_setup)
            .map(|place| prices.remove(place));
        Ok(Offer {
            recurring: prices,
            setup,
        })
    }

    /// What the consumer has to pay first: the first invoice is made final at once.
    ///
    /// # Errors
    /// That of the request that failed: done again, it finds the invoice as it stands.
    async fn started(
        &self,
        of: &Subscription,
        is_cancelled: bool,
    ) -> Result<SubscriptionStart, EngineError> {
        let mut first = match &of.latest_invoice {
            None => None,
            Some(Expandable::Object(invoice)) => Some(invoice.as_ref().clone()),
            Some(Expandable::Id(id)) => Some(self.ask(&RetrieveInvoice::new(id.as_str())).await?),
        };
        if let Some(draft) = first
            .as_ref()
            .filter(|first| first.is_first() && first.is("draft"))
        {
            let finalize = FinalizeInvoiceInvoice::new(draft.id.as_str());
            first = Some(self.step::<Invoice>("finalize", &finalize).await?.object);
        }
        let is_stored = of.is_charged_to_stored() && !is_cancelled;
        let mut payable = first.filter(|first| first.is("open"));
        if let Some(open) = payable.take_if(|_| is_stored) {
            let charged = self.charge_invoice(open).await?;
            payable = Some(charged).filter(|charged| charged.is("open"));
        }
        if is_stored && !of.is_charged() {
            self.charge_subscription(of).await?;
        }
        Ok(SubscriptionStart {
            external: foreign(&of.id)?,
            payment_url: payable.and_then(|first| first.hosted_invoice_url),
        })
    }
}

/// Refuses a second live subscription of a customer that prices one of these meters.
///
/// # Errors
/// `Permanent` for a meter that is taken.
pub(super) fn check_meters<'a>(
    mut meters: impl Iterator<Item = &'a str>,
    others: &[Subscription],
) -> Result<(), EngineError> {
    let counts = |other: &Subscription, meter: &str| {
        other.is_live()
            && other
                .items
                .data
                .iter()
                .any(|item| item.price.meter() == Some(meter))
    };
    let taken = meters.find_map(|meter| others.iter().find(|other| counts(other, meter)));
    taken.map_or(Ok(()), |other| {
        Err(permanent(format!(
            "the customer's subscription {} is billed by the same meter, and Stripe counts use by customer",
            other.id
        )))
    })
}

/// The request that starts it. It says nothing of the time at which it is sent.
///
/// # Errors
/// `Permanent` for periods that Stripe cannot keep.
fn create(
    new: &NewSubscription,
    customer: &str,
    offer: &Offer,
    collected: Collected,
) -> Result<CreateSubscription, EngineError> {
    let item = |price: &Price| {
        let mut item = CreateSubscriptionItems::new();
        item.price = Some(price.id.clone());
        item
    };
    let mut create = CreateSubscription::new()
        .customer(customer)
        .items(offer.recurring.iter().map(item).collect::<Vec<_>>())
        .collection_method(SubscriptionCollectionMethod::SendInvoice)
        .days_until_due(collected.days_until_due)
        .billing_mode(CreateSubscriptionBillingMode::new(
            CreateSubscriptionBillingModeType::Flexible,
        ))
        .metadata([(names::SUBSCRIPTION.to_owned(), new.subscription.to_string())])
        .expand(["customer".to_owned(), "latest_invoice".to_owned()]);
    // A percentage, and no amount: it is written with the digits that it was read with.
    let percent = collected
        .fee_percent
        .map(|percent| percent.normalize().to_string());
    if let Some(percent) = percent.and_then(|percent| percent.parse::<f64>().ok()) {
        create = create.application_fee_percent(percent);
    }
    if let Some(end) = new.schedule.trial_ends_at {
        check_calendar(&new.schedule)?;
        return Ok(create.trial_end(CreateSubscriptionTrialEnd::Timestamp(seconds(end))));
    }
    if let Some(setup) = &offer.setup {
        let mut once = CreateSubscriptionAddInvoiceItems::new();
        once.price = Some(setup.id.clone());
        create = create.add_invoice_items([once]);
    }
    let create = create.backdate_start_date(seconds(new.schedule.anchor));
    Ok(match Anchor::of(&new.schedule)? {
        Anchor::At(at) => create.billing_cycle_anchor(at),
        Anchor::Each {
            month,
            day,
            hour,
            minute,
            second,
        } => {
            let mut each = CreateSubscriptionBillingCycleAnchorConfig::new(day);
            each.month = month;
            each.hour = Some(hour);
            each.minute = Some(minute);
            each.second = Some(second);
            create.billing_cycle_anchor_config(each)
        }
    })
}

/// Our clock may be a moment ahead of Stripe's, for which the start then lies in the future.
fn too_early(failure: Failure) -> EngineError {
    if failure.is_about("backdate_start_date") {
        let message = "for Stripe the subscription begins in the future";
        return EngineError::new(EngineErrorKind::Retryable, message).because(failure.error);
    }
    failure.error
}

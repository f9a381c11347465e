//! Charges customers who have stored a payment method.
//!
//! Their subscriptions are charged by Stripe from then on, and invoices of core's as soon as they are
//! final. Whoever is declined is asked to pay by hand, as if nothing was stored. A mark in the customer's
//! metadata says that they want it: a default that came about in the portal charges nobody.
//!
//! | who | pays |
//! |---|---|
//! | has stored nothing | each invoice by its link |
//! | has stored a method on the page of Checkout | by it: their subscriptions from their next invoice on, what they subscribe to later from its start, invoices of core's when they are final |
//! | the same, and is declined | this invoice by its link, which stays good; the next one by the method again |
//! | has changed their default in the portal | by that, where they were charged before; otherwise as before |
//! | was cancelled while it was being started | nothing: what was made is taken back, and never charged |
//!
//! Paying is safe to repeat, since an invoice is paid once: a repetition goes under a key of its own, so that
//! a 500 that Stripe keeps under the first one does not hold it up for a day.
//!
//! A change of plan that waits in a schedule keeps how it is paid: the schedule's default settings say so,
//! too, or Stripe would go back to asking for payments when the change comes. Phases say so only where the
//! subscription was charged before it was scheduled.
//!
//! ```text
//! GET  /v1/customers/cus_1/payment_methods    limit=1
//! POST /v1/customers/cus_1                    invoice_settings[default_payment_method]=pm_1
//!                                             metadata[monetization_charged]=true
//! GET  /v1/subscriptions                      customer=cus_1
//! POST /v1/subscription_schedules/sub_sched_1 default_settings[collection_method]=charge_automatically
//! POST /v1/subscriptions/sub_1                collection_method=charge_automatically
//! ```

use stripe_billing::SubscriptionCollectionMethod;
use stripe_billing::invoice::{PayInvoice, RetrieveInvoice};
use stripe_billing::subscription::{ListSubscription, UpdateSubscription};
use stripe_billing::subscription_schedule::{
    UpdateSubscriptionSchedule, UpdateSubscriptionScheduleDefaultSettings,
    UpdateSubscriptionScheduleDefaultSettingsCollectionMethod,
};
use stripe_core::customer::{
    ListPaymentMethodsCustomer, UpdateCustomer, UpdateCustomerInvoiceSettings,
};

use crate::answer::{AnyObject, Expandable, Invoice, Page, Subscription};
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};
use crate::transport::Outbound;

impl Session<'_> {
    /// Makes the method that was stored last the customer's default, and has their subscriptions charged.
    /// Done again it finds them so.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn charge_stored(&self, customer: &str) -> Result<(), Failure> {
        let newest = ListPaymentMethodsCustomer::new(customer).limit(1);
        let newest: Page<AnyObject> = self.ask(&newest).await?;
        let Some(method) = newest.data.into_iter().next() else {
            return Ok(());
        };
        let step = format!("default:{}", method.id);
        let settings = UpdateCustomerInvoiceSettings {
            default_payment_method: Some(method.id),
            ..UpdateCustomerInvoiceSettings::default()
        };
        let update = UpdateCustomer::new(customer)
            .invoice_settings(settings)
            .metadata([(names::CHARGED.to_owned(), "true".to_owned())]);
        self.step::<AnyObject>(&step, &update).await?;
        let request =
            |after: Option<&str>| page!(ListSubscription::new().customer(customer), after);
        let of: Vec<Subscription> = self.all(request).await?;
        let is_ours = |it: &&Subscription| it.metadata.contains_key(names::SUBSCRIPTION);
        let mut outcome = Ok(());
        for subscription in of.iter().filter(is_ours) {
            if subscription.is_live() && !subscription.is_charged() {
                // One that is refused keeps none of the others.
                outcome = self.charge_subscription(subscription).await.and(outcome);
            }
        }
        outcome
    }

    /// Has Stripe charge a subscription, also once a change that waits has come.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn charge_subscription(&self, of: &Subscription) -> Result<(), Failure> {
        // The schedule first: one of a subscription that is charged already is not looked at again.
        if let Some(schedule) = of.schedule.as_ref().map(Expandable::id) {
            use UpdateSubscriptionScheduleDefaultSettingsCollectionMethod::ChargeAutomatically;
            let mut settings = UpdateSubscriptionScheduleDefaultSettings::new();
            settings.collection_method = Some(ChargeAutomatically);
            let update = UpdateSubscriptionSchedule::new(schedule).default_settings(settings);
            self.step::<AnyObject>(schedule, &update).await?;
        }
        let update = UpdateSubscription::new(of.id.as_str())
            .collection_method(SubscriptionCollectionMethod::ChargeAutomatically);
        self.step::<AnyObject>(&of.id, &update).await?;
        Ok(())
    }

    /// Charges an open invoice to what its customer has stored; one that is declined stays open. It can be
    /// paid once only, so a repetition goes under another key: a 500 that Stripe keeps does not hold it up.
    ///
    /// # Errors
    /// That of the request that failed; a decline is none, and neither is that it was paid before.
    pub(super) async fn charge_invoice(&self, made: Invoice) -> Result<Invoice, Failure> {
        if !made.is("open") {
            return Ok(made);
        }
        let pay = PayInvoice::new(made.id.as_str()).off_session(true);
        let key = if self.cx.repeated {
            self.fresh_key()
        } else {
            self.cx.key.step("pay")
        };
        match self
            .order_under::<Invoice>(&key, Outbound::typed(&pay))
            .await
        {
            Ok(paid) => Ok(paid.object),
            Err(failure) if failure.is_refusal => {
                let stands = RetrieveInvoice::new(made.id.as_str());
                let stands: Invoice = self.ask(&stands).await?;
                // Nobody would be told of a key that charges nobody.
                if failure.is_decline || !stands.is("open") {
                    return Ok(stands);
                }
                Err(failure)
            }
            Err(failure) => Err(failure),
        }
    }
}

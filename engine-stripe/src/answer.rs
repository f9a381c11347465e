//! Stripe's objects, as far as they are read.
//!
//! Whatever is not named here may come, go or change its shape; what is optional at Stripe is optional
//! here. Shapes of earlier versions that still reach webhooks are read too.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::names;

/// One page of a list, newest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(crate) struct Page<T> {
    /// What is on it.
    #[serde(default = "Vec::new")]
    pub(crate) data: Vec<T>,
    /// Whether another page follows.
    #[serde(default)]
    pub(crate) has_more: bool,
    /// Where the next page is, in the second version of Stripe's interface.
    pub(crate) next_page_url: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            has_more: false,
            next_page_url: None,
        }
    }
}

/// What has an id, by which a list goes on.
pub(crate) trait Named {
    /// Stripe's id of it.
    fn id(&self) -> &str;
}

/// An object, or only its id.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Expandable<T> {
    /// Its id.
    Id(String),
    /// All of it, where that was asked for.
    Object(Box<T>),
}

impl<T: Named> Expandable<T> {
    /// Its id, either way.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(object) => object.id(),
        }
    }

    /// The object, where it was told.
    pub(crate) fn object(&self) -> Option<&T> {
        match self {
            Self::Id(_) => None,
            Self::Object(object) => Some(object),
        }
    }
}

/// The account that a key belongs to.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Account {
    /// Its id, `acct_…`.
    pub(crate) id: String,
}

/// A product: a plan version of ours, or something else.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Product {
    /// For plans of ours the id of the plan version.
    pub(crate) id: String,
    /// Whether it is on sale.
    #[serde(default)]
    pub(crate) active: bool,
    /// Whose it is, and how many prices it has.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// What a product costs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Price {
    /// Its id, `price_…`.
    pub(crate) id: String,
    /// Whether it is on sale.
    #[serde(default)]
    pub(crate) active: bool,
    /// By which it is found again.
    pub(crate) lookup_key: Option<String>,
    /// How often it is billed; none of what is paid once.
    pub(crate) recurring: Option<Recurring>,
}

/// How often a price is billed, and by what.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recurring {
    /// `day`, `week`, `month` or `year`.
    pub(crate) interval: Option<String>,
    /// So many of them.
    pub(crate) interval_count: Option<u64>,
    /// The meter whose use it prices; none of what is paid whatever is used.
    pub(crate) meter: Option<String>,
}

impl Price {
    /// The meter whose use it prices.
    pub(crate) fn meter(&self) -> Option<&str> {
        self.recurring.as_ref()?.meter.as_deref()
    }
}

/// What sums up events.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Meter {
    /// Its id, `mtr_…` at Stripe.
    pub(crate) id: String,
    /// The name of the events that it sums up: unique in an account.
    pub(crate) event_name: String,
}

/// How much of a meter was counted in a stretch of time.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Summary {
    /// Its id.
    pub(crate) id: String,
    /// The sum of the values of its events.
    pub(crate) aggregated_value: serde_json::Number,
}

/// Who pays.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Customer {
    /// Its id, `cus_…`.
    pub(crate) id: String,
    /// Whose it is.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
    /// What their invoices are charged to.
    pub(crate) invoice_settings: Option<InvoiceSettings>,
}

impl Customer {
    /// Whether they have stored what they pay with, and are charged to it.
    pub(crate) fn is_charged(&self) -> bool {
        let settings = self.invoice_settings.as_ref();
        settings.is_some_and(|settings| settings.default_payment_method.is_some())
            && self.metadata.contains_key(names::CHARGED)
    }
}

/// How a customer's invoices are made.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct InvoiceSettings {
    /// What they are charged to.
    pub(crate) default_payment_method: Option<Expandable<AnyObject>>,
}

/// What was taken off an invoice.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CreditNote {
    /// Its id, `cn_…`.
    pub(crate) id: String,
    /// Which credit of ours it is.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
    /// What of it went back to where it was paid from.
    #[serde(default)]
    pub(crate) refunds: Vec<Refund>,
}

impl CreditNote {
    /// So much of it went back to where it was paid from.
    pub(crate) fn refunded(&self) -> i64 {
        let amounts = self.refunds.iter().map(|refund| refund.amount_refunded);
        amounts.fold(0, i64::saturating_add)
    }
}

/// Money that went back to where it was paid from.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Refund {
    /// In the unit that Stripe counts.
    #[serde(default)]
    pub(crate) amount_refunded: i64,
}

/// A page that somebody is to visit.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Visit {
    /// Where it is; none once it is over.
    pub(crate) url: Option<String>,
}

/// What a customer pays for again and again.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Subscription {
    /// Its id, `sub_…`.
    pub(crate) id: String,
    /// `active`, `trialing`, `past_due`, `canceled` and so on.
    pub(crate) status: String,
    /// Which of ours it is.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
    /// Who pays.
    pub(crate) customer: Expandable<Customer>,
    /// Its prices; at most nine of ours.
    #[serde(default)]
    pub(crate) items: Page<Item>,
    /// The invoice that was made last, where it was asked for.
    pub(crate) latest_invoice: Option<Expandable<Invoice>>,
    /// What is going to become of it.
    pub(crate) schedule: Option<Expandable<AnyObject>>,
    /// Whether it ends with its period.
    #[serde(default)]
    pub(crate) cancel_at_period_end: bool,
    /// When it will end, in seconds.
    pub(crate) cancel_at: Option<i64>,
    /// Of a hundred: what the platform keeps, where it does.
    pub(crate) application_fee_percent: Option<serde_json::Number>,
    /// When it has ended, in seconds.
    pub(crate) ended_at: Option<i64>,
    /// When its trial has ended or will, in seconds.
    pub(crate) trial_end: Option<i64>,
    /// `charge_automatically` or `send_invoice`.
    pub(crate) collection_method: Option<String>,
    /// When it was made, in seconds.
    pub(crate) created: i64,
    /// Since 2025 these stand at the items.
    pub(crate) current_period_start: Option<i64>,
    /// The same.
    pub(crate) current_period_end: Option<i64>,
}

impl Subscription {
    /// Whether it bills on.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.status.as_str(), "canceled" | "incomplete_expired")
    }

    /// Whether its customer, who was asked for with it, is charged to what they have stored.
    pub(crate) fn is_charged_to_stored(&self) -> bool {
        self.customer.object().is_some_and(Customer::is_charged)
    }

    /// Whether its invoices are charged, and nobody is asked to pay them.
    pub(crate) fn is_charged(&self) -> bool {
        self.collection_method.as_deref() == Some("charge_automatically")
    }

    /// Whether nothing is charged yet.
    pub(crate) fn is_tried(&self) -> bool {
        self.status == "trialing"
    }

    /// The shortest that a period of it can be, in seconds.
    pub(crate) fn shortest_cycle(&self) -> Option<i64> {
        let item = self.items.data.first()?;
        let recurring = item.price.recurring.as_ref()?;
        let days: i64 = match recurring.interval.as_deref()? {
            "day" => 1,
            "week" => 7,
            "month" => 28,
            "year" => 365,
            _ => return None,
        };
        let count = i64::try_from(recurring.interval_count.unwrap_or(1)).ok()?;
        days.checked_mul(count)?.checked_mul(86_400)
    }

    /// Its current period, in seconds.
    pub(crate) fn period(&self) -> Option<(i64, i64)> {
        let item = self.items.data.first();
        let start = item.and_then(|item| item.current_period_start);
        let end = item.and_then(|item| item.current_period_end);
        Some((
            start.or(self.current_period_start)?,
            end.or(self.current_period_end)?,
        ))
    }
}

/// One price of a subscription.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    /// Its id, `si_…`.
    pub(crate) id: String,
    /// What it costs.
    pub(crate) price: Price,
    /// In seconds.
    pub(crate) current_period_start: Option<i64>,
    /// In seconds; the first that is not in it.
    pub(crate) current_period_end: Option<i64>,
}

/// What is going to become of a subscription.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Schedule {
    /// Its id, `sub_sched_…`.
    pub(crate) id: String,
    /// The phase that it is in.
    pub(crate) current_phase: Option<CurrentPhase>,
}

/// A stretch of time between two changes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CurrentPhase {
    /// In seconds: phases that are told again have to begin so.
    pub(crate) start_date: i64,
}

/// What a customer owes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Invoice {
    /// None in some previews.
    #[serde(default)]
    pub(crate) id: String,
    /// `draft`, `open`, `paid`, `void` or `uncollectible`.
    pub(crate) status: Option<String>,
    /// In lower case.
    pub(crate) currency: String,
    /// In the unit that Stripe counts.
    pub(crate) total: i64,
    /// What of it is still to be paid.
    pub(crate) amount_remaining: Option<i64>,
    /// What of it was paid by other means than the customer's balance.
    pub(crate) amount_paid: Option<i64>,
    /// What was credited of it after it was paid.
    pub(crate) post_payment_credit_notes_amount: Option<i64>,
    /// Who owes it.
    pub(crate) customer: Option<Expandable<Customer>>,
    /// In seconds.
    pub(crate) created: i64,
    /// In seconds.
    pub(crate) due_date: Option<i64>,
    /// Of the use that it bills, in seconds.
    pub(crate) period_start: Option<i64>,
    /// Of the use that it bills, in seconds.
    pub(crate) period_end: Option<i64>,
    /// Why it was made: `subscription_create`, `subscription_cycle`, `manual` and so on.
    pub(crate) billing_reason: Option<String>,
    /// The page on which it is paid.
    pub(crate) hosted_invoice_url: Option<String>,
    /// The first of its lines.
    #[serde(default)]
    pub(crate) lines: Page<Line>,
    /// Which of ours it is, where core made it.
    #[serde(default)]
    pub(crate) metadata: Option<BTreeMap<String, String>>,
    /// What it bills.
    pub(crate) parent: Option<Parent>,
    /// Before 2025 the subscription stood here.
    pub(crate) subscription: Option<Expandable<AnyObject>>,
    /// When it became what.
    pub(crate) status_transitions: Option<Transitions>,
}

impl Invoice {
    /// The subscription that it bills.
    pub(crate) fn subscription(&self) -> Option<&str> {
        let details = self.parent.as_ref();
        let details = details.and_then(|parent| parent.subscription_details.as_ref());
        let of = details.and_then(|details| details.subscription.as_ref());
        of.or(self.subscription.as_ref()).map(Expandable::id)
    }

    /// Whether its customer, who was asked for with it, has stored what they pay with.
    pub(crate) fn is_charged_to_stored(&self) -> bool {
        let customer = self.customer.as_ref().and_then(Expandable::object);
        customer.is_some_and(Customer::is_charged)
    }

    /// Whether it has this status.
    pub(crate) fn is(&self, status: &str) -> bool {
        self.status.as_deref() == Some(status)
    }

    /// Whether it bills the start of its subscription.
    pub(crate) fn is_first(&self) -> bool {
        self.billing_reason.as_deref() == Some("subscription_create")
    }

    /// What its metadata say under a key.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(key).map(String::as_str)
    }
}

/// What an invoice bills.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Parent {
    /// None where it bills no subscription.
    pub(crate) subscription_details: Option<SubscriptionDetails>,
}

/// The subscription that an invoice bills.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SubscriptionDetails {
    /// Which it bills.
    pub(crate) subscription: Option<Expandable<AnyObject>>,
}

/// When an invoice became what it is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Transitions {
    /// When it was made final, in seconds.
    pub(crate) finalized_at: Option<i64>,
}

/// A line of an invoice, or an item that waits to become one.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Line {
    /// Its id.
    #[serde(default)]
    pub(crate) id: String,
    /// What it says to people.
    pub(crate) description: Option<String>,
    /// In the unit that Stripe counts.
    pub(crate) amount: i64,
    /// What it is for.
    pub(crate) period: Option<LinePeriod>,
    /// Which line of ours it is.
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The time that a line is for.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LinePeriod {
    /// In seconds.
    pub(crate) start: i64,
}

/// An object of which only the id is read.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AnyObject {
    /// Its id.
    #[serde(default)]
    pub(crate) id: String,
}

macro_rules! named {
    ($($object:ident)+) => {$(
        impl Named for $object {
            fn id(&self) -> &str {
                &self.id
            }
        }
    )+};
}

named!(Product Price Meter Summary Customer CreditNote Subscription Invoice Line AnyObject);

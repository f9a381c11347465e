//! Stripe's objects, as far as they are read.
//!
//! Whatever is not named here may come, go or change its shape; what is optional at Stripe is optional
//! here. Shapes of earlier versions that still reach webhooks are read too.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One page of a list, newest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub(crate) struct Page<T> {
    #[serde(default = "Vec::new")]
    pub(crate) data: Vec<T>,
    #[serde(default)]
    pub(crate) has_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            data: Vec::new(),
            has_more: false,
        }
    }
}

/// What has an id, by which a list goes on.
pub(crate) trait Named {
    fn id(&self) -> &str;
}

/// An object, or only its id.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Expandable<T> {
    Id(String),
    Object(Box<T>),
}

impl<T: Named> Expandable<T> {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(object) => object.id(),
        }
    }

    pub(crate) fn object(&self) -> Option<&T> {
        match self {
            Self::Id(_) => None,
            Self::Object(object) => Some(object),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) active: bool,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Price {
    pub(crate) id: String,
    pub(crate) lookup_key: Option<String>,
    pub(crate) recurring: Option<Recurring>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recurring {
    pub(crate) interval: Option<String>,
    pub(crate) interval_count: Option<u64>,
    pub(crate) meter: Option<String>,
}

impl Price {
    /// The meter whose use it prices.
    pub(crate) fn meter(&self) -> Option<&str> {
        self.recurring.as_ref()?.meter.as_deref()
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Meter {
    pub(crate) id: String,
    pub(crate) event_name: String,
}

/// How much of a meter was counted in a stretch of time.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Summary {
    pub(crate) id: String,
    pub(crate) aggregated_value: serde_json::Number,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) customer: Expandable<Customer>,
    #[serde(default)]
    pub(crate) items: Page<Item>,
    pub(crate) latest_invoice: Option<Expandable<Invoice>>,
    /// What is going to become of it.
    pub(crate) schedule: Option<Expandable<AnyObject>>,
    #[serde(default)]
    pub(crate) cancel_at_period_end: bool,
    pub(crate) cancel_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) created: i64,
    /// Since 2025 these stand at the items.
    pub(crate) current_period_start: Option<i64>,
    pub(crate) current_period_end: Option<i64>,
}

impl Subscription {
    /// Whether it bills on.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.status.as_str(), "canceled" | "incomplete_expired")
    }

    /// Whether nothing is charged yet.
    pub(crate) fn is_tried(&self) -> bool {
        self.status == "trialing"
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

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) price: Price,
    pub(crate) current_period_start: Option<i64>,
    pub(crate) current_period_end: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Schedule {
    pub(crate) id: String,
    pub(crate) current_phase: Option<CurrentPhase>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CurrentPhase {
    pub(crate) start_date: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Invoice {
    /// None in some previews.
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) status: Option<String>,
    pub(crate) currency: String,
    pub(crate) total: i64,
    pub(crate) created: i64,
    pub(crate) due_date: Option<i64>,
    pub(crate) period_start: Option<i64>,
    pub(crate) period_end: Option<i64>,
    pub(crate) billing_reason: Option<String>,
    pub(crate) hosted_invoice_url: Option<String>,
    #[serde(default)]
    pub(crate) lines: Page<Line>,
    #[serde(default)]
    pub(crate) metadata: Option<BTreeMap<String, String>>,
    pub(crate) parent: Option<Parent>,
    /// Before 2025 the subscription stood here.
    pub(crate) subscription: Option<Expandable<AnyObject>>,
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

    pub(crate) fn is(&self, status: &str) -> bool {
        self.status.as_deref() == Some(status)
    }

    /// Whether it bills the start of its subscription.
    pub(crate) fn is_first(&self) -> bool {
        self.billing_reason.as_deref() == Some("subscription_create")
    }

    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(key).map(String::as_str)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Parent {
    pub(crate) subscription_details: Option<SubscriptionDetails>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SubscriptionDetails {
    pub(crate) subscription: Option<Expandable<AnyObject>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Transitions {
    pub(crate) finalized_at: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Line {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) description: Option<String>,
    pub(crate) amount: i64,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, String>,
}

/// An object of which only the id is read.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AnyObject {
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

named!(Product Price Meter Summary Customer Subscription Invoice Line AnyObject);

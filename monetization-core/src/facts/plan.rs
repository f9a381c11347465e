//! What a product costs and what it allows: plans and their immutable versions.
//!
//! A [`Plan`] is a name on sale; a [`PlanVersion`] holds [`PlanTerms`] that never change. New
//! subscribers get the current version, and others keep theirs until they are migrated. Terms are
//! written as a [`TermsDraft`], in JSON, and checked against the meters of the product:
//!
//! ```
//! use monetization_core::ids::{MeterId, ProductId, TypedId};
//! use monetization_core::money::Scale;
//! use monetization_core::plan::PlanTerms;
//! use monetization_core::product::Meter;
//!
//! let requests = Meter::requests(MeterId::derived(&[b"requests"]))?;
//! let draft = r#"{
//!     "billing": "metered", "currency": "USD", "cycle": "month", "base_price": "25.00",
//!     "usage": [{"meter": "requests", "unit_price": "0.01", "included": "1000", "overage": "strict"}],
//!     "rates": [{"kind": "calendar", "window": "minute", "max": 60},
//!               {"kind": "gcra", "count": 100, "seconds": 10, "burst": 20}],
//!     "quotas": [{"window": "day", "max": 500, "overage": "loose"}]
//! }"#;
//! let terms = PlanTerms::new(serde_json::from_str(draft)?, &[requests.clone()])?;
//! assert_eq!(terms.label(), "25.00 USD per month + 1000 requests included");
//! assert_eq!(terms.due_at_start()?.to_string(), "25.00 USD");
//! // Included units with strict overage are a quota of the billing period beside those written.
//! assert_eq!(terms.enforced_quotas(ProductId::derived(&[b"weather"])).len(), 2);
//!
//! let draft = r#"{"billing": "free", "currency": "USD", "cycle": "month", "base_price": "1"}"#;
//! let error = PlanTerms::new(serde_json::from_str(draft)?, &[requests]).unwrap_err();
//! assert_eq!(error.field(), "base_price");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a plan of each kind may say:
//!
//! | | `free` | `fixed` | `metered` |
//! |---|---|---|---|
//! | base price, setup fee | none | allowed | allowed |
//! | usage | none | none | one to [`USAGE_MAX`](PlanTerms::USAGE_MAX) meters, each once |
//! | commitment | none | none | allowed, of each meter and of all together |
//! | alignment, rates, quotas, metering policy | allowed | allowed | allowed |

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::field::FieldError;
use crate::ids::{MeterId, PlanId, PlanVersionId, ProductId, TenantId};
use crate::money::{Currency, Money, Quantity, Rounding, Scale, UnitPrice};
use crate::period::{Alignment, Cycle, Proration};
use crate::product::{Meter, Product, Resource};
use crate::text::{Name, Slug};

pub use bundle::{Bundle, BundleDraft};
pub use draft::{
    CommitmentDraft, PackageDraft, PercentageDraft, PlanDraft, StepDraft, TermsDraft, TierDraft,
    UsageDraft,
};
pub use limits::{
    EnforcedQuota, Overage, Quota, QuotaCounts, QuotaDraft, QuotaName, QuotaOf, QuotaWindow, Rate,
    RateWindow, WhenAway,
};
pub use price::{Commitment, PartialPackage, Percentage, Price, ShortPeriod, Step, Tier, ZeroUse};

mod bundle;
mod draft;
mod label;
mod limits;
mod price;

/// A plan of a product: a name under which versions of its terms follow each other.
///
/// Currency, cycle and alignment are the same in all of its versions; whoever wants others makes another plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// The marketplace it is sold in.
    pub tenant: TenantId,
    /// What it is a plan of.
    pub product: ProductId,
    /// Its name, shown to people and the engine.
    pub name: Name,
    /// Whether it can be subscribed to.
    pub state: PlanState,
    /// The version that new subscribers get.
    pub current: PlanVersionId,
    /// The number of that version, from 1.
    pub number: u32,
    /// How subscriptions come into force.
    pub approval: Approval,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whether a plan can be subscribed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new state changes every match on purpose"
)]
pub enum PlanState {
    /// On sale.
    Active,
    /// Kept by those who have it; nobody new may subscribe.
    Deprecated,
    /// Shown to nobody any more.
    Archived,
}

/// How a subscription comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Approval {
    /// At once.
    #[default]
    Automatic,
    /// Once somebody who owns the product has said yes; until then nothing is charged.
    Manual,
}

/// One version of a plan's terms. It never changes: subscribers keep theirs until migrated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanVersion {
    /// Its id.
    pub id: PlanVersionId,
    /// The marketplace it is sold in.
    pub tenant: TenantId,
    /// The product.
    pub product: ProductId,
    /// The plan.
    pub plan: PlanId,
    /// 1, 2, 3 and so on.
    pub number: u32,
    /// The plan's name when it was made: what engines and invoices show.
    pub name: Name,
    /// What it costs and allows.
    pub terms: PlanTerms,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a plan costs and allows, checked: made from a [`TermsDraft`] only, so that whoever holds
/// one need not ask whether it makes sense.
///
/// Every amount in it is in one currency and none is negative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTerms {
    billing: Billing,
    cycle: Cycle,
    #[serde(default)]
    alignment: Alignment,
    base_price: Money,
    #[serde(default)]
    proration: Proration,
    setup_fee: Money,
    #[serde(default)]
    trial: Option<Trial>,
    usage: Vec<UsagePrice>,
    commitment: Commitment,
    #[serde(default)]
    resources: Vec<Slug>,
    rates: Vec<Rate>,
    #[serde(default)]
    rates_when_away: WhenAway,
    quotas: Vec<Quota>,
    #[serde(default)]
    bundles: Vec<Bundle>,
    price_label: Option<Name>,
    #[serde(default)]
    past_due: PastDue,
    metering: MeteringPolicy,
    rounding: Rounding,
}

impl PlanTerms {
    /// Meters a plan may price.
    pub const USAGE_MAX: usize = 8;
    /// Quotas a plan may have.
    pub const QUOTAS_MAX: usize = 16;
    /// Bundles a plan may sell.
    pub const BUNDLES_MAX: usize = 50;

    /// Checks `draft` against what its product counts: a `&Product`, or its meters alone.
    ///
    /// # Errors
    /// A [`FieldError`] for the first field that makes no sense: a price on a free plan, usage on
    /// a fixed one, a meter the product lacks, two limits on one window, and so on.
    pub fn new<'a>(draft: TermsDraft, of: impl Into<Countable<'a>>) -> Result<Self, FieldError> {
        draft::check(draft, &of.into())
    }

    /// Free, fixed or metered.
    #[must_use]
    pub fn billing(&self) -> Billing {
        self.billing
    }

    /// The currency of every price in it.
    #[must_use]
    pub fn currency(&self) -> Currency {
        self.base_price.currency()
    }

    /// How often it is billed.
    #[must_use]
    pub fn cycle(&self) -> Cycle {
        self.cycle
    }

    /// Where the boundaries of its billing periods lie.
    #[must_use]
    pub fn alignment(&self) -> Alignment {
        self.alignment
    }

    /// What each period costs before any use, charged at its start.
    #[must_use]
    pub fn base_price(&self) -> Money {
        self.base_price
    }

    /// What a first period costs that is shorter than a cycle.
    #[must_use]
    pub fn proration(&self) -> Proration {
        self.proration
    }

    /// What the start costs once, charged with the first base price.
    #[must_use]
    pub fn setup_fee(&self) -> Money {
        self.setup_fee
    }

    /// How it is tried before it is paid; `None` where it is not.
    #[must_use]
    pub fn trial(&self) -> Option<Trial> {
        self.trial
    }

    /// What use costs, a meter each.
    #[must_use]
    pub fn usage(&self) -> &[UsagePrice] {
        &self.usage
    }

    /// What the use of this meter costs, where it has a price.
    #[must_use]
    pub fn price_of(&self, meter: MeterId) -> Option<&UsagePrice> {
        self.usage.iter().find(|price| price.meter.id == meter)
    }

    /// What the use of a period costs at least and at most, all meters together.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        self.commitment
    }

    /// The operations that it covers; all of the product where none is named.
    #[must_use]
    pub fn resources(&self) -> &[Slug] {
        &self.resources
    }

    /// Whether it covers a call of this operation.
    ///
    /// ```
    /// use monetization_core::plan::{Countable, PlanTerms};
    /// use monetization_core::product::Resource;
    ///
    /// let resource = |name: &str| {
    ///     let json = format!(
    ///         r#"{{"identifier": "{name}", "method": "GET", "path": "/{name}", "name": "{name}"}}"#
    ///     );
    ///     serde_json::from_str::<Resource>(&json)
    /// };
    /// let resources = [resource("search")?, resource("browse")?];
    /// let draft = r#"{"billing": "free", "currency": "USD", "cycle": "month", "resources": ["search"]}"#;
    /// let of = Countable { meters: &[], resources: &resources };
    /// let terms = PlanTerms::new(serde_json::from_str(draft)?, of)?;
    /// assert!(terms.covers(Some(&"search".parse()?)) && !terms.covers(Some(&"browse".parse()?)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn covers(&self, resource: Option<&Slug>) -> bool {
        self.resources.is_empty() || resource.is_some_and(|it| self.resources.contains(it))
    }

    /// What may pass in a short time.
    #[must_use]
    pub fn rates(&self) -> &[Rate] {
        &self.rates
    }

    /// What becomes of calls while rates that several gateways share cannot be counted together.
    #[must_use]
    pub fn rates_when_away(&self) -> WhenAway {
        self.rates_when_away
    }

    /// What may pass in a long time, as written in the plan.
    #[must_use]
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// Bundles of calls that it sells.
    #[must_use]
    pub fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    /// Whether it sells bundles of this operation.
    #[must_use]
    pub fn sells_bundles_of(&self, resource: &Slug) -> bool {
        self.bundles.iter().any(|it| it.resource == *resource)
    }

    /// What may pass in a long time, as the request path enforces it, counting included units that
    /// must not be exceeded: those are a strict quota of the billing period. The calls of bundles are a
    /// matter of [each subscription](crate::subscription::Subscription::enforced_quotas).
    #[must_use]
    pub fn enforced_quotas(&self, product: ProductId) -> Vec<EnforcedQuota> {
        let written = self.quotas.iter().map(|quota| quota.enforced(product));
        let strict = self.usage.iter();
        let included = strict
            .filter(|usage| usage.overage == Overage::Strict)
            .map(|usage| usage.included_quota().enforced(product));
        written.chain(included).collect()
    }

    /// A meter that a quota limits, or whose price includes units that may not be exceeded.
    pub(crate) fn limited_meter(&self, id: MeterId) -> Option<&Meter> {
        let limited = self.quotas.iter().filter_map(|quota| match &quota.counts {
            QuotaCounts::Meter(meter) => Some(meter),
            QuotaCounts::Calls | QuotaCounts::Resource(_) => None,
        });
        let priced = self.usage.iter().map(|usage| &usage.meter);
        limited.chain(priced).find(|meter| meter.id == id)
    }

    /// The price as the owner wants people to read it; never used for billing.
    #[must_use]
    pub fn price_label(&self) -> Option<&Name> {
        self.price_label.as_ref()
    }

    /// The label, or one made from the structured prices where there is none.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.price_label {
            Some(label) => label.to_string(),
            None => label::of(self),
        }
    }

    /// What happens when an invoice is not paid in time.
    #[must_use]
    pub fn past_due(&self) -> PastDue {
        self.past_due
    }

    /// Which calls are billed.
    #[must_use]
    pub fn metering(&self) -> MeteringPolicy {
        self.metering
    }

    /// How the amount of a line is rounded.
    #[must_use]
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// What is due before the first call at most: setup fee and a whole base price.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`](crate::money::MoneyError::Overflow) where the two do not fit together.
    pub fn due_at_start(&self) -> Result<Money, crate::money::MoneyError> {
        self.setup_fee.checked_add(self.base_price)
    }
}

/// What the terms of a plan may count.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Countable<'a> {
    /// The product's meters.
    pub meters: &'a [Meter],
    /// The product's operations.
    pub resources: &'a [Resource],
}

impl<'a> From<&'a Product> for Countable<'a> {
    fn from(product: &'a Product) -> Self {
        Self {
            meters: &product.meters,
            resources: &product.resources,
        }
    }
}

impl<'a> From<&'a [Meter]> for Countable<'a> {
    fn from(meters: &'a [Meter]) -> Self {
        Self {
            meters,
            resources: &[],
        }
    }
}

impl<'a, const N: usize> From<&'a [Meter; N]> for Countable<'a> {
    fn from(meters: &'a [Meter; N]) -> Self {
        meters.as_slice().into()
    }
}

/// How a plan earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the three modes are the product")]
pub enum Billing {
    /// Not at all: use is recorded and limited, nothing is invoiced.
    Free,
    /// The same amount each period, whatever is used (WSO2: `FixedRate`).
    Fixed,
    /// By use, beside a base price that may be nothing (WSO2: `DynamicRate`).
    Metered,
}

/// What happens to a subscription when an invoice of it is not paid in time: its calls stop once the days
/// of grace are over, and go on when it is paid.
///
/// | days of grace | calls stop |
/// |---|---|
/// | none | when the invoice falls due, or a payment of it fails, whichever is first |
/// | three | three days after it is due, whenever payments of it have failed |
///
/// ```
/// use monetization_core::plan::PastDue;
///
/// let rule: PastDue = serde_json::from_str(r#"{"grace_days": 3, "cancel": true}"#)?;
/// assert_eq!((rule.grace_days, rule.cancel), (Some(3), true));
/// // What a plan says nothing of is the tenant's matter.
/// assert_eq!(PastDue::default().grace_days, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastDue {
    /// Days of grace after an invoice is due; those of the tenant where nothing is said. What is said of
    /// a consumer counts more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_days: Option<u16>,
    /// Whether the subscription is cancelled then.
    #[serde(default)]
    pub cancel: bool,
}

/// How a plan is tried before it is paid: everything it allows is allowed, and neither use nor the base
/// price are charged. What it costs from then on is due when the trial ends. A consumer tries each
/// product once.
///
/// ```
/// use monetization_core::plan::{Trial, TrialEnd};
///
/// let trial: Trial = serde_json::from_str(r#"{"days": 14}"#)?;
/// assert_eq!((trial.days, trial.then), (14, TrialEnd::Convert));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// How many days it lasts, of 24 hours in UTC, or by the calendar of the subscription's time zone.
    pub days: u16,
    /// What happens then.
    #[serde(default)]
    pub then: TrialEnd,
}

impl Trial {
    /// Days that a trial may last at most.
    pub const DAYS_MAX: u16 = 730;
}

/// What happens when a trial ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum TrialEnd {
    /// The first period begins that is paid.
    #[default]
    Convert,
    /// The subscription is over.
    Expire,
}

/// What the use of one meter costs.
///
/// Included units belong to the billing period as a whole, a short one too, and start again with the next. They are
/// taken off before the price is applied: its first unit is the first one beyond them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsagePrice {
    /// What is counted.
    pub meter: Meter,
    /// What so many units of it cost.
    pub price: Price,
    /// Units of each billing period that the base price pays for.
    pub included: Quantity,
    /// What happens beyond them.
    pub overage: Overage,
    /// What a period without use costs.
    pub zero_use: ZeroUse,
    /// What the use of a period costs at least and at most.
    pub commitment: Commitment,
}

impl UsagePrice {
    /// The meter whose sum is priced, and its scale: its own, or that of what its transactions cost.
    #[must_use]
    pub fn rated_meter(&self) -> (MeterId, Scale) {
        match self.price {
            Price::Percentage(_) => (Percentage::charges(self.meter.id), Percentage::SCALE),
            _ => (self.meter.id, self.meter.scale),
        }
    }

    /// Whether the same use of the same meter costs the same under both.
    pub(crate) fn is_priced_as(&self, other: &Self) -> bool {
        let by = |it: &Self| (it.meter.id, it.included, it.zero_use);
        by(self) == by(other) && self.price == other.price
    }

    /// Whether it matters in how many transactions an amount is made: where each has a fee, a least or a most,
    /// or where some are free.
    #[must_use]
    pub fn is_of_each_transaction(&self) -> bool {
        match &self.price {
            Price::Percentage(percentage) => {
                percentage.fee != UnitPrice::ZERO
                    || percentage.minimum.is_some()
                    || percentage.maximum.is_some()
                    || percentage.free_events > 0
            }
            _ => false,
        }
    }

    /// The included units as a quota that stops calls.
    fn included_quota(&self) -> Quota {
        let counts = if self.meter.name.as_str() == Meter::REQUESTS {
            QuotaCounts::Calls
        } else {
            QuotaCounts::Meter(self.meter.clone())
        };
        Quota {
            counts,
            window: QuotaWindow::Period,
            max: self.meter.scale.whole_units(self.included),
            overage: Overage::Strict,
        }
    }
}

/// Which calls are billed, and whether those that are not give their unit back.
///
/// The table of what is billed stands at [`charge`](crate::metering::charge).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeteringPolicy {
    /// Which calls are billed.
    pub bill: Billable,
    /// Whether a call that is not billed gives its unit of a quota back.
    pub unbilled: UnbilledCall,
}

/// Which calls are billed, by what the upstream answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Billable {
    /// Every call that was sent to the upstream, whatever came of it.
    Attempt,
    /// Calls the upstream answered with 2xx and, as far as the client listened, completely.
    #[default]
    Success,
    /// Calls the upstream answered with anything but 5xx.
    #[serde(rename = "non_5xx")]
    Non5xx,
}

/// What becomes of the unit of quota that an unbilled call has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum UnbilledCall {
    /// It goes back: only billed calls use the quota up.
    #[default]
    GivesBack,
    /// It is spent: every call that was let through uses the quota up.
    Spends,
}

#[cfg(test)]
mod tests;

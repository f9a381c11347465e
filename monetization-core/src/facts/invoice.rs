//! What is owed, and whether it was paid.
//!
//! The moves of [`InvoiceState::on`]; `=` says that the event changes nothing, and `illegal` is an
//! [`IllegalMove`]:
//!
//! | | opened | payment failed | fell due | paid | voided | given up |
//! |---|---|---|---|---|---|---|
//! | `draft` | `open` | `past_due` | `past_due` | `paid` | `void` | `uncollectible` |
//! | `open` | = | `past_due` | `past_due` | `paid` | `void` | `uncollectible` |
//! | `past_due` | = | `past_due` | `past_due` | `paid` | `void` | `uncollectible` |
//! | `paid` | = | = | = | = | illegal | illegal |
//! | `void` | = | = | = | illegal | = | = |
//! | `uncollectible` | = | = | = | `paid` | `void` | = |
//!
//! ```
//! use monetization_core::invoice::{InvoiceEvent, InvoiceState};
//!
//! let paid = InvoiceState::Draft.on(InvoiceEvent::Opened)?.on(InvoiceEvent::Paid)?;
//! // News that comes late changes nothing; news that contradicts is an error.
//! assert_eq!(paid.on(InvoiceEvent::PaymentFailed)?, InvoiceState::Paid);
//! assert!(paid.on(InvoiceEvent::Voided).is_err());
//! # Ok::<(), monetization_core::product::IllegalMove>(())
//! ```

use serde::{Deserialize, Serialize};

use crate::clock::{Span, Timestamp};
use crate::ids::{ConsumerId, InvoiceId, MeterId, ProductId, SegmentId, SubscriptionId, TenantId};
use crate::money::{Currency, Exact, Money, MoneyError, Quantity, UnitPrice};
use crate::period::Share;
use crate::product::IllegalMove;
use crate::text::Slug;

pub use credit::{Credit, CreditTo};

mod credit;

/// Who makes a subscription's invoices: fixed when it begins.
///
/// | | by core | by engine |
/// |---|---|---|
/// | rates use | core, from its ledger | the provider, from what is published |
/// | its invoice | issued and collected by the provider as it is | made by the provider, mirrored here |
/// | the plan | may change within a period | the same, by an operation there |
/// | its versions | may change within a period | stay |
/// | the engine needs | `invoices` and `webhooks` | `usage` and `webhooks`, and the price shapes |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Invoicing {
    /// Core closes the period and rates its ledger; the engine collects the finished invoice.
    #[default]
    ByCore,
    /// The engine rates and invoices from the use that is published to it (WSO2 with Stripe).
    ByEngine,
}

impl Invoicing {
    /// Its name where it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByCore => "by_core",
            Self::ByEngine => "by_engine",
        }
    }
}

/// What a consumer owes for one occasion of one subscription.
///
/// All amounts are in `currency`; all instants are business time, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// Its id, derived from the subscription and the occasion: one occasion, one invoice. Bundles may be
    /// bought again and again.
    pub id: InvoiceId,
    /// The marketplace.
    pub tenant: TenantId,
    /// Who owes it.
    pub consumer: ConsumerId,
    /// What for.
    pub subscription: SubscriptionId,
    /// The product of that subscription.
    pub product: ProductId,
    /// Who made it.
    pub invoicing: Invoicing,
    /// Why it was made.
    pub occasion: Occasion,
    /// What it bills, line by line; every line in `currency`.
    pub lines: Vec<Line>,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// The sum of its lines.
    pub total: Money,
    /// Where it is in its life.
    pub state: InvoiceState,
    /// Where it can be paid, once the engine has said so.
    pub payment_url: Option<String>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From when on it is past due.
    pub due_at: Timestamp,
    /// While it is past due and calls still pass: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_ends_at: Option<Timestamp>,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// What of it was given back, or is no longer asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credits: Vec<Credit>,
    /// The newest version of the engine's object that was taken in; older news is ignored.
    pub engine_version: u64,
}

impl Invoice {
    /// When it falls due, while it can, and then when its grace ends.
    ///
    /// `None` once that is over, and for what is paid or void: then no job has to look at it. So it is for
    /// a draft that the engine has made, which nobody can pay yet. A bundle is looked at until it is paid or
    /// taken back, though a payment of it may have failed before.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            InvoiceState::Draft if self.invoicing == Invoicing::ByEngine => None,
            InvoiceState::Draft | InvoiceState::Open => Some(self.due_at),
            InvoiceState::PastDue | InvoiceState::Uncollectible
                if self.occasion == Occasion::Bundle =>
            {
                Some(self.due_at)
            }
            InvoiceState::PastDue => self.grace_ends_at,
            InvoiceState::Paid | InvoiceState::Void | InvoiceState::Uncollectible => None,
        }
    }

    /// Whether calls are refused for it at `now`. The calls of a bundle that is not paid are not had, and
    /// others pass.
    #[must_use]
    pub fn stops_calls(&self, now: Timestamp) -> bool {
        let is_unpaid = match self.state {
            InvoiceState::PastDue => self.grace_ends_at.is_none_or(|end| end <= now),
            InvoiceState::Uncollectible => true,
            InvoiceState::Draft | InvoiceState::Open | InvoiceState::Paid | InvoiceState::Void => {
                false
            }
        };
        is_unpaid && self.occasion != Occasion::Bundle
    }

    /// Checks that its lines are in its currency and add up to its total.
    ///
    /// ```
    /// use monetization_core::ids::*;
    /// use monetization_core::invoice::{Invoice, InvoiceState, Invoicing, Line, LineItem, Occasion};
    /// use monetization_core::money::Money;
    ///
    /// let usd = "USD".parse()?;
    /// let now = "2026-03-01T00:00:00Z".parse()?;
    /// let line = |description: &str, minor| Line {
    ///     item: LineItem::Setup,
    ///     description: description.to_owned(),
    ///     amount: Money::new(minor, usd),
    /// };
    /// let mut invoice = Invoice {
    ///     id: InvoiceId::derived(&[b"i"]),
    ///     tenant: TenantId::derived(&[b"t"]),
    ///     consumer: ConsumerId::derived(&[b"c"]),
    ///     subscription: SubscriptionId::derived(&[b"s"]),
    ///     product: ProductId::derived(&[b"p"]),
    ///     invoicing: Invoicing::ByCore,
    ///     occasion: Occasion::Start,
    ///     lines: vec![line("setup", 1_000), line("training", 250)],
    ///     currency: usd,
    ///     total: Money::new(1_250, usd),
    ///     state: InvoiceState::Draft,
    ///     payment_url: None,
    ///     issued_at: now,
    ///     due_at: now,
    ///     grace_ends_at: None,
    ///     paid_at: None,
    ///     credits: Vec::new(),
    ///     engine_version: 0,
    /// };
    /// assert_eq!(invoice.check(), Ok(()));
    /// invoice.total = Money::new(1_251, usd);
    /// let error = invoice.check().unwrap_err();
    /// assert_eq!(error.to_string(), "the lines add up to 12.50 USD, the total says 12.51 USD");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`InvoiceError`] where they do not: such an invoice is neither written nor sent.
    pub fn check(&self) -> Result<(), InvoiceError> {
        let sum = Money::sum(self.currency, self.lines.iter().map(|line| line.amount))?;
        if sum == self.total {
            Ok(())
        } else {
            Err(InvoiceError::Total {
                lines: sum,
                total: self.total,
            })
        }
    }
}

/// Why an invoice was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new occasion changes every match on purpose"
)]
pub enum Occasion {
    /// Setup fee and first base price, due before the first call.
    Start,
    /// A bundle of calls is bought.
    Bundle,
    /// A billing period has ended: its use, and the next base price where there is a next one.
    Period {
        /// The number of the period, from 0.
        index: u32,
        /// The period.
        period: Span,
    },
}

/// One line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it bills.
    pub item: LineItem,
    /// What it says to people.
    pub description: String,
    /// What it costs; rounded once.
    pub amount: Money,
}

/// What a line bills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new kind of line changes every match on purpose"
)]
pub enum LineItem {
    /// The start, once.
    Setup,
    /// A period before any use.
    Base {
        /// Which period.
        period: Span,
        /// What share of a cycle is charged for it; left out where it is charged whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<Share>,
    },
    /// What is left of a period when its plan changes: the base price it was charged with is taken
    /// back.
    Unused {
        /// The stretch that is left.
        period: Span,
        /// What share of a cycle that is; left out where it is all of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<Share>,
    },
    /// The use of a segment.
    Usage(UsageLine),
    /// Use of a segment that came after its invoice.
    LateUsage(UsageLine),
    /// What is missing to a commitment, or taken off above one.
    Commitment(CommitmentLine),
    /// A bundle of calls.
    Bundle(BundleLine),
    /// Whatever the engine that made the invoice says.
    Mirrored,
}

/// A bundle of calls of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleLine {
    /// Which bundle of the plan, by its name.
    pub bundle: Slug,
    /// The operation, by its identifier.
    pub resource: Slug,
    /// How many.
    pub calls: u64,
}

/// The use of one meter in one segment, as it is billed.
///
/// A price applies to all that its billing period has used so far. `parts` are its steps, and what
/// those units cost that were used earlier in the period is taken off: the line's amount is the sum of
/// the parts, rounded, less `taken_off`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageLine {
    /// The segment in which it was used.
    pub segment: SegmentId,
    /// What was counted.
    pub meter: MeterId,
    /// How much was used, in the meter's scale.
    pub used: Quantity,
    /// How much of it is charged: what included units do not pay for.
    pub charged: Quantity,
    /// The steps of the price, for the whole period so far.
    pub parts: Vec<LinePart>,
    /// What is taken off: what the units before these cost at this price, and no more than what was
    /// billed at it, so that no line takes back what another price has earned.
    pub taken_off: Money,
}

/// One step of a price: so many units of one tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePart {
    /// The tier, from 0.
    pub tier: usize,
    /// Units of it, in the meter's scale.
    pub quantity: Quantity,
    /// How many packages they are, where packages are charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<Quantity>,
    /// What a unit costs, or a package, in major units.
    pub unit_price: UnitPrice,
    /// What entering the tier costs, in major units.
    pub flat: UnitPrice,
    /// What it comes to, in major units and not rounded.
    pub amount: Exact,
}

/// What a commitment adds to a period, or takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitmentLine {
    /// The meter whose use is committed to; `None` for all meters together.
    pub meter: Option<MeterId>,
    /// Which of its bounds.
    pub bound: CommitmentBound,
    /// What is committed to for this period.
    pub committed: Money,
    /// What its use costs without the commitment.
    pub used: Money,
}

/// A bound of a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum CommitmentBound {
    /// The least that is paid: the line adds what is missing.
    Minimum,
    /// The most that is paid: the line takes off what is above.
    Maximum,
}

/// Where an invoice is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new state changes every match on purpose"
)]
pub enum InvoiceState {
    /// Made, and not yet at the engine.
    Draft,
    /// To be paid.
    Open,
    /// To be paid, and late.
    PastDue,
    /// Paid. Final.
    Paid,
    /// Taken back before it was paid. Final.
    Void,
    /// Given up; a payment that comes all the same still counts.
    Uncollectible,
}

/// What can happen to an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new event changes every match on purpose"
)]
pub enum InvoiceEvent {
    /// The engine asks for the money.
    Opened,
    /// A payment was tried and failed.
    PaymentFailed,
    /// It was to be paid by now.
    FellDue,
    /// It was paid.
    Paid,
    /// It was taken back.
    Voided,
    /// It was given up.
    GivenUp,
}

impl InvoiceState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Draft,
        Self::Open,
        Self::PastDue,
        Self::Paid,
        Self::Void,
        Self::Uncollectible,
    ];

    /// The state after `event`. News that is older than the state changes nothing: a failed
    /// payment that is heard of after the payment, a second `paid`, an `opened` that comes late.
    ///
    /// # Errors
    /// [`IllegalMove`] for news that contradicts the state: a payment of, or a demand for, what
    /// was taken back; taking back what was paid.
    pub fn on(self, event: InvoiceEvent) -> Result<Self, IllegalMove> {
        use InvoiceEvent as Event;
        match (self, event) {
            (Self::Draft, Event::Opened) => Ok(Self::Open),
            (Self::Draft | Self::Open | Self::PastDue, Event::PaymentFailed | Event::FellDue) => {
                Ok(Self::PastDue)
            }
            (Self::Draft | Self::Open | Self::PastDue | Self::Uncollectible, Event::Paid) => {
                Ok(Self::Paid)
            }
            (Self::Draft | Self::Open | Self::PastDue | Self::Uncollectible, Event::Voided) => {
                Ok(Self::Void)
            }
            (Self::Draft | Self::Open | Self::PastDue, Event::GivenUp) => Ok(Self::Uncollectible),
            (Self::Paid, Event::Voided | Event::GivenUp) | (Self::Void, Event::Paid) => {
                Err(IllegalMove::new(self, event))
            }
            (Self::Paid | Self::Void | Self::Uncollectible, _)
            | (Self::Open | Self::PastDue, Event::Opened) => Ok(self),
        }
    }

    /// Its name where it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::PastDue => "past_due",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Uncollectible => "uncollectible",
        }
    }
}

/// Why an invoice is not one.
///
/// It is found before the invoice is written, so that nothing of it has left the house.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvoiceError {
    /// Its lines cannot be added.
    #[error("the lines cannot be added")]
    Lines(#[from] MoneyError),
    /// Its lines add up to another amount.
    #[error("the lines add up to {lines}, the total says {total}")]
    Total {
        /// What the lines add up to.
        lines: Money,
        /// What the total says.
        total: Money,
    },
}

#[cfg(test)]
mod tests {
    use super::InvoiceEvent::{FellDue, GivenUp, Opened, Paid, PaymentFailed, Voided};
    use super::*;
    use crate::ids::TypedId;

    #[test]
    fn paid_is_final_and_late_bad_news_changes_nothing_d5() {
        for event in [PaymentFailed, FellDue, Opened, Paid] {
            assert_eq!(
                InvoiceState::Paid.on(event),
                Ok(InvoiceState::Paid),
                "{event:?}"
            );
        }
        for event in [Voided, GivenUp] {
            assert!(InvoiceState::Paid.on(event).is_err(), "{event:?}");
        }
    }

    /// Drafts of engines fell due at once: access closed for an invoice that nobody could pay.
    #[test]
    fn what_an_engine_has_not_made_final_does_not_fall_due_d2() {
        let now = "2026-03-01T00:00:00Z".parse().unwrap();
        let currency = "USD".parse().unwrap();
        let mut invoice = Invoice {
            id: InvoiceId::derived(&[b"i"]),
            tenant: TenantId::derived(&[b"t"]),
            consumer: ConsumerId::derived(&[b"c"]),
            subscription: SubscriptionId::derived(&[b"s"]),
            product: ProductId::derived(&[b"p"]),
            invoicing: Invoicing::ByEngine,
            occasion: Occasion::Start,
            lines: Vec::new(),
            currency,
            total: Money::zero(currency),
            state: InvoiceState::Draft,
            payment_url: None,
            issued_at: now,
            due_at: now,
            grace_ends_at: None,
            paid_at: None,
            credits: Vec::new(),
            engine_version: 0,
        };
        assert_eq!(invoice.due(), None);
        invoice.state = InvoiceState::Open;
        assert_eq!(invoice.due(), Some(now));
        (invoice.state, invoice.invoicing) = (InvoiceState::Draft, Invoicing::ByCore);
        assert_eq!(invoice.due(), Some(now));
    }

    #[test]
    fn a_payment_of_what_was_taken_back_is_an_error() {
        assert!(InvoiceState::Void.on(Paid).is_err());
        assert_eq!(InvoiceState::Void.on(Opened), Ok(InvoiceState::Void));
    }

    #[test]
    fn what_was_given_up_can_still_be_paid() {
        assert_eq!(InvoiceState::Uncollectible.on(Paid), Ok(InvoiceState::Paid));
    }
}

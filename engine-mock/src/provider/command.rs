//! What a provider is asked and what it answers, as data that can be written down and sent.
//!
//! Everything here is serde's to write: orders stand in the journal, and all of it could go over
//! a wire. It is the provider's own language and not core's: its types change only together with
//! the journal's format, whatever core's ports come to look like. Amounts and instants are core's
//! values, which are written as text: `{"amount":"27.00","currency":"USD"}` and RFC 3339.

use std::collections::BTreeMap;
use std::time::Duration;

use monetization_core::clock::{Span, Timestamp};
use monetization_core::engine::{ChangeMode, Page};
use monetization_core::ids::{
    BatchId, ConsumerId, InvoiceId, MeterId, PlanVersionId, ProductId, SubscriptionId,
};
use monetization_core::invoice::{CreditTo, InvoiceState};
use monetization_core::money::{Money, Quantity};
use monetization_core::period::Schedule;
use monetization_core::plan::PlanVersion;
use monetization_core::reference::Realm;
use monetization_core::text::{ForeignId, Name, PageUrl};
use serde::{Deserialize, Serialize};

use super::{Notice, Refusal};

/// An order as it reaches the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placed {
    /// The account it is for; `None` for the platform's own.
    pub account: Option<ForeignId>,
    /// Recognises it when it is repeated.
    pub key: String,
    /// What is to be done.
    pub order: Order,
    /// Present where the provider shall fail within: it does nothing, and keeps this as the
    /// answer to the key.
    pub breaks: Option<Refusal>,
}

/// What changes something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the provider must know every order"
)]
pub enum Order {
    /// Make a product known, or give it another name. Answered by [`Reply::Done`].
    EnsureProduct {
        /// What it is at the caller's.
        product: ProductId,
        /// Its name.
        name: Name,
    },
    /// Make a plan version known, or put it on sale again. Answered by [`Reply::Plan`].
    EnsurePlan {
        /// The plan version.
        plan: Box<PlanVersion>,
    },
    /// Take a plan off sale: archived where somebody has had it, deleted where nobody has.
    /// Answered by [`Reply::Removed`].
    RetirePlan {
        /// Which one.
        plan: ForeignId,
    },
    /// Take a product off sale, without its plans. Answered by [`Reply::Removed`].
    RetireProduct {
        /// What it is at the caller's.
        product: ProductId,
    },
    /// Make a customer known. Answered by [`Reply::Named`].
    EnsureCustomer {
        /// What they are at the caller's.
        consumer: ConsumerId,
        /// Their name.
        name: Name,
    },
    /// Start a subscription and ask for what is due at its start. Answered by [`Reply::Started`],
    /// with a link where something is to be paid by one.
    StartSubscription(StartSubscription),
    /// Move a subscription to another plan, now or with its next period. Answered by
    /// [`Reply::Done`].
    ///
    /// It is refused where the plan is not on sale, has another cycle or currency, or where the
    /// subscription is over. Asked for the plan that is in force, it takes back what was to come.
    ChangePlan {
        /// Which subscription.
        subscription: ForeignId,
        /// To which plan.
        plan: ForeignId,
        /// When.
        when: When,
        /// From when on it holds at the caller's.
        at: Timestamp,
    },
    /// End a subscription. At once, what was used is invoiced at once; with its period, as usual.
    /// Answered by [`Reply::Removed`].
    ///
    /// Where it is over at the caller's for longer, that is said, so that nothing of later periods is owed:
    ///
    /// ```
    /// use monetization_engine_mock::provider::{Order, When};
    ///
    /// let late = Order::EndSubscription {
    ///     subscription: "sub_0000000001".parse()?,
    ///     when: When::Now,
    ///     ended_at: Some("2026-02-01T00:00:00Z".parse()?),
    /// };
    /// assert!(serde_json::to_string(&late)?.contains("\"ended_at\":\"2026-02-01T00:00:00Z\""));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    EndSubscription {
        /// Which one.
        subscription: ForeignId,
        /// When.
        when: When,
        /// Since when it is over at the caller's, where that is past: the base price of periods that begin
        /// from then on is taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended_at: Option<Timestamp>,
    },
    /// Ask a customer for the money of a finished invoice, if its lines add up to its total and are
    /// in one currency. Answered by [`Reply::Started`].
    IssueInvoice(FinishedInvoice),
    /// Take an unpaid invoice back; a paid one is refused. Answered by [`Reply::Removed`].
    VoidInvoice {
        /// Which one.
        invoice: ForeignId,
    },
    /// Give money of an invoice back, or ask for it no longer. Answered by [`Reply::Named`].
    CreditInvoice {
        /// Which invoice.
        invoice: ForeignId,
        /// Which of its credits this is at the caller's.
        number: u32,
        /// How much.
        amount: Money,
        /// Where money goes that was paid.
        to: CreditTo,
    },
    /// Charge what a customer owes from now on to what they have stored, if they have. Answered by
    /// [`Reply::Done`].
    ChargeStored {
        /// Which customer.
        customer: ForeignId,
    },
    /// Take usage records, each by itself. The key is not looked at: records are recognised by
    /// their own identifiers. Answered by [`Reply::Verdicts`].
    TakeUsage {
        /// The records.
        records: Vec<SentRecord>,
    },
    /// Count a usage record no more, while it is known and its period is not invoiced. Answered by
    /// [`Reply::Withdrawn`].
    WithdrawUsage {
        /// Which one.
        identifier: BatchId,
    },
}

/// A subscription to start. A second one of the same id and content is the first again; one of
/// the same id and other content is a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartSubscription {
    /// What it is at the caller's.
    pub subscription: SubscriptionId,
    /// Who pays.
    pub customer: ForeignId,
    /// What for.
    pub plan: ForeignId,
    /// Its billing periods.
    pub schedule: Schedule,
}

/// When a subscription ends, or changes its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum When {
    /// At once.
    Now,
    /// With its current period.
    PeriodEnd,
}

impl From<ChangeMode> for When {
    fn from(mode: ChangeMode) -> Self {
        match mode {
            ChangeMode::Now => Self::Now,
            ChangeMode::AtPeriodEnd => Self::PeriodEnd,
        }
    }
}

/// An invoice that somebody else has calculated: what of it never changes, so that it is the same
/// order however far it has come at the caller's when it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishedInvoice {
    /// What it is at the caller's.
    pub invoice: InvoiceId,
    /// Who owes it.
    pub customer: ForeignId,
    /// The period whose use it bills; `None` for what is due at the start.
    pub period: Option<Span>,
    /// What it says and what that costs.
    pub lines: Vec<StatedLine>,
    /// What is owed in all.
    pub total: Money,
    /// From when on it is past due.
    pub due_at: Timestamp,
}

/// A usage record as it was sent: the bytes are looked into by the provider alone, one record at a
/// time, so that one that makes no sense does not spoil the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentRecord {
    /// What the caller says recognises it.
    pub identifier: BatchId,
    /// What was sent.
    pub body: String,
    /// Whether it is taken and found not to count afterwards, which is told by a message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused_later: bool,
}

/// What only asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask", deny_unknown_fields)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the provider must know every question"
)]
pub enum Query {
    /// What the credentials open. Answered by [`Reply::Realm`].
    Realm,
    /// What was told since an instant, oldest first. Answered by [`Reply::News`].
    News {
        /// Since when, that instant too.
        since: Timestamp,
    },
    /// The plans of a product that are on sale. Answered by [`Reply::Mapping`].
    Plans {
        /// What it is at the caller's.
        product: ProductId,
    },
    /// How a subscription stands. Answered by [`Reply::Subscription`].
    Subscription {
        /// Which one.
        subscription: ForeignId,
    },
    /// The invoices of a subscription, oldest first. Answered by [`Reply::Invoices`].
    Invoices {
        /// Which subscription.
        subscription: ForeignId,
    },
    /// One invoice, of whichever kind, with the link by which it can be paid now. Answered by
    /// [`Reply::Invoices`] with that one; an invoice of another account is missing.
    Invoice {
        /// Which one.
        invoice: ForeignId,
    },
    /// The invoice of the current period as it would be now. Answered by [`Reply::Invoices`] with
    /// one invoice.
    Preview {
        /// Which subscription.
        subscription: ForeignId,
    },
    /// Where a customer finds a page. Answered by [`Reply::Page`].
    Page {
        /// Which customer.
        customer: ForeignId,
        /// Which page.
        page: Page,
        /// Where it leads back to.
        return_url: PageUrl,
    },
    /// How much of a meter was counted. Answered by [`Reply::Total`].
    Usage {
        /// Which subscription.
        subscription: ForeignId,
        /// Which meter.
        meter: MeterId,
        /// Of which stretch of time.
        span: Span,
    },
}

/// What the provider answers. Which answer belongs to which order and question is said there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the client must know every answer")]
pub enum Reply {
    /// The account that the credentials belong to, and whether money is real there.
    Realm(Realm),
    /// It is so now.
    Done,
    /// The object's name.
    Named(ForeignId),
    /// A plan.
    Plan {
        /// Its name.
        plan: ForeignId,
        /// Whether it was known before.
        existed: bool,
    },
    /// A subscription or an invoice for which money may be asked.
    Started {
        /// Its name.
        object: ForeignId,
        /// The token of the payment link; `None` where nothing is to be paid.
        link: Option<String>,
    },
    /// How an object went.
    Removed(Gone),
    /// One verdict for each usage record, in order.
    Verdicts(Vec<RecordVerdict>),
    /// A usage record that was to be taken back.
    Withdrawn {
        /// Whether it is not counted; otherwise it was too late.
        in_time: bool,
    },
    /// Plan versions and their names.
    Mapping(BTreeMap<PlanVersionId, ForeignId>),
    /// How a subscription stands; `None` where there is none.
    Subscription(Option<StatedSubscription>),
    /// Invoices.
    Invoices(Vec<StatedInvoice>),
    /// A sum of use, in the meter's scale.
    Total(Quantity),
    /// The token of a page's link.
    Page(String),
    /// What was told.
    News {
        /// Oldest first.
        notices: Vec<Notice>,
        /// All before this instant is in it.
        until: Timestamp,
        /// Whether there is no more.
        is_last: bool,
    },
}

/// How an object went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Gone {
    /// It is kept, and no longer in use.
    Archived,
    /// It is gone.
    Deleted,
    /// It was not there, or gone before.
    AlreadyGone,
}

/// What the provider says to one usage record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum RecordVerdict {
    /// It is counted now.
    Accepted,
    /// It was counted before.
    Duplicate,
    /// It will never be counted.
    Rejected {
        /// Why.
        reason: String,
    },
    /// Nobody knows.
    Unknown {
        /// What is known.
        reason: String,
    },
    /// It was not looked at, and so not counted.
    NotSent {
        /// Why not.
        reason: String,
        /// How long to wait, where it says so.
        retry_after: Option<Duration>,
    },
}

/// How a subscription stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedSubscription {
    /// What it is at the caller's.
    pub subscription: SubscriptionId,
    /// Whether it lives.
    pub live: bool,
    /// Whether what was due at the start is paid, or nothing was.
    pub first_paid: bool,
    /// Its current period.
    pub period: Span,
    /// When it ended or will.
    pub ends_at: Option<Timestamp>,
}

/// An invoice as the provider shows it: in its answers and in its messages, as of that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedInvoice {
    /// Its name; `None` for a preview.
    pub invoice: Option<ForeignId>,
    /// The subscription it bills, where the provider made it.
    pub subscription: Option<ForeignId>,
    /// The period whose use it bills; `None` for what is due at the start.
    pub period: Option<Span>,
    /// What it says and what that costs.
    pub lines: Vec<StatedLine>,
    /// What is owed in all.
    pub total: Money,
    /// How it stands.
    pub state: InvoiceState,
    /// The token of its payment link while it can be paid.
    pub link: Option<String>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From when on it is past due.
    pub due_at: Timestamp,
}

/// One line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedLine {
    /// What it says.
    pub text: String,
    /// What it costs.
    pub amount: Money,
}

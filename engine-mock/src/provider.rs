//! The provider itself: one deterministic state machine without input or output.
//!
//! It is told what happens ([`Step`]) and how late it is only by those steps, so that the same
//! steps in the same order always end in the same state: that is what the journal relies on.
//! Questions ([`Query`]) change nothing and are no steps.
//!
//! # The life of an invoice
//! ```text
//!            start of a subscription        end of a period          issue (made by core)
//!                      |                          |                          |
//!                      |                    draft, for `grace`               |
//!                      |                          |                          |
//!                      +-----------> total zero? paid <----------------------+
//!                                         | otherwise
//!                                        open --- pays ------------------> paid
//!                                         |                                 ^
//!                      declined at once,  |  or not paid when due           |
//!                                         v                                 |
//!                                      past due -- pays, or a retry works --+
//!                                         |                                 |
//!                                         |  after the last retry           |
//!                                         v                                 |
//!                                   uncollectible -- pays all the same -----+
//! ```
//! Everything that is not paid can be taken back; then it is void and cannot be paid. Credits leave lines
//! and total as they are: what was paid goes back or to the customer's balance, which pays for what they
//! are asked for next, and where nothing is left to be paid the invoice is paid. Each change
//! but the making of a draft raises the invoice's version and is told in a [`Notice`].
//!
//! # The life of a subscription
//! It lives from its start, paid or not: whether access is given before the first payment is
//! core's business. At the end of a period it drafts that period's invoice and enters the next,
//! with the plan it was changed to in between. Ended *now*, its use is invoiced at once and what
//! was due at the start is taken back if nobody has paid it. Ended *with the period*, its last
//! invoice is drafted as usual, without a next base price. Either way its end is told.
//!
//! # Names
//! Objects are called `plan_`, `cus_`, `sub_`, `inv_` or `evt_` and a number that grows through all
//! of them, so that names sort by age. What an object is at the caller's is unique for its
//! account: asking for a second one of the same finds the first, under whichever key.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use monetization_core::clock::Timestamp;
use monetization_core::ids::{
    BatchId, ConsumerId, InvoiceId, PlanVersionId, ProductId, SubscriptionId,
};
use monetization_core::text::{ForeignId, Name};
use serde::{Deserialize, Serialize};

pub use command::{
    FinishedInvoice, Gone, Order, Placed, Query, RecordVerdict, Reply, SentRecord,
    StartSubscription, StatedInvoice, StatedLine, StatedSubscription, When,
};
pub use credits::GivenCredit;
pub use customers::Customer;
pub use invoices::{Draft, Invoice};
pub use outbox::{Notice, NoticeAbout};
pub use payments::{Payment, PaymentOutcome};
pub use plans::Plan;
pub use refusal::{Refusal, RefusalKind};
pub use rules::{PaymentBehaviour, Rules};
pub use stretches::Stretch;
pub use subscriptions::Subscription;
pub use usage::{Record, UsageBody};

use agenda::Due;
use keys::Answered;
use memory::Memory;

mod agenda;
mod command;
mod credits;
mod customers;
mod ending;
mod invoices;
mod keys;
mod memory;
mod methods;
mod outbox;
mod payments;
mod periods;
mod plans;
mod rating;
mod refusal;
mod rules;
mod stretches;
mod subscriptions;
mod usage;

/// An account at the provider; `None` is the platform's own. Nothing is seen from another.
pub type Account = Option<ForeignId>;

/// One thing that happens to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "step", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "the provider must know every step")]
pub enum Step {
    /// Its clock moves forward to an instant; what falls due on the way happens.
    Clock {
        /// The instant.
        at: Timestamp,
    },
    /// It is given an order.
    Order {
        /// When.
        at: Timestamp,
        /// The order.
        placed: Box<Placed>,
    },
    /// A customer does something about an invoice.
    Payment {
        /// When.
        at: Timestamp,
        /// Which invoice.
        invoice: ForeignId,
        /// What they do.
        payment: Payment,
    },
    /// A customer pays in another way from now on.
    Behaviour {
        /// Who.
        customer: ForeignId,
        /// How.
        behaviour: PaymentBehaviour,
    },
    /// A customer stores what they pay with.
    MethodStored {
        /// When.
        at: Timestamp,
        /// Who.
        customer: ForeignId,
    },
    /// Notices have reached whom they are for.
    Delivered {
        /// Which.
        notices: Vec<ForeignId>,
    },
}

/// What came of a [`Step`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever steps must know every outcome"
)]
pub enum Outcome {
    /// It happened.
    Done,
    /// The order was answered.
    Answered(Result<Reply, Refusal>),
    /// The payment ended so.
    Paid(PaymentOutcome),
    /// What it is about does not exist.
    Missing,
}

/// A billing provider: its rules, its clock, its objects, and what it remembers and is about to do.
///
/// It holds nothing but what follows from the steps it has taken. Maps are ordered and instants
/// are handed in, so that no order of iteration and no reading of a clock can reach an invoice.
#[derive(Debug, Clone)]
pub struct Provider {
    rules: Rules,
    now: Timestamp,
    /// How many names were given.
    made: u64,
    /// Products that are on sale, and what they are called.
    products: BTreeMap<(Account, ProductId), Name>,
    plans: BTreeMap<ForeignId, Plan>,
    /// Where the plan of a version is: one in each account.
    plans_by_version: BTreeMap<(Account, PlanVersionId), ForeignId>,
    customers: BTreeMap<ForeignId, Customer>,
    /// Where the customer of a consumer is: one in each account.
    customers_by_consumer: BTreeMap<(Account, ConsumerId), ForeignId>,
    subscriptions: BTreeMap<ForeignId, Subscription>,
    /// Where a subscription of core's is: one in each account.
    subscriptions_by_ours: BTreeMap<(Account, SubscriptionId), ForeignId>,
    invoices: BTreeMap<ForeignId, Invoice>,
    /// Where an invoice that core made is: one in each account.
    invoices_by_ours: BTreeMap<(Account, InvoiceId), ForeignId>,
    /// Keys with their orders and answers, while they are remembered.
    answers: Memory<(Account, String), Answered>,
    /// Identifiers of usage records with what they said, while they are remembered.
    records: Memory<(Account, BatchId), String>,
    /// What happens by itself, and when.
    agenda: BTreeSet<(Timestamp, Due)>,
    /// What has not been delivered yet.
    outbox: VecDeque<Notice>,
    /// What was told lately, delivered or not.
    told: VecDeque<Notice>,
}

impl Provider {
    /// A provider without any objects, whose clock stands at `start`.
    #[must_use]
    pub fn new(start: Timestamp, rules: Rules) -> Self {
        Self {
            now: start,
            made: 0,
            products: BTreeMap::new(),
            plans: BTreeMap::new(),
            plans_by_version: BTreeMap::new(),
            customers: BTreeMap::new(),
            customers_by_consumer: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            subscriptions_by_ours: BTreeMap::new(),
            invoices: BTreeMap::new(),
            invoices_by_ours: BTreeMap::new(),
            answers: Memory::lasting(rules.remembers_keys_for),
            records: Memory::lasting(rules.deduplicates_for),
            agenda: BTreeSet::new(),
            outbox: VecDeque::new(),
            told: VecDeque::new(),
            rules,
        }
    }

    /// Lets one thing happen, and with it whatever falls due by then.
    ///
    /// ```
    /// use monetization_core::clock::Timestamp;
    /// use monetization_engine_mock::provider::{Order, Outcome, Placed, Provider, Reply, Rules, Step};
    ///
    /// let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    /// let mut provider = Provider::new(at, Rules::default());
    /// let placed = Box::new(Placed {
    ///     account: None,
    ///     key: "customer:1".to_owned(),
    ///     order: Order::EnsureCustomer {
    ///         consumer: "con_0197f3a0000070008000000000000001".parse().unwrap(),
    ///         name: "Example Ltd".parse().unwrap(),
    ///     },
    ///     breaks: None,
    /// });
    /// let step = Step::Order { at, placed };
    /// let first = provider.step(step.clone());
    /// assert!(matches!(first, Outcome::Answered(Ok(Reply::Named(_)))));
    /// assert_eq!(provider.step(step), first, "the same key, the same answer");
    /// ```
    pub fn step(&mut self, step: Step) -> Outcome {
        match step {
            Step::Clock { at } => {
                self.advance(at);
                Outcome::Done
            }
            Step::Order { at, placed } => {
                self.advance(at);
                Outcome::Answered(self.answer(*placed))
            }
            Step::Payment {
                at,
                invoice,
                payment,
            } => {
                self.advance(at);
                match self.pay(&invoice, payment) {
                    Some(outcome) => Outcome::Paid(outcome),
                    None => Outcome::Missing,
                }
            }
            Step::Behaviour {
                customer,
                behaviour,
            } => match self.customers.get_mut(&customer) {
                Some(customer) => {
                    customer.behaviour = Some(behaviour);
                    Outcome::Done
                }
                None => Outcome::Missing,
            },
            Step::MethodStored { at, customer } => {
                self.advance(at);
                self.store_method(&customer)
            }
            Step::Delivered { notices } => {
                let arrived: BTreeSet<ForeignId> = notices.into_iter().collect();
                self.outbox.retain(|notice| !arrived.contains(&notice.id));
                Outcome::Done
            }
        }
    }

    /// Answers a question, as of now. Nothing changes by being asked.
    ///
    /// ```
    /// use monetization_engine_mock::provider::{Provider, Query, RefusalKind, Reply, Rules};
    ///
    /// let provider = Provider::new("2026-01-01T00:00:00Z".parse().unwrap(), Rules::default());
    /// let subscription: monetization_core::text::ForeignId = "sub_1".parse().unwrap();
    /// let missing = Query::Subscription { subscription: subscription.clone() };
    /// assert_eq!(provider.ask(&None, &missing), Ok(Reply::Subscription(None)));
    /// let refusal = provider.ask(&None, &Query::Invoices { subscription }).unwrap_err();
    /// assert_eq!(refusal.kind, RefusalKind::NotFound);
    /// ```
    ///
    /// # Errors
    /// [`Refusal`] where what is asked about does not exist in `account`.
    pub fn ask(&self, account: &Account, query: &Query) -> Result<Reply, Refusal> {
        match query {
            Query::Realm => Ok(Reply::Realm(self.rules.realm.clone())),
            Query::News { since } => Ok(self.told_since(account, *since)),
            Query::Plans { product } => Ok(Reply::Mapping(self.mapping(account, *product))),
            Query::Subscription { subscription } => {
                let found = self.subscriptions.get(subscription);
                let found = found.filter(|found| found.account == *account);
                Ok(Reply::Subscription(
                    found.map(|found| self.stated_subscription(found)),
                ))
            }
            Query::Invoices { subscription } => {
                let subscription = self.subscription(account, subscription)?;
                Ok(Reply::Invoices(self.invoices_of(&subscription.id)))
            }
            Query::Invoice { invoice } => {
                let found = self.invoices.get(invoice);
                let found = found.filter(|found| found.account == *account);
                let found = found.ok_or_else(|| Refusal::missing(invoice))?;
                Ok(Reply::Invoices(vec![self.stated(found)]))
            }
            Query::Preview { subscription } => {
                let subscription = self.subscription(account, subscription)?;
                Ok(Reply::Invoices(vec![self.preview(subscription)?]))
            }
            Query::Page {
                customer,
                page,
                return_url,
            } => {
                let customer = self.customer(account, customer)?;
                Ok(Reply::Page(customer.link(*page, return_url)))
            }
            Query::Usage {
                subscription,
                meter,
                span,
            } => {
                let subscription = self.subscription(account, subscription)?;
                subscription.counted(*meter, *span).map(Reply::Total)
            }
        }
    }

    /// What its clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How it conducts itself.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The plans it has, oldest first.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.plans.values()
    }

    /// The customers it has, oldest first.
    pub fn customers(&self) -> impl Iterator<Item = &Customer> {
        self.customers.values()
    }

    /// The subscriptions it has, oldest first, those that are over too.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.values()
    }

    /// The invoice of this name.
    #[must_use]
    pub fn invoice(&self, id: &ForeignId) -> Option<&Invoice> {
        self.invoices.get(id)
    }

    /// The subscription of this name, in whichever account it lives.
    #[must_use]
    pub fn subscription_named(&self, id: &ForeignId) -> Option<&Subscription> {
        self.subscriptions.get(id)
    }

    /// The invoices it has, oldest first.
    pub fn invoices(&self) -> impl Iterator<Item = &Invoice> {
        self.invoices.values()
    }

    /// Carries an order out, whatever its key: see [`Self::answer`] for that.
    fn execute(&mut self, account: &Account, order: Order) -> Result<Reply, Refusal> {
        match order {
            Order::EnsureProduct { product, name } => {
                self.products.insert((account.clone(), product), name);
                Ok(Reply::Done)
            }
            Order::EnsurePlan { plan } => self.ensure_plan(account, *plan),
            Order::RetirePlan { plan } => Ok(Reply::Removed(self.retire_plan(account, &plan))),
            Order::RetireProduct { product } => {
                let known = self.products.remove(&(account.clone(), product));
                Ok(Reply::Removed(
                    known.map_or(Gone::AlreadyGone, |_| Gone::Deleted),
                ))
            }
            Order::EnsureCustomer { consumer, name } => {
                Ok(self.ensure_customer(account, consumer, name))
            }
            Order::StartSubscription(start) => self.start_subscription(account, start),
            Order::ChangePlan {
                subscription,
                plan,
                when,
                at,
            } => self.change_plan(account, &subscription, (&plan, when, at)),
            Order::EndSubscription {
                subscription,
                when,
                ended_at,
            } => self
                .end_subscription(account, &subscription, (when, ended_at))
                .map(Reply::Removed),
            Order::IssueInvoice(invoice) => self.issue(account, invoice),
            Order::VoidInvoice { invoice } => self.void(account, &invoice).map(Reply::Removed),
            Order::CreditInvoice {
                invoice,
                number,
                amount,
                to,
            } => self.credit(account, &invoice, (number, amount, to)),
            Order::ChargeStored { customer } => self.charge_stored(account, &customer),
            Order::TakeUsage { records } => self.take_usage(account, &records),
            Order::WithdrawUsage { identifier } => Ok(self.withdraw_usage(account, identifier)),
        }
    }

    /// A name no other object has; later ones sort later.
    fn name(&mut self, prefix: &str) -> ForeignId {
        self.made = self.made.saturating_add(1);
        let name = format!("{prefix}_{:010}", self.made).parse();
        #[expect(
            clippy::unwrap_used,
            reason = "a prefix of our own and digits are a name"
        )]
        name.unwrap()
    }
}

//! The provider's side.
//!
//! Nothing here goes over the transport: faults do not befall it, it needs no keys, and it is not
//! among the calls that were seen. What it changes is in the journal like everything else.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use monetization_core::clock::{Span, Timestamp};
use monetization_core::engine::Page;
use monetization_core::ids::MeterId;
use monetization_core::money::Quantity;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;

use crate::faults::{Faults, Injection, SeenCall};
use crate::journal::JournalError;
use crate::pages::{self, ShownPage};
use crate::provider::{
    Customer, Invoice, Outcome, Payment, PaymentBehaviour, PaymentOutcome, Plan, Provider, Rules,
    Step, Subscription,
};
use crate::transport::Host;
use crate::webhooks::Delivery;

/// The provider's side of a mock: what its people and its customers do. Clones control the same
/// provider.
///
/// A host that runs the mock beside a server does three things with it: it keeps the clock up
/// ([`set`](Self::set)), shows a page for payment links and calls [`pay`](Self::pay), and posts
/// [`deliveries`](Self::deliveries) to its own webhook endpoint until they are
/// [`delivered`](Self::delivered).
///
/// ```
/// use std::time::Duration;
///
/// use monetization_engine_mock::MockEngine;
///
/// let mock = MockEngine::in_memory("2026-01-01T00:00:00Z".parse().unwrap());
/// let provider = mock.control();
/// provider.advance(Duration::from_secs(3_600))?;
/// for delivery in provider.deliveries() {
///     // POST delivery.body with delivery.headers; where that was answered with 2xx:
///     provider.delivered(&[delivery.id])?;
/// }
/// assert!(provider.invoices().is_empty());
/// # Ok::<(), monetization_engine_mock::ControlError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Control {
    host: Arc<Host>,
    faults: Arc<Faults>,
    payment_url_base: Arc<str>,
    outgoing: Arc<Mutex<Outgoing>>,
}

/// How messages are sent: this side's business, and no part of what has happened.
#[derive(Debug)]
struct Outgoing {
    secrets: Vec<Secret>,
    disturbance: Disturbance,
}

/// What happens to messages on their way: by default nothing. Delivery at least once and in no
/// order is what providers promise, so a receiver has to end in the same state under each of these.
///
/// ```
/// use monetization_engine_mock::{Disturbance, MockEngine};
///
/// let mock = MockEngine::in_memory("2026-01-01T00:00:00Z".parse().unwrap());
/// mock.control().disturb_deliveries(Disturbance { twice: true, reversed: true });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disturbance {
    /// Each is delivered twice.
    pub twice: bool,
    /// The newest come first.
    pub reversed: bool,
}

/// Why the provider's side could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// There is no such object.
    #[error("the provider has no {what}")]
    Missing {
        /// What was named.
        what: String,
    },
    /// The journal does not take it.
    #[error("the provider cannot write it down")]
    Journal(#[from] JournalError),
}

impl Control {
    pub(crate) fn new(
        host: Arc<Host>,
        faults: Arc<Faults>,
        payment_url_base: Arc<str>,
        secrets: Vec<Secret>,
    ) -> Self {
        let outgoing = Outgoing {
            secrets,
            disturbance: Disturbance::default(),
        };
        Self {
            host,
            faults,
            payment_url_base,
            outgoing: Arc::new(Mutex::new(outgoing)),
        }
    }

    /// Whether the journal still takes what happens: once a write has failed it takes nothing more
    /// until it is opened again.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.host.is_writable()
    }

    /// How the provider conducts itself.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.host.read(|provider| provider.rules().clone())
    }

    /// What stands before the token in a payment link.
    #[must_use]
    pub fn payment_url_base(&self) -> &str {
        &self.payment_url_base
    }

    /// What the provider's clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.host.read(Provider::now)
    }

    /// Sets the provider's clock forward; an earlier instant changes nothing. Periods end,
    /// drafts become final and money is asked for as the clock passes their time.
    ///
    /// A move on which nothing happens is written down at most once a minute, so that a server
    /// may set the clock as often as it likes. After a restart the clock stands at most that
    /// much earlier.
    ///
    /// # Errors
    /// [`ControlError::Journal`].
    pub fn set(&self, at: Timestamp) -> Result<(), ControlError> {
        Ok(self.host.set_clock(at)?)
    }

    /// Moves the provider's clock forward, as [`set`](Self::set) does.
    ///
    /// # Errors
    /// [`ControlError::Journal`].
    pub fn advance(&self, by: Duration) -> Result<(), ControlError> {
        self.set(self.now().saturating_add(by))
    }

    /// A customer pays: by the name of the invoice, by a payment link or by its token. A link
    /// whose page is gone pays nothing.
    ///
    /// Of an address only what stands after the last `/` is looked at, so that links work under
    /// whatever address the host shows them. Paying a second time moves no money.
    ///
    /// # Errors
    /// [`ControlError`]; that it cannot be paid is a value.
    pub fn pay(&self, what: &str) -> Result<PaymentOutcome, ControlError> {
        self.settle(what, Payment::Pays)
    }

    /// A customer tries to pay and fails; the invoice is past due then, and the provider asks
    /// again as its rules say. What is paid or void stays so.
    ///
    /// # Errors
    /// As [`pay`](Self::pay).
    pub fn fail_payment(&self, what: &str) -> Result<PaymentOutcome, ControlError> {
        self.settle(what, Payment::Fails)
    }

    /// How a customer pays from now on: it takes effect the next time money is asked for, be
    /// that a new invoice or the next retry of a late one.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn set_payment_behaviour(
        &self,
        customer: &ForeignId,
        behaviour: PaymentBehaviour,
    ) -> Result<(), ControlError> {
        let step = Step::Behaviour {
            customer: customer.clone(),
            behaviour,
        };
        match self.host.step(|_| step)? {
            Outcome::Missing => Err(missing(customer.as_str())),
            Outcome::Done | Outcome::Answered(_) | Outcome::Paid(_) => Ok(()),
        }
    }

    /// The newest payment link of an invoice, for a customer whose old one has expired; `None` where it is unknown or nothing is owed.
    #[must_use]
    pub fn payment_url(&self, invoice: &ForeignId) -> Option<String> {
        let token = self.host.read(|provider| {
            let found = provider.invoice(invoice)?;
            provider.link(found)
        })?;
        Some(format!("{}{token}", self.payment_url_base))
    }

    /// A customer stores what they pay with, as they do on the checkout page. It is told by a message; they
    /// are charged once the engine is asked to, which core does when it hears of that.
    ///
    /// ```
    /// use monetization_engine_mock::MockEngine;
    ///
    /// let mock = MockEngine::in_memory("2026-01-01T00:00:00Z".parse().unwrap());
    /// let nobody = "cus_0000000001".parse().unwrap();
    /// let error = mock.control().store_method(&nobody).unwrap_err();
    /// assert_eq!(error.to_string(), "the provider has no cus_0000000001");
    /// ```
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn store_method(&self, customer: &ForeignId) -> Result<(), ControlError> {
        let customer = customer.clone();
        let name = customer.to_string();
        match self.host.step(|at| Step::MethodStored { at, customer })? {
            Outcome::Missing => Err(missing(&name)),
            Outcome::Done | Outcome::Answered(_) | Outcome::Paid(_) => Ok(()),
        }
    }

    /// The page behind a link of the provider's, for a host to show: that of an invoice that is to be paid,
    /// a customer's portal, or the one on which they store what they pay with.
    ///
    /// ```
    /// use monetization_engine_mock::MockEngine;
    ///
    /// let mock = MockEngine::in_memory("2026-01-01T00:00:00Z".parse().unwrap());
    /// let page = mock.control().page("mock://pay/pay_0000000001_0123456789abcdef");
    /// assert!(page.html.contains("You are about to pay an invoice"));
    /// ```
    #[must_use]
    pub fn page(&self, link: &str) -> ShownPage {
        self.host
            .read(|provider| pages::show(provider, &self.payment_url_base, token(link)))
    }

    /// What a customer does on the page behind a link: they pay, or store what they pay with. The page
    /// that is shown then says how that ended.
    ///
    /// # Errors
    /// [`ControlError::Journal`].
    pub fn submit(&self, link: &str) -> Result<ShownPage, ControlError> {
        let token = token(link);
        let behind = self.host.read(|provider| {
            let (page, customer, back) = provider.behind_page(token)?;
            Some((page, customer.id.clone(), back))
        });
        match behind {
            Some((Page::Checkout, customer, back)) => {
                self.store_method(&customer)?;
                Ok(pages::stored(&back))
            }
            Some((Page::Portal, ..)) => Ok(self.page(link)),
            None => match self.pay(token) {
                Ok(outcome) => Ok(pages::paid(outcome)),
                Err(ControlError::Missing { .. }) => Ok(pages::missing()),
                Err(error) => Err(error),
            },
        }
    }

    /// The messages that wait to be posted, signed as of now. They wait until
    /// [`delivered`](Self::delivered), so that none is lost.
    ///
    /// A message has the same name and the same body each time; its timestamp and signature are
    /// those of the provider's clock at this moment, which a receiver compares with its own.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        let outgoing = self.outgoing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut deliveries: Vec<Delivery> = self.host.read(|provider| {
            let now = provider.now();
            let sign =
                |notice| Delivery::new(notice, &self.payment_url_base, &outgoing.secrets, now);
            provider.notices().filter_map(sign).collect()
        });
        if outgoing.disturbance.reversed {
            deliveries.reverse();
        }
        if outgoing.disturbance.twice {
            deliveries = deliveries
                .into_iter()
                .flat_map(|delivery| [delivery.clone(), delivery])
                .collect();
        }
        deliveries
    }

    /// Messages that have arrived and are not posted again, after a restart neither. A name that
    /// does not wait is passed over.
    ///
    /// # Errors
    /// [`ControlError::Journal`].
    pub fn delivered(&self, messages: &[ForeignId]) -> Result<(), ControlError> {
        if messages.is_empty() {
            return Ok(());
        }
        let notices = messages.to_vec();
        self.host.step(|_| Step::Delivered { notices })?;
        Ok(())
    }

    /// The messages that wait to be posted; they wait no longer, so that whoever takes them and
    /// loses them has lost them. For tests.
    ///
    /// # Errors
    /// [`ControlError::Journal`].
    pub fn take_deliveries(&self) -> Result<Vec<Delivery>, ControlError> {
        let deliveries = self.deliveries();
        let taken: Vec<ForeignId> = deliveries
            .iter()
            .map(|delivery| delivery.id.clone())
            .collect();
        self.delivered(&taken)?;
        Ok(deliveries)
    }

    /// Messages are delivered so from now on, those that wait already too.
    pub fn disturb_deliveries(&self, disturbance: Disturbance) {
        self.outgoing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .disturbance = disturbance;
    }

    /// What messages are signed with.
    #[must_use]
    pub fn webhook_secrets(&self) -> Vec<Secret> {
        self.outgoing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .secrets
            .clone()
    }

    /// Messages are signed with each of these from now on. While a secret is exchanged both are
    /// given here, so that a receiver with either of them accepts what is sent.
    pub fn set_webhook_secrets(&self, secrets: Vec<Secret>) {
        self.outgoing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .secrets = secrets;
    }

    /// Adds a fault: see [`Faults::inject`].
    pub fn inject(&self, injection: Injection) {
        self.faults.inject(injection);
    }

    /// Takes back every fault to come.
    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// Lets the held calls go on.
    pub fn release(&self) {
        self.faults.release();
    }

    /// The calls that were seen, oldest first, with their keys and credentials: those that a
    /// fault befell too. The newest [`Faults::SEEN_MAX`] are kept, in memory alone.
    #[must_use]
    pub fn calls(&self) -> Vec<SeenCall> {
        self.faults.seen()
    }

    /// What was counted of a meter for a subscription in all its life, in the meter's scale;
    /// `None` where the subscription is unknown.
    #[must_use]
    pub fn usage(&self, subscription: &ForeignId, meter: MeterId) -> Option<Quantity> {
        let ever = Span {
            start: Timestamp::MIN,
            end: Timestamp::MAX,
        };
        self.host.read(|provider| {
            let found = provider.subscription_named(subscription)?;
            found.counted(meter, ever).ok()
        })
    }

    /// The plans, oldest first, archived ones too; of a deleted one nothing is left.
    #[must_use]
    pub fn plans(&self) -> Vec<Plan> {
        self.host
            .read(|provider| provider.plans().cloned().collect())
    }

    /// The customers, oldest first.
    #[must_use]
    pub fn customers(&self) -> Vec<Customer> {
        self.host
            .read(|provider| provider.customers().cloned().collect())
    }

    /// The subscriptions, oldest first, those that are over too.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.host
            .read(|provider| provider.subscriptions().cloned().collect())
    }

    /// The invoices, oldest first, of either kind. A draft has no lines here, because it has no
    /// amounts of its own yet: the engine's `list` shows what it would bill now.
    #[must_use]
    pub fn invoices(&self) -> Vec<Invoice> {
        self.host
            .read(|provider| provider.invoices().cloned().collect())
    }

    /// Finds the invoice that `what` means and lets the customer do this about it.
    fn settle(&self, what: &str, payment: Payment) -> Result<PaymentOutcome, ControlError> {
        let name = token(what);
        let found = self.host.read(|provider| match name.parse::<ForeignId>() {
            Ok(id) if provider.invoice(&id).is_some() => Some((id, true)),
            Ok(_) => provider
                .behind_link(name)
                .map(|(invoice, open)| (invoice.id.clone(), open)),
            Err(_) => None,
        });
        let (invoice, open) = found.ok_or_else(|| missing(name))?;
        if !open {
            return Ok(PaymentOutcome::LinkExpired);
        }
        match self.host.step(|at| Step::Payment {
            at,
            invoice,
            payment,
        })? {
            Outcome::Paid(outcome) => Ok(outcome),
            Outcome::Done | Outcome::Answered(_) | Outcome::Missing => Err(missing(name)),
        }
    }
}

/// What stands after the last `/` of an address.
fn token(link: &str) -> &str {
    link.rsplit('/').next().unwrap_or(link)
}

fn missing(what: &str) -> ControlError {
    let what = what.chars().take(64).collect();
    ControlError::Missing { what }
}

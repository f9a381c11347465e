//! What a test looks at.

use serde_json::Value;

use super::Fake;
use crate::stripe::exact::Exact;
use crate::stripe::spec::{Spec, Violation};

/// A meter event that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedEvent {
    /// The account it is of.
    pub account: String,
    /// The name of its meter's events.
    pub event_name: String,
    /// Whose it is.
    pub customer: String,
    /// The second at which it happened.
    pub at: i64,
    /// What it is called.
    pub identifier: String,
    /// How much.
    pub value: Exact,
}

impl Fake {
    /// Every meter event that counts, of every account in test mode.
    #[must_use]
    pub fn counted(&self) -> Vec<CountedEvent> {
        let books = self.books.values().filter(|it| !it.livemode);
        let counted = books.flat_map(|books| {
            let all = books.usage.all();
            all.map(
                |(event_name, customer, at, identifier, value)| CountedEvent {
                    account: books.account.clone(),
                    event_name: event_name.to_owned(),
                    customer: customer.to_owned(),
                    at,
                    identifier: identifier.to_owned(),
                    value: value.clone(),
                },
            )
        });
        counted.collect()
    }

    /// An object by its id, as an answer would show it.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<Value> {
        self.books.values().find_map(|books| books.object(id))
    }

    /// Every object of this kind in test mode, as answers would show them, oldest first: `customer`,
    /// `product`, `price`, `subscription`, `invoice`. None of other kinds.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        let books = self.books.values().filter(|it| !it.livemode);
        books.flat_map(|it| it.objects(kind)).collect()
    }

    /// What did not fit the specification so far, of requests and of answers.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Forgets the violations that there are, after they were expected.
    pub fn forget_violations(&mut self) -> Vec<Violation> {
        std::mem::take(&mut self.violations)
    }

    /// Holds everything there is against the specification once more, as of now.
    #[must_use]
    pub fn check_all(&self) -> Vec<Violation> {
        let spec = Spec::official();
        let mut found = Vec::new();
        for books in self.books.values() {
            for (_, invoice) in books.invoices.oldest() {
                found.extend(spec.object("invoice", &invoice.json(books)));
            }
            for (_, subscription) in books.subscriptions.oldest() {
                found.extend(spec.object("subscription", &subscription.json(books)));
            }
            for (_, event) in books.events.oldest().filter(|(_, it)| !it.is_thin) {
                found.extend(spec.object("event", &event.told));
            }
        }
        found
    }
}

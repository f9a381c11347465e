//! What a test does to Stripe from outside: time, money, keys, secrets.

use std::collections::BTreeMap;

use serde_json::Value;

use super::books::Books;
use super::deliveries::Delivery;
use super::invoices::Stage;
use super::keys::Permission;
use super::problem::Problem;
use super::{Fake, PLATFORM};

impl Fake {
    /// The second that its clock shows.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Moves the clock forward to this second; what falls due on the way happens. A second that is
    /// over changes nothing.
    pub fn advance_to(&mut self, at: i64) {
        self.now = self.now.max(at);
        for books in self.books.values_mut() {
            books.advance(self.now);
        }
        self.collect_news();
    }

    /// Connects another account to the platform.
    pub fn connect(&mut self, account: &str) {
        if !self.connected.iter().any(|it| it == account) {
            self.connected.push(account.to_owned());
        }
    }

    /// Cuts a connected account off: nobody gets at it through the platform any more.
    pub fn disconnect(&mut self, account: &str) {
        self.connected.retain(|it| it != account);
    }

    /// Adds a secret key to an account. Its name says its mode, as `sk_test_..` or `sk_live_..`.
    pub fn add_key(&mut self, key: &str, account: &str) {
        self.keys.add(key, account, None);
    }

    /// Adds a restricted key, with what it may do by resource: `prices`, `billing/meters`.
    pub fn add_restricted_key<'a>(
        &mut self,
        key: &str,
        account: &str,
        permissions: impl IntoIterator<Item = (&'a str, Permission)>,
    ) {
        let permissions = permissions.into_iter();
        let permissions: BTreeMap<String, Permission> = permissions
            .map(|(resource, it)| (resource.to_owned(), it))
            .collect();
        self.keys.add(key, account, Some(permissions));
    }

    /// Takes a key back.
    pub fn revoke_key(&mut self, key: &str) {
        self.keys.revoke(key);
    }

    /// A customer pays what is left of an invoice, by whichever means.
    ///
    /// # Errors
    /// Where the invoice is not there, or nobody can pay it.
    pub fn pay(&mut self, invoice: &str) -> Result<(), Problem> {
        self.with_books_of(invoice, |books| {
            let found = books.invoices.get(invoice);
            let found = found.ok_or_else(|| Problem::no_such("invoice", invoice))?;
            if !matches!(found.stage, Stage::Open | Stage::Uncollectible) {
                return Err(Problem::invalid(format!(
                    "The invoice is {}.",
                    found.stage.name()
                )));
            }
            let left = found.remaining();
            books.settle(invoice, left);
            Ok(())
        })
    }

    /// A customer tries to pay an invoice and cannot.
    ///
    /// # Errors
    /// Where the invoice is not there, or is not open.
    pub fn fail_payment(&mut self, invoice: &str) -> Result<(), Problem> {
        self.with_books_of(invoice, |books| {
            let found = books.invoices.get(invoice);
            let found = found.ok_or_else(|| Problem::no_such("invoice", invoice))?;
            if found.stage != Stage::Open {
                return Err(Problem::invalid(format!(
                    "The invoice is {}.",
                    found.stage.name()
                )));
            }
            books.fail(invoice);
            Ok(())
        })
    }

    /// A customer's bank wants them to confirm a payment, which is not done yet.
    ///
    /// # Errors
    /// Where the invoice is not there.
    pub fn require_action(&mut self, invoice: &str) -> Result<(), Problem> {
        self.with_books_of(invoice, |books| {
            books.told_of_invoice(invoice, "invoice.payment_action_required");
            Ok(())
        })
    }

    /// From now on a card pays nothing, or pays again.
    pub fn decline(&mut self, payment_method: &str, declines: bool) {
        for books in self.books.values_mut() {
            if let Some(method) = books.payment_methods.get_mut(payment_method) {
                method.is_declined = declines;
            }
        }
    }

    /// A customer goes through with a checkout session, with a card that pays.
    ///
    /// # Errors
    /// Where the session is not there, or not open, or what it is for cannot be made.
    pub fn complete_checkout(&mut self, session: &str) -> Result<Value, Problem> {
        self.with_books_of(session, |books| books.complete_session(session))
    }

    /// Finds out that a meter event which was taken does not count. Whether it counted.
    pub fn reject_meter_event(&mut self, identifier: &str) -> bool {
        let mut books = self.books.values_mut();
        books.any(|it| it.reject_meter_event(identifier))
    }

    /// The next `count` meter events of the platform's own account are taken, and found not to count.
    pub fn refuse_meter_events(&mut self, count: u32) {
        let books = self.books_of(&(PLATFORM.to_owned(), false));
        books.usage.refuses += count;
    }

    /// Tells at once what is wrong with meter events, which it does by itself when the clock moves.
    pub fn report_meter_errors(&mut self) {
        self.books.values_mut().for_each(Books::report_meter_errors);
        self.collect_news();
    }

    /// Gives an endpoint a new secret. Those before go on to sign beside it.
    pub fn roll_secret(&mut self, endpoint: &str) -> Option<String> {
        let mut books = self.books.values_mut();
        books.find_map(|it| it.roll_secret(endpoint))
    }

    /// Has an address told everything that happens on the platform or, with `is_connect`, in
    /// connected accounts, by an endpoint and by an event destination with the same secret; answers it.
    pub fn listen(&mut self, url: &str, is_connect: bool) -> String {
        let books = self.books_of(&(PLATFORM.to_owned(), false));
        let text = format!("url={url}&enabled_events[]=*&connect={is_connect}");
        let (form, _) = crate::stripe::form::Form::read(&text);
        let made = books.create_endpoint(&form).unwrap_or_default();
        let secret = made["secret"].as_str().unwrap_or_default();
        let from = if is_connect { "@accounts" } else { "@self" };
        let text = format!("webhook_endpoint[url]={url}&enabled_events[]=*&events_from[]={from}");
        let (form, _) = crate::stripe::form::Form::read(&text);
        let id = books.make_destination(&form).id;
        if let Some(destination) = books.destinations.get_mut(&id) {
            secret.clone_into(&mut destination.secret);
        }
        secret.to_owned()
    }

    /// Takes what is to be delivered, oldest first.
    pub fn take_deliveries(&mut self) -> Vec<Delivery> {
        self.deliveries.drain(..).collect()
    }

    /// Puts back what could not be delivered.
    pub fn put_back(&mut self, delivery: Delivery) {
        self.deliveries.push_back(delivery);
    }

    fn with_books_of<T>(
        &mut self,
        id: &str,
        does: impl FnOnce(&mut Books) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut all = self.books.values_mut();
        let books = all.find(|it| it.object(id).is_some());
        let done = does(books.ok_or_else(|| Problem::no_such("object", id))?);
        self.collect_news();
        done
    }
}

//! Stripe as a state machine: no input, no output, and a clock that is moved by hand.
//!
//! ```
//! use monetization_conformance::stripe::fake::{Fake, Request, SECRET_KEY};
//!
//! let mut fake = Fake::new(1, 1_767_225_600, "http://127.0.0.1");
//! let request = Request::post("/v1/products", "name=API").key(SECRET_KEY).idempotent("1");
//! let first = fake.answer(&request);
//! assert_eq!(first.status, 200);
//! assert_eq!(fake.answer(&request).body, first.body, "the same key, the same answer");
//! assert!(fake.violations().is_empty());
//! ```
//!
//! # What is simpler than at Stripe
//! * There is one clock. A test clock moves it, for everybody, and only forward.
//! * A graduated price has a line for each tier that was reached and each is rounded by itself; the
//!   flat amount of the first tier is charged without use, too.
//! * What is computed in currencies of three decimals, ISK and UGX is rounded so that it can be
//!   paid; what a caller states has to be payable.
//! * Cards pay at once or not at all, and nothing is tried again by itself. There are no taxes,
//!   discounts and thresholds, and parameters for them are refused; fees of platforms
//!   are noted and not collected.
//! * Schedules change phases where periods end, and are made of subscriptions that there are.
//! * Late payments make a subscription `past_due`; nothing makes it `unpaid`.
//! * Meter events are looked at when the clock moves next; what is wrong is told then. Summaries have an event
//!   five minutes after it was taken, invoices at once, and what is cancelled or wrong is in neither at once.
//! * Event destinations are for thin events and post them to an address. What was asked for under an idempotency
//!   key of the second version is told again as in the first: Stripe keeps those for thirty days, and carries out
//!   once more what had failed.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

pub use deliveries::Delivery;
pub use inspection::CountedEvent;
pub use keys::Permission;
pub use problem::Problem;
pub use request::{Answer, Request};

use books::Books;
use idempotency::Answered;
use keys::Keys;

use super::spec::{Call, Spec, Violation, ViolationKind};

mod books;
mod calendar;
mod checkout;
mod control;
mod credit_notes;
mod currency;
mod customers;
mod deliveries;
mod destinations;
mod endpoints;
mod events;
mod expansion;
mod idempotency;
mod ids;
mod inspection;
mod invoice_items;
mod invoices;
mod keys;
mod memory;
mod meter_errors;
mod meter_events;
mod meters;
mod paging;
mod params;
mod payment_methods;
mod portal;
mod prices;
mod problem;
mod products;
mod rating;
mod request;
mod routes;
mod schedules;
mod subscriptions;
mod summaries;
mod table;
mod test_clocks;
mod unsupported;
mod usage;

/// The platform's account.
pub const PLATFORM: &str = "acct_1FakePlatform00";
/// An account that is connected to the platform.
pub const CONNECTED: &str = "acct_1FakeConnected0";
/// The platform's secret key.
pub const SECRET_KEY: &str = "sk_test_fakeplatform";

/// Stripe.
#[derive(Debug)]
pub struct Fake {
    seed: u64,
    now: i64,
    pages: String,
    keys: Keys,
    /// Accounts that are connected to the platform.
    connected: Vec<String>,
    books: BTreeMap<(String, bool), Books>,
    answered: Answered,
    requests: u64,
    deliveries: VecDeque<Delivery>,
    violations: Vec<Violation>,
}

/// What befalls a request that is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Befalls {
    /// Nothing.
    Nothing,
    /// It fails within, and that is what its key will answer from now on.
    StoredFailure {
        /// Whether it has been carried out all the same.
        is_done: bool,
    },
}

impl Fake {
    /// Without objects, with the accounts [`PLATFORM`] and [`CONNECTED`] and the key
    /// [`SECRET_KEY`], at this second since 1970. The pages that customers are sent to are below
    /// `pages`.
    #[must_use]
    pub fn new(seed: u64, now: i64, pages: &str) -> Self {
        let mut keys = Keys::default();
        keys.add(SECRET_KEY, PLATFORM, None);
        Self {
            seed,
            now,
            pages: pages.to_owned(),
            keys,
            connected: vec![CONNECTED.to_owned()],
            books: BTreeMap::new(),
            answered: Answered::default(),
            requests: 0,
            deliveries: VecDeque::new(),
            violations: Vec::new(),
        }
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Request) -> Answer {
        self.answer_with(request, Befalls::Nothing)
    }

    /// Answers a request that something befalls. What was stored before befalls nobody any more.
    pub fn answer_with(&mut self, request: &Request, befalls: Befalls) -> Answer {
        let headers = request.header_pairs();
        let call = request.call(&headers);
        self.requests += 1;
        let id = format!("req_fake{:06}", self.requests);
        let answer = self.admitted(&call, befalls, &id);
        let mut answer = answer.unwrap_or_else(|problem| Answer::of(&problem));
        self.check_answer(&call, &answer);
        answer.headers.push(("Request-Id".to_owned(), id));
        answer
    }

    fn admitted(&mut self, call: &Call<'_>, befalls: Befalls, id: &str) -> Result<Answer, Problem> {
        let found = Spec::official().request(call, self.now);
        let refusal = refusal(&found);
        self.violations.extend(found);
        let key = self.keys.admit(call)?;
        let (mut account, livemode) = (key.account.clone(), key.livemode);
        let whose = match call.is_of_the_second_version() {
            true => "stripe-context",
            false => "stripe-account",
        };
        if let Some(other) = call.header(whose)
            && other != account
        {
            if account != PLATFORM || !self.connected.iter().any(|it| it == other) {
                let message = format!(
                    "The provided key does not have access to account '{other}' (or that account does not exist). Application access may have been revoked."
                );
                return Err(Problem::invalid(message)
                    .status(403)
                    .code("account_invalid"));
            }
            other.clone_into(&mut account);
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let key = call
            .header("idempotency-key")
            .filter(|_| call.method == "POST");
        let slot = key.map(|key| (account.clone(), livemode, key.to_owned()));
        if let Some(slot) = &slot
            && let Some(answer) = self.answered.recall(slot, call, self.now)?
        {
            return Ok(answer);
        }
        let answer = self.carried_out(call, &(account, livemode), befalls, id);
        if let Some(slot) = slot {
            self.answered.keep(slot, call, &answer, self.now);
        }
        Ok(answer)
    }

    fn carried_out(
        &mut self,
        call: &Call<'_>,
        of: &(String, bool),
        befalls: Befalls,
        id: &str,
    ) -> Answer {
        let mut answer = match befalls {
            Befalls::StoredFailure { is_done: false } => Answer::failed(),
            Befalls::Nothing | Befalls::StoredFailure { is_done: true } => {
                let books = self.books_of(of);
                books.request = (
                    Some(id.to_owned()),
                    call.header("idempotency-key").map(str::to_owned),
                );
                let (form, _) = call.parameters();
                let served = books.serve(call.method, call.path, &form);
                books.request = (None, None);
                served.map_or_else(|problem| Answer::of(&problem), |body| Answer::ok(&body))
            }
        };
        let advances_to = self.books_of(of).advances_to.take();
        if let Some(at) = advances_to {
            self.advance_to(at);
        }
        self.collect_news();
        if befalls != Befalls::Nothing {
            answer = Answer::failed();
        }
        answer
    }

    fn books_of(&mut self, of: &(String, bool)) -> &mut Books {
        let (now, seed) = (self.now, self.seed);
        let pages = &self.pages;
        let books = self.books.entry(of.clone());
        books.or_insert_with(|| Books::new(&of.0, of.1, now, seed, pages))
    }

    /// Turns what happened into deliveries.
    fn collect_news(&mut self) {
        let all: Vec<(String, bool)> = self.books.keys().cloned().collect();
        for of in all {
            let news: Vec<String> = self.books_of(&of).news.drain(..).collect();
            let platform = (PLATFORM.to_owned(), of.1);
            let mut told = vec![of.clone()];
            if of != platform {
                told.push(platform);
            }
            for to in told {
                if let (Some(books), Some(to)) = (self.books.get(&of), self.books.get(&to)) {
                    self.deliveries.extend(deliveries::made(books, to, &news));
                }
            }
        }
    }

    fn check_answer(&mut self, call: &Call<'_>, answer: &Answer) {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let found = Spec::official().answer(call.method, call.path, answer.status, &body);
        self.violations.extend(found);
    }
}

/// What a request that does not fit the specification is answered. Headers are only noted.
fn refusal(found: &[Violation]) -> Option<Problem> {
    let violation = found.iter().find(|it| it.kind != ViolationKind::Header)?;
    let problem = Problem::invalid(format!("{}: {}", violation.at, violation.reason));
    let problem = match violation.kind {
        ViolationKind::UnknownOperation => {
            return Some(
                Problem::invalid(format!("Unrecognized request URL ({}).", violation.request))
                    .status(404),
            );
        }
        ViolationKind::UnknownParameter => problem.code("parameter_unknown"),
        ViolationKind::MissingParameter => problem.code("parameter_missing"),
        ViolationKind::DocumentedRule => match violation.at.as_str() {
            "timestamp" if violation.reason.contains("ahead") => {
                problem.code("timestamp_in_future")
            }
            "timestamp" => problem.code("timestamp_too_far_in_past"),
            _ => problem.code("parameter_invalid"),
        },
        ViolationKind::MalformedParameter
        | ViolationKind::WrongParameter
        | ViolationKind::Header
        | ViolationKind::Answer => problem.code("parameter_invalid"),
    };
    Some(problem.param(&violation.at))
}

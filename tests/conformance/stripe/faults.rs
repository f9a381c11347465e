//! What goes wrong between an engine and Stripe, planned.
//!
//! | fault | before it is carried out | after |
//! |---|---|---|
//! | [`Fault::Drop`], [`Fault::Hang`] | nothing happened | it happened, nobody says so |
//! | [`Fault::TooMany`], [`Fault::Lock`], [`Fault::Unavailable`] | nothing happened | it happened and is stored; the edge says otherwise |
//! | [`Fault::StoredFailure`] | a 500 is stored and answered again | it happened, and a 500 is stored and answered again |
//! | [`Fault::Failure`], [`Fault::ShouldRetry`] | a 500 that is not stored | it happened and is stored; the edge says 500 |
//! | [`Fault::Garbage`], [`Fault::Truncated`] | nothing happened | it happened, the answer cannot be read |
//! | [`Fault::Slow`] | it happens later | it happens, the answer comes later |

use std::time::Duration;

use crate::sample::Sample;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends without an answer.
    Drop,
    /// No answer ever comes.
    Hang,
    /// 429, with `Retry-After` in seconds.
    TooMany {
        /// How many.
        retry_after: u32,
    },
    /// 500, stored under the idempotency key.
    StoredFailure,
    /// 500, not stored.
    Failure,
    /// 503.
    Unavailable,
    /// 409, somebody else has the object.
    Lock,
    /// 200, and a page instead of JSON.
    Garbage,
    /// An answer that ends in its middle.
    Truncated,
    /// 500 with `Stripe-Should-Retry`.
    ShouldRetry(bool),
    /// It takes so long. Waited for by the machine's clock.
    Slow(Duration),
}

/// Whether a request has been carried out when it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It has not.
    Before,
    /// It has.
    After,
}

/// A fault for requests to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    fault: Fault,
    when: When,
    method: Method,
    path: String,
    skip: u32,
    times: u32,
    percent: u64,
}

impl Plan {
    /// Befalls the next request, before it is carried out.
    #[must_use]
    pub fn before(fault: Fault) -> Self {
        Self {
            fault,
            when: When::Before,
            method: Method::Any,
            path: String::new(),
            skip: 0,
            times: 1,
            percent: 100,
        }
    }

    /// Befalls the next request, after it was carried out.
    #[must_use]
    pub fn after(fault: Fault) -> Self {
        Self {
            when: When::After,
            ..Self::before(fault)
        }
    }

    /// Befalls only requests of this method whose path begins so.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = if method.is_empty() {
            Method::Any
        } else {
            Method::Named(method.to_owned())
        };
        path.clone_into(&mut self.path);
        self
    }

    /// Befalls only requests that change something.
    #[must_use]
    pub fn on_changes(mut self) -> Self {
        self.method = Method::Changes;
        self
    }

    /// Spares so many of them first.
    #[must_use]
    pub fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// Befalls so many of them; [`u32::MAX`] all.
    #[must_use]
    pub fn times(mut self, requests: u32) -> Self {
        self.times = requests;
        self
    }

    /// Befalls so many of a hundred of them, by chance.
    #[must_use]
    pub fn percent(mut self, percent: u64) -> Self {
        self.percent = percent;
        self
    }

    fn is_of(&self, method: &str, path: &str) -> bool {
        let is_of = match &self.method {
            Method::Any => true,
            Method::Changes => method != "GET" && path != "/v1/invoices/create_preview",
            Method::Named(named) => named == method,
        };
        is_of && path.starts_with(&self.path)
    }
}

/// Which requests a fault is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Method {
    Any,
    Changes,
    Named(String),
}

/// The faults to come. The same ones for the same seed and the same requests.
#[derive(Debug)]
pub struct Faults {
    plans: Vec<Plan>,
    chance: Sample,
}

impl Faults {
    /// None yet.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            plans: Vec::new(),
            chance: Sample::seeded(seed),
        }
    }

    /// Adds one. Of several that would befall a request, the one that was added first does.
    pub fn plan(&mut self, plan: Plan) {
        self.plans.push(plan);
    }

    /// Forgets all that are to come.
    pub fn clear(&mut self) {
        self.plans.clear();
    }

    /// What befalls this request.
    ///
    /// ```
    /// use monetization_conformance::stripe::faults::{Fault, Faults, Plan, When};
    ///
    /// let mut faults = Faults::seeded(1);
    /// faults.plan(Plan::after(Fault::Drop).on("POST", "/v1/prices").skip(1));
    /// assert_eq!(faults.befall("GET", "/v1/prices"), None);
    /// assert_eq!(faults.befall("POST", "/v1/prices"), None);
    /// assert_eq!(faults.befall("POST", "/v1/prices/1"), Some((Fault::Drop, When::After)));
    /// assert_eq!(faults.befall("POST", "/v1/prices"), None);
    /// ```
    pub fn befall(&mut self, method: &str, path: &str) -> Option<(Fault, When)> {
        let mut chosen = None;
        for plan in self.plans.iter_mut().filter(|it| it.is_of(method, path)) {
            if plan.skip > 0 {
                plan.skip -= 1;
                continue;
            }
            if chosen.is_none() && self.chance.below(100) < plan.percent {
                chosen = Some((plan.fault, plan.when));
                plan.times = plan.times.saturating_sub(u32::from(plan.times != u32::MAX));
            }
        }
        self.plans.retain(|it| it.times > 0);
        chosen
    }
}

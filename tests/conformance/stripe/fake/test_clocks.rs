//! Test clocks. The fake has one clock: moving any test clock moves it, for everybody.

use serde_json::{Value, json};

use super::books::{Books, found};
use super::calendar::DAY;
use super::problem::Problem;
use crate::stripe::form::Form;

/// A test clock.
#[derive(Debug, Clone)]
pub(super) struct TestClock {
    id: String,
    created: i64,
    name: Option<String>,
    frozen_time: i64,
}

impl TestClock {
    fn json(&self, books: &Books) -> Value {
        json!({
            "id": self.id, "object": "test_helpers.test_clock", "livemode": books.livemode,
            "created": self.created, "deletes_after": self.created + 30 * DAY,
            "frozen_time": self.frozen_time, "name": self.name,
            "status": if self.frozen_time > books.now { "advancing" } else { "ready" },
            "status_details": {},
        })
    }
}

impl Books {
    pub(super) fn create_test_clock(&mut self, form: &Form) -> Result<Value, Problem> {
        let frozen_time = form.integer("frozen_time").unwrap_or(self.now);
        self.move_forward(frozen_time)?;
        let clock = TestClock {
            id: self.ids.make("clock"),
            created: self.now,
            name: form.owned("name"),
            frozen_time,
        };
        let answer = clock.json(self);
        self.test_clocks.insert(&clock.id.clone(), clock);
        Ok(answer)
    }

    pub(super) fn retrieve_test_clock(&self, id: &str) -> Result<Value, Problem> {
        found(&self.test_clocks, "test_clock", id).map(|it| it.json(self))
    }

    pub(super) fn advance_test_clock(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        found(&self.test_clocks, "test_clock", id)?;
        let frozen_time = form.integer("frozen_time").unwrap_or(self.now);
        self.move_forward(frozen_time)?;
        if let Some(clock) = self.test_clocks.get_mut(id) {
            clock.frozen_time = frozen_time;
        }
        self.retrieve_test_clock(id)
    }

    fn move_forward(&mut self, at: i64) -> Result<(), Problem> {
        if at < self.now {
            let message = "The clock of this fake does not go back.";
            return Err(Problem::invalid(message).param("frozen_time"));
        }
        self.advances_to = Some(at);
        Ok(())
    }

    /// Who an account is.
    pub(super) fn account_json(&self) -> Value {
        json!({
            "id": self.account, "object": "account", "country": "US", "default_currency": "usd",
            "charges_enabled": true, "payouts_enabled": true, "details_submitted": true,
            "email": null, "type": "standard", "metadata": {},
        })
    }
}

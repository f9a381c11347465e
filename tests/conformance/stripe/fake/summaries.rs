//! Sums of meter events, for whoever compares: they lag behind what was taken.

use serde_json::{Number, Value, json};

use super::books::{Books, found};
use super::calendar::{DAY, HOUR, MINUTE};
use super::ids::derived;
use super::meters::Meter;
use super::paging::page;
use super::problem::Problem;
use crate::stripe::exact::Exact;
use crate::stripe::form::Form;

/// So many seconds an event is in no summary after it was taken.
const SUMMARIES_LAG: i64 = 300;

impl Books {
    /// Newest window first; windows without events are left out.
    pub(super) fn summaries(&self, id: &str, form: &Form, path: &str) -> Result<Value, Problem> {
        let meter = found(&self.meters, "meter", id)?;
        let customer = form.word("customer").unwrap_or_default();
        if self.customers.get(customer).is_none() {
            return Err(Problem::unknown("customer", "customer", customer));
        }
        let start = form.integer("start_time").unwrap_or_default();
        let end = form.integer("end_time").unwrap_or_default();
        let step = match form.word("value_grouping_window") {
            Some("hour") => HOUR,
            Some(_) => DAY,
            None => MINUTE,
        };
        for (param, at) in [("start_time", start), ("end_time", end)] {
            if at % step != 0 {
                let message = format!("{param} must be aligned with {step} seconds");
                return Err(Problem::invalid(message).param(param));
            }
        }
        let is_grouped = form.word("value_grouping_window").is_some();
        let length = if is_grouped { step } else { end - start };
        let mut summed = Vec::new();
        let mut at = start;
        while at < end && length > 0 {
            let window = (at, at + length);
            let taken_by = self.now - SUMMARIES_LAG;
            let value = self.usage.of(meter, customer, window, taken_by);
            if !is_grouped || value != Exact::zero() {
                summed.insert(0, (at, at + length, value));
            }
            at += length;
        }
        let named = summed.iter().map(|it| {
            derived(
                "mtrusg_test",
                &[id, customer, &it.0.to_string(), &it.1.to_string()],
            )
        });
        let named: Vec<String> = named.collect();
        let ids: Vec<&str> = named.iter().map(String::as_str).collect();
        page(&ids, form, path, |wanted| {
            let at = ids.iter().position(|id| *id == wanted)?;
            Some(self.summary(meter, wanted, &summed[at]))
        })
    }

    fn summary(&self, meter: &Meter, id: &str, summed: &(i64, i64, Exact)) -> Value {
        let (start, end, value) = summed;
        let number: Option<Number> = value.to_string().parse().ok();
        json!({
            "id": id, "object": "billing.meter_event_summary", "livemode": self.livemode,
            "meter": meter.id, "start_time": start, "end_time": end,
            "aggregated_value": number,
        })
    }
}

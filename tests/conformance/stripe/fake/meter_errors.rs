//! What was wrong with meter events, told in thin events.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::books::Books;
use super::calendar::written;
use super::usage::Wrong;

/// That events of a meter do not count.
pub(super) const METER_ERRORS: &str = "v1.billing.meter.error_report_triggered";
/// That there is no meter for events.
pub(super) const NO_METER: &str = "v1.billing.meter.no_meter_found";

const SAMPLES_MAX: usize = 5;

impl Books {
    /// One thin event for each meter with errors, and one for events without a meter.
    pub(super) fn report_meter_errors(&mut self) {
        let mut by_meter: BTreeMap<Option<String>, Vec<Wrong>> = BTreeMap::new();
        for wrong in std::mem::take(&mut self.usage.wrong) {
            by_meter.entry(wrong.meter.clone()).or_default().push(wrong);
        }
        for (meter, wrong) in by_meter {
            let related = meter.as_ref().map(|id| {
                let url = format!("/v1/billing/meters/{id}");
                json!({ "id": id, "type": "billing.meter", "url": url })
            });
            let kind = match meter {
                Some(_) => METER_ERRORS,
                None => NO_METER,
            };
            self.tell_thinly(kind, &json!(related), &report(self.now, &wrong));
        }
    }
}

fn report(now: i64, wrong: &[Wrong]) -> Value {
    let mut by_code: BTreeMap<&str, Vec<&Wrong>> = BTreeMap::new();
    for one in wrong {
        by_code.entry(one.code).or_default().push(one);
    }
    let types = by_code.into_iter().map(|(code, wrong)| {
        let samples: Vec<Value> = wrong
            .iter()
            .take(SAMPLES_MAX)
            .map(|it| {
                json!({ "error_message": it.reason, "request": { "identifier": it.identifier } })
            })
            .collect();
        json!({ "code": code, "error_count": wrong.len(), "sample_errors": samples })
    });
    let count = wrong.len();
    json!({
        "developer_message_summary": format!("There are {count} invalid events"),
        "reason": { "error_count": count, "error_types": types.collect::<Vec<Value>>() },
        "validation_start": written(now - 10), "validation_end": written(now),
    })
}

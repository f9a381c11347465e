//! Rules that Stripe documents and no schema holds.

use super::ViolationKind::DocumentedRule;
use super::{Found, Operation};
use crate::stripe::form::Form;

mod metering;
mod prices;

const METADATA_MAX: usize = 50;
const METADATA_NAME_MAX: usize = 40;
const METADATA_VALUE_MAX: usize = 500;
const LIMIT_MAX: u32 = 100;

pub(super) fn check(operation: &Operation, form: &Form, now: i64, found: &mut Found) {
    match (operation.method.as_str(), operation.path.as_str()) {
        ("POST", "/v1/billing/meter_events") => metering::event(form, now, found),
        ("POST", "/v1/billing/meter_event_adjustments") => metering::adjustment(form, found),
        ("POST", "/v1/prices") => prices::check(form, found),
        ("GET", _) => {
            let limit = form.text_of("limit").map(str::parse::<u32>);
            if limit.is_some_and(|it| !it.is_ok_and(|it| (1..=LIMIT_MAX).contains(&it))) {
                found.push(DocumentedRule, "limit", "has to be from 1 to 100");
            }
        }
        _ => {}
    }
    metadata(form, "", found);
}

/// The limits of `metadata`, wherever it stands.
fn metadata(form: &Form, at: &str, found: &mut Found) {
    for (name, member) in form.members() {
        let at = if at.is_empty() {
            name.to_owned()
        } else {
            format!("{at}[{name}]")
        };
        if name != "metadata" {
            metadata(member, &at, found);
            continue;
        }
        let pairs: Vec<_> = member.members().collect();
        if pairs.len() > METADATA_MAX {
            found.push(DocumentedRule, &at, "more than 50 entries");
        }
        for (name, value) in pairs {
            let value = value.text().unwrap_or_default();
            if name.chars().count() > METADATA_NAME_MAX {
                found.push(
                    DocumentedRule,
                    &at,
                    format!("{name:?} has more than 40 characters"),
                );
            }
            if value.chars().count() > METADATA_VALUE_MAX {
                found.push(
                    DocumentedRule,
                    &at,
                    format!("{name:?} has more than 500 characters"),
                );
            }
        }
    }
}

//! Rules of meter events.

use super::super::Found;
use super::super::ViolationKind::DocumentedRule;
use crate::stripe::form::Form;

const AGE_MAX: i64 = 35 * 86_400;
const AHEAD_MAX: i64 = 300;
const IDENTIFIER_MAX: usize = 100;
const DIGITS_MAX: usize = 15;

pub(in super::super) fn event(form: &Form, now: i64, found: &mut Found) {
    let at: Option<i64> = form.text_of("timestamp").and_then(|it| it.parse().ok());
    if at.is_some_and(|at| at < now - AGE_MAX) {
        found.push(DocumentedRule, "timestamp", "more than 35 days ago");
    }
    if at.is_some_and(|at| at > now + AHEAD_MAX) {
        found.push(DocumentedRule, "timestamp", "more than 5 minutes ahead");
    }
    let identifier = form.text_of("identifier").unwrap_or_default();
    if identifier.is_empty() {
        found.push(
            DocumentedRule,
            "identifier",
            "missing: sent again it would count twice",
        );
    }
    if identifier.chars().count() > IDENTIFIER_MAX {
        found.push(DocumentedRule, "identifier", "more than 100 characters");
    }
    let payload: Vec<_> = form
        .member("payload")
        .into_iter()
        .flat_map(Form::members)
        .collect();
    if payload.is_empty() {
        found.push(DocumentedRule, "payload", "empty");
    }
    let value = payload.iter().find(|(name, _)| *name == "value");
    if let Some(value) = value.and_then(|(_, it)| it.text()) {
        check_value(value, found);
    }
}

fn check_value(value: &str, found: &mut Found) {
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let digits: String = unsigned.chars().filter(|it| *it != '.').collect();
    let points = unsigned.matches('.').count();
    if digits.is_empty() || points > 1 || !digits.bytes().all(|it| it.is_ascii_digit()) {
        let reason = format!("{value:?} has to be a number");
        found.push(DocumentedRule, "payload[value]", reason);
    } else if digits.trim_start_matches('0').len() > DIGITS_MAX {
        let reason = format!("{value:?} has more than {DIGITS_MAX} digits");
        found.push(DocumentedRule, "payload[value]", reason);
    }
}

pub(in super::super) fn adjustment(form: &Form, found: &mut Found) {
    let cancel = form.member("cancel");
    if cancel.is_none_or(|it| it.text_of("identifier").is_none()) {
        let reason = "missing: what is cancelled?";
        found.push(DocumentedRule, "cancel[identifier]", reason);
    }
}

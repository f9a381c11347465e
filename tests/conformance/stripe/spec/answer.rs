//! Answers against their schema.

use serde_json::{Map, Value};

use super::schema::Schema;
use super::{Found, Spec, ViolationKind};

/// Holds a value against a schema.
pub(super) fn check(spec: &Spec, schema: &Schema, value: &Value, at: &str, found: &mut Found) {
    let mut wrong = |reason: String| found.push(ViolationKind::Answer, at, reason);
    match schema {
        Schema::Any => {}
        Schema::Nullable(inner) => {
            if !value.is_null() {
                check(spec, inner, value, at, found);
            }
        }
        Schema::AnyOf(schemas) => {
            let fits = |schema: &Schema| {
                let mut aside = found.aside();
                check(spec, schema, value, at, &mut aside);
                aside.all.is_empty()
            };
            if !schemas.iter().any(fits) {
                found.push(ViolationKind::Answer, at, "fits none of its alternatives");
            }
        }
        Schema::Hash(name) => check_hash(spec, name, value, at, found),
        Schema::IdOf(name) => match value {
            Value::String(_) => {}
            Value::Object(_) if name == "any" => {}
            Value::Object(_) => check_hash(spec, name, value, at, found),
            other => wrong(format!("{} has to be an id or an object", brief(other))),
        },
        Schema::List(element) => match value.as_array() {
            Some(elements) => {
                for (index, inner) in elements.iter().enumerate() {
                    check(spec, element, inner, &format!("{at}[{index}]"), found);
                }
            }
            None => wrong(format!("{} has to be an array", brief(value))),
        },
        Schema::Page(element) => check_page(spec, ("list", element), value, at, found),
        Schema::Found(element) => check_page(spec, ("search_result", element), value, at, found),
        Schema::Linked(element) => check_linked(spec, element, value, at, found),
        Schema::Map(element) => match value.as_object() {
            Some(members) => {
                for (name, inner) in members {
                    check(spec, element, inner, &within(at, name), found);
                }
            }
            None => wrong(format!("{} has to be a hash", brief(value))),
        },
        Schema::Enum(values) => {
            if !values.contains(value) {
                wrong(format!("{} is no known value", brief(value)));
            }
        }
        Schema::Text if value.is_string() => {}
        Schema::Integer if value.is_i64() || value.is_u64() => {}
        Schema::Number if value.is_number() => {}
        Schema::Boolean if value.is_boolean() => {}
        Schema::Decimal if value.as_str().is_some_and(is_decimal) => {}
        Schema::Text | Schema::Integer | Schema::Number | Schema::Boolean | Schema::Decimal => {
            wrong(format!("{} has to be {schema:?}", brief(value)));
        }
    }
}

/// Holds a failure against the shape of Stripe's errors.
pub(super) fn check_error(status: u16, body: &Value, found: &mut Found) {
    let types = [
        "api_error",
        "card_error",
        "idempotency_error",
        "invalid_request_error",
    ];
    let mut wrong = |at: &str, reason: &str| found.push(ViolationKind::Answer, at, reason);
    if status < 400 {
        wrong("status", "a success of an unknown operation");
    }
    let error = body.get("error").and_then(Value::as_object);
    let Some(error) = error else {
        wrong("error", "missing");
        return;
    };
    let kind = error.get("type").and_then(Value::as_str);
    if !kind.is_some_and(|it| types.contains(&it)) {
        wrong("error.type", "no known type");
    }
    for name in ["message", "code", "param", "doc_url"] {
        if error.get(name).is_some_and(|it| !it.is_string()) {
            wrong(name, "has to be a text");
        }
    }
    if !error.contains_key("message") {
        wrong("error.message", "missing");
    }
}

fn check_hash(spec: &Spec, name: &str, value: &Value, at: &str, found: &mut Found) {
    let (Some(hash), Some(members)) = (spec.hashes.get(name), value.as_object()) else {
        let reason = format!("{} has to be a {name}", brief(value));
        found.push(ViolationKind::Answer, at, reason);
        return;
    };
    // What is left of a deleted object is its id.
    let is_deleted = members.get("deleted") == Some(&Value::Bool(true));
    let is_needed = |member: &&String| !is_deleted || matches!(member.as_str(), "id" | "object");
    let missing = hash.required.iter().filter(is_needed);
    for member in missing.filter(|it| !members.contains_key(*it)) {
        found.push(ViolationKind::Answer, &within(at, member), "missing");
    }
    for (member, inner) in members {
        if let Some(schema) = hash.members.get(member) {
            check(spec, schema, inner, &within(at, member), found);
        }
    }
}

fn check_page(
    spec: &Spec,
    (object, element): (&str, &Schema),
    value: &Value,
    at: &str,
    found: &mut Found,
) {
    let none = Map::new();
    let page = value.as_object().unwrap_or(&none);
    let mut wrong = |name: &str| {
        let reason = "not that of a list";
        found.push(ViolationKind::Answer, &within(at, name), reason);
    };
    if page.get("object").and_then(Value::as_str) != Some(object) {
        wrong("object");
    }
    if !page.get("has_more").is_some_and(Value::is_boolean) {
        wrong("has_more");
    }
    if !page.get("url").is_some_and(Value::is_string) {
        wrong("url");
    }
    let data = page.get("data").unwrap_or(&Value::Null);
    let list = Schema::List(Box::new(element.clone()));
    check(spec, &list, data, &within(at, "data"), found);
}

fn check_linked(spec: &Spec, element: &Schema, value: &Value, at: &str, found: &mut Found) {
    let next = value.get("next_page_url");
    if !next.is_some_and(|it| it.is_null() || it.is_string()) {
        let at = within(at, "next_page_url");
        found.push(ViolationKind::Answer, &at, "not that of a list");
    }
    let data = value.get("data").unwrap_or(&Value::Null);
    let list = Schema::List(Box::new(element.clone()));
    check(spec, &list, data, &within(at, "data"), found);
}

fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    is_digits(whole) && is_digits(fraction)
}

fn brief(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}

/// The place of a member.
pub(super) fn within(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

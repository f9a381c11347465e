//! Bodies of JSON, which the second version of the API is written to in, against the schema of their parameters.

use serde_json::Value;

use super::ViolationKind::{
    MalformedParameter, MissingParameter, UnknownParameter, WrongParameter,
};
use super::schema::Schema;
use super::{Found, Spec, answer};

/// Checks a body; `name` is that of its hash, and none where the operation takes no parameters.
pub(super) fn check(spec: &Spec, name: Option<&str>, body: &[u8], found: &mut Found) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        found.push(MalformedParameter, "", "the body is no JSON");
        return;
    };
    let schema = match name {
        Some(name) => Schema::Hash(name.to_owned()),
        None => Schema::Map(Box::new(Schema::Any)),
    };
    // Values are held as those of answers are; only that an answer may have more than its schema.
    let mut aside = found.aside();
    answer::check(spec, &schema, &body, "", &mut aside);
    for violation in aside.all {
        let kind = match violation.reason.as_str() {
            "missing" => MissingParameter,
            _ => WrongParameter,
        };
        found.push(kind, &violation.at, violation.reason);
    }
    check_names(spec, &schema, &body, "", found);
}

/// Every member has to be one that its hash knows.
fn check_names(spec: &Spec, schema: &Schema, value: &Value, at: &str, found: &mut Found) {
    match (schema, value) {
        (Schema::Nullable(inner), _) => check_names(spec, inner, value, at, found),
        (Schema::List(element), Value::Array(elements)) => {
            for (index, inner) in elements.iter().enumerate() {
                check_names(spec, element, inner, &format!("{at}[{index}]"), found);
            }
        }
        (Schema::Hash(name), Value::Object(members)) => {
            let Some(hash) = spec.hashes.get(name) else {
                return;
            };
            for (member, inner) in members {
                let at = answer::within(at, member);
                match hash.members.get(member) {
                    Some(schema) => check_names(spec, schema, inner, &at, found),
                    None => found.push(UnknownParameter, &at, "unknown parameter"),
                }
            }
        }
        _ => {}
    }
}

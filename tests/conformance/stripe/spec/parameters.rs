//! Parameters against their schema, at any depth.

use serde_json::Value;

use super::schema::{Hash, Schema};
use super::{Found, Spec, ViolationKind};
use crate::stripe::form::Form;

const DECIMALS_MAX: usize = 12;

/// Checks the parameters of an operation; `hash` is none where it takes none.
pub(super) fn check(spec: &Spec, hash: Option<&Hash>, form: &Form, found: &mut Found) {
    match hash {
        Some(hash) => check_hash(spec, hash, form, "", found),
        None => {
            for (name, _) in form.members() {
                found.push(ViolationKind::UnknownParameter, name, "unknown parameter");
            }
        }
    }
}

fn check_hash(spec: &Spec, hash: &Hash, form: &Form, at: &str, found: &mut Found) {
    let Form::Hash(members) = form else {
        found.push(ViolationKind::WrongParameter, at, "has to be a hash");
        return;
    };
    for (name, member) in members {
        let at = within(at, name);
        match hash.members.get(name) {
            Some(schema) => check_value(spec, schema, member, &at, found),
            None => found.push(ViolationKind::UnknownParameter, &at, "unknown parameter"),
        }
    }
    for name in hash.required.iter().filter(|it| !members.contains_key(*it)) {
        let at = within(at, name);
        found.push(ViolationKind::MissingParameter, &at, "missing");
    }
}

fn check_value(spec: &Spec, schema: &Schema, form: &Form, at: &str, found: &mut Found) {
    match schema {
        Schema::Any => {}
        Schema::AnyOf(schemas) => check_alternatives(spec, schemas, form, at, found),
        Schema::Nullable(inner) => check_value(spec, inner, form, at, found),
        Schema::Hash(name) => match spec.hashes.get(name) {
            Some(hash) => check_hash(spec, hash, form, at, found),
            None => found.push(ViolationKind::WrongParameter, at, "has an unknown schema"),
        },
        Schema::List(element)
        | Schema::Page(element)
        | Schema::Found(element)
        | Schema::Linked(element) => match form.list() {
            Some(elements) => {
                for (index, inner) in elements.into_iter().enumerate() {
                    check_value(spec, element, inner, &within(at, &index.to_string()), found);
                }
            }
            None => found.push(ViolationKind::WrongParameter, at, "has to be an array"),
        },
        Schema::Map(element) => match form {
            Form::Hash(members) => {
                for (name, inner) in members {
                    check_value(spec, element, inner, &within(at, name), found);
                }
            }
            Form::Text(_) | Form::List(_) => {
                found.push(ViolationKind::WrongParameter, at, "has to be a hash");
            }
        },
        Schema::Text | Schema::IdOf(_) => check_text(form, at, "a text", |_| true, found),
        Schema::Integer => check_text(form, at, "an integer", is_integer, found),
        Schema::Number => check_text(form, at, "a number", is_number, found),
        Schema::Decimal => check_text(form, at, "a decimal", is_decimal, found),
        Schema::Boolean => {
            check_text(
                form,
                at,
                "true or false",
                |it| matches!(it, "true" | "false"),
                found,
            );
        }
        Schema::Enum(values) => {
            let known = || values.iter().map(word).collect::<Vec<String>>();
            let expected = format!("one of {}", known().join(", "));
            check_text(
                form,
                at,
                &expected,
                |it| known().iter().any(|own| own == it),
                found,
            );
        }
    }
}

/// One of them has to fit. Where none does, the one of the same shape says why.
fn check_alternatives(spec: &Spec, schemas: &[Schema], form: &Form, at: &str, found: &mut Found) {
    let mut nearest: Option<Found> = None;
    for schema in schemas {
        let mut aside = found.aside();
        check_value(spec, schema, form, at, &mut aside);
        if aside.all.is_empty() {
            return;
        }
        let is_hash = matches!(schema, Schema::Hash(_) | Schema::Map(_) | Schema::List(_));
        if nearest.is_none() || is_hash == form.text().is_none() {
            nearest = Some(aside);
        }
    }
    found.all.extend(nearest.into_iter().flat_map(|it| it.all));
}

fn check_text(
    form: &Form,
    at: &str,
    expected: &str,
    fits: impl Fn(&str) -> bool,
    found: &mut Found,
) {
    match form.text() {
        Some(text) if fits(text) => {}
        Some(text) => {
            let reason = format!("{text:?} has to be {expected}");
            found.push(ViolationKind::WrongParameter, at, reason);
        }
        None => {
            let reason = format!("has to be {expected}, not a hash or an array");
            found.push(ViolationKind::WrongParameter, at, reason);
        }
    }
}

fn is_integer(text: &str) -> bool {
    is_digits(text.strip_prefix('-').unwrap_or(text))
}

fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    match text.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(text),
    }
}

fn is_decimal(text: &str) -> bool {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    is_number(text) && fraction.len() <= DECIMALS_MAX
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit())
}

fn word(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn within(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}[{name}]")
    }
}

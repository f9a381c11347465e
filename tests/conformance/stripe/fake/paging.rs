//! Lists, a page at a time.

use serde_json::{Value, json};

use super::problem::Problem;
use crate::stripe::form::Form;

const USUAL: usize = 10;

/// The page that is asked for, of ids from the newest to the oldest. Only what is on it is made.
pub(super) fn page(
    ids: &[&str],
    form: &Form,
    url: &str,
    make: impl Fn(&str) -> Option<Value>,
) -> Result<Value, Problem> {
    let limit = form
        .integer("limit")
        .and_then(|it| usize::try_from(it).ok())
        .unwrap_or(USUAL);
    let at = |name: &str| -> Result<Option<usize>, Problem> {
        let Some(cursor) = form.word(name) else {
            return Ok(None);
        };
        let found = ids.iter().position(|id| *id == cursor);
        found
            .map(Some)
            .ok_or_else(|| Problem::unknown("object", name, cursor))
    };
    let (first, last) = match (at("starting_after")?, at("ending_before")?) {
        (Some(_), Some(_)) => {
            return Err(Problem::invalid(
                "You cannot specify both starting_after and ending_before",
            ));
        }
        (Some(after), None) => (after + 1, ids.len().min(after + 1 + limit)),
        (None, Some(before)) => (before.saturating_sub(limit), before),
        (None, None) => (0, ids.len().min(limit)),
    };
    let is_backwards = form.word("ending_before").is_some();
    let has_more = if is_backwards {
        first > 0
    } else {
        last < ids.len()
    };
    let data: Vec<Value> = ids[first..last].iter().filter_map(|id| make(id)).collect();
    Ok(json!({ "object": "list", "url": url, "has_more": has_more, "data": data }))
}

/// A list within an object: all of it.
pub(super) fn whole(data: &[Value], url: &str) -> Value {
    let count = data.len();
    json!({ "object": "list", "url": url, "has_more": false, "data": data, "total_count": count })
}

//! What a request says beside its parameters.

use super::ViolationKind::Header;
use super::{Call, Found};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const IDEMPOTENCY_KEY_MAX: usize = 255;

pub(super) fn check(call: &Call<'_>, version: &str, found: &mut Found) {
    let kind = call.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let expected = match call.is_of_the_second_version() {
        true => JSON,
        false => FORM,
    };
    if !call.body.is_empty() && kind != expected {
        found.push(Header, "Content-Type", format!("{kind:?}, not {expected}"));
    }
    match call.header("stripe-version") {
        Some(own) if own == version => {}
        Some(own) => found.push(Header, "Stripe-Version", format!("{own}, not {version}")),
        None => found.push(
            Header,
            "Stripe-Version",
            "missing: the account's own would hold",
        ),
    }
    check_key(call, found);
    for name in ["Stripe-Account", "Stripe-Context"] {
        let account = call.header(&name.to_ascii_lowercase());
        if account.is_some_and(|it| it.len() < 6 || !it.starts_with("acct_")) {
            found.push(Header, name, "not an account's id");
        }
    }
    let credentials = call.header("authorization").unwrap_or_default();
    let key = credentials.strip_prefix("Bearer ").unwrap_or_default();
    let is_key = ["sk_test_", "rk_test_", "sk_live_", "rk_live_"];
    if !is_key.iter().any(|prefix| key.starts_with(prefix)) {
        found.push(Header, "Authorization", "not a secret or restricted key");
    }
    if call.method == "GET" && !call.body.is_empty() {
        found.push(Header, "Content-Length", "a GET with a body");
    }
}

fn check_key(call: &Call<'_>, found: &mut Found) {
    let is_write = call.method == "POST";
    let at = "Idempotency-Key";
    match call.header("idempotency-key").map(str::len) {
        None if is_write => found.push(Header, at, "missing on a write"),
        Some(0) => found.push(Header, at, "empty"),
        Some(long) if long > IDEMPOTENCY_KEY_MAX => {
            found.push(
                Header,
                at,
                format!("{long} characters, at most {IDEMPOTENCY_KEY_MAX}"),
            );
        }
        Some(_) if call.method == "GET" => found.push(Header, at, "means nothing on a GET"),
        Some(_) | None => {}
    }
}

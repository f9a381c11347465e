//! Each kind of mistake in a request is named.

use monetization_conformance::stripe::API_VERSION;
use monetization_conformance::stripe::spec::{Call, Spec};

/// The second at which requests are looked at.
pub(crate) const NOW: i64 = 1_795_212_477;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Method, path, parameters, and what is found.
const PARAMETERS: &[(&str, &str, &str, &str)] = &[
    ("POST", "/v1/nothing", "", ": no such operation"),
    ("PUT", "/v1/products", "", ": no such operation"),
    ("POST", "/v1/products", "", "name: missing"),
    ("POST", "/v1/products", "name=a&name=b", "name: given twice"),
    (
        "POST",
        "/v1/products",
        "name=a&shape=b",
        "shape: unknown parameter",
    ),
    (
        "POST",
        "/v1/products",
        "name[a]=b",
        "name: has to be a text, not a hash or an array",
    ),
    (
        "POST",
        "/v1/products",
        "name=a&active=1",
        "active: \"1\" has to be true or false",
    ),
    (
        "POST",
        "/v1/products",
        "name=a&default_price_data[x]=1",
        "default_price_data[x]: unknown parameter",
    ),
    (
        "POST",
        "/v1/products",
        "name=a&images=b",
        "images: has to be an array",
    ),
    (
        "POST",
        "/v1/products",
        "name=a&]=b",
        "]: not a name of a parameter",
    ),
    (
        "POST",
        "/v1/products",
        "name=a&metadata=b",
        "metadata: has to be a hash",
    ),
    (
        "POST",
        "/v1/subscriptions",
        "customer=a&items[0][price]=b&items[0][quantity]=c",
        "items[0][quantity]: \"c\" has to be an integer",
    ),
    (
        "POST",
        "/v1/subscriptions",
        "customer=a&items[a][price]=b",
        "items: has to be an array",
    ),
    (
        "GET",
        "/v1/invoices",
        "status=late",
        "status: \"late\" has to be one of draft, open, paid, uncollectible, void",
    ),
    (
        "GET",
        "/v1/invoices",
        "limit=101",
        "limit: has to be from 1 to 100",
    ),
];

#[test]
fn mistakes_in_parameters_are_named() {
    let price = "currency=usd&product=prod_1&unit_amount=1";
    for (method, path, parameters, expected) in PARAMETERS.iter().copied() {
        let found = found(method, path, parameters);
        assert!(
            found.iter().any(|it| it == expected),
            "{parameters}: {found:?}"
        );
    }
    let fine = format!("{price}&unit_amount_decimal=0.1234567890123");
    let decimals = "unit_amount_decimal: \"0.1234567890123\" has to be a decimal";
    assert!(
        found("POST", "/v1/prices", &fine)
            .iter()
            .any(|it| it == decimals)
    );
}

#[test]
fn mistakes_in_meter_events_are_named() {
    let event = "event_name=a&identifier=b&payload[stripe_customer_id]=cus_1&payload[value]";
    let (old, early) = (NOW - 35 * 86_400 - 1, NOW + 301);
    let long = format!(
        "event_name=a&identifier={}&payload[value]=1",
        "x".repeat(101)
    );
    let cases = [
        (
            format!("{event}=1&timestamp={old}"),
            "timestamp: more than 35 days ago",
        ),
        (
            format!("{event}=1&timestamp={early}"),
            "timestamp: more than 5 minutes ahead",
        ),
        (
            format!("{event}=1234567890123456"),
            "payload[value]: \"1234567890123456\" has more than 15 digits",
        ),
        (
            format!("{event}=1e3"),
            "payload[value]: \"1e3\" has to be a number",
        ),
        (long, "identifier: more than 100 characters"),
    ];
    for (parameters, expected) in cases {
        assert_eq!(
            found("POST", "/v1/billing/meter_events", &parameters),
            [expected]
        );
    }
    let adjusted = found(
        "POST",
        "/v1/billing/meter_event_adjustments",
        "event_name=a&type=cancel",
    );
    assert_eq!(
        adjusted,
        ["cancel[identifier]: missing: what is cancelled?"]
    );
}

#[test]
fn mistakes_in_prices_and_notes_are_named() {
    let price = "currency=usd&product=prod_1";
    let monthly = "recurring[interval]=month";
    let tiers = "billing_scheme=tiered&tiers_mode=volume&tiers[0][unit_amount]=1&tiers[0][up_to]";
    let notes: String = (0..51).map(|it| format!("metadata[k{it}]=1&")).collect();
    let cases = [
        (
            "prices",
            format!("{price}&unit_amount=1&{monthly}&recurring[usage_type]=metered"),
            "recurring[meter]: a metered price needs a meter",
        ),
        (
            "prices",
            format!("{price}&unit_amount=1&{monthly}&recurring[meter]=mtr_1"),
            "recurring[usage_type]: a meter needs usage_type=metered",
        ),
        (
            "prices",
            format!("{price}&unit_amount=1&unit_amount_decimal=1"),
            "unit_amount: exactly one of unit_amount, unit_amount_decimal, custom_unit_amount, tiers",
        ),
        (
            "prices",
            format!("{price}&{tiers}=5"),
            "tiers: the last tier's up_to has to be inf",
        ),
        (
            "prices",
            format!(
                "{price}&{tiers}=inf&transform_quantity[divide_by]=2&transform_quantity[round]=up"
            ),
            "transform_quantity: cannot be combined with tiers",
        ),
        (
            "prices",
            "currency=usd&unit_amount=1".to_owned(),
            "product: exactly one of product and product_data",
        ),
        (
            "customers",
            format!("metadata[{}]=1", "k".repeat(41)),
            "metadata: \"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\" has more than 40 characters",
        ),
        ("customers", notes, "metadata: more than 50 entries"),
    ];
    for (resource, parameters, expected) in cases {
        let path = format!("/v1/{resource}");
        assert_eq!(
            found("POST", &path, &parameters),
            [expected],
            "{parameters}"
        );
    }
}

#[test]
fn mistakes_in_headers_are_named() {
    let long = "k".repeat(256);
    let right = [
        ("authorization", "Bearer sk_test_1"),
        ("content-type", FORM),
        ("idempotency-key", "1"),
        ("stripe-version", API_VERSION),
    ];
    let cases = [
        (
            "authorization",
            "Bearer pk_test_1",
            "Authorization: not a secret or restricted key",
        ),
        (
            "content-type",
            "application/json",
            "Content-Type: \"application/json\", not application/x-www-form-urlencoded",
        ),
        ("idempotency-key", "", "Idempotency-Key: empty"),
        (
            "idempotency-key",
            long.as_str(),
            "Idempotency-Key: 256 characters, at most 255",
        ),
        (
            "stripe-version",
            "2020-08-27",
            "Stripe-Version: 2020-08-27, not 2026-09-30.endive",
        ),
        (
            "stripe-account",
            "account",
            "Stripe-Account: not an account's id",
        ),
    ];
    for (name, value, expected) in cases {
        let mut headers = right.to_vec();
        headers.retain(|(own, _)| *own != name);
        headers.push((name, value));
        assert_eq!(of("POST", "/v1/customers", "name=a", &headers), [expected]);
    }
    let bare = [
        ("authorization", "Bearer sk_test_1"),
        ("content-type", FORM),
    ];
    let missing = [
        "Stripe-Version: missing: the account's own would hold",
        "Idempotency-Key: missing on a write",
    ];
    assert_eq!(of("POST", "/v1/customers", "name=a", &bare), missing);
}

/// What is wrong, without the request itself.
pub(crate) fn found(method: &str, path: &str, parameters: &str) -> Vec<String> {
    let headers = [
        ("authorization", "Bearer sk_test_1"),
        (
            "content-type",
            if path.starts_with("/v2/") { JSON } else { FORM },
        ),
        ("stripe-version", API_VERSION),
        ("idempotency-key", "1"),
    ];
    let headers = if method == "GET" {
        &headers[..3]
    } else {
        &headers[..]
    };
    of(method, path, parameters, headers)
}

fn of(method: &str, path: &str, parameters: &str, headers: &[(&str, &str)]) -> Vec<String> {
    let is_read = method != "POST";
    let call = Call {
        method,
        path,
        query: if is_read { parameters } else { "" },
        body: if is_read { b"" } else { parameters.as_bytes() },
        headers,
    };
    let found = Spec::official().request(&call, NOW);
    let of = |it: String| it.split_once(": ").unwrap().1.to_owned();
    found.iter().map(|it| of(it.to_string())).collect()
}

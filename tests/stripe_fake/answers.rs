//! Each kind of mistake in an answer is named.

use monetization_conformance::stripe::spec::Spec;
use serde_json::{Value, json};

use super::shop::Shop;

/// What is wrong with an answer to a question for a price.
fn found(status: u16, body: &Value) -> Vec<String> {
    let found = Spec::official().answer("GET", "/v1/prices/price_1", status, body);
    let of = |it: String| it.split_once(": ").unwrap().1.to_owned();
    found.iter().map(|it| of(it.to_string())).collect()
}

fn price() -> Value {
    let mut shop = Shop::open();
    let product = shop.product("API");
    let price = shop.flat(&product, 100);
    shop.get(&format!("/v1/prices/{price}"), "")
}

#[test]
fn mistakes_in_members_are_named() {
    let right = price();
    assert_eq!(found(200, &right), [""; 0]);
    let cases = [
        ("active", json!("yes"), "active: \"yes\" has to be Boolean"),
        (
            "created",
            json!("now"),
            "created: \"now\" has to be Integer",
        ),
        ("currency", Value::Null, "currency: null has to be Text"),
        ("type", json!("often"), "type: \"often\" is no known value"),
        (
            "unit_amount_decimal",
            json!(1),
            "unit_amount_decimal: 1 has to be Decimal",
        ),
        ("metadata", json!([]), "metadata: [] has to be a hash"),
        (
            "metadata",
            json!({ "a": 1 }),
            "metadata.a: 1 has to be Text",
        ),
        (
            "product",
            json!(7),
            "product: 7 has to be an id or an object",
        ),
        (
            "recurring",
            json!({ "interval": "month", "interval_count": 1 }),
            "recurring.usage_type: missing",
        ),
        ("tiers", json!({}), "tiers: {} has to be an array"),
    ];
    for (member, value, expected) in cases {
        let mut wrong = right.clone();
        wrong[member] = value;
        assert_eq!(found(200, &wrong), [expected]);
    }
    let mut missing = right.clone();
    missing.as_object_mut().unwrap().remove("id");
    assert_eq!(found(200, &missing), ["id: missing"]);
    let gone = json!({ "id": "price_1", "object": "price", "deleted": true });
    assert_eq!(found(200, &gone), [""; 0], "an id is what is left");
}

#[test]
fn what_was_expanded_is_looked_into_and_what_cannot_be_is_refused() {
    let mut wrong = price();
    wrong["product"] = json!({ "id": "prod_1", "object": "product" });
    assert!(
        found(200, &wrong)
            .iter()
            .any(|it| it == "product.name: missing")
    );
    let mut wrong = price();
    wrong["lookup_key"] = json!({ "id": "key" });
    assert_eq!(found(200, &wrong).len(), 1, "a text cannot be expanded");
}

#[test]
fn failures_have_the_shape_of_stripes_errors() {
    let error = json!({ "error": { "type": "invalid_request_error", "message": "No such price" } });
    assert_eq!(found(404, &error), [""; 0]);
    let odd = json!({ "error": { "type": "odd", "code": 7 } });
    let named = [
        "error.type: no known type",
        "code: has to be a text",
        "error.message: missing",
    ];
    assert_eq!(found(404, &odd), named);
    assert_eq!(found(500, &json!({})), ["error: missing"]);
    let page = json!({ "object": "list", "data": [], "has_more": 0 });
    let found = Spec::official().answer("GET", "/v1/prices", 200, &page);
    assert_eq!(found.len(), 2, "neither has_more nor url: {found:?}");
}

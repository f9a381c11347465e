//! Who is told thinly: event destinations, and the JSON that they are made with.

use monetization_conformance::stripe::fake::{CONNECTED, Delivery, Request, SECRET_KEY};
use monetization_conformance::stripe::signature::signed;
use serde_json::{Value, json};

use super::mistakes::found;
use super::shop::{START, Shop};

const PATH: &str = "/v2/core/event_destinations";
const EVENTS: [&str; 2] = [
    "v1.billing.meter.error_report_triggered",
    "v1.billing.meter.no_meter_found",
];

/// What a destination of these accounts is made with.
fn wanted(from: &str) -> Value {
    json!({
        "name": "Refused", "type": "webhook_endpoint", "event_payload": "thin",
        "enabled_events": EVENTS, "events_from": [from],
        "webhook_endpoint": { "url": "http://127.0.0.1/thin" },
        "include": ["webhook_endpoint.url", "webhook_endpoint.signing_secret"],
    })
}

/// What a good answer says.
fn post(shop: &mut Shop, path: &str, body: &Value) -> Value {
    let answer = shop.post_v2(path, body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Somebody reports use that no meter knows, and Stripe has looked at it.
fn told_of_wrong_use(shop: &mut Shop, identifier: &str) -> Vec<Delivery> {
    let body = format!(
        "event_name=none&identifier={identifier}&payload[stripe_customer_id]=c&payload[value]=1"
    );
    shop.post("/v1/billing/meter_events", &body);
    shop.fake.report_meter_errors();
    shop.fake.take_deliveries()
}

#[test]
fn the_body_of_a_destination_is_held_against_the_specification() {
    let good = wanted("@self");
    let wrong = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        found("POST", PATH, &body.to_string())
    };
    assert_eq!(found("POST", PATH, &good.to_string()), [""; 0]);
    for (name, value, said) in [
        ("url", json!("http://127.0.0.1"), "url: unknown parameter"),
        ("name", json!(5), "name: 5 has to be Text"),
        ("name", Value::Null, "name: null has to be Text"),
        ("type", json!("post"), "type: \"post\" is no known value"),
        (
            "enabled_events",
            json!("*"),
            "enabled_events: \"*\" has to be an array",
        ),
        (
            "include",
            json!(["webhook_endpoint"]),
            "include[0]: \"webhook_endpoint\" is no known value",
        ),
        (
            "webhook_endpoint",
            json!({ "address": "x" }),
            "webhook_endpoint.url: missing",
        ),
    ] {
        assert_eq!(wrong(name, value)[0], said);
    }
    let unknown = wrong("webhook_endpoint", json!({ "url": "x", "more": 1 }));
    assert_eq!(unknown, ["webhook_endpoint.more: unknown parameter"]);
    assert_eq!(found("POST", PATH, "name=n"), [": the body is no JSON"]);

    let mut shop = Shop::open();
    let form = Request::post(PATH, &good.to_string()).key(SECRET_KEY);
    shop.fake.answer(&form.idempotent("form"));
    let found = shop.fake.forget_violations();
    let found: Vec<&str> = found.iter().map(|it| it.at.as_str()).collect();
    assert_eq!(found, ["Content-Type"]);
    let mut less = good;
    less["enabled_events"] = json!(["invoice.paid"]);
    let refused = shop.post_v2(PATH, &less);
    assert_eq!(refused.status, 400);
    let said = &refused.json()["error"]["message"];
    assert_eq!(said, "invoice.paid is no thin event.");
}

#[test]
fn a_destination_tells_its_address_where_it_is_asked_for_and_its_secret_once() {
    let mut shop = Shop::open();
    let first = post(&mut shop, PATH, &wanted("@self"));
    let webhook = &first["webhook_endpoint"];
    assert_eq!(webhook["url"], "http://127.0.0.1/thin");
    assert!(text(&webhook["signing_secret"]).starts_with("whsec_"));
    let second = post(&mut shop, PATH, &wanted("@accounts"));

    let page = shop.get(PATH, "limit=1&include[0]=webhook_endpoint.url");
    let listed = &page["data"][0];
    assert_eq!(listed["id"], second["id"]);
    assert_eq!(listed["webhook_endpoint"]["url"], "http://127.0.0.1/thin");
    assert!(listed["webhook_endpoint"]["signing_secret"].is_null());
    let next = text(&page["next_page_url"]);
    let (path, query) = next.split_once('?').unwrap();
    let page = shop.get(path, query);
    assert_eq!(page["data"][0], {
        let mut first = first.clone();
        first["webhook_endpoint"]["signing_secret"] = Value::Null;
        first
    });
    assert!(page["next_page_url"].is_null());
    let path = format!("{PATH}/{}", text(&first["id"]));
    assert!(shop.get(&path, "")["webhook_endpoint"]["url"].is_null());
    assert_eq!(shop.fake.violations(), []);
}

#[test]
fn thin_events_go_to_destinations_and_no_others_do() {
    let mut shop = Shop::open();
    let hook = "url=http%3A%2F%2F127.0.0.1%2Fhook&enabled_events[]=*";
    shop.post("/v1/webhook_endpoints", hook);
    assert_eq!(
        told_of_wrong_use(&mut shop, "first").len(),
        0,
        "no endpoint is told"
    );
    let own = post(&mut shop, PATH, &wanted("@self"));
    let connected = post(&mut shop, PATH, &wanted("@accounts"));
    shop.customer();
    let told = shop.fake.take_deliveries();
    assert!(told.iter().all(|it| it.url.ends_with("/hook")), "{told:?}");

    for (account, by) in [(None, &own), (Some(CONNECTED), &connected)] {
        shop.turn_to(account);
        let told = told_of_wrong_use(&mut shop, "second");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].endpoint, text(&by["id"]));
        assert_eq!(told[0].kind, EVENTS[1]);
        let secret = text(&by["webhook_endpoint"]["signing_secret"]);
        let signed = signed(secret, START, told[0].body.as_bytes());
        assert_eq!(told[0].signature(START), format!("t={START},v1={signed}"));
    }

    shop.turn_to(None);
    let path = format!("{PATH}/{}", text(&own["id"]));
    let off = post(&mut shop, &format!("{path}/disable"), &json!({}));
    assert_eq!(off["status"], "disabled");
    assert_eq!(
        told_of_wrong_use(&mut shop, "third").len(),
        0,
        "it is switched off"
    );
    let on = post(&mut shop, &format!("{path}/enable"), &json!({}));
    assert_eq!(on["status"], "enabled");
    let less = json!({ "enabled_events": [EVENTS[0]] });
    let less = post(&mut shop, &path, &less);
    assert_eq!(less["enabled_events"], json!([EVENTS[0]]));
    assert_eq!(
        told_of_wrong_use(&mut shop, "fourth").len(),
        0,
        "it is not asked for"
    );
    assert_eq!(shop.fake.violations(), []);
}

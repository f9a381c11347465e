use std::time::Duration;

use monetization_conformance::engine::Offer;
use monetization_conformance::sample::START;
use monetization_core::clock::Clock;
use monetization_core::consumer::Consumer;
use monetization_core::engine::{
    Engine, EngineContext, IdempotencyKey, NewSubscription, Receipt, SealedReport, UsageReport,
};
use monetization_core::entropy::Entropy;
use monetization_core::ids::{TenantId, TypedId};
use monetization_core::period::Schedule;
use monetization_core::plan::PlanVersion;
use monetization_core::text::ForeignId;
use monetization_engine_mock::serve::{self, ServedClock};
use monetization_engine_mock::{Control, MockOptions};
use serde_json::{Value, json};

use super::caller::{Rest, SOON, Served};

/// A subscriber of an offer, by way of the engine.
pub(super) struct Subscriber {
    subscription: ForeignId,
    customer: ForeignId,
    pub(super) payment_url: String,
}

const OFFER: Offer = Offer {
    base_price: "5",
    ..Offer::A_CENT_EACH
};

fn cx(key: &str) -> EngineContext {
    EngineContext {
        tenant: TenantId::derived(&[b"one"]),
        credentials: None,
        account: None,
        key: IdempotencyKey::new(key),
        repeated: false,
        timeout: SOON,
    }
}

pub(super) async fn subscribe(engine: &Engine) -> Subscriber {
    let entropy = Entropy::seeded(5);
    let tenant = TenantId::derived(&[b"one"]);
    let plan = PlanVersion {
        id: entropy.id(START),
        tenant,
        product: entropy.id(START),
        plan: entropy.id(START),
        number: 1,
        name: "Gold".parse().unwrap(),
        terms: OFFER.terms(),
        created_at: START,
    };
    let consumer = Consumer {
        id: entropy.id(START),
        tenant,
        name: "Example Ltd".parse().unwrap(),
        members: Vec::new(),
        grace_days: None,
        created_at: START,
    };
    let billing = &engine.billing;
    let plan = billing.create_billing_plan(&cx("plan"), &plan).await;
    let customer = billing.ensure_customer(&cx("customer"), &consumer).await;
    let customer = customer.unwrap();
    let new = NewSubscription {
        subscription: entropy.id(START),
        customer: customer.clone(),
        plan: plan.unwrap(),
        schedule: Schedule::new(START, OFFER.cycle),
        is_cancelled: false,
    };
    let start = billing
        .create_subscription(&cx("start"), &new)
        .await
        .unwrap();
    let subscriber = Subscriber {
        subscription: start.external,
        customer,
        payment_url: start.payment_url.unwrap(),
    };
    let usage = engine.usage.as_ref().unwrap();
    let report = UsageReport {
        batch: entropy.id(START),
        subscription: subscriber.subscription.clone(),
        customer: subscriber.customer.clone(),
        meter: OFFER.meter(),
        quantity: OFFER.units("12"),
        used_at: START,
    };
    let sealed = SealedReport {
        batch: report.batch,
        body: usage.serialise(&report).unwrap(),
    };
    let receipts = usage.publish(&cx("usage"), &[sealed]).await.unwrap();
    assert_eq!(receipts, [Receipt::Accepted]);
    subscriber
}

async fn world() -> (Served, Rest, Subscriber) {
    let options = MockOptions::in_memory(START).with_payment_url_base("http://pay.test/pay/");
    let served = Served::start(options).await;
    let rest = Rest::at(served.url());
    let subscriber = subscribe(&served.mock.engine()).await;
    (served, rest, subscriber)
}

fn states(control: &Control) -> Vec<&'static str> {
    let invoices = control.invoices().into_iter();
    invoices.map(|invoice| invoice.state.as_str()).collect()
}

#[tokio::test]
async fn what_the_provider_has_is_listed() {
    let (_served, rest, subscriber) = world().await;
    let plans = rest.get("/v1/plans").await;
    assert_eq!(plans["items"][0]["on_sale"], true);
    let customers = rest.get("/v1/customers").await;
    assert_eq!(customers["items"][0]["id"], json!(subscriber.customer));
    assert_eq!(customers["items"][0]["name"], "Example Ltd");
    let subscriptions = rest.get("/v1/subscriptions").await;
    assert_eq!(subscriptions["items"][0]["live"], true);
    let invoices = rest.get("/v1/invoices").await;
    assert_eq!(invoices["items"][0]["state"], "open");
    assert_eq!(invoices["more"], false);
    let invoice = invoices["items"][0]["id"].as_str().unwrap();
    let invoice = rest.get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(invoice["payment_url"], subscriber.payment_url);
    assert_eq!(
        invoice["total"],
        json!({ "amount": "5.00", "currency": "USD" })
    );
    let (of, meter) = (&subscriber.subscription, OFFER.meter().id);
    let usage = rest
        .get(&format!("/v1/subscriptions/{of}/usage/{meter}"))
        .await;
    assert_eq!(usage, json!({ "quantity": OFFER.units("12").scaled() }));
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let (served, rest, _) = world().await;
    for days in 1..=3_u32 {
        served
            .mock
            .control()
            .advance(Duration::from_secs(86_400) * 31 * days)
            .unwrap();
    }
    let mut names = Vec::new();
    let mut path = "/v1/invoices?limit=2".to_owned();
    loop {
        let page = rest.get(&path).await;
        let items = page["items"].as_array().unwrap();
        names.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        if page["more"] == false {
            break;
        }
        assert_eq!(items.len(), 2);
        path = format!("/v1/invoices?limit=2&after={}", names.last().unwrap());
    }
    let all = served.mock.control().invoices().into_iter();
    let all: Vec<String> = all.map(|invoice| invoice.id.to_string()).collect();
    assert!(all.len() > 4);
    assert_eq!(names, all);
    let newest = rest.get("/v1/calls?limit=1").await;
    assert_eq!(newest["items"][0]["operation"], "take_usage");
    assert_eq!(newest["more"], true);
}

#[tokio::test]
async fn a_customer_pays_by_name_link_or_page_and_once() {
    let (served, rest, subscriber) = world().await;
    let token = subscriber.payment_url.rsplit('/').next().unwrap();
    let page = format!("/pay/{token}");
    let failed = json!({ "what": subscriber.payment_url, "payment": "fails" });
    let (_, failed) = rest.post("/v1/payments", &failed).await;
    assert_eq!(failed, json!({ "outcome": "declined" }));
    assert_eq!(states(&served.mock.control()), ["past_due"]);

    let form = rest.get(&page).await;
    assert!(
        form.as_str().unwrap().contains("<form method=\"post\">"),
        "{form}"
    );
    assert_eq!(
        states(&served.mock.control()),
        ["past_due"],
        "looking is not paying"
    );
    let (status, said) = rest.send("POST", &page, "").await;
    assert_eq!(status, 200);
    assert!(
        said.as_str().unwrap().contains("Paid. Thank you."),
        "{said}"
    );
    assert_eq!(states(&served.mock.control()), ["paid"]);
    let again = json!({ "what": token, "payment": "pays" });
    let (_, again) = rest.post("/v1/payments", &again).await;
    assert_eq!(again, json!({ "outcome": "already_paid" }));
    let (status, _) = rest.send("POST", "/pay/pay_1_nothing", "").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn how_a_customer_pays_can_be_changed() {
    let (served, rest, subscriber) = world().await;
    let path = format!("/v1/customers/{}/behaviour", subscriber.customer);
    let body = r#"{"behaviour":"automatically"}"#;
    let (status, _) = rest.send("PUT", &path, body).await;
    assert_eq!(status, 200);
    let month = json!({ "advance_seconds": 86_400 * 32 });
    rest.post("/v1/clock", &month).await;
    assert_eq!(states(&served.mock.control()).last(), Some(&"paid"));
    let (status, _) = rest
        .send("PUT", "/v1/customers/cus_1/behaviour", body)
        .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn the_clock_moves_forward_and_only_by_hand() {
    let (served, rest, _) = world().await;
    let to = json!({ "to": "2026-01-02T00:00:00Z" });
    let (status, clock) = rest.post("/v1/clock", &to).await;
    assert_eq!(status, 200);
    assert_eq!(
        clock,
        json!({ "now": "2026-01-02T00:00:00Z", "by_hand": true })
    );
    assert_eq!(rest.get("/v1/clock").await, clock);
    for (body, said) in [
        (json!({ "to": "2026-01-01T00:00:00Z" }), "is past"),
        (json!({}), "say either"),
        (
            json!({ "to": "2027-01-01T00:00:00Z", "advance_seconds": 1 }),
            "say either",
        ),
    ] {
        let (status, problem) = rest.post("/v1/clock", &body).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (422, &json!("to"))
        );
        assert!(
            problem["detail"].as_str().unwrap().contains(said),
            "{problem}"
        );
    }
    assert_eq!(
        served.mock.control().now().to_string(),
        "2026-01-02T00:00:00Z"
    );

    let machines = Served::by(MockOptions::in_memory(START), ServedClock::Machine).await;
    let rest = Rest::at(machines.url());
    let (status, problem) = rest.post("/v1/clock", &to).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("clock_not_by_hand"))
    );
    let (clock, manual) = Clock::manual(START);
    manual.advance(Duration::from_secs(60));
    let control = machines.mock.control();
    tokio::select! {
        stopped = serve::follow(&control, &clock) => panic!("{stopped:?}"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(control.now(), clock.now());
}

#[tokio::test]
async fn faults_are_added_and_taken_back() {
    let (served, rest, subscriber) = world().await;
    let fault = json!({ "fault": "lose_reply", "on": "changes", "times": 2 });
    let (status, _) = rest.post("/v1/faults", &fault).await;
    assert_eq!(status, 201);
    let engine = served.mock.engine();
    let cancel = async |key: &str| {
        let (cx, mode) = (cx(key), monetization_core::engine::CancelMode::AtPeriodEnd);
        engine
            .billing
            .cancel_subscription(&cx, &subscriber.subscription, mode)
            .await
    };
    cancel("cancel").await.unwrap_err();
    let (status, _) = rest.send("DELETE", "/v1/faults", "").await;
    assert_eq!(status, 204);
    cancel("cancel").await.unwrap();
    let (status, problem) = rest
        .post("/v1/faults", &json!({ "fault": "explode" }))
        .await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (422, &json!("fault"))
    );
}

#[tokio::test]
async fn messages_can_be_fetched_and_are_then_gone() {
    let (served, rest, subscriber) = world().await;
    served.mock.control().pay(&subscriber.payment_url).unwrap();
    let waiting = rest.get("/v1/messages").await;
    let waiting = waiting["items"].as_array().unwrap().clone();
    assert_eq!(waiting.len(), served.mock.control().deliveries().len());
    let message = waiting.last().unwrap();
    let headers = message["headers"].as_object().unwrap().iter();
    let headers = headers
        .map(|(name, value)| {
            let name: ::http::HeaderName = name.parse().unwrap();
            (name, value.as_str().unwrap().parse().unwrap())
        })
        .collect();
    let webhooks = served.mock.engine().webhooks.unwrap();
    let control = served.mock.control();
    let body = message["body"].as_str().unwrap().as_bytes();
    let event = webhooks.verify(body, &headers, &control.webhook_secrets(), control.now());
    assert_eq!(webhooks.interpret(&event.unwrap()).unwrap().len(), 1);

    let names: Vec<&Value> = waiting.iter().map(|message| &message["id"]).collect();
    let body = json!({ "messages": names });
    let (status, _) = rest.post("/v1/messages/delivered", &body).await;
    assert_eq!(status, 204);
    assert_eq!(rest.get("/v1/messages").await["items"], json!([]));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_the_name_of_the_field() {
    let (_served, rest, _) = world().await;
    for (path, body, field) in [
        (
            "/v1/payments",
            r#"{"what":"x","payment":"never"}"#,
            "payment",
        ),
        (
            "/v1/payments",
            r#"{"what":"x","payment":"pays","why":1}"#,
            "why",
        ),
        ("/v1/payments", r#"{"payment":"pays"}"#, "what"),
        ("/v1/clock", r#"{"to":"soon"}"#, "to"),
        ("/v1/clock", "[]", "body"),
        (
            "/v1/messages/delivered",
            r#"{"messages":["evt_1",""]}"#,
            "messages[1]",
        ),
        (
            "/v1/calls",
            r#"{"key":"k","timeout_milliseconds":-1}"#,
            "timeout_milliseconds",
        ),
        (
            "/v1/calls",
            r#"{"key":"k","timeout_milliseconds":1,"request":{"order":{"do":"x"}}}"#,
            "request.order.do",
        ),
    ] {
        let (status, problem) = rest.send("POST", path, body).await;
        assert_eq!(status, 422, "{path} {body}: {problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        assert_eq!(problem["code"], "invalid_field");
    }
    for path in [
        "/v1/invoices?limit=0",
        "/v1/invoices?limit=1001",
        "/v1/calls?after=x",
    ] {
        let (status, problem) = rest.send("GET", path, "").await;
        assert_eq!(status, 422, "{path}: {problem}");
    }
    let (status, problem) = rest.send("GET", "/v1/invoices?page=2", "").await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (422, &json!("query"))
    );
}

#[tokio::test]
async fn what_is_not_there_not_json_or_too_long_is_told_so() {
    let (_served, rest, _) = world().await;
    for (method, path, body, status) in [
        ("GET", "/v2/plans", String::new(), 404),
        ("GET", "/v1/invoices/inv_1", String::new(), 404),
        ("POST", "/v1/plans", String::new(), 405),
        ("POST", "/v1/clock", "{".to_owned(), 400),
        ("POST", "/v1/clock", "{} {}".to_owned(), 400),
        ("POST", "/v1/clock", "x".repeat((1 << 20) + 1), 413),
    ] {
        let (answered, problem) = rest.send(method, path, &body).await;
        assert_eq!(answered, status, "{method} {path}: {problem}");
        assert_eq!(problem["status"], status);
    }
    assert_eq!(rest.get("/healthz").await, json!({ "status": "ok" }));
}

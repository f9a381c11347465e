//! The fake on loopback: faults before and after, keys under way, deliveries.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use monetization_conformance::stripe::fake::SECRET_KEY;
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_conformance::stripe::{API_VERSION, FakeStripe};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Status and body, or nothing where no answer came.
type Heard = Option<(u16, String)>;

async fn ask(stripe: &FakeStripe, method: &str, path: &str, key: &str, body: &str) -> Heard {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", stripe.base_url()))
        .header("authorization", format!("Bearer {SECRET_KEY}"))
        .header("stripe-version", API_VERSION);
    let request = if method == "GET" {
        request
    } else {
        request.header("idempotency-key", key)
    };
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let request = request
        .body(Full::new(Bytes::from(body.to_owned())))
        .unwrap();
    let answer = client.request(request).await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    Some((status, String::from_utf8(body.to_vec()).unwrap()))
}

async fn customers(stripe: &FakeStripe) -> usize {
    let (_, body) = ask(stripe, "GET", "/v1/customers", "", "").await.unwrap();
    let page: Value = serde_json::from_str(&body).unwrap();
    page["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn faults_strike_before_and_after_a_request_is_carried_out() {
    let faults = [
        (Fault::Drop, None),
        (Fault::TooMany { retry_after: 3 }, Some(429)),
        (Fault::StoredFailure, Some(500)),
        (Fault::Failure, Some(500)),
        (Fault::Unavailable, Some(503)),
        (Fault::Lock, Some(409)),
        (Fault::Garbage, Some(200)),
        (Fault::Truncated, None),
        (Fault::ShouldRetry(false), Some(500)),
    ];
    for (fault, status) in faults {
        for (plan, made) in [(Plan::before(fault), 0), (Plan::after(fault), 1)] {
            let stripe = FakeStripe::start().await.unwrap();
            stripe.plan(plan.on("POST", "/v1/customers"));
            let heard = ask(&stripe, "POST", "/v1/customers", "k", "name=a").await;
            assert_eq!(heard.map(|it| it.0), status, "{fault:?}");
            assert_eq!(customers(&stripe).await, made, "{fault:?}");
            // The same again: what was stored is answered, and nothing is done twice.
            let again = ask(&stripe, "POST", "/v1/customers", "k", "name=a")
                .await
                .unwrap();
            let is_stored = fault == Fault::StoredFailure;
            assert_eq!(again.0, if is_stored { 500 } else { 200 }, "{fault:?}");
            let left = if is_stored { made } else { 1 };
            assert_eq!(customers(&stripe).await, left, "{fault:?}");
            assert!(stripe.violations().is_empty(), "{:?}", stripe.violations());
        }
    }
}

#[tokio::test]
async fn a_key_that_is_under_way_is_refused_until_it_is_answered() {
    let stripe = FakeStripe::start().await.unwrap();
    stripe.plan(Plan::after(Fault::Hang).on("POST", "/v1/customers"));
    let hanging = timeout(
        Duration::from_millis(200),
        ask(&stripe, "POST", "/v1/customers", "k", "name=a"),
    );
    let other = async {
        loop {
            let seen = stripe.requests().len();
            if seen == 1 {
                return ask(&stripe, "POST", "/v1/customers", "k", "name=a").await;
            }
            tokio::task::yield_now().await;
        }
    };
    let (hung, other) = tokio::join!(hanging, other);
    assert!(hung.is_err(), "nobody answers");
    assert_eq!(other.unwrap().0, 409);
    // Whoever hung up has let go of the key.
    let again = loop {
        let again = ask(&stripe, "POST", "/v1/customers", "k", "name=a")
            .await
            .unwrap();
        if again.0 != 409 {
            break again;
        }
    };
    assert_eq!(again.0, 200);
    assert_eq!(customers(&stripe).await, 1);
    assert!(stripe.requests().len() >= 3);
}

#[tokio::test]
async fn slow_answers_come() {
    let stripe = FakeStripe::start().await.unwrap();
    let slow = Fault::Slow(Duration::from_millis(10));
    stripe.plan(Plan::before(slow));
    stripe.plan(Plan::after(slow));
    for key in ["1", "2"] {
        let heard = ask(&stripe, "POST", "/v1/customers", key, "name=a").await;
        assert_eq!(heard.unwrap().0, 200);
    }
    assert_eq!(customers(&stripe).await, 2);
}

#[tokio::test]
async fn messages_are_posted_until_they_are_taken() {
    let stripe = FakeStripe::start().await.unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", socket.local_addr().unwrap());
    let secret = stripe.fake().listen(&url, false);
    ask(&stripe, "POST", "/v1/customers", "1", "name=a")
        .await
        .unwrap();
    drop(socket);
    assert_eq!(stripe.deliver().await, 0, "nobody is there");
    let left = stripe.deliveries();
    assert_eq!(left.len(), 1);
    let header = left[0].signature(stripe.now());
    let own = monetization_conformance::stripe::signature::header(
        &[&secret],
        stripe.now(),
        left[0].body.as_bytes(),
    );
    assert_eq!(header, own);
}

#[tokio::test]
async fn processes_control_it_over_http() {
    let stripe = FakeStripe::start().await.unwrap();
    let said = |it: Heard| -> Value { serde_json::from_str(&it.unwrap().1).unwrap() };
    let before = said(ask(&stripe, "GET", "/_fake/clock", "", "").await)["now"]
        .as_i64()
        .unwrap();
    let moved = said(ask(&stripe, "POST", "/_fake/clock", "", r#"{"by":60}"#).await);
    assert_eq!(moved["now"], before + 60);
    let fault = json!({ "fault": "unavailable", "when": "before", "method": "POST", "path": "/v1/customers" });
    ask(&stripe, "POST", "/_fake/faults", "", &fault.to_string())
        .await
        .unwrap();
    assert_eq!(
        ask(&stripe, "POST", "/v1/customers", "1", "name=a")
            .await
            .unwrap()
            .0,
        503
    );
    let made = said(ask(&stripe, "POST", "/v1/customers", "1", "name=a").await);
    let customer = made["id"].as_str().unwrap();
    let invoice = said(
        ask(
            &stripe,
            "POST",
            "/v1/invoices",
            "2",
            &format!("customer={customer}"),
        )
        .await,
    );
    let id = invoice["id"].as_str().unwrap();
    let item = format!("customer={customer}&invoice={id}&amount=5&currency=usd");
    ask(&stripe, "POST", "/v1/invoiceitems", "3", &item)
        .await
        .unwrap();
    let open = said(
        ask(
            &stripe,
            "POST",
            &format!("/v1/invoices/{id}/finalize"),
            "4",
            "",
        )
        .await,
    );
    let page = open["hosted_invoice_url"]
        .as_str()
        .unwrap()
        .replace(&stripe.base_url(), "");
    assert_eq!(
        said(ask(&stripe, "GET", &page, "", "").await)["status"],
        "open"
    );
    ask(&stripe, "POST", &page, "", "").await.unwrap();
    assert_eq!(
        said(ask(&stripe, "GET", &page, "", "").await)["status"],
        "paid"
    );
    let seen = said(ask(&stripe, "GET", "/_fake/requests", "", "").await);
    assert_eq!(seen.as_array().unwrap().len(), 5);
    assert_eq!(
        said(ask(&stripe, "GET", "/_fake/violations", "", "").await),
        json!([])
    );
    assert_eq!(
        ask(&stripe, "POST", "/_fake/nothing", "", "{}")
            .await
            .unwrap()
            .0,
        400
    );
}

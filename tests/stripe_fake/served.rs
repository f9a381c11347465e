//! The fake on loopback: faults before and after, keys under way, deliveries.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use monetization_conformance::stripe::fake::SECRET_KEY;
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_conformance::stripe::signature::header;
use monetization_conformance::stripe::{API_VERSION, FakeStripe};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

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
    let hanging = ask(&stripe, "POST", "/v1/customers", "k", "name=a");
    let other = async {
        loop {
            let seen = stripe.requests().len();
            if seen == 1 {
                return ask(&stripe, "POST", "/v1/customers", "k", "name=a").await;
            }
            tokio::task::yield_now().await;
        }
    };
    let other = tokio::select! {
        _ = hanging => unreachable!("nobody answers"),
        other = other => other,
    };
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
async fn meter_events_of_one_customer_and_meter_are_taken_one_at_a_time() {
    let stripe = FakeStripe::start().await.unwrap();
    let made = said(&stripe, "POST", "/v1/customers", "name=a").await;
    let customer = made["id"].as_str().unwrap();
    stripe.plan(Plan::after(Fault::Slow(Duration::from_millis(200))));
    let event = |identifier: &str, customer: &str| {
        let payload = format!("payload[stripe_customer_id]={customer}&payload[value]=1");
        format!("event_name=calls&identifier={identifier}&{payload}")
    };
    let (slow, same, other) = (
        event("1", customer),
        event("2", customer),
        event("3", "cus_other"),
    );
    let path = "/v1/billing/meter_events";
    let first = ask(&stripe, "POST", path, "1", &slow);
    let others = async {
        while stripe.requests().len() < 2 {
            tokio::task::yield_now().await;
        }
        let same = ask(&stripe, "POST", path, "2", &same).await;
        (same, ask(&stripe, "POST", path, "3", &other).await)
    };
    let (first, (same, other)) = tokio::join!(first, others);
    let status = |heard: Heard| heard.unwrap().0;
    assert_eq!(
        [status(first), status(same), status(other)],
        [200, 429, 200]
    );
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
    let address = socket.local_addr().unwrap();
    let secret = stripe
        .fake()
        .listen(&format!("http://{address}/hook"), false);
    ask(&stripe, "POST", "/v1/customers", "1", "name=a")
        .await
        .unwrap();
    let (taken, refused) = tokio::join!(stripe.deliver(), receive(&socket, 500));
    assert_eq!(taken, 0);
    let (taken, received) = tokio::join!(stripe.deliver(), receive(&socket, 200));
    assert_eq!((taken, stripe.deliveries().len()), (1, 0));
    assert_eq!(refused, received, "the same again");
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    let signature = header(&[&secret], stripe.now(), body.as_bytes());
    assert!(
        head.contains(&format!("stripe-signature: {signature}")),
        "{head}"
    );
}

/// Takes one message and answers it so.
async fn receive(socket: &TcpListener, status: u16) -> String {
    let (mut client, _) = socket.accept().await.unwrap();
    let mut received = vec![0; 16_384];
    let mut length = 0;
    loop {
        length += client.read(&mut received[length..]).await.unwrap();
        let text = String::from_utf8_lossy(&received[..length]);
        if text.ends_with("}") {
            let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n");
            client.write_all(answer.as_bytes()).await.unwrap();
            return text.into_owned();
        }
    }
}

#[tokio::test]
async fn processes_control_it_over_http() {
    let stripe = FakeStripe::start().await.unwrap();
    let before = said(&stripe, "GET", "/_fake/clock", "").await["now"].as_i64();
    let moved = said(&stripe, "POST", "/_fake/clock", r#"{"by":60}"#).await;
    assert_eq!(moved["now"].as_i64(), before.map(|it| it + 60));
    let fault = json!({ "fault": "unavailable", "method": "POST", "path": "/v1/customers" });
    said(&stripe, "POST", "/_fake/faults", &fault.to_string()).await;
    let heard = ask(&stripe, "POST", "/v1/customers", "1", "name=a").await;
    assert_eq!(heard.unwrap().0, 503);
    said(&stripe, "POST", "/_fake/faults", &fault.to_string()).await;
    said(&stripe, "DELETE", "/_fake/faults", "").await;
    let heard = ask(&stripe, "POST", "/v1/customers", "1", "name=a").await;
    assert_eq!(heard.unwrap().0, 200);
    let seen = said(&stripe, "GET", "/_fake/requests", "").await;
    assert_eq!(seen.as_array().unwrap().len(), 2);
    assert_eq!(
        said(&stripe, "GET", "/_fake/violations", "").await,
        json!([])
    );
    let nothing = ask(&stripe, "POST", "/_fake/nothing", "", "{}").await;
    assert_eq!(nothing.unwrap().0, 400);
}

#[tokio::test]
async fn customers_pay_on_the_page_that_an_invoice_names() {
    let stripe = FakeStripe::start().await.unwrap();
    let made = said(&stripe, "POST", "/v1/customers", "name=a").await;
    let customer = format!("customer={}", made["id"].as_str().unwrap());
    let invoice = said(&stripe, "POST", "/v1/invoices", &customer).await;
    let id = invoice["id"].as_str().unwrap();
    let item = format!("{customer}&invoice={id}&amount=5&currency=usd");
    said(&stripe, "POST", "/v1/invoiceitems", &item).await;
    let finalize = format!("/v1/invoices/{id}/finalize");
    let open = said(&stripe, "POST", &finalize, "").await;
    let page = open["hosted_invoice_url"].as_str().unwrap();
    let page = page.strip_prefix(&stripe.base_url()).unwrap();
    assert_eq!(said(&stripe, "GET", page, "").await["status"], "open");
    said(&stripe, "POST", page, "").await;
    assert_eq!(said(&stripe, "GET", page, "").await["status"], "paid");
    assert!(stripe.violations().is_empty());
}

/// What is answered, under a key of its own.
async fn said(stripe: &FakeStripe, method: &str, path: &str, body: &str) -> Value {
    let (_, answer) = ask(stripe, method, path, path, body).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

/// What somebody at this address answers.
pub(crate) async fn told(address: &str, path: &str) -> Value {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let answer = client
        .get(format!("{address}{path}").parse().unwrap())
        .await;
    let body = answer.unwrap().into_body().collect().await.unwrap();
    serde_json::from_slice(&body.to_bytes()).unwrap()
}

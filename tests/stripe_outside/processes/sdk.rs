//! Stripe's own SDK for Python: what it signs, what it believes, what it sends, and what it understands of the
//! fake.

use std::process::Stdio;

use http::{HeaderMap, HeaderValue};
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::{Request, SECRET_KEY};
use monetization_conformance::stripe::signature::header;
use monetization_core::clock::{Clock, Timestamp};
use monetization_core::engine::WebhookError;
use monetization_core::secret::Secret;
use monetization_engine_stripe::{StripeOptions, engine};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::stripe_outside::program::python;

const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stripe_outside/sdk.py");
/// Requests that the fake is tried with, each as the SDK sends it.
const REQUESTS: &str = include_str!("../../stripe_fake/of_the_sdk.txt");
const MAKE_SPEC: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/conformance/stripe/make_spec.py"
);
const SPEC: &str = include_str!("../../conformance/stripe/spec.json");
const OLD: &str = "whsec_before";
const NEW: &str = "whsec_now";

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn what_the_fake_signs_is_believed_by_stripes_own_verifier_and_by_ours_i5() {
    let stripe = FakeStripe::start().await.unwrap();
    let secret = stripe.fake().listen("http://127.0.0.1:9/hook", false);
    let customer = Request::post("/v1/customers", "name=Weather+%E2%98%80")
        .key(SECRET_KEY)
        .idempotent("customer");
    stripe.fake().answer(&customer);
    let message = stripe.deliveries().remove(0);
    let now = now();
    let changed = message.body.replacen("name", "nome", 1);
    let cases = [
        (&message.body, now, &secret, true),
        (&message.body, now - 200, &secret, true),
        (&message.body, now - 301, &secret, false),
        (&changed, now, &secret, false),
        (&message.body, now, &NEW.to_owned(), false),
    ];
    let asked = cases.map(|(body, at, secret, _)| {
        json!({ "body": body, "signature": message.signature(at), "secret": secret })
    });
    let theirs = answers(&["verify"], &asked).await;
    for ((case, asked), theirs) in cases.iter().zip(&asked).zip(theirs) {
        let (body, at, secret, is_good) = case;
        assert_eq!(
            theirs.as_str(),
            is_good.then_some(message.event.as_str()),
            "{at}"
        );
        let ours = believed(body, asked["signature"].as_str().unwrap(), &[*secret], now);
        assert_eq!(ours.is_ok(), *is_good, "{at}");
    }
}

/// As while secrets are exchanged: the header has a signature for each of them.
#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn a_message_that_is_signed_with_two_secrets_is_believed_by_either_r_w5() {
    let (body, now) = ("{\"id\":\"evt_1\",\"object\":\"event\"}", now());
    let both = header(&[NEW, OLD], now, body.as_bytes());
    let asked = [NEW, OLD, "whsec_other"]
        .map(|secret| json!({ "body": body, "signature": both, "secret": secret }));
    let theirs = answers(&["verify"], &asked).await;
    assert_eq!(theirs, [json!("evt_1"), json!("evt_1"), Value::Null]);
    for secret in [NEW, OLD] {
        assert_eq!(believed(body, &both, &[secret], now), Ok(()));
    }
}

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn what_stripes_own_signer_signs_is_believed_unless_it_is_changed_or_old_i5() {
    let now = now();
    let bodies = [
        "{\"id\":\"evt_1\",\"object\":\"event\"}",
        "{ \"id\": \"evt_2\",\n  \"name\": \"caf\\u00e9 \u{2600}\" }\n",
    ];
    let asked = bodies.map(|body| json!({ "body": body, "secret": NEW, "at": now }));
    let signed = answers(&["sign"], &asked).await;
    for (body, signed) in bodies.into_iter().zip(&signed) {
        let signed = signed.as_str().unwrap();
        // The fake signs as it does.
        assert_eq!(signed, header(&[NEW], now, body.as_bytes()));
        assert_eq!(believed(body, signed, &[OLD, NEW], now), Ok(()));
        let changed = body.replace("evt", "evu");
        let refused = Err(WebhookError::Signature);
        assert_eq!(believed(&changed, signed, &[NEW], now), refused);
        assert_eq!(believed(body, signed, &[OLD], now), refused);
        for apart in [-301, 301] {
            let stale = Err(WebhookError::Stale);
            assert_eq!(believed(body, signed, &[NEW], now + apart), stale);
        }
    }
}

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn stripes_own_client_lives_through_a_subscription_on_the_fake() {
    let stripe = FakeStripe::start().await.unwrap();
    let lived = answers(&["live", &stripe.base_url(), SECRET_KEY], &[]).await;
    let expected = json!({
        "tiers": [[1_000, "0"], [null, "0.5"]],
        "customers": [true, 1],
        "other_form": 400,
        "first": ["active", "open", 2_500],
        "paid": "paid",
        "event_again": 400,
        // 25 for the next month, and half a cent for each of 2,000 calls.
        "preview": 3_500,
        "told": ["customer.created", "invoice.paid"],
        "invoices": [["open", 3_500], ["paid", 2_500]],
        "invoices_are_of_it": true,
        "changed": [true, 4_000],
        "ended": "canceled",
        "live": 0,
        "missing": [404, "resource_missing"],
        "told_last": [true],
    });
    assert_eq!(lived, [expected]);
    assert!(stripe.violations().is_empty(), "{:?}", stripe.violations());
}

/// Each goes through the method of the SDK that is made for it, and arrives byte for byte.
#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn the_requests_that_the_fake_is_tried_with_are_those_of_stripes_own_client() {
    let stripe = FakeStripe::start().await.unwrap();
    let lines = REQUESTS.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<String> = lines
        .map(|line| line.replace("NOW", &stripe.now().to_string()))
        .collect();
    let asked: Vec<Value> = lines.iter().map(|line| json!(line)).collect();
    let server = stripe.base_url();
    let answered = answers(&["send", &server, SECRET_KEY], &asked).await;
    assert_eq!(answered.len(), lines.len());
    let sent: Vec<String> = stripe
        .requests()
        .into_iter()
        .map(|seen| {
            let parameters = [seen.query, seen.body].concat();
            let line = format!("{} {} {parameters}", seen.method, seen.path);
            line.trim_end().to_owned()
        })
        .collect();
    assert_eq!(sent, lines);
}

/// What requests and answers are held against is not written by hand.
#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn the_specification_is_the_one_that_is_made_of_stripes_own_sdk() {
    let made = printed(&[MAKE_SPEC], "").await;
    assert!(made == SPEC, "make spec.json anew, as make_spec.py says");
}

/// What the SDK answers to each line, or at all where it is asked nothing.
async fn answers(arguments: &[&str], asked: &[Value]) -> Vec<Value> {
    let lines: String = asked.iter().map(|line| format!("{line}\n")).collect();
    let said = printed(&[&[SDK], arguments].concat(), &lines).await;
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What a script prints that is told this.
async fn printed(script: &[&str], told: &str) -> String {
    let mut command = python();
    command.args(script);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut sdk = command.kill_on_drop(true).spawn().unwrap();
    let mut stdin = sdk.stdin.take().unwrap();
    stdin.write_all(told.as_bytes()).await.unwrap();
    drop(stdin);
    let ended = sdk.wait_with_output().await.unwrap();
    assert!(ended.status.success(), "it ended with {}", ended.status);
    String::from_utf8(ended.stdout).unwrap()
}

/// What our engine makes of a message.
fn believed(body: &str, signature: &str, secrets: &[&str], now: i64) -> Result<(), WebhookError> {
    let webhooks = engine(&StripeOptions::default()).unwrap().webhooks.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(
        "stripe-signature",
        HeaderValue::from_str(signature).unwrap(),
    );
    let secrets: Vec<Secret> = secrets.iter().copied().map(Secret::new).collect();
    let now = Timestamp::from_secs(now);
    let verified = webhooks.verify(body.as_bytes(), &headers, &secrets, now);
    verified.map(drop)
}

/// The second that this machine's clock shows, by which the SDK goes.
fn now() -> i64 {
    Clock::system().now().as_micros() / 1_000_000
}

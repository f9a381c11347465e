use http::HeaderValue;
use monetization_core::engine::News;
use monetization_core::invoice::InvoiceState;
use monetization_core::reference::ObjectKind;
use proptest::prelude::*;

use super::*;
use crate::StripeOptions;
use crate::tests::{Reply, Server, cx};

const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
/// Made by Python's `hmac` over `1767225600.` and the body, with the secret below.
const SIGNED: &str = "238d47ccc3251152491130a4587f0a855c0e33e88993ce968255c6d168ef7601";
const SENT: i64 = 1_767_225_600;

fn secret() -> Secret {
    Secret::new("whsec_test_secret")
}

pub(crate) fn webhooks() -> StripeWebhooks {
    let transport = Transport::new(&StripeOptions::default()).unwrap();
    StripeWebhooks {
        transport: Arc::new(transport),
        days_until_due: 14,
    }
}

fn verify(header: &str, secrets: &[Secret], now: i64) -> Result<VerifiedEvent, WebhookError> {
    let mut headers = HeaderMap::new();
    headers.insert(SIGNATURE, HeaderValue::from_str(header).unwrap());
    webhooks().verify(BODY, &headers, secrets, Timestamp::from_secs(now))
}

fn signed() -> String {
    format!("t={SENT},v1={SIGNED}")
}

#[test]
fn a_signature_that_another_program_made_is_verified_r_w1() {
    let event = verify(&signed(), &[secret()], SENT).unwrap();
    assert_eq!((event.id.as_str(), event.body.as_slice()), ("evt_1", BODY));
}

#[test]
fn any_v1_and_any_secret_will_do_and_no_other_scheme_r_w5() {
    let other = "0".repeat(64);
    let several = format!("t={SENT},v1={other},v1={SIGNED},v0={other}");
    assert!(verify(&several, &[Secret::new("whsec_old"), secret()], SENT).is_ok());
    for header in [
        format!("t={SENT},v0={SIGNED}"),
        format!("t={SENT},v1={other}"),
        format!("t={SENT},v1={}", &SIGNED[..62]),
        format!("t={SENT}"),
        format!("v1={SIGNED}"),
        format!("t={SENT},t={SENT},v1={SIGNED}"),
        format!("t=+{SENT},v1={SIGNED}"),
        format!("t={},v1={SIGNED}", "9".repeat(13)),
        format!("{},{}", signed(), "v1=0,".repeat(1_000)),
        String::new(),
    ] {
        assert_eq!(
            verify(&header, &[secret()], SENT),
            Err(WebhookError::Signature),
            "{header}"
        );
    }
    for secrets in [
        vec![],
        vec![Secret::new("")],
        vec![Secret::new("whsec_other")],
    ] {
        assert_eq!(
            verify(&signed(), &secrets, SENT),
            Err(WebhookError::Signature)
        );
    }
}

#[test]
fn a_signature_given_twice_is_none() {
    let mut headers = HeaderMap::new();
    for _ in 0..2 {
        headers.append(SIGNATURE, HeaderValue::from_str(&signed()).unwrap());
    }
    let now = Timestamp::from_secs(SENT);
    let verified = webhooks().verify(BODY, &headers, &[secret()], now);
    assert_eq!(verified, Err(WebhookError::Signature));
}

#[test]
fn a_message_is_fresh_for_five_minutes_either_way_i5() {
    for (apart, expected) in [
        (0, Ok(())),
        (300, Ok(())),
        (-300, Ok(())),
        (301, Err(WebhookError::Stale)),
        (-301, Err(WebhookError::Stale)),
    ] {
        assert_eq!(
            verify(&signed(), &[secret()], SENT + apart).map(drop),
            expected,
            "{apart}"
        );
    }
}

proptest! {
    #[test]
    fn whatever_the_header_is_it_is_answered(header in ".{0,200}") {
        drop(signature::parse(&header));
    }

    #[test]
    fn a_header_is_read_back_as_it_was_written(
        seconds in 0_u64..1_000_000_000_000,
        signatures in prop::collection::vec(prop::array::uniform32(any::<u8>()), 0..8),
        noise in prop::collection::vec("(v0|v2|x)=[a-z0-9]{0,8}", 0..4),
    ) {
        let mut header = format!("t={seconds}");
        for other in &noise {
            header.push_str(&format!(", {other}"));
        }
        for signature in &signatures {
            header.push_str(&format!(",v1={}", crate::names::hexadecimal(signature)));
        }
        let read = signature::parse(&header).unwrap();
        prop_assert_eq!(read.seconds, seconds.to_string());
        prop_assert_eq!(read.signatures, signatures);
    }

    #[test]
    fn a_changed_byte_is_no_signature_r_w1(place in 0_usize..64, digit in 0_u8..16) {
        let mut changed = SIGNED.as_bytes().to_vec();
        changed[place] = b"0123456789abcdef"[usize::from(digit)];
        let changed = String::from_utf8(changed).unwrap();
        let verified = verify(&format!("t={SENT},v1={changed}"), &[secret()], SENT);
        prop_assert_eq!(verified.is_ok(), changed == SIGNED);
    }
}

/// What an event of an invoice says.
fn news(id: &str, kind: &str, created: i64, status: &str) -> EngineEvent {
    let body = format!(
        r#"{{"id":"{id}","type":"invoice.{kind}","created":{created},"account":"acct_1","data":{{"object":{{
            "id":"in_1","status":"{status}","currency":"usd","total":2500,"created":1,"due_date":50,
            "billing_reason":"subscription_create","hosted_invoice_url":"https://pay.test/1",
            "parent":{{"subscription_details":{{"subscription":"sub_1"}}}},
            "lines":{{"data":[{{"id":"il_1","description":"Gold","amount":2500}}]}}}}}}}}"#
    );
    let mut events = interpret(&body).unwrap();
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn interpret(body: &str) -> Result<Vec<EngineEvent>, WebhookError> {
    webhooks().interpret(&VerifiedEvent {
        id: "evt_1".parse().unwrap(),
        body: body.as_bytes().to_vec(),
    })
}

fn state(event: &EngineEvent) -> InvoiceState {
    match &event.news {
        News::Invoice { invoice, .. } => invoice.state,
        other => unreachable!("it is about an invoice, and not {other:?}"),
    }
}

#[test]
fn a_stored_payment_method_is_told_of_its_customer_d8() {
    let told = |mode: &str| {
        let session = format!(r#"{{"id":"cs_1","mode":"{mode}","customer":"cus_1"}}"#);
        interpret(&format!(
            r#"{{"id":"evt_1","type":"checkout.session.completed","created":9,
                "data":{{"object":{session}}}}}"#
        ))
    };
    let event = told("setup").unwrap().remove(0);
    assert_eq!(event.news, News::PaymentMethodStored);
    assert_eq!(
        (event.object, event.external.as_str()),
        (ObjectKind::Customer, "cus_1")
    );
    assert_eq!(told("payment"), Ok(Vec::new()), "of something else");
}

#[test]
fn an_invoice_is_told_with_whose_it_is_and_how_it_stands_d5() {
    let event = news("evt_1", "paid", 10, "paid");
    assert_eq!(event.account.as_ref().unwrap().as_str(), "acct_1");
    assert_eq!(
        (event.object, event.external.as_str()),
        (ObjectKind::Invoice, "in_1")
    );
    let News::Invoice {
        subscription,
        invoice,
    } = event.news
    else {
        unreachable!("it is about an invoice")
    };
    assert_eq!(subscription.unwrap().as_str(), "sub_1");
    assert_eq!(
        (invoice.state, invoice.total.minor()),
        (InvoiceState::Paid, 2_500)
    );
    assert_eq!(
        state(&news("evt_2", "payment_failed", 49, "open")),
        InvoiceState::Open
    );
    assert_eq!(
        state(&news("evt_2", "payment_failed", 50, "open")),
        InvoiceState::PastDue
    );
}

/// What is left of news that came in this order: the one of the highest version.
fn left(events: &[EngineEvent]) -> (u64, InvoiceState) {
    let mut known = (0, InvoiceState::Draft);
    for event in events {
        if event.version > known.0 {
            known = (event.version, state(event));
        }
    }
    known
}

/// Broken once by taking the second of an event alone: a late `updated` reopened what was paid.
#[test]
fn news_end_in_one_state_in_whichever_order_they_come_r_w4() {
    let mut events = vec![
        news("evt_1", "created", 10, "draft"),
        news("evt_2", "finalized", 10, "open"),
        news("evt_3", "payment_failed", 60, "open"),
        news("evt_4", "updated", 61, "open"),
        news("evt_5", "paid", 61, "paid"),
        news("evt_6", "updated", 62, "paid"),
    ];
    let versions: std::collections::BTreeSet<u64> =
        events.iter().map(|event| event.version).collect();
    assert_eq!(versions.len(), events.len());
    assert!(
        versions
            .iter()
            .all(|version| i64::try_from(*version).is_ok())
    );
    let expected = left(&events);
    assert_eq!(expected.1, InvoiceState::Paid);
    for turn in 0..events.len() {
        events.rotate_left(turn);
        assert_eq!(left(&events), expected);
        events.reverse();
        assert_eq!(left(&events), expected);
    }
}

#[test]
fn older_and_newer_shapes_are_read_and_others_passed_over_r_w7() {
    let older = r#"{"id":"evt_1","type":"invoice.finalized","created":10,"data":{"object":{
        "id":"in_1","status":"open","currency":"usd","total":0,"created":1,"subscription":"sub_9"}}}"#;
    let events = interpret(older).unwrap();
    assert!(matches!(&events[0].news,
        News::Invoice { subscription: Some(of), .. } if of.as_str() == "sub_9"));
    assert_eq!(events[0].account, None);
    let ended = r#"{"id":"evt_2","type":"customer.subscription.deleted","created":10,
        "data":{"object":{"id":"sub_1","whatever":[]}}}"#;
    let events = interpret(ended).unwrap();
    assert_eq!(
        (&events[0].news, events[0].external.as_str()),
        (&News::SubscriptionEnded, "sub_1")
    );
    for other in [
        r#"{"id":"evt_3","type":"customer.created","created":10}"#,
        r#"{"id":"evt_4","type":"v2.core.account.closed","created":"2026-01-01T00:00:00Z"}"#,
        r#"{"id":"evt_5","type":"invoice.upcoming","created":10,"data":{"object":{"total":1}}}"#,
        r#"{"id":"evt_6","type":"invoice_payment.paid","created":10,"data":{"object":{"id":"inpay_1"}}}"#,
    ] {
        assert_eq!(interpret(other), Ok(Vec::new()), "{other}");
    }
    let deep = "[".repeat(100_000);
    for nonsense in [
        "",
        "{",
        "null",
        "[]",
        r#"{"type":7}"#,
        r#"{"type":"invoice.paid"}"#,
        THIN,
        &deep,
    ] {
        let read = interpret(nonsense);
        assert!(
            matches!(read, Err(WebhookError::Malformed { .. })),
            "{read:?}"
        );
    }
}

#[test]
fn a_deleted_draft_is_void() {
    assert_eq!(
        state(&news("evt_1", "deleted", 10, "draft")),
        InvoiceState::Void
    );
}

/// A thin event as it is signed, and what is read of it.
const THIN: &str = r#"{"id":"evt_test_1","object":"v2.core.event","context":"acct_1","related_object":{"id":"mtr_1"},
    "type":"v1.billing.meter.error_report_triggered","created":"2026-01-01T00:00:10.500Z"}"#;
const READ: &str = r#"{"id":"evt_test_1","object":"v2.core.event","context":"acct_1","related_object":{"id":"mtr_1"},
    "type":"v1.billing.meter.error_report_triggered","created":"2026-01-01T00:00:10.500Z","data":{"reason":{
    "error_count":9,"error_types":[{"code":"meter_event_invalid_value","error_count":9,"sample_errors":[
    {"error_message":"no","request":{"identifier":"bat_0197f3a0000070008000000000000001"}},
    {"error_message":"no","request":{"identifier":"publish:bat_1/bat_0197f3a0000070008000000000000002"}},
    {"error_message":"no","request":{"identifier":"somebody else's"}}]}]}}}"#;

/// What a thin event tells is read from Stripe: only what it points at, in the account it names.
#[tokio::test]
async fn a_thin_event_is_read_and_names_reports_by_either_id_r_p7() {
    let server = Server::telling([Reply::ok(READ)]).await;
    let webhooks = StripeWebhooks {
        transport: Arc::new(Transport::new(&server.options()).unwrap()),
        days_until_due: 14,
    };
    let thin = VerifiedEvent {
        id: "evt_test_1".parse().unwrap(),
        body: THIN.as_bytes().to_vec(),
    };
    let read = webhooks.complete(&cx("complete"), thin.clone()).await;
    let read = read.unwrap();
    assert_eq!(read.id, thin.id);
    assert_eq!(server.lines(), ["GET /v2/core/events/evt_test_1"]);
    let seen = &server.seen()[0];
    assert_eq!(seen.headers["stripe-context"], "acct_1");
    assert!(!seen.headers.contains_key("stripe-account"));
    let events = webhooks.interpret(&read).unwrap();
    assert_eq!(events[0].account.as_ref().unwrap().as_str(), "acct_1");
    let News::ReportsRejected(rejected) = &events[0].news else {
        unreachable!("it is about reports")
    };
    let named = rejected.named.iter().map(|it| it.batch.to_string());
    let ids = [1, 2].map(|last| format!("bat_0197f3a000007000800000000000000{last}"));
    assert_eq!(
        (rejected.count, named.collect::<Vec<_>>()),
        (9, ids.to_vec())
    );
    assert_eq!(rejected.named[0].reason, "meter_event_invalid_value: no");
    // Nothing is asked for what says everything, or what nobody here has a use for.
    let whole = VerifiedEvent {
        body: br#"{"type":"v2.core.account.closed"}"#.to_vec(),
        ..thin
    };
    assert_eq!(
        webhooks.complete(&cx("no"), whole.clone()).await.unwrap(),
        whole
    );
    assert_eq!(server.seen().len(), 1);
}

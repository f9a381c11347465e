use monetization_core::clock::{Clock, Timestamp};
use monetization_core::engine::{SealedReport, Withdrawal};
use monetization_core::ids::{BatchId, TypedId};

use crate::tests::{Reply, Server, cx};

const NOW: i64 = 1_767_225_600;
const HOUR: i64 = 3_600;

fn refused(message: &str) -> Reply {
    let error = format!(r#"{{"error":{{"type":"invalid_request_error","message":"{message}"}}}}"#);
    Reply::answer(400, error)
}

/// A success whose answer was lost is told again under the same key.
#[tokio::test]
async fn an_event_is_cancelled_under_the_key_of_the_call() {
    let server = Server::telling([Reply::Reset, Reply::ok("{}")]).await;
    let young = report(NOW - 60);
    let lost = withdraw(&server, &young).await;
    assert!(lost.unwrap_err().may_have_taken_effect());
    let withdrawn = withdraw(&server, &young).await;
    assert_eq!(withdrawn.unwrap(), Withdrawal::Withdrawn);
    let seen = server.seen();
    assert_eq!([seen[0].key(), seen[1].key()], [Some("withdraw:b"); 2]);
    let server = Server::telling([refused("No such event.")]).await;
    let late = withdraw(&server, &young).await.unwrap();
    assert!(matches!(late, Withdrawal::TooLate { .. }), "{late:?}");
}

/// Stripe may keep a failure under a key, and has cancelled the event all the same.
#[tokio::test]
async fn where_stripe_tells_a_failure_again_an_event_is_cancelled_under_a_fresh_key() {
    let broken = || Reply::answer(500, r#"{"error":{"type":"api_error","message":"broken"}}"#);
    let cases = [
        (Reply::ok("{}"), true),
        (refused("It has already been canceled."), true),
        (refused("No such event."), false),
    ];
    for (then, is_withdrawn) in cases {
        let kept = broken().with("idempotent-replayed", "true");
        let server = Server::telling([broken(), kept, then]).await;
        let young = report(NOW - 60);
        let failed = withdraw(&server, &young).await;
        assert!(failed.unwrap_err().may_have_taken_effect());
        match withdraw(&server, &young).await {
            Ok(withdrawn) => assert!(is_withdrawn && withdrawn == Withdrawal::Withdrawn),
            Err(error) => assert!(!is_withdrawn && error.may_have_taken_effect(), "{error}"),
        }
        let seen = server.seen();
        assert_eq!(seen[1].key(), Some("withdraw:b"));
        assert_ne!(seen[1].key(), seen[2].key());
    }
}

/// It would be charged all the same.
#[tokio::test]
async fn an_event_whose_invoice_is_final_is_not_cancelled() {
    let subscription = |period_start: i64| {
        Reply::ok(format!(
            r#"{{"id":"sub_1","status":"active","customer":"cus_1","created":0,
                "items":{{"data":[{{"id":"si_1","current_period_start":{period_start},
                "current_period_end":{},"price":{{"id":"price_1","recurring":{{"interval":"month"}}}}}}]}}}}"#,
            period_start + 30 * 24 * HOUR
        ))
    };
    let used = report(NOW - 3 * HOUR);
    let server = Server::telling([subscription(NOW - 2 * HOUR)]).await;
    let late = withdraw(&server, &used).await.unwrap();
    assert!(matches!(late, Withdrawal::TooLate { .. }), "{late:?}");
    assert_eq!(server.seen().len(), 1, "it is not asked for");
    let server = Server::telling([subscription(NOW - HOUR / 2), Reply::ok("{}")]).await;
    let withdrawn = withdraw(&server, &used).await;
    assert_eq!(withdrawn.unwrap(), Withdrawal::Withdrawn);
}

async fn withdraw(
    server: &Server,
    report: &SealedReport,
) -> Result<Withdrawal, monetization_core::engine::EngineError> {
    let mut options = server.options();
    (options.clock, _) = Clock::manual_business(Timestamp::from_secs(NOW));
    let reporting = crate::engine(&options).unwrap().usage.unwrap();
    reporting.withdraw(&cx("withdraw:b"), report).await
}

/// Of `sub_1`, used at this second.
fn report(at: i64) -> SealedReport {
    let body = format!(
        "event_name=calls&identifier=b&payload[stripe_customer_id]=cus_1&payload[subscription]=sub_1&payload[value]=1&timestamp={at}"
    );
    SealedReport {
        batch: BatchId::derived(&[b"b"]),
        body: body.into_bytes(),
    }
}

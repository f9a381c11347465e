use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use monetization_core::clock::{Clock, Span};
use monetization_core::engine::{
    EngineContext, EngineErrorKind, Receipt, SealedReport, UsageReport, UsageReporting,
};
use monetization_core::ids::{BatchId, TypedId};
use monetization_core::money::{Quantity, Scale};
use monetization_core::product::Meter;
use monetization_core::reference::Mode;

use super::{at_stripe, meter};
use crate::tests::{Reply, Server, again, cx};

fn report(batch: &str, customer: &str, units: i64) -> UsageReport {
    UsageReport {
        batch: BatchId::derived(&[batch.as_bytes()]),
        subscription: "sub_1".parse().unwrap(),
        customer: customer.parse().unwrap(),
        meter: meter(),
        quantity: Quantity::from_scaled(units),
        used_at: "2026-01-31T23:59:59.999999Z".parse().unwrap(),
    }
}

/// The engine, on the day of use.
fn reporting(server: &Server) -> Arc<dyn UsageReporting> {
    reporting_at(server, "2026-02-01T00:10:00Z")
}

fn reporting_at(server: &Server, now: &str) -> Arc<dyn UsageReporting> {
    let mut options = server.options();
    options.clock = Clock::manual_business(now.parse().unwrap()).0;
    options.rates.test = NonZeroU32::new(1_000).unwrap();
    crate::engine(&options).unwrap().usage.unwrap()
}

fn sealed(usage: &dyn UsageReporting, report: &UsageReport) -> SealedReport {
    let body = usage.serialise(report).unwrap();
    SealedReport {
        batch: report.batch,
        body,
    }
}

fn duplicate() -> Reply {
    Reply::answer(
        400,
        r#"{"error":{"type":"invalid_request_error","message":"An event already exists with identifier x"}}"#,
    )
}

fn invalid() -> Reply {
    let error =
        r#"{"error":{"type":"invalid_request_error","param":"timestamp","message":"too old"}}"#;
    Reply::answer(400, error)
}

/// What becomes of reports of one customer that are answered so, one after the other.
async fn published(
    replies: Vec<Reply>,
) -> (
    Result<Vec<Receipt>, monetization_core::engine::EngineError>,
    Server,
) {
    let count = replies.len();
    let server = Server::telling(replies).await;
    let usage = reporting(&server);
    let reports: Vec<SealedReport> = (0..count)
        .map(|place| sealed(&*usage, &report(&place.to_string(), "cus_1", 7)))
        .collect();
    let receipts = usage.publish(&cx("publish:1"), &reports).await;
    (receipts, server)
}

#[tokio::test]
async fn a_report_is_sent_to_stripe_as_it_was_sealed_r_p9() {
    let server = Server::start(|_| Reply::ok("{}")).await;
    let usage = reporting(&server);
    let report = report("b", "cus_1", 7);
    let sealed = sealed(&*usage, &report);
    let (batch, meter) = (report.batch, report.meter.id);
    let body = format!(
        "event_name=monetization_{meter}&identifier={batch}&payload[stripe_customer_id]=cus_1&payload[subscription]=sub_1&payload[value]=7&timestamp=1769903999"
    );
    assert_eq!(String::from_utf8(sealed.body.clone()).unwrap(), body);
    let receipts = usage.publish(&cx("publish:1"), &[sealed]).await.unwrap();
    assert_eq!(receipts, [Receipt::Accepted]);
    let seen = server.seen();
    assert_eq!(
        seen[0].line(),
        format!("POST /v1/billing/meter_events {body}")
    );
    let key = seen[0].key().unwrap();
    assert!(key.starts_with("publish:1/") && key.ends_with(&format!("/{batch}")));
}

#[test]
fn parts_of_units_are_told_with_their_decimals_and_nothing_negative_r_v2() {
    let engine = crate::engine(&crate::StripeOptions::default()).unwrap();
    let usage = engine.usage.unwrap();
    let mut report = report("b", "cus_1", 1_500);
    report.meter = Meter {
        scale: Scale::try_from(3).unwrap(),
        ..meter()
    };
    let body = String::from_utf8(usage.serialise(&report).unwrap()).unwrap();
    assert!(body.contains("payload[value]=1.500&"), "{body}");
    for wrong in [-1, 1_000_000_000_000_000] {
        report.quantity = Quantity::from_scaled(wrong);
        let error = usage.serialise(&report).unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::Permanent);
    }
}

#[tokio::test]
async fn each_report_has_its_receipt_e5_r_p2() {
    let (receipts, _) = published(vec![Reply::ok("{}"), duplicate(), invalid()]).await;
    let receipts = receipts.unwrap();
    assert_eq!(receipts[..2], [Receipt::Accepted, Receipt::Duplicate]);
    assert!(matches!(&receipts[2], Receipt::Rejected { reason } if reason.contains("too old")));
}

/// A 500 that Stripe keeps under the key would be told again for a day.
#[tokio::test]
async fn a_report_that_is_repeated_is_known_by_its_identifier_r_p5() {
    let server = Server::telling([Reply::answer(500, "{}"), duplicate()]).await;
    let usage = reporting(&server);
    let report = [sealed(&*usage, &report("b", "cus_1", 7))];
    let lost = usage.publish(&cx("publish:1"), &report).await;
    assert!(lost.unwrap_err().may_have_taken_effect());
    let receipts = usage.publish(&again("publish:1"), &report).await.unwrap();
    assert_eq!(receipts, [Receipt::Duplicate]);
    let seen = server.seen();
    assert_eq!(seen[0].body, seen[1].body);
    assert_ne!(seen[0].key(), seen[1].key());
}

/// Stripe has no code for an event that it knows: in other words than those it uses it would be counted,
/// and given up here.
#[tokio::test]
async fn a_refusal_in_unknown_words_leaves_open_what_may_have_been_counted_r_p5() {
    for param in ["", r#""param":"identifier","#] {
        let other = format!(
            r#"{{"error":{{"type":"invalid_request_error",{param}"message":"This event was seen"}}}}"#
        );
        let server = Server::start(move |_| Reply::answer(400, other.clone())).await;
        let usage = reporting(&server);
        let report = [sealed(&*usage, &report("b", "cus_1", 7))];
        let first = usage.publish(&cx("publish:1"), &report).await.unwrap();
        assert!(matches!(first[0], Receipt::Rejected { .. }), "{first:?}");
        let later = usage.publish(&again("publish:1"), &report).await.unwrap();
        assert!(matches!(later[0], Receipt::Unknown { .. }), "{later:?}");
    }
    let named = Server::start(|_| invalid()).await;
    let usage = reporting(&named);
    let report = [sealed(&*usage, &report("b", "cus_1", 7))];
    let named = usage.publish(&again("publish:1"), &report).await;
    assert!(matches!(named.unwrap()[0], Receipt::Rejected { .. }));
}

#[tokio::test]
async fn after_a_lost_answer_nothing_more_of_the_customer_is_sent_e5() {
    let (receipts, server) = published(vec![Reply::ok("{}"), Reply::Reset, Reply::ok("{}")]).await;
    let receipts = receipts.unwrap();
    assert_eq!(receipts[0], Receipt::Accepted);
    assert!(matches!(receipts[1], Receipt::Unknown { .. }));
    assert!(matches!(receipts[2], Receipt::NotSent { .. }));
    assert_eq!(server.seen().len(), 2);
}

/// Whoever sent too much, or found nobody, has not begun the day after which nobody knows any more.
#[tokio::test]
async fn what_stripe_had_no_time_for_was_not_sent_r_p5() {
    let too_many = Reply::answer(429, "{}").with("retry-after", "9");
    let (receipts, server) = published(vec![Reply::ok("{}"), too_many, Reply::ok("{}")]).await;
    let receipts = receipts.unwrap();
    assert_eq!(receipts[0], Receipt::Accepted);
    let waits = |receipt: &Receipt| match receipt {
        Receipt::NotSent { retry_after, .. } => retry_after.map(|wait| wait.as_secs()),
        other => panic!("{other:?}"),
    };
    assert_eq!([waits(&receipts[1]), waits(&receipts[2])], [Some(9), None]);
    assert_eq!(server.seen().len(), 2);
}

/// One event a second is let through: the second has no turn in the time of its call.
#[tokio::test]
async fn what_waits_for_its_turn_was_not_sent_r_p5() {
    let server = Server::start(|_| Reply::ok("{}")).await;
    let mut options = server.options();
    options.clock = Clock::manual_business("2026-02-01T00:10:00Z".parse().unwrap()).0;
    options.rates.test = NonZeroU32::MIN;
    let usage = crate::engine(&options).unwrap().usage.unwrap();
    let reports: Vec<SealedReport> = ["cus_1", "cus_2"]
        .map(|customer| sealed(&*usage, &report(customer, customer, 7)))
        .into();
    let hurried = EngineContext {
        timeout: Duration::from_millis(500),
        ..cx("publish:1")
    };
    let mut receipts = usage.publish(&hurried, &reports).await.unwrap();
    receipts.sort_by_key(|receipt| *receipt != Receipt::Accepted);
    assert_eq!(receipts[0], Receipt::Accepted);
    assert!(
        matches!(&receipts[1], Receipt::NotSent { retry_after: Some(wait), .. } if *wait > hurried.timeout),
        "{receipts:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn where_nothing_is_known_that_is_an_error_r_p5() {
    let (lost, _) = published(vec![Reply::Reset]).await;
    assert!(lost.unwrap_err().may_have_taken_effect());
    let (throttled, _) = published(vec![Reply::answer(429, "{}").with("retry-after", "9")]).await;
    let throttled = throttled.unwrap_err();
    assert_eq!(throttled.wait().unwrap().as_secs(), 9);
    let unauthorised = r#"{"error":{"type":"invalid_request_error","message":"no"}}"#;
    let (refused, _) = published(vec![Reply::answer(401, unauthorised)]).await;
    assert_eq!(refused.unwrap_err().kind(), &EngineErrorKind::Unauthorized);
    let never = Reply::answer(500, "{}").with("stripe-should-retry", "false");
    let (unclear, _) = published(vec![never]).await;
    assert!(
        unclear.is_err(),
        "it may have been counted, so it is not rejected"
    );
    let (nothing, _) = published(Vec::new()).await;
    assert_eq!(nothing.unwrap(), []);
}

/// Stripe would take it and bill it to nobody.
#[tokio::test]
async fn use_of_an_invoiced_period_is_not_sent_r_t6() {
    let known = at_stripe("sub_1", "any", &[("si_1", "price_1", None)], "");
    // Its period has begun on 15 January: use of the 31st is of a later one, use of the 1st is not.
    for (used_at, receipt_is) in [
        ("2026-01-31T00:00:00Z", true),
        ("2026-01-01T00:00:00Z", false),
    ] {
        let known = known.clone();
        let server = Server::start(move |seen| match seen.method.as_str() {
            "GET" => Reply::ok(known.clone()),
            _ => Reply::ok("{}"),
        })
        .await;
        let usage = reporting(&server);
        let report = UsageReport {
            used_at: used_at.parse().unwrap(),
            ..report("b", "cus_1", 7)
        };
        let sealed = sealed(&*usage, &report);
        let receipts = usage
            .publish(&cx("publish:1"), std::slice::from_ref(&sealed))
            .await
            .unwrap();
        assert_eq!(receipts[0] == Receipt::Accepted, receipt_is, "{receipts:?}");
        let lines = server.lines();
        assert_eq!(
            lines[0],
            "GET /v1/subscriptions/sub_1?expand[0]=latest_invoice"
        );
        assert_eq!(lines.len(), 1 + usize::from(receipt_is));
        // What may have been sent in time is sent again, so that Stripe says so.
        usage.publish(&again("publish:1"), &[sealed]).await.unwrap();
        assert_eq!(server.lines().len(), lines.len() + 2);
    }
}

/// The question whether it came in time is an event itself: told of that one, a second would take use
/// for billed that nobody is billed for.
#[tokio::test]
async fn whether_use_came_in_time_is_asked_once_r_t6() {
    let known = at_stripe("sub_1", "any", &[("si_1", "price_1", None)], "");
    for (reply, is_rejected) in [(Reply::Reset, true), (duplicate(), false)] {
        let known = known.clone();
        let server = Server::start(move |seen| match seen.method.as_str() {
            "GET" => Reply::ok(known.clone()),
            _ => reply.clone(),
        })
        .await;
        let usage = reporting(&server);
        let report = UsageReport {
            used_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            ..report("b", "cus_1", 7)
        };
        let sealed = [sealed(&*usage, &report)];
        let receipts = usage.publish(&again("publish:1"), &sealed).await.unwrap();
        let rejected =
            matches!(&receipts[0], Receipt::Rejected { reason } if reason.contains("invoiced"));
        assert_eq!(rejected, is_rejected, "{receipts:?}");
    }
}

#[tokio::test]
async fn what_nobody_would_take_is_not_sent() {
    let server = Server::start(|_| Reply::missing()).await;
    let usage = reporting_at(&server, "2026-02-01T12:00:00Z");
    let unknown = sealed(&*usage, &report("b", "cus_1", 7));
    let old = UsageReport {
        used_at: "2025-12-01T00:00:00Z".parse().unwrap(),
        ..report("c", "cus_1", 7)
    };
    let old = sealed(&*usage, &old);
    let junk = SealedReport {
        batch: old.batch,
        body: vec![0xff],
    };
    let receipts = usage
        .publish(&cx("publish:1"), &[unknown, old, junk])
        .await
        .unwrap();
    let is_rejected = |receipt: &Receipt| matches!(receipt, Receipt::Rejected { .. });
    assert!(receipts.iter().all(is_rejected), "{receipts:?}");
    assert!(server.lines().iter().all(|line| line.starts_with("GET")));
}

/// Stripe takes one event at a time of a customer and meter; customers do not wait for each other.
#[tokio::test]
async fn customers_are_reported_at_once_and_each_in_order() {
    let server = Server::start(|_| Reply::ok("{}")).await;
    let usage = reporting(&server);
    let reports: Vec<SealedReport> = (0..40)
        .map(|place| {
            let customer = format!("cus_{}", place % 5);
            sealed(&*usage, &report(&place.to_string(), &customer, place + 1))
        })
        .collect();
    let receipts = usage.publish(&cx("publish:1"), &reports).await.unwrap();
    assert_eq!(receipts, vec![Receipt::Accepted; 40]);
    let seen = server.seen();
    for customer in 0..5 {
        let whose = format!("[stripe_customer_id]=cus_{customer}&");
        let theirs = seen.iter().filter(|seen| seen.body.contains(&whose));
        let values: Vec<i64> = theirs
            .map(|seen| {
                crate::form::value(&seen.body, "payload[value]")
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        assert!(values.len() == 8 && values.is_sorted(), "{values:?}");
    }
    let connections = seen.iter().map(|seen| seen.connection).max().unwrap() + 1;
    assert!(
        (2..=5).contains(&connections),
        "{connections} connections for five customers"
    );
}

#[tokio::test]
async fn a_realm_is_the_account_of_the_key_and_its_mode_r_p11() {
    let server = Server::start(|_| Reply::ok(r#"{"id":"acct_own"}"#)).await;
    let cx = EngineContext {
        account: Some("acct_connected".parse().unwrap()),
        ..cx("realm")
    };
    let realm = server.engine().usage.unwrap().realm(&cx).await.unwrap();
    assert_eq!(
        (realm.account.as_str(), realm.mode),
        ("acct_own", Mode::Test)
    );
    let seen = server.seen();
    assert_eq!(seen[0].line(), "GET /v1/account");
    assert!(!seen[0].headers.contains_key("stripe-account"));
}

/// What is counted between two instants, where Stripe says so for each stretch it is asked for.
async fn summed(
    sums: &'static [&'static str],
    start: &str,
    end: &str,
) -> (Result<i64, String>, Server) {
    let place = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |seen| {
        if seen.path.starts_with("/v1/subscriptions") {
            return Reply::ok(at_stripe("sub_1", "any", &[], ""));
        }
        if seen.path.starts_with("/v1/billing/meters?") {
            let name = format!("monetization_{}", meter().id);
            return Reply::list(&[&format!(r#"{{"id":"mtr_1","event_name":"{name}"}}"#)]);
        }
        let sum = sums[place.fetch_add(1, Ordering::Relaxed)];
        Reply::list(&[&format!(r#"{{"id":"sum_1","aggregated_value":{sum}}}"#)])
    })
    .await;
    let span = Span {
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
    };
    let usage = server.engine().usage.unwrap();
    let sum = usage
        .summary(&cx("k"), &"sub_1".parse().unwrap(), &meter(), span)
        .await;
    (
        sum.map(Quantity::scaled).map_err(|error| error.to_string()),
        server,
    )
}

#[tokio::test]
async fn what_was_counted_is_told_by_whole_minutes_r_p13() {
    let (sum, server) = summed(&["320.0"], "2026-01-01T00:10:00Z", "2026-01-01T00:20:00Z").await;
    assert_eq!(sum, Ok(320));
    let asked = "GET /v1/billing/meters/mtr_1/event_summaries?customer=cus_1&end_time=1767226800&limit=100&start_time=1767226200";
    assert_eq!(server.lines()[2], asked);
    let (odd, until) = ("2026-01-01T00:10:30Z", "2026-01-01T00:20:00Z");
    let (sum, server) = summed(&["320", "320"], odd, until).await;
    assert_eq!(
        (sum, server.lines().len()),
        (Ok(320), 4),
        "nothing was used in the odd minute"
    );
    let (sum, _) = summed(&["320", "300"], odd, until).await;
    assert!(sum.unwrap_err().contains("whole minutes"));
    let (sum, _) = summed(&["1e21"], "2026-01-01T00:10:00Z", until).await;
    assert!(sum.unwrap_err().contains("no quantity"));
    let (sum, _) = summed(&["1.5"], "2026-01-01T00:10:00Z", until).await;
    assert!(sum.is_err(), "the meter counts whole units");
}

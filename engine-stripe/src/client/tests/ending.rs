//! How subscriptions end.

use monetization_core::engine::{CancelMode, Removal};

use super::changing::{server, sub_1, subscribed};
use super::{first_invoice, subscription};
use crate::tests::{Reply, Server, cx};

#[tokio::test]
async fn a_trial_that_ends_owes_no_fee_b16() {
    let ours = subscription();
    let tried = subscribed(&[], "").replace("active", "trialing");
    let server = Server::start(move |seen| {
        if !seen.path.starts_with("/v1/invoiceitems?") {
            return Reply::ok(tried.clone());
        }
        let item = |id: &str, of: &str| {
            format!(
                r#"{{"id":"{id}","amount":1,"metadata":{{"monetization_subscription":"{of}"}}}}"#
            )
        };
        Reply::list(&[&item("ii_1", &ours.to_string()), &item("ii_2", "sub_other")])
    })
    .await;
    let billing = server.engine().billing;
    billing
        .cancel_subscription(&cx("end:1"), &sub_1(), CancelMode::AtPeriodEnd)
        .await
        .unwrap();
    assert_eq!(
        server.lines()[1..],
        [
            "GET /v1/invoiceitems?customer=cus_1&limit=100&pending=true",
            "DELETE /v1/invoiceitems/ii_1",
            "POST /v1/subscriptions/sub_1 cancel_at_period_end=true",
        ]
    );
}

#[tokio::test]
async fn an_end_at_once_invoices_what_was_used_and_takes_an_unpaid_start_back_c5_d6() {
    let latest = |status| format!(r#","latest_invoice":{}"#, first_invoice(status));
    for (status, is_voided) in [("open", true), ("paid", false)] {
        let server = server(subscribed(&[], &latest(status))).await;
        let billing = server.engine().billing;
        let ended = billing
            .cancel_subscription(&cx("end:1"), &sub_1(), CancelMode::Now)
            .await;
        assert_eq!(ended.unwrap(), Removal::Deleted);
        let lines = server.lines();
        assert_eq!(
            lines[0],
            "GET /v1/subscriptions/sub_1?expand[0]=latest_invoice"
        );
        assert_eq!(
            lines.contains(&"POST /v1/invoices/in_1/void".to_owned()),
            is_voided
        );
        let last = lines.last().unwrap();
        assert_eq!(
            last,
            "DELETE /v1/subscriptions/sub_1 invoice_now=true&prorate=false"
        );
        assert_eq!(server.seen().last().unwrap().key(), Some("end:1"));
    }
}

#[tokio::test]
async fn an_end_with_the_period_is_asked_for_once_c5() {
    let billing_of = |server: &Server| server.engine().billing;
    let running = server(subscribed(&[], "")).await;
    let mode = CancelMode::AtPeriodEnd;
    let ended = billing_of(&running)
        .cancel_subscription(&cx("end:1"), &sub_1(), mode)
        .await;
    assert_eq!(ended.unwrap(), Removal::Archived);
    let asked = "POST /v1/subscriptions/sub_1 cancel_at_period_end=true";
    assert_eq!(running.lines().last().unwrap(), asked);
    let ending = server(subscribed(&[], r#","cancel_at_period_end":true"#)).await;
    let ended = billing_of(&ending)
        .cancel_subscription(&cx("end:1"), &sub_1(), mode)
        .await;
    assert_eq!(
        (ended.unwrap(), ending.lines().len()),
        (Removal::Archived, 1)
    );
}

#[tokio::test]
async fn what_is_gone_is_as_good_as_ended_c5() {
    for mode in [CancelMode::Now, CancelMode::AtPeriodEnd] {
        let unknown = Server::start(|_| Reply::missing()).await;
        let over = server(subscribed(&[], "").replace("active", "canceled")).await;
        for server in [unknown, over] {
            let billing = server.engine().billing;
            let ended = billing
                .cancel_subscription(&cx("end:1"), &sub_1(), mode)
                .await;
            assert_eq!(
                (ended.unwrap(), server.lines().len()),
                (Removal::AlreadyGone, 1)
            );
        }
    }
}

/// Stripe was away when the period ended, and has begun the next one: its base price is not owed.
#[tokio::test]
async fn an_end_that_comes_after_its_boundary_takes_the_renewal_back_c5() {
    let since = CancelMode::Since("2026-01-15T10:00:00Z".parse().unwrap());
    let items = [("si_base", "price_base", None)];
    let cases = [
        (
            "draft",
            2_700,
            "POST /v1/invoiceitems amount=-2500&customer=cus_1&description=Not+used:+the+subscription+has+ended&invoice=in_2",
        ),
        (
            "open",
            2_700,
            "POST /v1/credit_notes amount=2500&email_type=none&invoice=in_2&memo=Not+used:+the+subscription+has+ended&metadata[monetization_credit]=end",
        ),
        ("open", 2_500, "POST /v1/invoices/in_2/void"),
        (
            "paid",
            2_700,
            "POST /v1/credit_notes amount=2500&email_type=none&invoice=in_2&memo=Not+used:+the+subscription+has+ended&metadata[monetization_credit]=end&refund_amount=2500",
        ),
    ];
    for (status, total, taken_back) in cases {
        let known = subscribed(&items, "");
        let server = Server::start(move |seen| {
            let used = total - 2_500;
            let (remaining, paid) = if status == "paid" { (0, total) } else { (total, 0) };
            let renewal = format!(
                r#"{{"id":"in_2","status":"{status}","currency":"usd","total":{total},"created":1768471205,
                    "customer":"cus_1","billing_reason":"subscription_cycle","amount_remaining":{remaining},
                    "amount_paid":{paid},"lines":{{"data":[
                    {{"id":"il_1","amount":{used},"period":{{"start":1765792800}}}},
                    {{"id":"il_2","amount":2500,"period":{{"start":1768471200}}}}]}}}}"#
            );
            match (seen.method.as_str(), seen.path.split('?').next()) {
                ("GET", Some("/v1/invoices")) => Reply::list(&[&renewal]),
                ("GET", Some("/v1/credit_notes")) => Reply::nothing(),
                ("POST", _) => Reply::ok(r#"{"id":"any","currency":"usd","total":0,"created":1}"#),
                _ => Reply::ok(known.clone()),
            }
        })
        .await;
        let billing = server.engine().billing;
        let ended = billing
            .cancel_subscription(&cx("end:1"), &sub_1(), since)
            .await;
        assert_eq!(ended.unwrap(), Removal::Deleted);
        let lines = server.lines();
        let ordered = lines.iter().filter(|line| !line.starts_with("GET"));
        let ordered: Vec<&str> = ordered.map(String::as_str).collect();
        let gone = "DELETE /v1/subscriptions/sub_1 invoice_now=true&prorate=false";
        assert_eq!(ordered, [taken_back, gone], "{status}");
    }
    // In the middle of a period that Stripe knows as core does, its base price stays charged.
    let running = server(subscribed(&items, "")).await;
    let billing = running.engine().billing;
    let since = CancelMode::Since("2026-01-20T10:00:00Z".parse().unwrap());
    billing
        .cancel_subscription(&cx("end:1"), &sub_1(), since)
        .await
        .unwrap();
    assert_eq!(running.lines().len(), 2, "{:?}", running.lines());
}

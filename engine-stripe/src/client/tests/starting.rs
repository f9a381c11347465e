use monetization_core::engine::{
    EngineContext, EngineError, EngineErrorKind, NewSubscription, SubscriptionStart,
};
use rust_decimal::Decimal;

use super::{at_stripe, first_invoice, selling, subscription, wanted};
use crate::tests::{Reply, Server, cx};

/// A Stripe where the customer has these subscriptions, and the new one this first invoice.
async fn server(known: Vec<String>, invoice: &'static str) -> Server {
    let known = known.join(",");
    Server::start(move |seen| {
        if let Some(reply) = selling(seen) {
            return reply;
        }
        if seen.path.ends_with("/finalize") {
            return Reply::ok(first_invoice("open"));
        }
        if seen.method == "GET" {
            return Reply::list(&[&known]);
        }
        let invoice = format!(r#","latest_invoice":{}"#, first_invoice(invoice));
        Reply::ok(at_stripe("sub_1", "any", &[], &invoice))
    })
    .await
}

async fn start(
    server: &Server,
    wanted: &NewSubscription,
) -> Result<SubscriptionStart, EngineError> {
    let billing = server.engine().billing;
    billing.create_subscription(&cx("start:1"), wanted).await
}

#[tokio::test]
async fn a_subscription_has_the_periods_and_prices_of_its_plan_c1() {
    let server = server(Vec::new(), "open").await;
    let started = start(&server, &wanted()).await.unwrap();
    assert_eq!(started.external.as_str(), "sub_1");
    assert_eq!(started.payment_url.as_deref(), Some("https://pay.test/1"));
    let ours = subscription();
    assert_eq!(
        server.lines(),
        [
            "GET /v1/subscriptions?customer=cus_1&expand[0]=data.customer&expand[1]=data.latest_invoice&limit=100&status=all".to_owned(),
            "GET /v1/products/plv_gold".to_owned(),
            "GET /v1/prices?active=true&limit=100&product=plv_gold".to_owned(),
            format!("POST /v1/subscriptions add_invoice_items[0][price]=price_setup&backdate_start_date=1768471200&billing_cycle_anchor=1771149600&billing_mode[type]=flexible&collection_method=send_invoice&customer=cus_1&days_until_due=14&expand[0]=customer&expand[1]=latest_invoice&items[0][price]=price_base&items[1][price]=price_usage&metadata[monetization_subscription]={ours}"),
        ]
    );
    assert_eq!(server.seen()[3].key(), Some("start:1"));
}

#[tokio::test]
async fn a_trial_is_told_by_its_end_and_what_the_start_costs_waits_for_it_b16() {
    let server = server(Vec::new(), "paid").await;
    let mut wanted = wanted();
    wanted.schedule.trial_ends_at = Some("2026-01-29T10:00:00Z".parse().unwrap());
    let started = start(&server, &wanted).await;
    assert_eq!(started.unwrap().payment_url, None);
    let lines = server.lines();
    assert!(lines[3].ends_with("&trial_end=1769680800"), "{}", lines[3]);
    for other in ["add_invoice_items", "backdate", "anchor"] {
        assert!(!lines[3].contains(other), "{}", lines[3]);
    }
    let waits = "POST /v1/invoiceitems customer=cus_1&metadata[monetization_subscription]=any&pricing[price]=price_setup&subscription=sub_1";
    assert_eq!(lines[4], waits);
    assert_eq!(server.seen()[4].key(), Some("start:1/fee"));
}

#[tokio::test]
async fn a_first_invoice_that_is_a_draft_is_made_final_d1() {
    let server = server(Vec::new(), "draft").await;
    let started = start(&server, &wanted()).await.unwrap();
    assert!(started.payment_url.is_some());
    let seen = server.seen();
    let last = seen.last().unwrap();
    assert_eq!(last.line(), "POST /v1/invoices/in_1/finalize");
    assert_eq!(last.key(), Some("start:1/finalize"));
}

#[tokio::test]
async fn nothing_due_needs_no_link_d7() {
    let server = server(Vec::new(), "paid").await;
    let started = start(&server, &wanted()).await.unwrap();
    assert_eq!(started.payment_url, None);
}

/// They pay this one by hand, and the next one by what they have stored.
#[tokio::test]
async fn who_is_declined_at_the_start_is_charged_from_the_next_invoice_on_d8() {
    let server = Server::start(|seen| {
        let open = first_invoice("open");
        let customer = r#"{"id":"cus_1","metadata":{"monetization_charged":"true"},
            "invoice_settings":{"default_payment_method":"pm_1"}}"#;
        let known = format!(r#","collection_method":"send_invoice","latest_invoice":{open}"#);
        let made = at_stripe("sub_1", "any", &[], &known);
        let made = made.replacen("\"cus_1\"", customer, 1);
        match (seen.method.as_str(), seen.path.as_str()) {
            ("POST", "/v1/invoices/in_1/pay") => Reply::answer(
                402,
                r#"{"error":{"type":"card_error","code":"card_declined","message":"No"}}"#,
            ),
            (_, "/v1/invoices/in_1") => Reply::ok(open),
            ("POST", _) => Reply::ok(made),
            _ => selling(seen).unwrap_or(Reply::nothing()),
        }
    })
    .await;
    let started = start(&server, &wanted()).await.unwrap();
    assert_eq!(started.payment_url.as_deref(), Some("https://pay.test/1"));
    let charged = "POST /v1/subscriptions/sub_1 collection_method=charge_automatically";
    assert_eq!(server.lines().last().unwrap(), charged);
}

#[tokio::test]
async fn the_platform_keeps_its_share_of_a_connected_account_only_h7() {
    let server = server(Vec::new(), "paid").await;
    let mut options = server.options();
    options.application_fee_percent = Some(Decimal::new(1250, 2));
    let billing = crate::engine(&options).unwrap().billing;
    let connected = EngineContext {
        account: Some("acct_1A2b3C4d5E6f7G8h".parse().unwrap()),
        ..cx("start:1")
    };
    for (cx, is_kept) in [(connected, true), (cx("start:2"), false)] {
        billing.create_subscription(&cx, &wanted()).await.unwrap();
        let seen = server.seen();
        let body = &seen.last().unwrap().body;
        assert_eq!(
            body.contains("application_fee_percent=12.5&"),
            is_kept,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_subscription_that_is_there_is_not_started_again_c1() {
    let known = at_stripe("sub_7", &subscription().to_string(), &[], "");
    let server = server(vec![known], "open").await;
    let started = start(&server, &wanted()).await.unwrap();
    assert_eq!(started.external.as_str(), "sub_7");
    assert_eq!(server.lines().len(), 1, "{:?}", server.lines());
}

/// Stripe counts use by customer: both subscriptions would be billed for the use of either.
#[tokio::test]
async fn two_subscriptions_of_a_customer_do_not_share_a_meter() {
    let items = [("si_1", "price_x", Some("mtr_1"))];
    let alive = at_stripe("sub_7", "sub_other", &items, "");
    let over = alive.replace("active", "canceled");
    for (other, is_refused) in [(alive, true), (over, false)] {
        let server = server(vec![other], "open").await;
        let started = start(&server, &wanted()).await;
        match started {
            Err(error) => {
                assert!(is_refused && error.to_string().contains("sub_7"), "{error}");
                assert_eq!(error.kind(), &EngineErrorKind::Permanent);
                assert!(!server.lines().iter().any(|line| line.starts_with("POST")));
            }
            Ok(_) => assert!(!is_refused),
        }
    }
}

#[tokio::test]
async fn a_plan_that_is_off_sale_or_not_whole_is_not_subscribed_to() {
    for product in [
        r#"{"id":"plv_gold","active":false,"metadata":{"monetization_prices":"0"}}"#,
        r#"{"id":"plv_gold","active":true,"metadata":{"monetization_prices":"4"}}"#,
        r#"{"id":"plv_gold","active":true}"#,
    ] {
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/v1/products/plv_gold" => Reply::ok(product),
            _ => selling(seen).unwrap_or(Reply::nothing()),
        })
        .await;
        let started = start(&server, &wanted()).await;
        assert_eq!(
            started.unwrap_err().kind(),
            &EngineErrorKind::Permanent,
            "{product}"
        );
    }
}

#[tokio::test]
async fn a_start_that_stripes_clock_has_not_reached_is_tried_again() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "POST" => Reply::answer(
            400,
            r#"{"error":{"type":"invalid_request_error","param":"backdate_start_date","message":"must be in the past"}}"#,
        ),
        _ => selling(seen).unwrap_or(Reply::nothing()),
    })
    .await;
    let started = start(&server, &wanted()).await;
    assert_eq!(started.unwrap_err().kind(), &EngineErrorKind::Retryable);
}

use monetization_core::engine::EngineErrorKind;
use monetization_core::invoice::{Credit, CreditTo, InvoiceState};
use monetization_core::money::Money;

use super::at_stripe;
use crate::tests::{Reply, Server, again, cx};

fn credit(to: CreditTo) -> Credit {
    Credit {
        number: 1,
        amount: Money::new(1_000, "USD".parse().unwrap()),
        reason: "an outage".parse().unwrap(),
        to,
        request_key: None,
        made_at: super::START.parse().unwrap(),
        external: None,
        refused_because: None,
    }
}

/// Where so much of an invoice is still to be paid, and so much was paid by card.
async fn owing(remaining: i64, paid: i64) -> Server {
    Server::start(move |seen| match seen.path.as_str() {
        "/v1/invoices/in_1" => Reply::ok(format!(
            r#"{{"id":"in_1","status":"open","currency":"usd","total":2500,"created":9,
                "amount_remaining":{remaining},"amount_paid":{paid}}}"#
        )),
        "/v1/credit_notes" => Reply::ok(r#"{"id":"cn_1"}"#),
        _ => Reply::nothing(),
    })
    .await
}

/// Stripe wants to be told where money goes that was paid, and only of that.
#[tokio::test]
async fn a_credit_says_where_what_was_paid_goes() {
    let same =
        "amount=1000&email_type=none&invoice=in_1&memo=an+outage&metadata[monetization_credit]=1";
    let cases = [
        (2_500, 0, CreditTo::Balance, same.to_owned()),
        (
            400,
            2_100,
            CreditTo::Balance,
            same.replacen("&email", "&credit_amount=600&email", 1),
        ),
        (
            0,
            2_500,
            CreditTo::Balance,
            same.replacen("&email", "&credit_amount=1000&email", 1),
        ),
        (
            0,
            2_500,
            CreditTo::Payment,
            format!("{same}&refund_amount=1000"),
        ),
        (
            0,
            300,
            CreditTo::Payment,
            format!("{same}&refund_amount=300").replacen("&email", "&credit_amount=700&email", 1),
        ),
    ];
    for (remaining, paid, to, form) in cases {
        let server = owing(remaining, paid).await;
        let issuing = server.engine().invoices.unwrap();
        let given = issuing
            .credit(&cx("credit:1"), &"in_1".parse().unwrap(), &credit(to))
            .await;
        assert_eq!(given.unwrap().as_str(), "cn_1");
        let lines = server.lines();
        assert_eq!(
            lines,
            [
                "GET /v1/invoices/in_1",
                &format!("POST /v1/credit_notes {form}")
            ]
        );
    }
}

#[tokio::test]
async fn a_credit_that_may_be_there_is_found_by_its_number() {
    let server = Server::start(|seen| match seen.path.split('?').next() {
        Some("/v1/credit_notes") if seen.method == "GET" => Reply::list(&[
            r#"{"id":"cn_2","metadata":{"monetization_credit":"2"}}"#,
            r#"{"id":"cn_1","metadata":{"monetization_credit":"1"}}"#,
        ]),
        Some("/v1/invoices/in_1") => {
            Reply::ok(r#"{"id":"in_1","currency":"usd","total":2500,"created":9}"#)
        }
        _ => Reply::missing(),
    })
    .await;
    let issuing = server.engine().invoices.unwrap();
    let of = "in_1".parse().unwrap();
    let found = issuing
        .credit(&again("credit:1"), &of, &credit(CreditTo::Balance))
        .await;
    assert_eq!(found.unwrap().as_str(), "cn_1");
    assert_eq!(server.lines().len(), 2);
}

/// Also where a change of plan waits, after which Stripe would go back to asking for payments.
#[tokio::test]
async fn who_has_stored_a_method_is_charged_for_what_they_have_d8() {
    let sent = r#","collection_method":"send_invoice","schedule":"sub_sched_1""#;
    let sent = at_stripe("sub_1", "sub_ours", &[], sent);
    let charged = r#","collection_method":"charge_automatically""#;
    let charged = at_stripe("sub_2", "sub_other", &[], charged);
    let foreign = sent.replace("monetization_subscription", "somebody");
    let server = Server::start(move |seen| match seen.path.split('?').next() {
        Some("/v1/customers/cus_1/payment_methods") => Reply::list(&[r#"{"id":"pm_1"}"#]),
        Some("/v1/subscriptions") => Reply::list(&[&sent, &charged, &foreign]),
        _ => Reply::ok(r#"{"id":"any"}"#),
    })
    .await;
    let portal = server.engine().portal.unwrap();
    let customer = "cus_1".parse().unwrap();
    let charged = portal.charge_stored(&cx("charge:1"), &customer).await;
    charged.unwrap();
    assert_eq!(
        server.lines(),
        [
            "GET /v1/customers/cus_1/payment_methods?limit=1",
            "POST /v1/customers/cus_1 invoice_settings[default_payment_method]=pm_1&metadata[monetization_charged]=true",
            "GET /v1/subscriptions?customer=cus_1&limit=100",
            "POST /v1/subscription_schedules/sub_sched_1 default_settings[collection_method]=charge_automatically",
            "POST /v1/subscriptions/sub_1 collection_method=charge_automatically",
        ]
    );
}

/// What earlier notes have refunded cannot be refunded again: the rest goes to the balance.
#[tokio::test]
async fn a_second_credit_gives_back_what_is_left_of_the_payment() {
    let server = Server::start(|seen| match seen.path.split('?').next() {
        Some("/v1/credit_notes") if seen.method == "GET" => {
            Reply::list(&[r#"{"id":"cn_0","metadata":{"monetization_credit":"0"},
                "refunds":[{"amount_refunded":900,"refund":"re_1"}]}"#])
        }
        Some("/v1/credit_notes") => Reply::ok(r#"{"id":"cn_1"}"#),
        _ => Reply::ok(
            r#"{"id":"in_1","status":"paid","currency":"usd","total":2500,"created":9,
                "amount_remaining":0,"amount_paid":1000,"post_payment_credit_notes_amount":900}"#,
        ),
    })
    .await;
    let issuing = server.engine().invoices.unwrap();
    let of = "in_1".parse().unwrap();
    issuing
        .credit(&cx("credit:1"), &of, &credit(CreditTo::Payment))
        .await
        .unwrap();
    let seen = server.seen().pop().unwrap();
    for part in ["&credit_amount=900&", "&refund_amount=100"] {
        assert!(seen.body.contains(part), "{}", seen.body);
    }
    assert_eq!(seen.key(), Some("credit:1/in_1:paid:1000:back:100"));
}

/// A key that may not pay would charge nobody, and nobody would be told.
#[tokio::test]
async fn only_a_decline_is_taken_for_one_d8() {
    let refused = |kind: &str| format!(r#"{{"error":{{"type":"{kind}","message":"No"}}}}"#);
    let invalid = refused("invalid_request_error");
    let cases = [
        (403, invalid.clone(), EngineErrorKind::Unauthorized),
        (400, invalid, EngineErrorKind::Permanent),
        (400, refused("idempotency_error"), EngineErrorKind::Conflict),
    ];
    for (status, told, kind) in cases {
        let server = charging(Reply::answer(status, told), true).await;
        let issuing = server.engine().invoices.unwrap();
        let invoice = super::invoices::invoice("USD", &[100]);
        let customer = "cus_1".parse().unwrap();
        let issued = issuing.issue(&cx("issue:1"), &customer, &invoice).await;
        assert_eq!(issued.unwrap_err().kind(), &kind);
    }
}

/// A decline is no error: they are asked to pay by hand. That nobody knows is one, and the next attempt
/// goes under another key. Who has not asked for it is charged nothing, nor what was taken back.
#[tokio::test]
async fn who_is_declined_is_asked_to_pay_by_hand_d8() {
    let declined = r#"{"error":{"type":"card_error","code":"card_declined","message":"No"}}"#;
    let broken = Reply::answer(500, r#"{"error":{"type":"api_error"}}"#);
    let cases = [
        (Reply::answer(402, declined), true, true),
        (broken.clone(), true, false),
        (broken, false, true),
    ];
    for (pay, is_wanted, is_known) in cases {
        let server = charging(pay, is_wanted).await;
        let issuing = server.engine().invoices.unwrap();
        let mut invoice = super::invoices::invoice("USD", &[100]);
        let customer = "cus_1".parse().unwrap();
        let issued = issuing.issue(&cx("issue:1"), &customer, &invoice).await;
        match issued {
            Ok(issued) => assert!(is_known && issued.payment_url.is_some()),
            Err(error) => assert_eq!(
                (is_known, error.kind()),
                (false, &EngineErrorKind::Ambiguous)
            ),
        }
        let charges = |server: &Server| {
            let seen = server.seen().into_iter();
            let paid = seen.filter(|it| it.path == "/v1/invoices/in_1/pay");
            paid.filter_map(|it| it.key().map(str::to_owned)).collect()
        };
        let keys: Vec<String> = charges(&server);
        assert_eq!(keys.len(), usize::from(is_wanted));
        drop(issuing.issue(&again("issue:1"), &customer, &invoice).await);
        let keys: Vec<String> = charges(&server);
        assert_eq!(keys.len(), 2 * usize::from(is_wanted));
        assert!(!is_wanted || keys[0] == "issue:1/pay" && keys[1] != keys[0]);
        invoice.state = InvoiceState::Void;
        drop(issuing.issue(&again("issue:1"), &customer, &invoice).await);
        assert_eq!(charges(&server), keys);
    }
}

/// A Stripe with an open invoice of core's, of a customer with a default, who may want to be charged.
async fn charging(pay: Reply, is_wanted: bool) -> Server {
    let ours = super::invoices::invoice("USD", &[100]).id;
    let mark = if is_wanted {
        r#"{"monetization_charged":"true"}"#
    } else {
        "{}"
    };
    Server::start(move |seen| {
        let invoice = |status: &str| {
            format!(
                r#"{{"id":"in_1","status":"{status}","currency":"usd","total":100,"created":9,
                    "hosted_invoice_url":"https://pay.test/1","metadata":{{
                    "monetization_invoice":"{ours}","monetization_total":"100"}},"customer":{{
                    "id":"cus_1","metadata":{mark},
                    "invoice_settings":{{"default_payment_method":"pm_1"}}}}}}"#
            )
        };
        match (seen.method.as_str(), seen.path.split('?').next()) {
            ("GET", Some("/v1/invoices")) => Reply::list(&[&invoice("open")]),
            ("GET", Some("/v1/invoices/in_1")) if seen.key().is_none() => {
                Reply::ok(invoice("open"))
            }
            ("POST", Some("/v1/invoices")) => Reply::ok(invoice("draft")),
            ("POST", Some("/v1/invoices/in_1/finalize")) => Reply::ok(invoice("open")),
            ("POST", Some("/v1/invoices/in_1/pay")) => pay.clone(),
            _ => Reply::ok(r#"{"id":"ii_1","amount":1}"#),
        }
    })
    .await
}

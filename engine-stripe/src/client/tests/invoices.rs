use monetization_core::engine::{EngineErrorKind, Issued, Removal};
use monetization_core::ids::{InvoiceId, TypedId};
use monetization_core::invoice::{Invoice, InvoiceState, Invoicing, Line, LineItem, Occasion};
use monetization_core::money::Money;
use monetization_core::period::{Cycle, Schedule};
use rust_decimal::Decimal;

use super::{SUBSCRIBED, consumer, first_invoice, subscription};
use crate::tests::{Reply, Seen, Server, again, cx};

pub(super) fn invoice(currency: &str, amounts: &[i64]) -> Invoice {
    let currency = currency.parse().unwrap();
    let period = Schedule::new(SUBSCRIBED.parse().unwrap(), Cycle::MONTH)
        .period(0)
        .unwrap();
    let lines = amounts.iter().enumerate().map(|(place, minor)| Line {
        item: LineItem::Setup,
        description: format!("line {place}"),
        amount: Money::new(*minor, currency),
    });
    Invoice {
        id: InvoiceId::derived(&[b"i"]),
        tenant: consumer().tenant,
        consumer: consumer().id,
        subscription: subscription(),
        product: TypedId::derived(&[b"p"]),
        invoicing: Invoicing::ByCore,
        occasion: Occasion::Period { index: 0, period },
        lines: lines.collect(),
        currency,
        total: Money::new(amounts.iter().sum(), currency),
        state: InvoiceState::Draft,
        payment_url: None,
        issued_at: period.end,
        due_at: "2026-03-01T00:00:00Z".parse().unwrap(),
        grace_ends_at: None,
        paid_at: None,
        credits: Vec::new(),
        engine_version: 0,
    }
}

/// Stripe's invoice over so much, in a state.
fn stripes(status: &str, total: i64) -> String {
    format!(
        r#"{{"id":"in_1","status":"{status}","currency":"usd","total":{total},"created":9,
            "hosted_invoice_url":"https://pay.test/1","metadata":{{
            "monetization_invoice":"{}","monetization_total":"{total}"}}}}"#,
        invoice("USD", &[]).id
    )
}

/// A Stripe that has nothing and makes everything.
fn making(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        "/v1/invoices" => Reply::ok(stripes("draft", 0)),
        "/v1/invoiceitems" => Reply::ok(r#"{"id":"ii_1","amount":1}"#),
        "/v1/invoices/in_1" => Reply::ok(stripes("draft", 2_700)),
        "/v1/invoices/in_1/finalize" => Reply::ok(stripes("open", 2_700)),
        _ => Reply::nothing(),
    }
}

#[tokio::test]
async fn an_invoice_is_made_filled_and_finished() {
    let server = Server::start(making).await;
    let issuing = server.engine().invoices.unwrap();
    let customer = "cus_1".parse().unwrap();
    let invoice = invoice("USD", &[2_500, 200]);
    let issued = issuing
        .issue(&cx("issue:1"), &customer, &invoice)
        .await
        .unwrap();
    let payment_url = Some("https://pay.test/1".to_owned());
    let external = "in_1".parse().unwrap();
    assert_eq!(
        issued,
        Issued {
            external,
            payment_url
        }
    );
    let (id, tenant, subscription) = (invoice.id, invoice.tenant, invoice.subscription);
    let line = |place, amount| {
        format!(
            "POST /v1/invoiceitems amount={amount}&currency=usd&customer=cus_1&description=line+{place}&invoice=in_1&metadata[monetization_line]={place}"
        )
    };
    assert_eq!(
        server.lines(),
        [
            format!(
                "POST /v1/invoices auto_advance=false&collection_method=send_invoice&currency=usd&customer=cus_1&due_date=1772323200&metadata[monetization_invoice]={id}&metadata[monetization_period]=1768471200-1771149600&metadata[monetization_subscription]={subscription}&metadata[monetization_tenant]={tenant}&metadata[monetization_total]=2700&pending_invoice_items_behavior=exclude"
            ),
            line(0, 2_500),
            line(1, 200),
            "GET /v1/invoices/in_1".to_owned(),
            "POST /v1/invoices/in_1/finalize auto_advance=false&expand[0]=customer".to_owned(),
        ]
    );
    let seen = server.seen();
    let keys: Vec<_> = seen.iter().filter_map(Seen::key).collect();
    assert_eq!(
        keys,
        [
            "issue:1/invoice",
            "issue:1/line:0",
            "issue:1/line:1",
            "issue:1/finalize"
        ]
    );
}

#[tokio::test]
async fn what_a_line_says_arrives_as_it_is() {
    let server = Server::start(making).await;
    let issuing = server.engine().invoices.unwrap();
    let mut invoice = invoice("USD", &[2_700]);
    invoice.lines[0].description = "50% & more = \u{e9}+1 [x]".to_owned();
    let customer = "cus_1".parse().unwrap();
    issuing
        .issue(&cx("issue:1"), &customer, &invoice)
        .await
        .unwrap();
    let told = "&description=50%25+%26+more+%3D+%C3%A9%2B1+%5Bx%5D&";
    let lines = server.lines();
    assert!(lines[1].contains(told), "{}", lines[1]);
}

/// Whichever step was the last before the crash, and though Stripe has forgotten the keys.
#[tokio::test]
async fn an_invoice_is_gone_on_with_where_it_ended() {
    let customer = "cus_1".parse().unwrap();
    for (status, lines_there, steps) in [
        ("draft", 0, vec!["line:0", "line:1", "finalize"]),
        ("draft", 1, vec!["line:1", "finalize"]),
        ("draft", 2, vec!["finalize"]),
        ("open", 2, vec![]),
        ("paid", 2, vec![]),
    ] {
        let server = Server::start(move |seen| match seen.path.as_str() {
            path if path.starts_with("/v1/invoices?") => Reply::list(&[&stripes(status, 2_700)]),
            path if path.starts_with("/v1/invoiceitems?") => {
                let items = (0..lines_there).map(|place| {
                    format!(r#"{{"id":"ii_{place}","amount":1,"metadata":{{"monetization_line":"{place}"}}}}"#)
                });
                Reply::list(&[&items.collect::<Vec<_>>().join(",")])
            }
            _ => making(seen),
        })
        .await;
        let issuing = server.engine().invoices.unwrap();
        let invoice = invoice("USD", &[2_500, 200]);
        let issued = issuing
            .issue(&again("issue:1"), &customer, &invoice)
            .await
            .unwrap();
        assert_eq!(issued.external.as_str(), "in_1");
        assert_eq!(issued.payment_url.is_some(), status != "paid");
        let seen = server.seen();
        let taken: Vec<_> = seen.iter().filter_map(Seen::key).collect();
        let expected: Vec<String> = steps.iter().map(|step| format!("issue:1/{step}")).collect();
        assert_eq!(taken, expected, "{status} with {lines_there} lines");
        let asked = "GET /v1/invoices?created[gte]=1771063200&customer=cus_1&expand[0]=data.customer&limit=100";
        assert_eq!(seen[0].line(), asked);
    }
}

#[tokio::test]
async fn an_invoice_over_another_total_is_not_taken_for_it() {
    let customer = "cus_1".parse().unwrap();
    let known = Server::start(|_| Reply::list(&[&stripes("open", 2_701)])).await;
    let issuing = known.engine().invoices.unwrap();
    let invoice = invoice("USD", &[2_500, 200]);
    let error = issuing
        .issue(&again("issue:1"), &customer, &invoice)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Conflict);
}

/// Once it is final the consumer is asked for it, and it cannot be changed any more.
#[tokio::test]
async fn an_invoice_that_stripe_has_changed_is_not_made_final_d1() {
    let customer = "cus_1".parse().unwrap();
    let invoice = invoice("USD", &[2_500, 200]);
    let taxed = |seen: &Seen| match seen.path.as_str() {
        "/v1/invoices/in_1" => Reply::ok(stripes("draft", 3_213)),
        _ => making(seen),
    };
    let late = |seen: &Seen| match seen.path.as_str() {
        "/v1/invoices/in_1/finalize" => Reply::ok(stripes("open", 3_213)),
        _ => making(seen),
    };
    for (server, says, is_final) in [
        (Server::start(taxed).await, "was not made final", false),
        (Server::start(late).await, "is final already", true),
    ] {
        let issuing = server.engine().invoices.unwrap();
        let error = issuing
            .issue(&cx("issue:1"), &customer, &invoice)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::Permanent);
        let told = error.to_string();
        for part in ["3213", "2700", "taxes", says] {
            assert!(told.contains(part), "{told}");
        }
        let finalized = server.lines().iter().any(|line| line.contains("finalize"));
        assert_eq!(finalized, is_final);
    }
}

#[tokio::test]
async fn what_stripe_cannot_ask_for_is_refused_before_any_call_r_v6() {
    let server = Server::start(making).await;
    let issuing = server.engine().invoices.unwrap();
    let customer = "cus_1".parse().unwrap();
    let mut wrong = invoice("USD", &[100, 200]);
    wrong.total = Money::new(301, wrong.currency);
    for invoice in [wrong, invoice("KWD", &[5_124]), invoice("CLF", &[1])] {
        let error = issuing
            .issue(&cx("issue:1"), &customer, &invoice)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::Permanent);
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn the_platform_keeps_its_share_rounded_down_h7() {
    let server = Server::start(making).await;
    let mut options = server.options();
    options.application_fee_percent = Some(Decimal::new(1_999, 2));
    let issuing = crate::engine(&options).unwrap().invoices.unwrap();
    let customer = "cus_1".parse().unwrap();
    let cx = monetization_core::engine::EngineContext {
        account: Some("acct_1A2b3C4d5E6f7G8h".parse().unwrap()),
        ..cx("issue:1")
    };
    issuing
        .issue(&cx, &customer, &invoice("USD", &[2_700]))
        .await
        .unwrap();
    let lines = server.lines();
    assert!(
        lines[0].contains(" application_fee_amount=539&"),
        "{}",
        lines[0]
    );
}

#[tokio::test]
async fn an_unpaid_invoice_is_taken_back_once_d6() {
    for (status, expected) in [
        ("open", Ok(Removal::Archived)),
        ("uncollectible", Ok(Removal::Archived)),
        ("draft", Ok(Removal::Deleted)),
        ("void", Ok(Removal::AlreadyGone)),
        ("paid", Err(EngineErrorKind::Permanent)),
    ] {
        let server = Server::start(move |seen| match seen.method.as_str() {
            "DELETE" => Reply::ok(r#"{"id":"in_1","deleted":true}"#),
            _ => Reply::ok(stripes(status, 1)),
        })
        .await;
        let issuing = server.engine().invoices.unwrap();
        let voided = issuing.void(&cx("void:1"), &"in_1".parse().unwrap()).await;
        assert_eq!(
            voided.map_err(|error| error.kind().clone()),
            expected,
            "{status}"
        );
    }
    let server = Server::start(|_| Reply::missing()).await;
    let issuing = server.engine().invoices.unwrap();
    let voided = issuing.void(&cx("void:1"), &"in_1".parse().unwrap()).await;
    assert_eq!(voided.unwrap(), Removal::AlreadyGone);
}

#[tokio::test]
async fn invoices_are_read_oldest_first_with_all_their_lines_h3() {
    let many = first_invoice("paid").replace(
        "\"total\":3500",
        r#""total":300,"lines":{"data":[{"id":"il_1","amount":100}],"has_more":true}"#,
    );
    let server = Server::start(move |seen| {
        if seen.path.starts_with("/v1/invoices/in_1/lines") {
            let line = |id| format!(r#"{{"id":"il_{id}","description":"line {id}","amount":100}}"#);
            return Reply::list(&[&line(1), &line(2), &line(3)]);
        }
        Reply::list(&[&stripes("open", 0), &many])
    })
    .await;
    let reading = server.engine().statements.unwrap();
    let made = reading
        .list(&cx("k"), &"sub_1".parse().unwrap())
        .await
        .unwrap();
    let created: Vec<_> = made.iter().map(|invoice| invoice.issued_at).collect();
    assert!(created.is_sorted());
    assert_eq!(made[1].lines.len(), 3);
    assert_eq!(
        server.lines()[0],
        "GET /v1/invoices?limit=100&subscription=sub_1"
    );
}

#[tokio::test]
async fn a_preview_is_asked_for_anew_each_time_h1() {
    let server = Server::start(|_| {
        let preview = r#"{"id":"upcoming_in_1","status":"draft","currency":"usd","total":250,"created":9,
            "billing_reason":"upcoming","period_start":1768471200,"period_end":1771149600,
            "parent":{"subscription_details":{"subscription":"sub_1"}}}"#;
        Reply::ok(preview)
    })
    .await;
    let engine = server.engine();
    let usage = engine.usage.unwrap();
    let subscription = "sub_1".parse().unwrap();
    for _ in 0..2 {
        let current = usage.current(&cx("k"), &subscription).await.unwrap();
        assert_eq!(current.preview.total.minor(), 250);
        assert_eq!(current.period.end.to_string(), "2026-02-15T10:00:00Z");
    }
    let seen = server.seen();
    assert_eq!(
        seen[0].line(),
        "POST /v1/invoices/create_preview subscription=sub_1"
    );
    assert_ne!(seen[0].key(), seen[1].key());
}

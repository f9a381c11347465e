use super::*;

fn read(json: &str, of: Stated) -> Result<EngineInvoice, InvoiceError> {
    let invoice: Invoice = serde_json::from_str(json).unwrap();
    engine_invoice(&invoice, of, 14)
}

const MADE: &str = r#"{
    "id": "in_1", "status": "open", "currency": "usd", "total": 2700, "created": 1769904000,
    "due_date": 1771113600, "period_start": 1767225600, "period_end": 1769904000,
    "billing_reason": "subscription_cycle", "hosted_invoice_url": "https://invoice.stripe.com/i/1",
    "parent": {"subscription_details": {"subscription": "sub_1"}},
    "status_transitions": {"finalized_at": 1769907600},
    "lines": {"data": [
        {"id": "il_1", "description": "1 x Gold", "amount": 2500},
        {"id": "il_2", "description": "200 x requests", "amount": 200}
    ], "has_more": false}
}"#;

#[test]
fn an_invoice_is_told_line_by_line() {
    let invoice = read(MADE, Stated::Made).unwrap();
    let lines: Vec<(&str, i64)> = invoice
        .lines
        .iter()
        .map(|(text, amount)| (text.as_str(), amount.minor()))
        .collect();
    assert_eq!(lines, [("1 x Gold", 2_500), ("200 x requests", 200)]);
    assert_eq!(invoice.total.to_string(), "27.00 USD");
    assert_eq!(invoice.external.unwrap().as_str(), "in_1");
    assert_eq!(invoice.state, InvoiceState::Open);
    assert_eq!(
        invoice.period.unwrap().end.to_string(),
        "2026-02-01T00:00:00Z"
    );
    assert_eq!(invoice.issued_at.to_string(), "2026-02-01T01:00:00Z");
    assert_eq!(invoice.due_at.to_string(), "2026-02-15T00:00:00Z");
    assert!(invoice.payment_url.is_some());
}

/// A draft was due when it was made: whoever had it was blocked until it was final and paid.
#[test]
fn what_has_no_date_is_not_due_when_it_is_made() {
    let undated = MADE.replace("\"due_date\": 1771113600", "\"due_date\": null");
    for (status, due_at) in [
        ("draft", "2026-02-15T00:00:00Z"),
        ("open", "2026-02-15T00:00:00Z"),
        ("paid", "2026-02-01T00:00:00Z"),
    ] {
        let json = undated.replace("\"open\"", &format!("\"{status}\""));
        let invoice = read(&json, Stated::Made).unwrap();
        assert_eq!(invoice.due_at.to_string(), due_at, "{status}");
    }
}

#[test]
fn what_lines_do_not_say_is_a_line_of_its_own() {
    let taxed = MADE.replace("\"total\": 2700", "\"total\": 3213");
    let invoice = read(&taxed, Stated::Made).unwrap();
    let (text, tax) = invoice.lines.last().unwrap();
    assert_eq!((text.as_str(), tax.minor()), ("Taxes and discounts", 513));
}

/// A message tells the first ten lines of an invoice.
#[test]
fn lines_that_were_not_told_are_not_called_taxes() {
    let more = MADE
        .replace("\"total\": 2700", "\"total\": 3213")
        .replace("\"has_more\": false", "\"has_more\": true");
    for of in [Stated::Made, Stated::Preview] {
        let invoice = read(&more, of).unwrap();
        let (text, _) = invoice.lines.last().unwrap();
        assert_eq!(text, "Further lines, taxes and discounts");
    }
}

#[test]
fn only_what_is_open_is_paid_by_its_link() {
    for (status, state) in [
        ("draft", InvoiceState::Draft),
        ("paid", InvoiceState::Paid),
        ("void", InvoiceState::Void),
        ("uncollectible", InvoiceState::Uncollectible),
    ] {
        let json = MADE.replace("\"open\"", &format!("\"{status}\""));
        let invoice = read(&json, Stated::Made).unwrap();
        assert_eq!((invoice.state, invoice.payment_url), (state, None));
    }
    let preview = read(MADE, Stated::Preview).unwrap();
    assert_eq!(
        (preview.external, preview.state),
        (None, InvoiceState::Draft)
    );
    assert_eq!(preview.payment_url, None);
    let json = MADE.replace("\"open\"", "\"lost\"");
    assert!(
        read(&json, Stated::Made)
            .unwrap_err()
            .to_string()
            .contains("lost")
    );
}

#[test]
fn a_start_bills_no_period_and_an_invoice_of_ours_its_own() {
    let first = MADE.replace("subscription_cycle", "subscription_create");
    assert_eq!(read(&first, Stated::Made).unwrap().period, None);
    let manual = MADE.replace("subscription_cycle", "manual").replace(
        r#"{"subscription_details": {"subscription": "sub_1"}}"#,
        "null",
    );
    assert_eq!(read(&manual, Stated::Made).unwrap().period, None);
    let ours = manual.replace(
        "\"id\": \"in_1\"",
        r#""id": "in_1", "metadata": {"monetization_period": "10-20"}"#,
    );
    assert_eq!(
        read(&ours, Stated::Made).unwrap().period,
        Some(span((10, 20)))
    );
}

#[test]
fn amounts_are_of_their_currency_b10() {
    let yen = MADE.replace("usd", "jpy");
    assert_eq!(
        read(&yen, Stated::Made).unwrap().total.to_string(),
        "2700 JPY"
    );
    let kronur = MADE.replace("usd", "isk");
    assert_eq!(
        read(&kronur, Stated::Made).unwrap().total.to_string(),
        "27 ISK"
    );
    let none = MADE.replace("usd", "xxx");
    assert!(read(&none, Stated::Made).is_err());
}

//! The pages of the provider that people see. A host shows them wherever its payment links lead.
//!
//! | link | page | its button |
//! |---|---|---|
//! | `pay_…` | one invoice is to be paid | pays it, while the link is good |
//! | `portal_…` | a customer's invoices, newest first, each with its link while it can be paid | leads to the next |
//! | `checkout_…` | what they pay with is to be stored | stores it, and a message tells of it |
//! | any other | there is no such page | |
//!
//! Texts that others have written, such as names, are shown as text. A host answers with the status, the
//! headers and the text as they are:
//!
//! ```
//! use monetization_engine_mock::{Control, ShownPage};
//!
//! fn answer(provider: &Control, path: &str) -> http::Response<String> {
//!     let ShownPage { status, headers, html, .. } = provider.page(path);
//!     let mut answer = http::Response::new(html);
//!     *answer.status_mut() = status;
//!     for (name, value) in headers {
//!         answer.headers_mut().insert(name, http::HeaderValue::from_static(value));
//!     }
//!     answer
//! }
//! # let _ = answer;
//! ```

use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderName, StatusCode};
use monetization_core::engine::Page;
use monetization_core::text::PageUrl;

use crate::provider::{Customer, PaymentOutcome, Provider};

/// A page as it is shown, by whichever framework the host is made with. It has no scripts, and nothing of it
/// leads elsewhere but links of the provider's own and the way back to whoever has sent the customer.
///
/// ```
/// use monetization_engine_mock::MockEngine;
///
/// let mock = MockEngine::in_memory("2026-01-01T00:00:00Z".parse().unwrap());
/// let page = mock.control().submit("mock://pay/pay_of_nobody")?;
/// assert_eq!(page.status, 404);
/// let (name, value) = &page.headers[0];
/// assert_eq!(name.as_str(), "content-security-policy");
/// assert!(value.contains("default-src 'none'"));
/// # Ok::<(), monetization_engine_mock::ControlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShownPage {
    /// How it is answered.
    pub status: StatusCode,
    /// What has to go with it: such a page can do nothing but what stands on it.
    pub headers: [(HeaderName, &'static str); 2],
    /// What is seen.
    pub html: String,
}

impl ShownPage {
    fn new(status: StatusCode, said: &str) -> Self {
        let html = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>Mock provider</title>\
             <h1>Mock provider</h1>{said}</html>"
        );
        let headers = [
            (
                CONTENT_SECURITY_POLICY,
                "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
            ),
            // The address of this page lets whoever has it pay.
            (REFERRER_POLICY, "no-referrer"),
        ];
        Self {
            status,
            headers,
            html,
        }
    }
}

/// The page behind a token. That of an invoice is the same wherever its link leads: only paying tells.
pub(crate) fn show(provider: &Provider, base: &str, token: &str) -> ShownPage {
    let said = match provider.behind_page(token) {
        Some((Page::Portal, customer, back)) => portal(provider, base, (customer, &back)),
        Some((Page::Checkout, _, back)) => format!(
            "<p>What you owe from now on will be charged to what you store here. No money moves.</p>\
             <form method=\"post\"><button>Store a payment method</button></form>{}",
            way_back(&back)
        ),
        None => "<p>You are about to pay an invoice of the mock provider. No money moves.</p>\
             <form method=\"post\"><button>Pay</button></form>"
            .to_owned(),
    };
    ShownPage::new(StatusCode::OK, &said)
}

/// How paying ended.
pub(crate) fn paid(outcome: PaymentOutcome) -> ShownPage {
    let (status, said) = match outcome {
        PaymentOutcome::Paid => (StatusCode::OK, "<p>Paid. Thank you.</p>"),
        PaymentOutcome::AlreadyPaid => (StatusCode::OK, "<p>It was paid before.</p>"),
        PaymentOutcome::Declined => (
            StatusCode::PAYMENT_REQUIRED,
            "<p>The payment was declined.</p>",
        ),
        PaymentOutcome::NotPayable => (StatusCode::CONFLICT, "<p>It cannot be paid.</p>"),
        PaymentOutcome::LinkExpired => (StatusCode::GONE, "<p>The link has expired.</p>"),
    };
    ShownPage::new(status, said)
}

/// That something to pay with is stored.
pub(crate) fn stored(back: &PageUrl) -> ShownPage {
    let said = format!("<p>It is stored. Thank you.</p>{}", way_back(back));
    ShownPage::new(StatusCode::OK, &said)
}

/// That nothing is here.
pub(crate) fn missing() -> ShownPage {
    ShownPage::new(StatusCode::NOT_FOUND, "<p>There is no such page.</p>")
}

/// A customer's invoices, newest first, what can be paid with its link; and where to store what they pay
/// with.
fn portal(provider: &Provider, base: &str, (customer, back): (&Customer, &PageUrl)) -> String {
    let own = provider.invoices().filter(|it| it.customer == customer.id);
    let mut rows: Vec<String> = own
        .map(|invoice| {
            let link = provider.link(invoice);
            let pay = link.map(|token| format!("<a href=\"{base}{token}\">Pay</a>"));
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                invoice.id,
                invoice.total,
                invoice.state.as_str(),
                pay.unwrap_or_default()
            )
        })
        .collect();
    rows.reverse();
    let checkout = customer.link(Page::Checkout, back);
    format!(
        "<p>{}</p><table><tr><th>Invoice</th><th>Total</th><th>State</th><th></th></tr>{}</table>\
         <p><a href=\"{base}{checkout}\">Store a payment method</a></p>{}",
        escaped(customer.name.as_str()),
        rows.concat(),
        way_back(back)
    )
}

fn way_back(back: &PageUrl) -> String {
    format!("<p><a href=\"{}\">Back</a></p>", escaped(back.as_str()))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

//! R-W7: events that nobody has a use for, that are larger than any, or deeper: heard or refused, and
//! never more than their own bytes in memory.

use monetization_conformance::engine::Message;
use monetization_conformance::stripe::signature;
use monetization_core::engine::WebhookError;
use monetization_core::flows::FlowError;

use crate::market::{FIXED, Market};
use crate::stripe::StripeFixture;

const MIB: usize = 1 << 20;
const LEVELS: usize = 100_000;
/// What a message may take in memory, in its own bytes, and beside it for everything else.
const TIMES_MAX: usize = 3;
const BESIDE_MAX: usize = 2 * MIB;

#[tokio::test]
async fn unknown_huge_and_deep_events_are_heard_or_refused_and_change_nothing_r_w7() {
    let market = Market::open(StripeFixture::start().await, FIXED, 1).await;
    let before = market.versions().await;
    let signed = |body: String| signed(&market, body);
    let deep = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let unknown = |more: &str| {
        format!(
            r#"{{"id":"evt_{}","type":"weather.changed","more":{more}}}"#,
            more.len()
        )
    };
    let huge = format!("\"{}\"", "x".repeat(MIB + 1));
    for body in [unknown("0"), unknown(&huge), unknown(&deep)] {
        let message = signed(body);
        assert!(market.take(&message).await.unwrap().new);
        assert!(
            !market.take(&message).await.unwrap().new,
            "it is kept that it was heard"
        );
    }
    let of_invoice = |more: &str| {
        format!(
            r#"{{"id":"evt_i{}","type":"invoice.paid","created":1,"data":{{"object":{{"id":"in_of_nobody",
                "status":"paid","currency":"usd","total":1,"created":1,"more":{more}}}}}}}"#,
            more.len()
        )
    };
    // What is about nobody here is asked for again, in case it is too early.
    for more in ["0", &huge] {
        let unmatched = market.take(&signed(of_invoice(more))).await;
        assert!(
            matches!(unmatched, Err(FlowError::Unmatched { .. })),
            "{unmatched:?}"
        );
    }
    for body in [
        of_invoice(&deep),
        deep,
        huge,
        "{}".to_owned(),
        String::new(),
    ] {
        let refused = market.take(&signed(body)).await;
        let malformed = WebhookError::Malformed {
            problem: String::new(),
        };
        let Err(FlowError::Webhook(refused)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            std::mem::discriminant(&refused),
            std::mem::discriminant(&malformed)
        );
    }
    assert_eq!(market.versions().await, before);
    // And what makes sense is heard as ever.
    market.pay_all().await;
    market.settle().await;
    assert_eq!(market.active().await, 1);
}

/// Whether it is of use or not, and however deep: nothing is read into more than its bytes.
#[tokio::test]
async fn an_event_takes_a_few_times_its_bytes_and_no_more_r_w7() {
    const BYTES: usize = 2 * MIB;
    let market = Market::open(StripeFixture::start().await, FIXED, 1).await;
    let half = BYTES / 2;
    let deep = format!("{}{}", "[".repeat(half), "]".repeat(half));
    for (id, more) in [("1", &deep), ("2", &format!("\"{}\"", "x".repeat(BYTES)))] {
        let body = format!(r#"{{"id":"evt_{id}","type":"weather.changed","more":{more}}}"#);
        let message = signed(&market, body);
        let before = most_ever();
        market.take(&message).await.unwrap();
        let grown = most_ever() - before;
        assert!(grown <= TIMES_MAX * BYTES + BESIDE_MAX, "{grown} bytes");
    }
}

fn signed(market: &Market, body: String) -> Message {
    let secret = market.fixture.webhook_secret();
    let now = market.monetizer.now().as_micros() / 1_000_000;
    let header = signature::header(&[secret.reveal()], now, body.as_bytes());
    let mut headers = http::HeaderMap::new();
    headers.insert("stripe-signature", header.parse().unwrap());
    Message {
        headers,
        body: body.into_bytes(),
    }
}

/// The most memory that this process ever had, in bytes.
fn most_ever() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<usize>().unwrap() * 1_024
}

//! Any bytes as a message of Stripe's: a header on the first line, a body behind it. Nobody's signature
//! is believed but Stripe's, and whatever it has signed is read or refused.
#![no_main]

use std::sync::{Arc, LazyLock};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use monetization_core::clock::Timestamp;
use monetization_core::engine::{VerifiedEvent, Webhooks};
use monetization_core::secret::Secret;
use monetization_engine_stripe::{StripeOptions, engine};
use sha2::Sha256;

const SECRET: &str = "whsec_of_the_fuzzer";
/// 2026-01-01, 00:00 UTC.
const NOW: i64 = 1_767_225_600;

static WEBHOOKS: LazyLock<Arc<dyn Webhooks>> = LazyLock::new(|| {
    let stripe = engine(&StripeOptions::default()).expect("the default options");
    stripe.webhooks.expect("it sends messages")
});

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (header, body) = end.map_or((bytes, &[][..]), |end| (&bytes[..end], &bytes[end + 1..]));
    if let Some(event) = verified(header, body) {
        let right = signature(body);
        let right = right.as_bytes();
        let holds = header.windows(right.len()).any(|it| it.eq_ignore_ascii_case(right));
        assert!(holds, "{} is believed", event.id);
    }
    let signed = format!("t={NOW},v1={}", signature(body));
    let event = verified(signed.as_bytes(), body);
    let named = serde_json::from_slice::<serde_json::Value>(body).ok();
    if named.is_some_and(|it| it.is_object() && it.get("id").is_none()) {
        assert!(event.is_none(), "it has no name");
    }
    let Some(event) = event else { return };
    assert_eq!(event.body, body);
    if let Ok(told) = WEBHOOKS.interpret(&event) {
        for news in &told {
            assert!(i64::try_from(news.version).is_ok(), "{news:?}");
        }
        assert_eq!(WEBHOOKS.interpret(&event), Ok(told));
    }
});

fn verified(header: &[u8], body: &[u8]) -> Option<VerifiedEvent> {
    let mut headers = HeaderMap::new();
    headers.insert("stripe-signature", HeaderValue::from_bytes(header).ok()?);
    let secrets = [Secret::new("whsec_another"), Secret::new(SECRET)];
    WEBHOOKS
        .verify(body, &headers, &secrets, Timestamp::from_secs(NOW))
        .ok()
}

/// What Stripe would say of this body now.
fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key will do");
    mac.update(format!("{NOW}.").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Messages from the provider: only its own, only fresh ones, and what they say.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use monetization_core::clock::Timestamp;
use monetization_core::engine::{
    CancelMode, EngineEvent, News, VerifiedEvent, WebhookError, Webhooks,
};
use monetization_core::invoice::InvoiceState;
use monetization_core::reference::ObjectKind;
use monetization_core::secret::Secret;

use super::steps::{DAY, Running, SECOND};
use super::{Bench, Message, Offer};
use crate::sample::text;

/// With the bytes as they came, and the same name each time it is delivered.
pub async fn a_fresh_signed_message_is_verified(bench: &Bench) {
    let signed = Signed::some(bench).await;
    let verified = signed
        .verify(&signed.message.body, &[bench.fixture.webhook_secret()])
        .unwrap();
    assert_eq!(verified.body, signed.message.body);
    let again = signed
        .verify(&signed.message.body, &[bench.fixture.webhook_secret()])
        .unwrap();
    assert_eq!(verified.id, again.id);
}

/// No secret, a wrong one, no headers at all, or one of them missing.
pub async fn a_missing_or_foreign_signature_is_refused(bench: &Bench) {
    let signed = Signed::some(bench).await;
    let secret = [bench.fixture.webhook_secret()];
    for secrets in [Vec::new(), vec![foreign()], vec![Secret::new("")]] {
        assert_eq!(
            signed.verify(&signed.message.body, &secrets),
            Err(WebhookError::Signature)
        );
    }
    let check = |headers: &HeaderMap| {
        let answer = signed
            .webhooks
            .verify(&signed.message.body, headers, &secret, signed.sent_at);
        assert!(answer.is_err(), "with {headers:?}");
    };
    check(&HeaderMap::new());
    for name in signed.message.headers.keys() {
        let mut headers = signed.message.headers.clone();
        headers.remove(name);
        if headers.len() < signed.message.headers.len() && name.as_str().contains("signature") {
            check(&headers);
        }
    }
}

/// Whichever byte of the body is changed, cut off or added.
pub async fn a_tampered_message_is_refused(bench: &Bench) {
    let signed = Signed::some(bench).await;
    let secret = [bench.fixture.webhook_secret()];
    let body = &signed.message.body;
    for place in 0..body.len() {
        let mut tampered = body.clone();
        tampered[place] ^= 1;
        assert_eq!(
            signed.verify(&tampered, &secret),
            Err(WebhookError::Signature),
            "byte {place}"
        );
    }
    let longer = [body.as_slice(), b" "].concat();
    for tampered in [&body[1..], &body[..body.len() - 1], longer.as_slice(), b""] {
        assert_eq!(
            signed.verify(tampered, &secret),
            Err(WebhookError::Signature)
        );
    }
}

/// 300 seconds each way, and not one more.
pub async fn a_stale_message_is_refused(bench: &Bench) {
    let signed = Signed::some(bench).await;
    let secret = [bench.fixture.webhook_secret()];
    let verify = |at| {
        let Message { body, headers } = &signed.message;
        signed.webhooks.verify(body, headers, &secret, at).map(drop)
    };
    for seconds in [0, 1, 299] {
        assert_eq!(
            verify(signed.sent_at.saturating_add(SECOND * seconds)),
            Ok(())
        );
        assert_eq!(
            verify(signed.sent_at.saturating_sub(SECOND * seconds)),
            Ok(())
        );
    }
    for late in [SECOND * 301, DAY, DAY * 30] {
        assert_eq!(
            verify(signed.sent_at.saturating_add(late)),
            Err(WebhookError::Stale)
        );
        assert_eq!(
            verify(signed.sent_at.saturating_sub(late)),
            Err(WebhookError::Stale)
        );
    }
}

/// In whichever order, so that secrets can be exchanged without losing news.
pub async fn any_of_the_secrets_will_do(bench: &Bench) {
    let signed = Signed::some(bench).await;
    let secret = bench.fixture.webhook_secret();
    for secrets in [[secret.clone(), foreign()], [foreign(), secret]] {
        assert!(signed.verify(&signed.message.body, &secrets).is_ok());
    }
}

/// Which invoice, whose, and that it is paid.
pub async fn a_payment_is_told(bench: &Bench) {
    let running = bench.running(Offer::FIXED).await;
    bench
        .fixture
        .pay(running.start.payment_url.as_ref().unwrap())
        .await;
    let events = events(bench).await;
    let paid = events.iter().find_map(|event| match &event.news {
        News::Invoice {
            subscription,
            invoice,
        } if invoice.state == InvoiceState::Paid => Some((event, subscription, invoice)),
        _ => None,
    });
    let (event, subscription, invoice) = paid.expect("the payment is told");
    assert_eq!((event.object, &event.account), (ObjectKind::Invoice, &None));
    assert_eq!(invoice.external.as_ref(), Some(&event.external));
    assert_eq!(subscription.as_ref(), Some(running.external()));
    assert_eq!((invoice.period, invoice.total.minor()), (None, 2_500));
}

/// So that of two pieces of news it is known which is newer, in whichever order they come.
pub async fn news_of_one_object_carries_growing_versions(bench: &Bench) {
    let running = bench.running(Offer::FIXED).await;
    bench
        .fixture
        .pay(running.start.payment_url.as_ref().unwrap())
        .await;
    bench.wait_for_news(&running).await;
    let mut seen: BTreeMap<_, Vec<(u64, Timestamp)>> = BTreeMap::new();
    for event in events(bench).await {
        seen.entry((event.object, event.external))
            .or_default()
            .push((event.version, event.occurred_at));
    }
    assert!(seen.values().any(|news| news.len() > 1), "{seen:?}");
    for (object, mut news) in seen {
        news.sort_unstable();
        let grow = news.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1);
        assert!(grow, "{object:?}: {news:?}");
    }
}

/// Also when it was the provider that ended it.
pub async fn the_end_of_a_subscription_is_told(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    bench.cancel(&running, CancelMode::AtPeriodEnd).await;
    bench
        .wait_until(running.schedule().period(0).unwrap().end)
        .await;
    let ended = events(bench)
        .await
        .into_iter()
        .find(|event| event.news == News::SubscriptionEnded);
    let ended = ended.expect("the end is told");
    assert_eq!(
        (ended.object, &ended.external),
        (ObjectKind::Subscription, running.external())
    );
}

/// And not to what somebody's clock says: what is told in between would be passed over.
pub async fn news_are_read_to_the_newest_and_no_further(bench: &Bench) {
    let Some(feed) = bench.fixture.engine().feed else {
        return;
    };
    let from = bench.fixture.now().await;
    let none = feed.since(&bench.cx(), from).await.unwrap();
    assert_eq!((none.messages, none.until), (Vec::new(), from));
    assert!(none.is_last);
    let running = bench.running(Offer::FIXED).await;
    bench
        .fixture
        .pay(running.start.payment_url.as_ref().unwrap())
        .await;
    bench.fixture.advance(DAY).await;
    let quiet_since = bench.fixture.now().await;
    bench.fixture.advance(DAY).await;
    let read = feed.since(&bench.cx(), from).await.unwrap();
    assert!(read.is_last && !read.messages.is_empty());
    assert!(read.until <= quiet_since, "{}", read.until);
}

/// Whatever the bytes are, they are answered.
pub async fn nonsense_is_no_news(bench: &Bench) {
    let webhooks = webhooks(bench);
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"text\"",
        "{\"type\":7}",
        "\u{0}",
        &deep,
    ] {
        let event = VerifiedEvent {
            id: text("evt_1"),
            body: body.as_bytes().to_vec(),
        };
        let read = webhooks.interpret(&event);
        let nothing = match &read {
            Ok(events) => events.is_empty(),
            Err(error) => matches!(error, WebhookError::Malformed { .. }),
        };
        assert!(nothing, "{read:?}");
    }
}

fn webhooks(bench: &Bench) -> Arc<dyn Webhooks> {
    bench.fixture.engine().webhooks.expect("handed over")
}

fn foreign() -> Secret {
    Secret::new("whsec_c29tZWJvZHkgZWxzZQ==")
}

/// What the messages so far say, those that only point at it too.
pub(super) async fn events(bench: &Bench) -> Vec<EngineEvent> {
    let webhooks = webhooks(bench);
    let secrets = [bench.fixture.webhook_secret()];
    let mut events = Vec::new();
    for Message { headers, body } in bench.fixture.messages().await {
        let verified = webhooks.verify(&body, &headers, &secrets, bench.fixture.now().await);
        let whole = webhooks.complete(&bench.cx(), verified.unwrap()).await;
        events.extend(webhooks.interpret(&whole.unwrap()).unwrap());
    }
    events
}

impl Bench {
    async fn wait_for_news(&self, of: &Running) {
        self.wait_until(of.schedule().period(1).unwrap().end).await;
    }
}

/// A message and when it was sent.
struct Signed {
    message: Message,
    sent_at: Timestamp,
    webhooks: Arc<dyn Webhooks>,
}

impl Signed {
    async fn some(bench: &Bench) -> Self {
        bench.running(Offer::FIXED).await;
        let message = bench.fixture.messages().await.into_iter().next();
        Self {
            message: message.expect("an invoice is told"),
            sent_at: bench.fixture.now().await,
            webhooks: webhooks(bench),
        }
    }

    fn verify(&self, body: &[u8], secrets: &[Secret]) -> Result<VerifiedEvent, WebhookError> {
        self.webhooks
            .verify(body, &self.message.headers, secrets, self.sent_at)
    }
}

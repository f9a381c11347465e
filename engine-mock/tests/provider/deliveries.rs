use monetization_conformance::engine::Offer;
use monetization_core::engine::{News, WebhookError};
use monetization_core::invoice::InvoiceState;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;
use monetization_engine_mock::Disturbance;
use monetization_engine_mock::webhooks::{
    Delivery, ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign,
};

use super::world::{HOUR, World};

/// A world with two messages: an invoice was opened, and paid.
async fn paid() -> World {
    let world = World::new();
    let url = world.running(Offer::FIXED).await.start.payment_url.unwrap();
    world.control.pay(&url).unwrap();
    world
}

fn names(deliveries: &[Delivery]) -> Vec<&str> {
    deliveries
        .iter()
        .map(|delivery| delivery.id.as_str())
        .collect()
}

#[tokio::test]
async fn a_message_waits_until_it_was_delivered() {
    let world = paid().await;
    let first = world.control.deliveries();
    let second = world.control.deliveries();
    assert_eq!(first.len(), 2);
    assert_eq!(names(&first), names(&second));
    world.control.delivered(&[first[0].id.clone()]).unwrap();
    assert_eq!(names(&world.control.deliveries()), names(&first[1..]));
    assert_eq!(world.control.take_deliveries().unwrap().len(), 1);
    assert!(world.control.take_deliveries().unwrap().is_empty());
}

#[tokio::test]
async fn messages_come_twice_and_backwards_on_demand() {
    let world = paid().await;
    let usual = world.control.deliveries();
    world.control.disturb_deliveries(Disturbance {
        twice: true,
        reversed: true,
    });
    let disturbed = world.control.take_deliveries().unwrap();
    let (first, second) = (usual[0].id.as_str(), usual[1].id.as_str());
    assert_eq!(names(&disturbed), [second, second, first, first]);
    assert!(world.control.deliveries().is_empty());
}

#[tokio::test]
async fn a_message_delivered_again_has_the_same_name_and_body_and_a_fresh_signature() {
    let world = paid().await;
    let first = world.control.deliveries().remove(0);
    world.control.advance(HOUR).unwrap();
    let again = world.control.deliveries().remove(0);
    assert_eq!((&first.id, &first.body), (&again.id, &again.body));
    assert_ne!(
        first.headers[TIMESTAMP_HEADER],
        again.headers[TIMESTAMP_HEADER]
    );
    let webhooks = world.mock.engine().webhooks.unwrap();
    let secrets = world.control.webhook_secrets();
    let verify = |delivery: &Delivery| {
        let verified = webhooks.verify(
            &delivery.body,
            &delivery.headers,
            &secrets,
            world.control.now(),
        );
        verified.map(|verified| verified.id)
    };
    assert_eq!(verify(&first), Err(WebhookError::Stale));
    assert_eq!(verify(&again), Ok(first.id.clone()));
}

#[tokio::test]
async fn messages_are_signed_with_each_secret_while_they_are_exchanged() {
    let world = paid().await;
    let [old, new] = ["an old secret", "whsec_YSBuZXcgb25l"].map(Secret::new);
    world
        .control
        .set_webhook_secrets(vec![old.clone(), new.clone()]);
    let delivery = world.control.deliveries().remove(0);
    let webhooks = world.mock.engine().webhooks.unwrap();
    for secrets in [vec![old.clone()], vec![new.clone()], vec![old, new]] {
        let verified = webhooks.verify(
            &delivery.body,
            &delivery.headers,
            &secrets,
            world.control.now(),
        );
        assert!(verified.is_ok(), "{verified:?}");
    }
}

/// The signature of `msg_p5jXN8AQM9LWM0D4loKWxJek` in the specification of Standard Webhooks.
#[test]
fn a_signature_is_that_of_standard_webhooks() {
    let id: ForeignId = "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap();
    let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let sent_at = monetization_core::clock::Timestamp::from_secs(1_614_265_330);
    let headers = sign(&id, br#"{"test": 2432232314}"#, &[secret], sent_at).unwrap();
    assert_eq!(
        headers[SIGNATURE_HEADER],
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
    assert_eq!(
        (&headers[ID_HEADER], &headers[TIMESTAMP_HEADER]),
        (
            &"msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap(),
            &"1614265330".parse().unwrap()
        )
    );
}

#[tokio::test]
async fn a_header_that_comes_twice_is_refused() {
    let world = paid().await;
    let delivery = world.control.deliveries().remove(0);
    let webhooks = world.mock.engine().webhooks.unwrap();
    for name in [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER] {
        let mut headers = delivery.headers.clone();
        let value = headers[&name].clone();
        headers.append(name, value);
        let verified = webhooks.verify(
            &delivery.body,
            &headers,
            &world.control.webhook_secrets(),
            world.control.now(),
        );
        assert_eq!(verified, Err(WebhookError::Signature));
    }
}

#[tokio::test]
async fn a_kind_of_message_nobody_knows_is_no_news() {
    let world = World::new();
    let webhooks = world.mock.engine().webhooks.unwrap();
    let id: ForeignId = "evt_1".parse().unwrap();
    let body = br#"{"type":"weather.changed","deep":[[[{}]]]}"#;
    let headers = sign(
        &id,
        body,
        &world.control.webhook_secrets(),
        world.control.now(),
    )
    .unwrap();
    let verified = webhooks
        .verify(
            body,
            &headers,
            &world.control.webhook_secrets(),
            world.control.now(),
        )
        .unwrap();
    assert_eq!(webhooks.interpret(&verified), Ok(Vec::new()));
}

#[tokio::test]
async fn each_message_says_how_the_invoice_stood_then() {
    let world = paid().await;
    let webhooks = world.mock.engine().webhooks.unwrap();
    let secrets = world.control.webhook_secrets();
    let mut told = Vec::new();
    for delivery in world.control.deliveries() {
        let verified = webhooks.verify(
            &delivery.body,
            &delivery.headers,
            &secrets,
            world.control.now(),
        );
        for event in webhooks.interpret(&verified.unwrap()).unwrap() {
            if let News::Invoice { invoice, .. } = event.news {
                told.push((event.version, invoice.state, invoice.payment_url.is_some()));
            }
        }
    }
    assert_eq!(
        told,
        [
            (1, InvoiceState::Open, true),
            (2, InvoiceState::Paid, false)
        ]
    );
}

//! The provider's messages: sent again, sent late, signed with another secret.

use std::time::Duration;

use http::HeaderMap;
use monetization_core::engine::WebhookError;
use monetization_core::flows::{
    Credentials, FlowError, NewTenant, Settings, TakenIn, WebhookEndpoint,
};
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::Invoicing;
use monetization_core::reference::{Mode, Realm};
use monetization_core::secret::Secret;
use monetization_core::subscription::SubscriptionState;
use monetization_engine_mock::webhooks::Delivery;

use crate::world::{DAY, World, text};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;

/// A world in which somebody has paid, and the message that says so and was not heard yet.
async fn paid() -> (World, SubscriptionId, Delivery) {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FIXED).await;
    let id = world.subscribe(&plan).await.subscription.id;
    world.settle().await;
    let invoice = world.provider.invoices().remove(0);
    world.provider.pay(invoice.id.as_str()).unwrap();
    let message = world.provider.deliveries().remove(0);
    (world, id, message)
}

impl World {
    async fn take(&self, headers: &HeaderMap, body: &[u8]) -> Result<TakenIn, FlowError> {
        let secrets = self.provider.webhook_secrets();
        self.monetizer
            .take_in(WebhookEndpoint::new(&text("mock"), &secrets), headers, body)
            .await
    }

    /// How often each thing here was written.
    async fn versions(&self) -> Vec<(uuid::Uuid, u64)> {
        let rows = self.store.changes(0, 1_000).await.unwrap();
        rows.into_iter().map(|row| (row.id, row.version)).collect()
    }

    async fn is_active(&self, id: SubscriptionId) -> bool {
        self.subscription(id).await.state == SubscriptionState::Active
    }
}

/// R-W2: the same bytes, and the same message signed anew, at any later time.
#[tokio::test]
async fn a_message_that_is_sent_again_at_any_time_has_one_effect_r_w2() {
    let (world, id, first) = paid().await;
    assert!(!world.is_active(id).await);
    assert!(world.take(&first.headers, &first.body).await.unwrap().new);
    assert!(world.is_active(id).await);
    let after = world.versions().await;

    let second = Duration::from_secs(1);
    let sent_at = world.clock.now();
    for later in [299 * second, 301 * second, DAY, 30 * DAY] {
        world.time.set(sent_at.saturating_add(later));
        world.provider.set(world.clock.now()).unwrap();
        let replayed = world.take(&first.headers, &first.body).await;
        if later <= 300 * second {
            assert!(!replayed.unwrap().new);
        } else {
            let stale = matches!(replayed, Err(FlowError::Webhook(WebhookError::Stale)));
            assert!(stale, "the bytes of {later:?} ago: {replayed:?}");
        }
        let sent_again = world.provider.deliveries();
        let anew = sent_again.iter().find(|it| it.id == first.id).unwrap();
        assert_ne!(anew.headers, first.headers, "signed anew");
        let taken = world.take(&anew.headers, &anew.body).await.unwrap();
        assert_eq!((taken.event, taken.new), (first.id.clone(), false));
        assert_eq!(world.versions().await, after, "{later:?}");
    }
}

/// What is late at its first coming is heard as long as it is fresh, and its effect is the same.
#[tokio::test]
async fn a_first_message_is_heard_within_its_time_only_r_w2() {
    for (seconds, is_heard) in [(299, true), (301, false)] {
        let (world, id, first) = paid().await;
        let before = world.versions().await;
        world.time.advance(Duration::from_secs(seconds));
        let taken = world.take(&first.headers, &first.body).await;
        assert_eq!(taken.is_ok_and(|taken| taken.new), is_heard, "{seconds}");
        assert_eq!(world.is_active(id).await, is_heard, "{seconds}");
        assert_eq!(world.versions().await == before, !is_heard);
    }
}

/// R-W5: whichever of the two changes first, and in whichever order the secrets stand.
#[tokio::test]
async fn secrets_are_exchanged_without_losing_or_doubling_news_r_w5() {
    let old = Secret::new("the old one");
    let new = Secret::new("the new one");
    let both = [
        vec![old.clone(), new.clone()],
        vec![new.clone(), old.clone()],
    ];
    let (only_old, only_new) = (vec![old], vec![new]);
    let mut steps = Vec::new();
    for held in &both {
        // The receiver knows both: the sender may use either, or both in either order.
        steps.extend([&only_old, &only_new, &both[0], &both[1]].map(|it| (it, held, true)));
        // The sender signs with both: the receiver may know either.
        steps.extend([&only_old, &only_new].map(|it| (held, it, true)));
    }
    // Once the exchange is over, the old one is worth nothing.
    steps.push((&only_old, &only_new, false));
    steps.push((&only_new, &only_old, false));
    for (sender, receiver, is_heard) in steps {
        let (world, id, _) = paid().await;
        world.provider.set_webhook_secrets(sender.clone());
        let message = world.provider.deliveries().remove(0);
        let mut new_ones = Vec::new();
        for _ in 0..2 {
            let mock = text("mock");
            let taking = world.monetizer.take_in(
                WebhookEndpoint::new(&mock, receiver),
                &message.headers,
                &message.body,
            );
            match taking.await {
                Ok(taken) => new_ones.push(taken.new),
                Err(FlowError::Webhook(WebhookError::Signature)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let expected: &[bool] = if is_heard { &[true, false] } else { &[] };
        assert_eq!(new_ones, expected, "{sender:?} to {receiver:?}");
        assert_eq!(world.is_active(id).await, is_heard);
    }
}

/// R-W1: whoever has an endpoint knows its secret, and could sign anything. What they sign moves nothing of
/// somebody else's, unless both have one account there, which tells of both at either endpoint.
#[tokio::test]
async fn an_endpoint_tells_of_other_tenants_only_where_they_share_its_account_r_w1() {
    let (mut world, id, paid) = paid().await;
    let wire = world.tap();
    let new = NewTenant {
        name: text("stranger"),
        engine: text("mock"),
        invoicing: Invoicing::ByCore,
        payment_days: 0,
        grace_days: 0,
    };
    let stranger = world.monetizer.create_tenant(new).await.unwrap().id;
    let credentials = Credentials::default();
    credentials.exchange(stranger, Some(Secret::new("a key of their own")));
    world.monetizer = world.monetizer.clone().with_settings(Settings {
        credentials,
        ..Settings::default()
    });
    let realm = |account: &str| Realm {
        account: text(account),
        mode: Mode::Live,
    };
    wire.open_for(stranger, realm("acct_theirs"));
    let (engine, secrets) = (text("mock"), world.provider.webhook_secrets());
    let take = async || {
        let endpoint = WebhookEndpoint {
            tenant: Some(stranger),
            ..WebhookEndpoint::new(&engine, &secrets)
        };
        let taken = world.monetizer.take_in(endpoint, &paid.headers, &paid.body);
        taken.await
    };
    let refused = take().await;
    assert!(
        matches!(refused, Err(FlowError::Unmatched { .. })),
        "{refused:?}"
    );
    assert!(!world.is_active(id).await);
    wire.exchange_credentials(realm("acct_of_both"));
    assert!(take().await.unwrap().new);
    assert!(world.is_active(id).await);
}

//! Several accounts at one provider: nothing is seen from another, and nothing done to it.

use std::collections::BTreeMap;

use monetization_core::engine::{CancelMode, EngineContext, Removal};

use super::{Bench, Offer};

/// Neither its plans nor its subscriptions, nor can they be ended from there.
pub async fn an_account_sees_nothing_of_another(bench: &Bench) {
    let there = elsewhere(bench);
    let running = bench.running_in(&there, Offer::FIXED).await;
    let billing = bench.billing();
    let here = bench.cx();
    let (plan, subscription) = (&running.plan_there, running.external());
    assert_eq!(
        billing
            .plan_mapping(&here, running.product.id)
            .await
            .unwrap(),
        BTreeMap::new()
    );
    assert_eq!(
        billing.subscription(&here, subscription).await.unwrap(),
        None
    );
    let cancelled = billing
        .cancel_subscription(&here, subscription, CancelMode::Now)
        .await;
    assert_eq!(cancelled.unwrap(), Removal::AlreadyGone);
    assert_eq!(
        billing
            .delete_billing_plan(&bench.cx(), plan)
            .await
            .unwrap(),
        Removal::AlreadyGone
    );
    assert!(
        billing
            .create_subscription(&bench.cx(), &running.new)
            .await
            .is_err()
    );
    let alive = billing
        .subscription(&elsewhere(bench), subscription)
        .await
        .unwrap();
    assert!(alive.is_some_and(|alive| alive.live));
    let on_sale = billing
        .plan_mapping(&elsewhere(bench), running.product.id)
        .await
        .unwrap();
    assert_eq!(on_sale, BTreeMap::from([(running.plan.id, plan.clone())]));
}

/// And makes two customers of one consumer.
pub async fn one_key_in_two_accounts_is_two_calls(bench: &Bench) {
    let here = bench.cx();
    let there = EngineContext {
        account: bench.fixture.account(),
        ..here.clone()
    };
    let consumer = bench.consumer();
    let one = bench
        .billing()
        .ensure_customer(&here, &consumer)
        .await
        .unwrap();
    let other = bench
        .billing()
        .ensure_customer(&there, &consumer)
        .await
        .unwrap();
    assert_ne!(one, other);
    bench
        .billing()
        .ensure_customer(&there, &bench.consumer())
        .await
        .expect_err("the key is used there");
}

fn elsewhere(bench: &Bench) -> EngineContext {
    let account = bench.fixture.account();
    assert!(account.is_some(), "the provider has accounts");
    EngineContext {
        account,
        ..bench.cx()
    }
}

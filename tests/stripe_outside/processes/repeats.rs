//! Keys that are used again, by the rules of somebody else: stripe-stateful-mock.

use monetization_conformance::engine::{Bench, Offer, customers, plans, subscriptions};
use monetization_conformance::sample::text;
use monetization_core::consumer::Consumer;
use monetization_core::engine::{
    ChangeMode, EngineContext, EngineErrorKind, IdempotencyKey, NewSubscription, PlanSwitch,
    Removal,
};
use monetization_core::period::Schedule;
use monetization_core::plan::PlanVersion;
use monetization_core::reference::ObjectKind;

use crate::stripe_outside::stateful::Stateful;

/// A product, a base price and a fee.
const WRITES: usize = 3;

const WITH_A_FEE: Offer = Offer {
    setup_fee: "10",
    ..Offer::FIXED
};

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn what_was_done_under_a_key_is_told_again_and_not_done_again_r_p5() {
    let (bench, relay) = Stateful::bench().await;
    plans::a_plan_made_twice_under_one_key_is_one_plan(&bench).await;
    assert_eq!((relay.writes(), relay.replayed()), (4, 2));
    let (bench, _) = Stateful::bench().await;
    customers::a_consumer_is_one_customer_however_often_asked(&bench).await;
    let (bench, _) = Stateful::bench().await;
    customers::two_consumers_are_two_customers(&bench).await;
    let (bench, _) = Stateful::bench().await;
    plans::enabling_twice_finds_everything_there(&bench).await;
}

/// Whichever reply it was: everything is there once, and what was done before it is told again.
#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn a_reply_that_was_lost_is_told_again_under_its_key_r_p5() {
    for lost in 0..WRITES {
        let (bench, relay) = Stateful::bench().await;
        let plan = bench.version(&bench.product(), WITH_A_FEE);
        let cx = bench.cx();
        let billing = bench.fixture.engine().billing;
        bench.fixture.lose_reply(u32::try_from(lost).unwrap()).await;
        let error = billing.create_billing_plan(&cx, &plan).await.unwrap_err();
        assert_eq!(*error.kind(), EngineErrorKind::Ambiguous, "{lost}");
        billing.create_billing_plan(&cx, &plan).await.unwrap();
        assert_eq!(bench.fixture.count(ObjectKind::Plan).await, 1);
        let (all, again) = (WRITES + lost + 1, lost + 1);
        assert_eq!((relay.writes(), relay.replayed()), (all, again), "{lost}");
    }
    let (bench, _) = Stateful::bench().await;
    customers::a_customer_whose_reply_was_lost_is_made_once(&bench).await;
}

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn a_key_that_was_used_for_something_else_is_a_conflict_r_p5() {
    let (bench, _) = Stateful::bench().await;
    plans::another_plan_under_a_used_key_is_a_conflict(&bench).await;
    let (bench, _) = Stateful::bench().await;
    customers::another_consumer_under_a_used_key_is_a_conflict(&bench).await;
}

#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn what_is_missing_there_is_said_to_be_missing() {
    let (bench, _) = Stateful::bench().await;
    subscriptions::an_unknown_subscription_is_none(&bench).await;
    subscriptions::cancelling_what_is_unknown_finds_it_gone(&bench).await;
    let billing = bench.fixture.engine().billing;
    let nothing = text("plan_that_never_was");
    let removed = billing.delete_billing_plan(&bench.cx(), &nothing).await;
    assert_eq!(removed.unwrap(), Removal::AlreadyGone);
    let to = PlanSwitch {
        plan: nothing.clone(),
        mode: ChangeMode::Now,
        at: bench.fixture.now().await,
    };
    let changed = billing
        .change_subscription(&bench.cx(), &text("sub_none"), &to)
        .await;
    assert_eq!(*changed.unwrap_err().kind(), EngineErrorKind::NotFound);
    let mut new = wanted(&bench).await;
    new.plan = nothing;
    let started = billing.create_subscription(&bench.cx(), &new).await;
    assert_eq!(*started.unwrap_err().kind(), EngineErrorKind::NotFound);
    assert_eq!(bench.fixture.count(ObjectKind::Subscription).await, 0);
}

/// It starts no subscription by prices, and says so again to whoever asks again.
#[tokio::test]
#[ignore = "needs scripts/outside.sh"]
async fn a_refusal_is_told_again_under_its_key_and_leaves_nothing_r_p5() {
    let (bench, relay) = Stateful::bench().await;
    let new = wanted(&bench).await;
    let billing = bench.fixture.engine().billing;
    let before = relay.writes();
    for (key, replayed) in [("one", 0), ("one", 1), ("other", 1)] {
        let cx = EngineContext {
            key: IdempotencyKey::new(key),
            ..bench.cx()
        };
        let refused = billing.create_subscription(&cx, &new).await.unwrap_err();
        assert_eq!(*refused.kind(), EngineErrorKind::Permanent, "{refused}");
        assert_eq!(relay.replayed(), replayed);
        assert_eq!(bench.fixture.count(ObjectKind::Subscription).await, 0);
    }
    assert_eq!(relay.writes() - before, 3);
}

/// A subscription that is to be started, of a plan and a customer that are there.
async fn wanted(bench: &Bench) -> NewSubscription {
    let billing = bench.fixture.engine().billing;
    let now = bench.fixture.now().await;
    let consumer = Consumer {
        id: bench.sample.id(),
        tenant: bench.tenant,
        name: text("Example Ltd"),
        members: Vec::new(),
        grace_days: None,
        created_at: now,
    };
    let plan: PlanVersion = bench.version(&bench.product(), Offer::FIXED);
    NewSubscription {
        subscription: bench.sample.id(),
        customer: billing
            .ensure_customer(&bench.cx(), &consumer)
            .await
            .unwrap(),
        plan: billing
            .create_billing_plan(&bench.cx(), &plan)
            .await
            .unwrap(),
        schedule: Schedule::new(now, Offer::FIXED.cycle),
        is_cancelled: false,
    }
}

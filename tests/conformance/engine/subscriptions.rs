//! Subscriptions that the provider invoices: started, changed, ended.

use monetization_core::engine::{CancelMode, ChangeMode, Removal};
use monetization_core::reference::ObjectKind;

use super::steps::{DAY, SECOND, assert_conflict, assert_lost};
use super::{Bench, Offer};
use crate::sample::text;

/// Access needs no payment where nothing is due before the first call.
pub async fn nothing_due_at_the_start_needs_no_payment(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    assert_eq!(running.start.payment_url, None);
    assert!(bench.snapshot(&running).await.first_paid);
}

/// There is a link to pay by, and until it is paid the subscription says so.
pub async fn something_due_at_the_start_waits_for_its_payment(bench: &Bench) {
    for offer in [
        Offer::FIXED,
        Offer {
            setup_fee: "10",
            ..Offer::A_CENT_EACH
        },
    ] {
        let running = bench.running(offer).await;
        let before = bench.snapshot(&running).await;
        assert!(before.live && !before.first_paid, "{before:?}");
        bench
            .fixture
            .pay(running.start.payment_url.as_ref().unwrap())
            .await;
        let after = bench.snapshot(&running).await;
        assert!(after.live && after.first_paid, "{after:?}");
    }
}

/// The same key and the same wish: the same answer and one subscription.
pub async fn a_subscription_started_twice_under_one_key_is_one(bench: &Bench) {
    let (_, _, new) = bench.wanted(&bench.cx(), Offer::FIXED).await;
    let cx = bench.cx();
    let first = bench
        .billing()
        .create_subscription(&cx, &new)
        .await
        .unwrap();
    let again = bench
        .billing()
        .create_subscription(&cx, &new)
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(bench.fixture.count(ObjectKind::Subscription).await, 1);
}

/// The same key for another subscription is refused and starts nothing.
pub async fn another_subscription_under_a_used_key_is_a_conflict(bench: &Bench) {
    let (_, _, new) = bench.wanted(&bench.cx(), Offer::FIXED).await;
    let mut other = new.clone();
    other.subscription = bench.sample.id();
    let cx = bench.cx();
    bench
        .billing()
        .create_subscription(&cx, &new)
        .await
        .unwrap();
    assert_conflict(bench.billing().create_subscription(&cx, &other).await);
    assert_eq!(bench.fixture.count(ObjectKind::Subscription).await, 1);
}

/// A subscription that was started without our hearing of it is not started again.
pub async fn a_subscription_whose_reply_was_lost_is_started_once(bench: &Bench) {
    let (_, _, new) = bench.wanted(&bench.cx(), Offer::FIXED).await;
    let cx = bench.cx();
    bench.fixture.lose_reply(0).await;
    assert_lost(bench.billing().create_subscription(&cx, &new).await);
    bench
        .billing()
        .create_subscription(&cx, &new)
        .await
        .unwrap();
    assert_eq!(bench.fixture.count(ObjectKind::Subscription).await, 1);
}

/// The snapshot says whose it is and which period it is in.
pub async fn a_subscription_stands_as_it_was_started(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let snapshot = bench.snapshot(&running).await;
    assert_eq!(snapshot.subscription, running.new.subscription);
    assert_eq!(Some(snapshot.period), running.schedule().period(0));
    assert_eq!((snapshot.live, snapshot.ends_at), (true, None));
}

/// Missing is an answer.
pub async fn an_unknown_subscription_is_none(bench: &Bench) {
    let found = bench
        .billing()
        .subscription(&bench.cx(), &text("sub_that_never_was"))
        .await;
    assert_eq!(found.unwrap(), None);
}

/// Its periods are those it was started with, each boundary belonging to the one it begins.
pub async fn a_period_follows_the_one_before(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    for index in 0..3 {
        let period = running.schedule().period(index).unwrap();
        for at in [period.start, period.end.saturating_sub(SECOND)] {
            bench.wait_until(at).await;
            assert_eq!(bench.snapshot(&running).await.period, period, "at {at}");
        }
    }
}

/// The second time finds it gone, and it stays ended when it was.
pub async fn cancelling_again_changes_nothing(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let engine = bench.billing();
    let first = engine
        .cancel_subscription(&bench.cx(), running.external(), CancelMode::Now)
        .await;
    assert_ne!(first.unwrap(), Removal::AlreadyGone);
    let ended_at = bench.fixture.now().await;
    bench.fixture.advance(DAY).await;
    for mode in [CancelMode::Now, CancelMode::AtPeriodEnd] {
        let again = engine
            .cancel_subscription(&bench.cx(), running.external(), mode)
            .await;
        assert_eq!(again.unwrap(), Removal::AlreadyGone);
        let snapshot = engine
            .subscription(&bench.cx(), running.external())
            .await
            .unwrap();
        assert!(snapshot.is_none_or(|over| !over.live && over.ends_at == Some(ended_at)));
    }
}

/// The repeated call gets the answer of the first, or finds it gone.
pub async fn a_cancellation_whose_reply_was_lost_happens_once(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let engine = bench.billing();
    let cx = bench.cx();
    bench.fixture.lose_reply(0).await;
    assert_lost(
        engine
            .cancel_subscription(&cx, running.external(), CancelMode::Now)
            .await,
    );
    engine
        .cancel_subscription(&cx, running.external(), CancelMode::Now)
        .await
        .unwrap();
    let snapshot = engine
        .subscription(&bench.cx(), running.external())
        .await
        .unwrap();
    assert!(snapshot.is_none_or(|over| !over.live));
}

/// A subscription that the provider has lost can still be ended here: with WSO2 it never could.
pub async fn cancelling_what_is_unknown_finds_it_gone(bench: &Bench) {
    let unknown = text("sub_that_never_was");
    for mode in [CancelMode::Now, CancelMode::AtPeriodEnd] {
        let cancelled = bench
            .billing()
            .cancel_subscription(&bench.cx(), &unknown, mode)
            .await;
        assert_eq!(cancelled.unwrap(), Removal::AlreadyGone);
    }
}

/// To its last second, and not one more.
pub async fn a_subscription_cancelled_to_the_periods_end_lives_until_then(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let end = running.schedule().period(0).unwrap().end;
    let cancelled = bench.cancel(&running, CancelMode::AtPeriodEnd).await;
    assert_ne!(cancelled, Removal::AlreadyGone);
    bench.wait_until(end.saturating_sub(SECOND)).await;
    let ending = bench.snapshot(&running).await;
    assert_eq!((ending.live, ending.ends_at), (true, Some(end)));
    bench.wait_until(end).await;
    let over = bench
        .billing()
        .subscription(&bench.cx(), running.external())
        .await
        .unwrap();
    assert!(over.is_none_or(|over| !over.live));
}

/// It is the same subscription, and there is no second one: with WSO2 both are billed.
pub async fn changing_the_plan_keeps_the_subscription(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let dearer = Offer {
        unit_price: Some("0.02"),
        ..Offer::A_CENT_EACH
    };
    let dearer = bench.offered(&running, dearer).await;
    for mode in [ChangeMode::AtPeriodEnd, ChangeMode::Now] {
        let cx = bench.cx();
        let to = bench.switch(&dearer, mode).await;
        for _ in 0..2 {
            bench
                .billing()
                .change_subscription(&cx, running.external(), &to)
                .await
                .unwrap();
        }
    }
    let snapshot = bench.snapshot(&running).await;
    assert_eq!(
        (snapshot.live, snapshot.subscription),
        (true, running.new.subscription)
    );
    assert_eq!(bench.fixture.count(ObjectKind::Subscription).await, 1);
}

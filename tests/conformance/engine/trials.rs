//! Trials of subscriptions that the provider invoices.

use monetization_core::engine::{CancelMode, ChangeMode};

use super::steps::{DAY, HOUR, Running};
use super::{Bench, Offer};

const TRIED: Offer = Offer {
    setup_fee: "10",
    base_price: "5",
    trial_days: 14,
    ..Offer::A_CENT_EACH
};

/// Nothing is due at the start. What was used before the trial ended is never billed, and what the first
/// period costs that is paid is due when it begins.
pub async fn a_trial_costs_nothing_and_what_follows_is_billed_whole(bench: &Bench) {
    let running = bench.running(TRIED).await;
    let snapshot = bench.snapshot(&running).await;
    assert!(running.start.payment_url.is_none() && snapshot.first_paid);
    assert_eq!(Some(snapshot.period), running.schedule().period(0));
    bench.fixture.advance(DAY).await;
    bench.used(&running, "100", bench.fixture.now().await).await;
    bench.wait_for_invoice(&running).await;
    assert_eq!(owed(bench, &running).await, [1_000 + 500]);
    bench.used(&running, "7", bench.fixture.now().await).await;
    bench.wait_for_invoice(&running).await;
    assert_eq!(owed(bench, &running).await, [1_500, 7 + 500]);
}

/// It is tried to its end, and what follows costs what the new plan says.
pub async fn a_change_that_waits_does_not_end_the_trial(bench: &Bench) {
    let running = bench.running(TRIED).await;
    let next = Offer {
        base_price: "30",
        ..TRIED
    };
    let next = bench.offered(&running, next).await;
    bench.fixture.advance(DAY).await;
    bench.change(&running, &next, ChangeMode::AtPeriodEnd).await;
    let snapshot = bench.snapshot(&running).await;
    assert_eq!(Some(snapshot.period), running.schedule().period(0));
    assert!(owed(bench, &running).await.is_empty());
    bench.wait_for_invoice(&running).await;
    assert_eq!(owed(bench, &running).await, [1_000 + 3_000]);
}

/// It ends with its trial, and nothing was ever owed.
pub async fn a_trial_that_is_cancelled_ends_and_costs_nothing(bench: &Bench) {
    let running = bench.running(TRIED).await;
    bench.used(&running, "100", bench.fixture.now().await).await;
    bench.cancel(&running, CancelMode::AtPeriodEnd).await;
    let end = running.schedule().period(1).unwrap().end;
    bench.wait_until(end.saturating_add(HOUR)).await;
    assert!(!bench.snapshot(&running).await.live);
    assert!(owed(bench, &running).await.is_empty());
}

/// What is owed at all: an invoice over nothing may be made or not.
async fn owed(bench: &Bench, running: &Running) -> Vec<i64> {
    let mut totals = bench.totals(running).await;
    totals.retain(|total| *total != 0);
    totals
}

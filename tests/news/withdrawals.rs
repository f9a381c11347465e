//! Reports that are taken back.

use monetization_conformance::engine::Fixture;
use monetization_core::engine::Withdrawal;
use monetization_core::flows::FlowError;
use monetization_core::store::{Batch, BatchState, JobState};

use crate::market::{DAY, METERED, Market};
use crate::mock::MockFixture;
use crate::stripe::StripeFixture;

#[tokio::test]
async fn a_report_to_the_mock_that_is_taken_back_is_billed_to_nobody_and_never_sent_again() {
    taken_back(MockFixture::new()).await;
}

#[tokio::test]
async fn a_report_to_stripe_that_is_taken_back_is_billed_to_nobody_and_never_sent_again() {
    taken_back(StripeFixture::start().await).await;
}

async fn taken_back(fixture: impl Fixture) {
    let market = Market::open(fixture, METERED, 2).await;
    market.use_of_each(3).await;
    assert_eq!(market.publish().await, JobState::Succeeded);
    let batches = market.batches().await;
    let (wrong, right) = (&batches[0], &batches[1]);
    let withdrawn = withdraw(&market, wrong).await.unwrap();
    assert_eq!(withdrawn, Withdrawal::Withdrawn);
    let written_off = Batch {
        state: BatchState::WrittenOff,
        decided_because: Some(BECAUSE.to_owned()),
        first_sent_at: Some(market.monetizer.now()),
        fence: wrong.fence + 1,
        ..wrong.clone()
    };
    let unbilled = market.monetizer.unbilled(market.tenant).await.unwrap();
    assert_eq!(unbilled.written_off, std::slice::from_ref(&written_off));
    assert_eq!(market.batches().await, [written_off, right.clone()]);
    assert_eq!(market.reconcile().await.differing, []);
    only_the_other_is_billed(&market, wrong).await;
    market.pass(DAY).await;
    let late = withdraw(&market, right).await.unwrap();
    assert!(matches!(late, Withdrawal::TooLate { .. }), "{late:?}");
    only_the_other_is_billed(&market, wrong).await;
}

/// What was taken back is not sent again, and not taken back again.
async fn only_the_other_is_billed(market: &Market, wrong: &Batch) {
    assert_eq!(market.publish().await, JobState::Succeeded);
    assert_eq!(market.counted().await, 3);
    let again = withdraw(market, wrong).await;
    assert!(
        matches!(again, Err(FlowError::NotFound { .. })),
        "{again:?}"
    );
    assert_eq!(market.batches().await[1].state, BatchState::Confirmed);
}

async fn withdraw(market: &Market, batch: &Batch) -> Result<Withdrawal, FlowError> {
    let withdrawn = market
        .monetizer
        .withdraw_batch(market.tenant, batch.id, BECAUSE);
    withdrawn.await
}

const BECAUSE: &str = "a test of ours";

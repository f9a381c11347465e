//! Reports that an engine refuses after it had taken them.

use monetization_conformance::engine::{Fixture, Message};
use monetization_conformance::size;
use monetization_core::engine::WebhookError;
use monetization_core::flows::{FlowError, Rejected, WebhookEndpoint};
use monetization_core::ids::BatchId;
use monetization_core::store::{Batch, BatchState, Decision, Fate, Held, JobState};

use crate::market::{DAY, HOUR, METERED, MINUTE, Market};
use crate::mock::MockFixture;
use crate::stripe::StripeFixture;

/// How many report at once.
fn subscribers() -> u64 {
    size(10, 100)
}

#[tokio::test]
async fn of_reports_to_the_mock_one_in_a_hundred_is_refused_later_and_none_is_billed_r_p7() {
    let rejected = refused_later(MockFixture::new()).await;
    assert_eq!(rejected.named, rejected.count, "the mock names them all");
}

/// Stripe names a few for an example; the others are found by its count.
#[tokio::test]
async fn of_reports_to_stripe_one_in_a_hundred_is_refused_later_and_none_is_billed_r_p7() {
    let rejected = refused_later(StripeFixture::start().await).await;
    assert_eq!(rejected.named, 5);
}

#[tokio::test]
async fn what_the_mock_refused_later_is_sent_again_once_it_has_forgotten_it_r_p7() {
    sent_again(MockFixture::new()).await;
}

#[tokio::test]
async fn what_stripe_refused_later_is_sent_again_once_it_has_forgotten_it_r_p7() {
    sent_again(StripeFixture::start().await).await;
}

#[tokio::test]
async fn what_the_mock_refused_and_knows_from_before_is_not_confirmed_by_that_r_p7() {
    known_from_before(MockFixture::new()).await;
}

#[tokio::test]
async fn what_stripe_refused_and_knows_from_before_is_not_confirmed_by_that_r_p7() {
    known_from_before(StripeFixture::start().await).await;
}

/// The message comes, and the answer never did: the report is not sent any more.
#[tokio::test]
async fn what_is_refused_before_its_answer_has_come_is_not_confirmed_any_more_r_p7() {
    let market = Market::open(StripeFixture::start().await, METERED, 1).await;
    market.fixture.refuse_later().await;
    market.fixture.lose_reply(0).await;
    market.use_of_each(3).await;
    assert_eq!(market.publish().await, JobState::Incomplete);
    assert_eq!(states(&market, "sealed").await.len(), 1);
    market.pass(HOUR).await;
    let messages = market.fixture.messages().await;
    let taken = market.hear(&messages).await;
    assert!(taken.iter().any(|taken| taken.rejected.named == 1));
    assert_eq!(
        market.publish().await,
        JobState::Succeeded,
        "nothing is left"
    );
    assert_eq!(states(&market, "rejected").await.len(), 1);
    assert_eq!(market.counted().await, 0);
}

/// Nobody's credentials say which account it speaks of.
#[tokio::test]
async fn a_refusal_of_reports_makes_no_sense_at_an_endpoint_of_nobody_r_p7() {
    let market = Market::open(MockFixture::new(), METERED, 1).await;
    market.fixture.messages().await;
    market.fixture.refuse_later().await;
    market.use_of_each(3).await;
    assert_eq!(market.publish().await, JobState::Succeeded);
    market.pass(MINUTE).await;
    let (engine, secrets) = (market.engine(), [market.fixture.webhook_secret()]);
    let messages = market.fixture.messages().await;
    assert_eq!(messages.len(), 1);
    for Message { headers, body } in &messages {
        let endpoint = WebhookEndpoint::new(&engine, &secrets);
        let taken = market.monetizer.take_in(endpoint, headers, body).await;
        let refused = Err(WebhookError::Malformed {
            problem: "it tells of reports, and the endpoint is no tenant's".to_owned(),
        });
        let taken = taken.map_err(|error| match error {
            FlowError::Webhook(error) => error,
            other => panic!("{other:?}"),
        });
        assert_eq!(taken, refused);
    }
    assert_eq!(states(&market, "confirmed").await.len(), 1);
    assert_eq!(rejected_by(&market, &messages).await.named, 1);
}

/// Reports of all subscribers, of which one in a hundred is refused later: all of them are told, those
/// that are named wait for a decision, and what is left is where the engine counts less.
async fn refused_later(fixture: impl Fixture) -> Rejected {
    let market = Market::open(fixture, METERED, subscribers()).await;
    let reports = size(1_000, 100_000);
    report(&market, reports).await;
    market.pass(MINUTE).await;
    let messages = market.fixture.messages().await;
    let rejected = rejected_by(&market, &messages).await;
    assert_eq!(rejected.count, reports / 100);
    let counted = i64::try_from(reports - rejected.count).unwrap();
    // The same again, as engines deliver: nothing more is told.
    let again = rejected_by(&market, &messages).await;
    assert_eq!(again, Rejected::default());
    assert_eq!(market.counted().await, counted);

    let held = market.held().await;
    let mut held: Vec<BatchId> = held.iter().map(|batch| batch.id).collect();
    held.sort_unstable();
    assert_eq!(held, states(&market, "rejected").await);
    assert_eq!(held.len() as u64, rejected.named);
    // By then everything that counts is counted.
    market.pass(HOUR).await;
    let missing = market.reconcile().await.differing.into_iter();
    let missing: i64 = missing
        .map(|of| of.confirmed.scaled() - of.counted.scaled())
        .sum();
    let unnamed = i64::try_from(rejected.count - rejected.named).unwrap();
    assert_eq!(missing, unnamed);
    rejected
}

/// So many reports of a unit each, which the engine takes all.
async fn report(market: &Market, reports: u64) {
    for round in 0..reports / subscribers() {
        if round % (100 / subscribers()) == 0 {
            market.fixture.refuse_later().await;
        }
        market.use_of_each(1).await;
        assert_eq!(market.publish().await, JobState::Succeeded);
    }
    let confirmed = states(market, "confirmed").await;
    assert_eq!(confirmed.len() as u64, reports);
}

/// What messages say that was refused.
async fn rejected_by(market: &Market, messages: &[Message]) -> Rejected {
    let mut rejected = Rejected::default();
    for taken in market.hear(messages).await {
        rejected.count += taken.rejected.count;
        rejected.named += taken.rejected.named;
    }
    rejected
}

/// While the engine knows it still it would answer that it has it.
async fn sent_again(fixture: impl Fixture) {
    let market = refused(fixture).await;
    let [batch] = <[Batch; 1]>::try_from(market.held().await).unwrap();
    let decide = async || {
        let again = Decision::new(Fate::SendAgain, MENDED, market.monetizer.now());
        let decided = market
            .monetizer
            .decide_batch(market.tenant, batch.id, &again);
        decided.await
    };
    let Err(FlowError::TooEarly { batch: of, from }) = decide().await else {
        panic!("it is sent again at once");
    };
    let sent_at = market.monetizer.now().saturating_sub(MINUTE);
    assert_eq!(of, batch.id);
    let waits = from.saturating_since(sent_at);
    assert!(
        (DAY + 20 * HOUR..=2 * DAY + HOUR).contains(&waits),
        "{from}"
    );
    market
        .pass(from.saturating_since(market.monetizer.now()))
        .await;
    decide().await.unwrap();
    // It is refused a second time, and that is heard, too.
    market.fixture.refuse_later().await;
    counted_for_now(&market).await;
    market.pass(MINUTE).await;
    market.hear(&market.fixture.messages().await).await;
    assert_eq!(states(&market, "rejected").await, [batch.id]);
    market.pass(2 * DAY + HOUR).await;
    decide().await.unwrap();
    counted_at_last(&market).await;
}

/// A report of three units that was taken and refused later, which was heard.
async fn refused(fixture: impl Fixture) -> Market {
    let market = Market::open(fixture, METERED, 1).await;
    market.fixture.refuse_later().await;
    market.use_of_each(3).await;
    assert_eq!(market.publish().await, JobState::Succeeded);
    market.pass(MINUTE).await;
    market.hear(&market.fixture.messages().await).await;
    market
}

/// As far as anybody knows.
async fn counted_for_now(market: &Market) {
    assert_eq!(market.publish().await, JobState::Succeeded);
    assert_eq!(market.batches().await[0].state, BatchState::Confirmed);
}

async fn counted_at_last(market: &Market) {
    counted_for_now(market).await;
    assert_eq!(market.counted().await, 3);
}

/// Sent again too early it is a duplicate of what does not count: the count decides, not the answer.
async fn known_from_before(fixture: impl Fixture) {
    let market = refused(fixture).await;
    let batch = market.held().await.remove(0).id;
    let again = Decision::new(Fate::SendAgain, MENDED, market.monetizer.now());
    let decided = market
        .store
        .decide_batch(market.tenant, batch, Held::Rejected, &again);
    assert!(decided.await.unwrap());
    assert_eq!(market.publish().await, JobState::Incomplete);
    assert_eq!(states(&market, "unknown").await, [batch]);
    market.pass(HOUR).await;
    assert_eq!(
        market.reconcile().await.decided,
        [(batch, Fate::SendAgain)],
        "it is not counted"
    );
    market.publish().await;
    assert_eq!(states(&market, "unknown").await, [batch]);
    market.pass(2 * DAY).await;
    market.reconcile().await;
    counted_at_last(&market).await;
}

const MENDED: &str = "the meter was mended";

/// The batches in this state, in the order of their sealing.
async fn states(market: &Market, state: &str) -> Vec<BatchId> {
    let batches = market.batches().await.into_iter();
    let mut ids: Vec<BatchId> = batches
        .filter(|batch| batch.state.as_str() == state)
        .map(|batch| batch.id)
        .collect();
    ids.sort_unstable();
    ids
}

//! News that never arrived, read from the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use http::HeaderMap;
use monetization_conformance::engine::Fixture;
use monetization_conformance::sample::text;
use monetization_conformance::size;
use monetization_core::clock::Timestamp;
use monetization_core::engine::{
    CancelMode, Engine, EngineContext, EngineError, EngineEvent, NewsFeed, NewsPage, VerifiedEvent,
    WebhookError, Webhooks,
};
use monetization_core::flows::CaughtUp;
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::InvoiceState;
use monetization_core::plan::Plan;
use monetization_core::secret::Secret;
use monetization_core::store::{Index, RowKey, StoreExt};

use crate::market::{DAY, FIXED, HOUR, MINUTE, Market};
use crate::mock::MockFixture;
use crate::stripe::StripeFixture;

#[tokio::test]
async fn three_in_ten_messages_of_the_mock_are_lost_and_one_poll_finds_them_r_w6() {
    three_in_ten_are_lost(MockFixture::new()).await;
}

#[tokio::test]
async fn three_in_ten_messages_of_stripe_are_lost_and_one_poll_finds_them_r_w6() {
    three_in_ten_are_lost(StripeFixture::start().await).await;
}

#[tokio::test]
async fn what_the_mock_told_in_four_days_without_an_endpoint_is_found_by_one_poll_r_w6() {
    nobody_listens_for_four_days(MockFixture::new()).await;
}

#[tokio::test]
async fn what_stripe_told_in_four_days_without_an_endpoint_is_found_by_one_poll_r_w6() {
    nobody_listens_for_four_days(StripeFixture::start().await).await;
}

/// It is tried again for a day, then given up; what comes before and after it is taken in at once, and
/// what is about nobody here is passed over.
#[tokio::test]
async fn a_message_that_never_can_be_taken_in_holds_up_no_other_r_w6() {
    let fixture = MockFixture::wrapped(|engine| Engine {
        feed: engine
            .feed
            .map(|inner| -> Arc<dyn NewsFeed> { Arc::new(Spoiled { inner, bad: 1 }) }),
        ..engine
    });
    let market = Market::open(fixture, FIXED, 1).await;
    market.pay_all().await;
    market.fixture.messages().await;
    let caught = market.catch_up().await;
    assert_eq!(market.active().await, 1);
    assert_eq!(
        (caught.foreign, names(&caught.waiting)),
        (1, vec!["evt_bad_0".to_owned()])
    );
    let first = caught.new;
    // The cursor waits for it, so what was taken in is read again, and recognised.
    market.pass(HOUR).await;
    let caught = market.catch_up().await;
    assert_eq!((caught.new, caught.known), (0, first));
    assert_eq!((caught.waiting.len(), caught.given_up.len()), (1, 0));
    market.pass(DAY).await;
    let caught = market.catch_up().await;
    assert_eq!(
        (caught.waiting.len(), names(&caught.given_up)),
        (0, vec!["evt_bad_0".to_owned()])
    );
    market.pass(HOUR).await;
    let caught = market.catch_up().await;
    let told = (caught.new, caught.waiting.len(), caught.given_up.len());
    assert_eq!(told, (0, 0, 0), "it is told once");
}

/// All of them are tried for a day, not only those that are known one by one.
#[tokio::test]
async fn more_messages_than_are_known_one_by_one_are_given_up_after_a_day_too_r_w6() {
    let fixture = MockFixture::wrapped(|engine| Engine {
        feed: engine
            .feed
            .map(|inner| -> Arc<dyn NewsFeed> { Arc::new(Spoiled { inner, bad: 150 }) }),
        ..engine
    });
    let market = Market::open(fixture, FIXED, 1).await;
    market.pay_all().await;
    assert_eq!(market.catch_up().await.waiting.len(), 150);
    market.pass(HOUR).await;
    assert_eq!(market.catch_up().await.waiting.len(), 150);
    market.pass(DAY).await;
    let caught = market.catch_up().await;
    assert_eq!((caught.waiting.len(), caught.given_up.len()), (0, 150));
    // The cursor has passed them: what is told now is the first that is read.
    market.end_there(market.subscriptions[0]).await;
    market.catch_up().await;
    let caught = market.catch_up().await;
    assert_eq!((caught.given_up.len(), caught.known), (0, 1));
}

/// What the engine calls a subscription is written down when it answers, and its answer was lost: until the
/// operation is carried out again its news are nobody's.
#[tokio::test]
async fn news_of_what_is_not_known_yet_are_read_until_it_is_r_w6() {
    let refuses = Arc::new(AtomicBool::new(false));
    let fixture = MockFixture::wrapped(|engine| Engine {
        webhooks: engine.webhooks.map(|inner| -> Arc<dyn Webhooks> {
            let refuses = Arc::clone(&refuses);
            Arc::new(Moody { inner, refuses })
        }),
        ..engine
    });
    let mut market = Market::open(fixture, FIXED, 1).await;
    market.pay_all().await;
    market.catch_up().await;
    let plans = RowKey::new(Index::PlansOfProduct, market.product.id);
    let plans = market.store.facts_by::<Plan>(market.tenant, plans).await;
    let plan = plans.unwrap().remove(0).fact;
    // The customer is made, the subscription, too, and nobody hears of it.
    market.fixture.lose_reply(1).await;
    market.subscribe(&plan).await;
    let late = market.subscriptions[1];
    let caught = market.catch_up().await;
    assert!(caught.foreign > 0, "{caught:?}");
    market.pass(HOUR).await;
    market.end_there(market.subscriptions[0]).await;
    for _ in 0..2 {
        let caught = market.catch_up().await;
        assert!(caught.foreign > 0, "{caught:?}");
    }
    assert_eq!(market.invoices(late).await.len(), 0);
    market.monetizer.run_jobs().await.unwrap();
    // What is known by now and cannot be taken in is not passed over either.
    refuses.store(true, Ordering::Relaxed);
    let caught = market.catch_up().await;
    assert_eq!((caught.new, caught.foreign), (0, 0), "{caught:?}");
    assert!(!caught.waiting.is_empty(), "{caught:?}");
    refuses.store(false, Ordering::Relaxed);
    let caught = market.catch_up().await;
    assert_eq!((caught.new, caught.foreign), (1, 0), "{caught:?}");
    assert_eq!(market.invoices(late).await.len(), 1);
    // What nobody waits for is not read for a day.
    market.catch_up().await;
    assert_eq!(market.catch_up().await.known, 1);
}

/// Subscribers pay, and three in ten of the messages never arrive.
async fn three_in_ten_are_lost(fixture: impl Fixture) {
    let market = Market::open(fixture, FIXED, size(20, 500)).await;
    market.pay_all().await;
    let messages = market.fixture.messages().await;
    let arrived = messages.into_iter().enumerate();
    // In a row, because Stripe says in more than one message that somebody has paid.
    let arrived = arrived.filter(|(place, _)| place % 30 >= 9);
    let arrived: Vec<_> = arrived.map(|(_, message)| message).collect();
    market.hear(&arrived).await;
    let all = market.subscriptions.len();
    assert!(market.active().await < all, "what is lost is missed");
    market.pass(MINUTE).await;
    let caught = market.catch_up().await;
    assert_eq!(market.active().await, all);
    market.agrees().await;
    assert!(caught.new > 0 && caught.known > 0, "{caught:?}");
    assert_eq!(
        (caught.waiting.len(), caught.failed.len()),
        (0, 0),
        "{caught:?}"
    );
    let again = market.catch_up().await;
    assert_eq!(again.new, 0, "{again:?}");
}

/// A period ends while messages come to nothing for longer than they are delivered again.
async fn nobody_listens_for_four_days(fixture: impl Fixture) {
    let market = Market::open(fixture, FIXED, 3).await;
    market.pay_all().await;
    let messages = market.fixture.messages().await;
    market.hear(&messages).await;
    market.catch_up().await;
    let month = market.subscription(market.subscriptions[0]).await;
    let month = month.timeline.schedule.period(0).unwrap().end;
    market
        .pass(month.saturating_since(market.monetizer.now()))
        .await;
    market.pass(DAY * 4).await;
    let lost = market.fixture.messages().await;
    assert!(!lost.is_empty());
    let caught = market.catch_up().await;
    assert!(caught.new >= 3, "{caught:?}");
    assert_eq!(
        (caught.waiting.len(), caught.failed.len()),
        (0, 0),
        "{caught:?}"
    );
    for id in &market.subscriptions {
        assert_eq!(market.invoices(*id).await.len(), 2);
    }
    market.agrees().await;
    // What comes late all the same has been taken in.
    assert_eq!(market.catch_up().await.new, 0);
}

impl Market {
    async fn catch_up(&self) -> CaughtUp {
        self.monetizer.catch_up(self.tenant).await.unwrap()
    }

    /// The provider ends a subscription by itself.
    async fn end_there(&self, id: SubscriptionId) {
        let external = self.external(id).await;
        let billing = self.fixture.engine().billing;
        let cx = self.cx();
        let ended = billing.cancel_subscription(&cx, &external, CancelMode::Now);
        ended.await.unwrap();
    }

    /// Invoices here are those that the engine has.
    async fn agrees(&self) {
        let statements = self.fixture.engine().statements.unwrap();
        for id in &self.subscriptions {
            let external = self.external(*id).await;
            let there = statements.list(&self.cx(), &external).await.unwrap();
            let there = there.iter().map(|it| (it.total.minor(), it.state));
            let here = self.invoices(*id).await;
            let here = here.iter().map(|it| (it.total.minor(), it.state));
            let paid = |(total, state)| (total, state == InvoiceState::Paid);
            let (mut there, mut here): (Vec<_>, Vec<_>) =
                (there.map(paid).collect(), here.map(paid).collect());
            there.sort_unstable();
            here.sort_unstable();
            assert_eq!(here, there);
        }
    }
}

fn names(of: &[(monetization_core::text::ForeignId, String)]) -> Vec<String> {
    of.iter().map(|(id, _)| id.to_string()).collect()
}

/// Webhooks that can read nothing for a while.
#[derive(Debug)]
struct Moody {
    inner: Arc<dyn Webhooks>,
    refuses: Arc<AtomicBool>,
}

#[async_trait]
impl Webhooks for Moody {
    fn verify(
        &self,
        body: &[u8],
        headers: &HeaderMap,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<VerifiedEvent, WebhookError> {
        self.inner.verify(body, headers, secrets, now)
    }

    fn interpret(&self, message: &VerifiedEvent) -> Result<Vec<EngineEvent>, WebhookError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(WebhookError::Malformed {
                problem: "today".to_owned(),
            });
        }
        self.inner.interpret(message)
    }
}

/// A feed that tells more at the beginning of 2026: messages that make no sense, and one about somebody
/// else's subscription.
#[derive(Debug)]
struct Spoiled {
    inner: Arc<dyn NewsFeed>,
    bad: usize,
}

#[async_trait]
impl NewsFeed for Spoiled {
    async fn since(&self, cx: &EngineContext, from: Timestamp) -> Result<NewsPage, EngineError> {
        let mut page = self.inner.since(cx, from).await?;
        if from < monetization_conformance::sample::START {
            let foreign = r#"{"type":"subscription.ended","account":null,"object":"sub_of_nobody",
                "version":1,"occurred_at":"2026-01-01T00:00:00Z","payment_url":null,"invoice":null}"#;
            let bad = (0..self.bad).map(|number| (format!("evt_bad_{number}"), r#"{"type":7}"#));
            for (id, body) in bad.chain([("evt_foreign".to_owned(), foreign)]) {
                let message = VerifiedEvent {
                    id: text(&id),
                    body: body.as_bytes().to_vec(),
                };
                page.messages.insert(0, message);
            }
        }
        Ok(page)
    }
}

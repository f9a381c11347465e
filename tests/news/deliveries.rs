//! Messages of Stripe's: sent again, sent late, delivered at once to several, signed with another secret.

use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::engine::Message;
use monetization_conformance::size;
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::Delivery;
use monetization_core::clock::Clock;
use monetization_core::engine::WebhookError;
use monetization_core::entropy::Entropy;
use monetization_core::flows::{Engines, FlowError, Monetizer};
use monetization_core::invoice::Invoicing;
use monetization_core::key::Pepper;
use monetization_core::secret::Secret;
use monetization_core::store::Store;
#[cfg(feature = "postgres")]
use monetization_store_postgres::PostgresStore;
use monetization_store_sqlite::{SqliteOptions, SqliteStore, Synchronous};
use tokio::task::JoinSet;

use crate::market::{DAY, FIXED, Market, PEPPER};
#[cfg(feature = "postgres")]
use crate::postgres;
use crate::stripe::{StripeFixture, message};

const AT_ONCE: usize = 8;

/// A market in which everybody has paid, and what Stripe tells of it, which nobody has heard.
struct Paid {
    market: Market,
    stripe: Arc<FakeStripe>,
    told: Vec<Delivery>,
}

impl Paid {
    /// One subscriber.
    async fn new() -> Self {
        let fixture = StripeFixture::start().await;
        let stripe = fixture.faults();
        Self::of(Market::open(fixture, FIXED, 1).await, stripe).await
    }

    async fn of(market: Market, stripe: Arc<FakeStripe>) -> Self {
        market.pay_all().await;
        let mut told = stripe.deliveries();
        told.retain(|it| it.kind == "invoice.paid");
        assert_eq!(told.len(), market.subscriptions.len());
        Self {
            market,
            stripe,
            told,
        }
    }

    /// The first of them, signed now.
    fn message(&self) -> Message {
        message(&self.told[0], self.stripe.now())
    }
}

/// R-W2: the same bytes, and the same event signed anew, at any later time.
#[tokio::test]
async fn an_event_that_is_sent_again_at_any_time_has_one_effect_r_w2() {
    let paid = Paid::new().await;
    let market = &paid.market;
    let first = paid.message();
    assert!(market.take(&first).await.unwrap().new);
    assert_eq!(market.active().await, 1);
    let after = market.versions().await;
    let second = Duration::from_secs(1);
    let mut passed = Duration::ZERO;
    for later in [299 * second, 301 * second, DAY, 30 * DAY] {
        market.pass(later - passed).await;
        passed = later;
        let replayed = market.take(&first).await;
        if later <= 300 * second {
            assert!(!replayed.unwrap().new);
        } else {
            let stale = matches!(replayed, Err(FlowError::Webhook(WebhookError::Stale)));
            assert!(stale, "the bytes of {later:?} ago: {replayed:?}");
        }
        let anew = paid.message();
        assert_ne!(anew.headers, first.headers, "signed anew");
        assert!(!market.take(&anew).await.unwrap().new);
        assert_eq!(market.versions().await, after, "{later:?}");
    }
}

/// What is late at its first coming is heard as long as it is fresh, and its effect is the same.
#[tokio::test]
async fn a_first_event_is_heard_within_its_time_only_r_w2() {
    for (seconds, is_heard) in [(299, true), (301, false)] {
        let paid = Paid::new().await;
        let first = paid.message();
        let before = paid.market.versions().await;
        paid.market.time.advance(Duration::from_secs(seconds));
        let taken = paid.market.take(&first).await;
        assert_eq!(taken.is_ok_and(|taken| taken.new), is_heard, "{seconds}");
        assert_eq!(paid.market.active().await, usize::from(is_heard));
        assert_eq!(paid.market.versions().await == before, !is_heard);
    }
}

/// R-W3: by so many processes that share what `open` opens for each of them, by its place.
#[expect(
    clippy::future_not_send,
    reason = "a test is polled where it was begun"
)]
async fn delivered_at_once(
    houses: usize,
    payments: usize,
    open: impl AsyncFn(Clock, usize) -> Arc<dyn Store>,
) {
    let fixture = StripeFixture::start().await;
    let stripe = fixture.faults();
    let first = async |clock| open(clock, 0).await;
    let mut market = Market::over(fixture, Invoicing::ByEngine, first).await;
    let plan = market.sell(FIXED).await;
    for _ in 0..payments {
        market.subscribe(&plan).await;
    }
    let mut all = vec![market.monetizer.clone()];
    while all.len() < houses {
        all.push(Monetizer::new(
            open(market.clock.clone(), all.len()).await,
            Engines::new([market.fixture.engine()]),
            market.clock.clone(),
            Arc::new(Entropy::seeded(7 + all.len() as u64)),
            Pepper::new(&PEPPER).unwrap(),
        ));
    }
    let paid = Arc::new(Paid::of(market, stripe).await);
    let now = paid.stripe.now();
    let mut new = 0;
    for told in &paid.told {
        let mut under_way = JoinSet::new();
        for turn in 0..AT_ONCE * houses {
            let (paid, house) = (Arc::clone(&paid), all[turn % houses].clone());
            let message = message(told, now);
            under_way.spawn(async move {
                let secrets = [paid.market.fixture.webhook_secret()];
                let taken = paid.market.take_with(&house, &secrets, &message).await;
                taken.unwrap().new
            });
        }
        let taken = under_way.join_all().await;
        new += taken.into_iter().filter(|new| *new).count();
    }
    assert_eq!(new, paid.told.len(), "each has one effect");
    assert_eq!(paid.market.active().await, paid.told.len());
    for id in &paid.market.subscriptions {
        assert_eq!(paid.market.totals(*id).await, [2_500]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_delivered_eight_times_at_once_to_two_have_one_effect_each_r_w3() {
    let directory = tempfile::tempdir().unwrap();
    let open = async |clock, place| {
        let options = SqliteOptions::new(directory.path().join("market.db"))
            .with_clock(clock)
            .with_synchronous(Synchronous::Normal);
        let store = match place {
            0 => SqliteStore::open(&options).await,
            _ => SqliteStore::open_beside(&options).await,
        };
        let store: Arc<dyn Store> = Arc::new(store.unwrap());
        store
    };
    delivered_at_once(2, size(10, 1_000), open).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn events_delivered_eight_times_at_once_to_each_of_three_have_one_effect_each_r_w3() {
    let database = monetization_conformance::postgres::Database::unused();
    postgres::make(&database).await;
    let open = async |clock, _| {
        let options = postgres::options(&database).with_clock(clock);
        let store = PostgresStore::open(&options).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        store
    };
    delivered_at_once(3, size(10, 1_000), open).await;
    database.remove().await;
}

/// R-W5: whichever of the two changes first, and in whichever order the secrets stand.
#[tokio::test]
async fn stripes_secrets_are_exchanged_without_losing_or_doubling_news_r_w5() {
    let paid = Paid::new().await;
    let market = &paid.market;
    market.pass_until("2026-02-01T02:00:00Z").await;
    let endpoint = paid.told[0].endpoint.clone();
    let old = market.fixture.webhook_secret();
    let by_old = paid.message();
    let new = paid.stripe.fake().roll_secret(&endpoint).unwrap();
    let new = Secret::new(new);
    // From now on Stripe signs with both; what was signed before is still under way.
    let invoices = paid.stripe.fake().objects("invoice");
    let open = invoices.iter().find(|it| it["status"] == "open").unwrap();
    paid.stripe.pay(open["id"].as_str().unwrap()).unwrap();
    let told = paid.stripe.deliveries();
    let by_both = told.iter().rfind(|it| it.kind == "invoice.paid").unwrap();
    let by_both = message(by_both, paid.stripe.now());
    let header = by_both.headers["stripe-signature"].to_str().unwrap();
    assert_eq!(header.matches("v1=").count(), 2, "{header}");
    let take = async |secrets: &[&Secret], message: &Message| {
        let secrets: Vec<Secret> = secrets.iter().copied().cloned().collect();
        let taken = market.take_with(&market.monetizer, &secrets, message).await;
        match taken {
            Ok(taken) => Some(taken.new),
            Err(FlowError::Webhook(WebhookError::Signature)) => None,
            Err(error) => panic!("{error:?}"),
        }
    };
    // Whoever knows the new one alone is too early for what was signed before: it comes again.
    assert_eq!(take(&[&new], &by_old).await, None);
    let held: [&[&Secret]; 4] = [&[&old], &[&new, &old], &[&old, &new], &[&new]];
    let heard: Vec<Option<bool>> = [
        take(held[1], &by_old).await,
        take(held[2], &by_old).await,
        take(held[0], &by_old).await,
        take(held[3], &by_both).await,
        take(held[0], &by_both).await,
        take(held[1], &by_both).await,
        take(held[2], &by_both).await,
    ]
    .to_vec();
    let (first, again) = (Some(true), Some(false));
    assert_eq!(heard, [first, again, again, first, again, again, again]);
    assert_eq!(market.active().await, 1);
}

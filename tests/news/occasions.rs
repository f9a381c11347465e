//! When invoices are made, whoever makes them, and what a trial makes of them; and whose they are.

use std::collections::BTreeMap;

use monetization_conformance::engine::Message;
use monetization_conformance::sample::text;
use monetization_conformance::stripe::fake::{CONNECTED, Request, SECRET_KEY};
use monetization_core::engine::CancelMode;
use monetization_core::flows::NewPlan;
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::plan::Approval;
use monetization_core::secret::Secret;
use monetization_core::store::JobState;
use monetization_core::subscription::SubscriptionState;
use serde_json::Value;

use crate::market::{DAY, HOUR, Market, active_product};
use crate::stripe::{StripeFixture, message};

const BASE: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"25",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;
const TRIED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","setup_fee":"10",
    "base_price":"5","trial":{"days":14},"usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

#[tokio::test]
async fn invoices_are_made_at_the_start_at_a_periods_end_and_when_it_is_ended_at_once_h4() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let mut market = Market::new(StripeFixture::start().await, invoicing).await;
        let plan = market.sell(BASE).await;
        market.subscribe(&plan).await;
        market.settle().await;
        let id = market.subscriptions[0];
        assert_eq!(market.totals(id).await, [2_500], "{invoicing:?}");
        market.pay_open().await;
        market.pass_until("2026-01-31T23:59:59Z").await;
        market.use_up(invoicing, 3).await;
        assert_eq!(market.totals(id).await, [2_500], "{invoicing:?}: not yet");
        market.pass_until("2026-02-01T02:00:00Z").await;
        market.settle().await;
        assert_eq!(market.totals(id).await, [2_500, 2_503], "{invoicing:?}");
        market.pay_open().await;
        market.pass(5 * DAY).await;
        market.use_up(invoicing, 4).await;
        assert_eq!(market.totals(id).await.len(), 2, "{invoicing:?}: not yet");
        let ended = market.monetizer.cancel(market.tenant, id, CancelMode::Now);
        assert_ne!(ended.await.unwrap().state, SubscriptionState::Active);
        for _ in 0..3 {
            market.pass(HOUR).await;
            market.settle().await;
        }
        assert_eq!(market.totals(id).await, [2_500, 2_503, 4], "{invoicing:?}");
        market.pass(60 * DAY).await;
        market.settle().await;
        assert_eq!(market.totals(id).await.len(), 3, "{invoicing:?}");
        let over = market.subscription(id).await.state;
        assert_eq!(over, SubscriptionState::Ended, "{invoicing:?}");
    }
}

#[tokio::test]
async fn a_trial_at_stripe_converts_and_its_use_is_never_billed_b16_c7() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let mut market = Market::new(StripeFixture::start().await, invoicing).await;
        let plan = market.sell(TRIED).await;
        market.subscribe(&plan).await;
        market.settle().await;
        let id = market.subscriptions[0];
        assert_eq!(
            market.active().await,
            1,
            "{invoicing:?}: nothing is due yet"
        );
        market.pass(3 * DAY).await;
        market.use_up(invoicing, 100).await;
        market.pass_until("2026-01-15T02:00:00Z").await;
        market.settle().await;
        assert_eq!(market.owed(id).await, [1_500], "{invoicing:?}");
        market.pay_open().await;
        market.pass(DAY).await;
        market.use_up(invoicing, 7).await;
        market.pass_until("2026-02-15T02:00:00Z").await;
        market.settle().await;
        assert_eq!(market.owed(id).await, [1_500, 507], "{invoicing:?}");
        assert_eq!(market.active().await, 1, "{invoicing:?}: it goes on");
    }
}

/// H7: one product of the platform's, one of a publisher's with an account of its own, one market.
#[tokio::test]
async fn what_a_publisher_sells_is_billed_and_paid_in_its_own_account_h7() {
    let fixture = StripeFixture::start().await;
    let stripe = fixture.faults();
    let of_connected = stripe.fake().listen("http://127.0.0.1:9/connect", true);
    let mut market = Market::open(fixture, BASE, 1).await;
    let theirs = sold_by_publisher(&mut market).await;
    let secrets = [market.fixture.webhook_secret(), Secret::new(of_connected)];
    let hear = async || {
        market.monetizer.run_jobs().await.unwrap();
        let told = stripe.deliveries().into_iter();
        let told: Vec<Message> = told.map(|it| message(&it, stripe.now())).collect();
        market.hear_by(&secrets, &told).await;
    };
    hear().await;
    let invoices = stripe.fake().objects("invoice");
    for invoice in invoices {
        stripe.pay(invoice["id"].as_str().unwrap()).unwrap();
    }
    hear().await;
    assert_eq!(market.active().await, 2, "each is paid in its own account");
    market.use_of_each(3).await;
    assert_eq!(market.publish().await, JobState::Succeeded);
    market.pass_until("2026-02-01T02:00:00Z").await;
    hear().await;
    for id in &market.subscriptions {
        assert_eq!(market.totals(*id).await, [2_500, 2_503]);
    }
    let at_stripe = |path: &str, account: Option<&str>| -> Vec<Value> {
        let request = Request::get(path, "limit=100").key(SECRET_KEY);
        let request = account
            .iter()
            .fold(request, |it, account| it.account(account));
        let page = stripe.fake().answer(&request).json();
        page["data"].as_array().unwrap().clone()
    };
    for account in [None, Some(CONNECTED)] {
        for (path, count) in [
            ("customers", 1),
            ("subscriptions", 1),
            ("products", 1),
            ("invoices", 2),
        ] {
            let there = at_stripe(&format!("/v1/{path}"), account);
            assert_eq!(there.len(), count, "{path} of {account:?}");
        }
    }
    let own = at_stripe("/v1/subscriptions", Some(CONNECTED));
    assert_eq!(
        own[0]["metadata"]["monetization_subscription"],
        theirs.to_string(),
        "{own:?}"
    );
    let counted = stripe.counted().into_iter();
    let mut accounts: Vec<String> = counted.map(|it| it.account).collect();
    accounts.dedup();
    assert_eq!(accounts.len(), 2, "each unit in the account that sells it");
}

/// A subscription to a product of a publisher who has a connected account.
async fn sold_by_publisher(market: &mut Market) -> SubscriptionId {
    let account = Some(text(CONNECTED));
    let product = active_product(&market.monetizer, market.tenant, "maps", account).await;
    let new = NewPlan {
        product: product.id,
        name: text("plan"),
        approval: Approval::Automatic,
        terms: serde_json::from_str(BASE).unwrap(),
    };
    let (plan, _) = market
        .monetizer
        .create_plan(market.tenant, new)
        .await
        .unwrap();
    let own = BTreeMap::from([("ConnectedAccountKey".to_owned(), CONNECTED.to_owned())]);
    let enabled = market
        .monetizer
        .enable_monetization(market.tenant, product.id, &own);
    assert!(enabled.await.unwrap().changed);
    market.subscribe(&plan).await;
    *market.subscriptions.last().unwrap()
}

impl Market {
    /// Each subscriber uses so many units, and the engine hears of them if it is to.
    async fn use_up(&self, invoicing: Invoicing, units: u64) {
        self.use_of_each(units).await;
        if invoicing == Invoicing::ByEngine {
            assert_eq!(self.publish().await, JobState::Succeeded);
        }
    }

    /// What the invoices come to that ask for anything, oldest first.
    async fn owed(&self, of: SubscriptionId) -> Vec<i64> {
        let invoices = self.invoices(of).await.into_iter();
        let is_owed = invoices.filter(|it| it.state != InvoiceState::Void && !it.total.is_zero());
        is_owed.map(|it| it.total.minor()).collect()
    }
}

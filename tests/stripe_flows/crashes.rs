//! Processes that die anywhere within what they do, twice where it comes to it: whoever comes after them
//! ends with what there would have been.

use monetization_conformance::sample::{Sample, text};
use monetization_conformance::size;
use monetization_core::engine::{CancelMode, ChangeMode};
use monetization_core::flows::NewCredit;
use monetization_core::ids::{ConsumerId, SubscriptionId};
use monetization_core::invoice::{CreditTo, Invoicing};
use monetization_core::money::Money;

use crate::dying::Point;
use crate::outcome::Outcome;
use crate::outside::Outside;
use crate::shop::{HOUR, MINUTE, Shop};

/// The plan that is bought, and the one that is changed to.
const TERMS: [&str; 2] = [
    r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"31","setup_fee":"5",
        "proration":"by_days","usage":[{"meter":"requests","unit_price":"0.01"}]}"#,
    r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"62",
        "proration":"by_days","usage":[{"meter":"requests","unit_price":"0.5"}]}"#,
];

/// What a process may die within.
#[derive(Debug, Clone, Copy)]
enum Flow {
    Subscribing,
    Changing(ChangeMode),
    Cancelling(CancelMode),
    Publishing,
    Closing,
    Crediting,
}

/// A subscriber, with whom something is done.
struct Life {
    shop: Shop,
    flow: Flow,
    consumer: ConsumerId,
    subscription: Option<SubscriptionId>,
}

impl Life {
    /// Comes to where the flow begins.
    async fn begin(outside: Outside, flow: Flow, invoicing: Invoicing) -> Self {
        let shop = Shop::open(outside, invoicing, &TERMS).await;
        let consumer = shop.consumer().await;
        let mut life = Self {
            shop,
            flow,
            consumer,
            subscription: None,
        };
        if !matches!(flow, Flow::Subscribing) {
            life.subscribe().await;
            let (shop, id) = (&life.shop, life.id());
            shop.settle().await;
            shop.pay(id).await;
            shop.use_units(id, 7).await;
            shop.publish_by_engine().await;
            shop.use_units(id, 3).await;
        }
        match flow {
            Flow::Changing(_) | Flow::Cancelling(_) => {
                // Who asks again after two deaths does so minutes later, for the same cents.
                life.shop.pass_until("2026-01-11T12:11:10Z");
            }
            Flow::Closing => {
                life.shop.publish_by_engine().await;
                life.shop.pass_until("2026-02-01T02:00:00Z");
            }
            Flow::Subscribing | Flow::Publishing | Flow::Crediting => {}
        }
        life
    }

    fn id(&self) -> SubscriptionId {
        self.subscription.unwrap()
    }

    async fn subscribe(&mut self) {
        let order = self.shop.order(self.consumer, self.shop.plans[0]);
        let ordered = self.shop.monetizer().subscribe(self.shop.tenant, order);
        self.subscription = Some(ordered.await.unwrap().subscription.id);
    }

    /// Asks for it, and carries out what was asked for. Again after a death: nobody had an answer.
    async fn work(&self) {
        let (shop, monetizer) = (&self.shop, self.shop.monetizer());
        match self.flow {
            Flow::Subscribing => {
                let order = shop.order(self.consumer, shop.plans[0]);
                monetizer.subscribe(shop.tenant, order).await.unwrap();
            }
            Flow::Changing(mode) => {
                let changed =
                    monetizer.change_plan(shop.tenant, self.id(), shop.plans[1], Some(mode));
                changed.await.unwrap();
            }
            Flow::Cancelling(mode) => {
                let cancelled = monetizer.cancel(shop.tenant, self.id(), mode);
                cancelled.await.unwrap();
            }
            Flow::Crediting => {
                let first = shop.invoices(self.id()).await.remove(0);
                let order = NewCredit {
                    amount: Money::new(1_000, text("USD")),
                    reason: text("an outage"),
                    to: CreditTo::Balance,
                    request_key: Some(text("credit-1")),
                };
                let credited = monetizer.credit_invoice(shop.tenant, first.id, &order);
                credited.await.unwrap();
            }
            Flow::Publishing | Flow::Closing => {}
        }
        if matches!(self.flow, Flow::Publishing) {
            shop.publish_by_engine().await;
        } else {
            monetizer.run_jobs().await.unwrap();
            shop.publish_by_engine().await;
            shop.hear().await;
            monetizer.run_jobs().await.unwrap();
        }
    }

    /// The same at each of these points, where the process dies if it comes to it; then time passes, and
    /// other processes do what is left. Also says how often it died.
    async fn live(mut self, deaths: &[Point], story: &str) -> (Outcome, usize) {
        let mut died = 0;
        for death in deaths {
            let (process, stripe) = (self.shop.process(), self.shop.stripe());
            let done = process.death.may_come(*death, stripe, self.work()).await;
            if done.is_none() {
                died += 1;
                self.shop.restart().await;
                // What it had claimed lapses.
                self.shop.pass(3 * MINUTE);
            }
        }
        self.work().await;
        if matches!(self.flow, Flow::Subscribing) {
            self.subscribe().await;
            self.shop.settle().await;
            self.shop.pay(self.id()).await;
        }
        for _ in 0..2 {
            self.shop.pass(HOUR);
            self.shop.publish_by_engine().await;
            self.shop.settle().await;
        }
        self.shop.pass_until("2026-02-01T06:00:00Z");
        for _ in 0..2 {
            self.shop.pass(HOUR);
            self.shop.publish_by_engine().await;
            self.shop.settle().await;
        }
        (Outcome::of(&self.shop, self.id(), story).await, died)
    }
}

impl Shop {
    async fn publish_by_engine(&self) {
        if self.invoicing == Invoicing::ByEngine {
            self.publish().await;
        }
    }
}

/// Dies at points spread over all of the flow.
async fn die_anywhere(flow: Flow, invoicing: Invoicing) {
    let life = Life::begin(Outside::in_memory(0).await, flow, invoicing).await;
    let (calls, requests) = (
        life.shop.process().death.calls(),
        life.shop.stripe().requests().len(),
    );
    life.work().await;
    let calls = life.shop.process().death.calls() - calls;
    let requests = life.shop.stripe().requests().len() - requests;
    let points = 2 * (calls + requests as u64);
    let (whole, _) = life.live(&[], "nobody died").await;

    let seeds: u64 = size(20, 400);
    let mut lived_through = Vec::new();
    for seed in 0..seeds {
        let dice = Sample::seeded(seed);
        let outside = match seed % 4 {
            3 => Outside::on_file(seed).await,
            _ => Outside::in_memory(seed).await,
        };
        let point = (seed * points + dice.below(points)) / seeds;
        let mut deaths = vec![Point::of(point, calls)];
        if dice.below(2) == 0 {
            deaths.push(Point::of(dice.below(points), calls));
        }
        let story = format!("{flow:?} {invoicing:?}, seed {seed}: {deaths:?}");
        let life = Life::begin(outside, flow, invoicing).await;
        let (outcome, died) = life.live(&deaths, &story).await;
        assert_eq!(outcome, whole, "{story}");
        if died == 0 {
            lived_through.push(story);
        }
    }
    let missed = lived_through.len() as u64;
    assert!(missed * 10 <= seeds, "nobody died: {lived_through:#?}");
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_subscribing_leaves_one_of_each_r_p1() {
    die_anywhere(Flow::Subscribing, Invoicing::ByCore).await;
    die_anywhere(Flow::Subscribing, Invoicing::ByEngine).await;
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_an_upgrade_by_core_leaves_one_change_r_p1() {
    die_anywhere(Flow::Changing(ChangeMode::Now), Invoicing::ByCore).await;
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_an_upgrade_by_stripe_leaves_one_change_r_p1() {
    die_anywhere(Flow::Changing(ChangeMode::Now), Invoicing::ByEngine).await;
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_a_change_with_the_period_leaves_one_change_r_p1() {
    die_anywhere(Flow::Changing(ChangeMode::AtPeriodEnd), Invoicing::ByCore).await;
    die_anywhere(Flow::Changing(ChangeMode::AtPeriodEnd), Invoicing::ByEngine).await;
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_cancelling_at_once_leaves_one_last_invoice_r_p1() {
    die_anywhere(Flow::Cancelling(CancelMode::Now), Invoicing::ByCore).await;
    die_anywhere(Flow::Cancelling(CancelMode::Now), Invoicing::ByEngine).await;
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_cancelling_with_the_period_leaves_one_last_invoice_r_p1() {
    die_anywhere(Flow::Cancelling(CancelMode::AtPeriodEnd), Invoicing::ByCore).await;
    die_anywhere(
        Flow::Cancelling(CancelMode::AtPeriodEnd),
        Invoicing::ByEngine,
    )
    .await;
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_publishing_to_stripe_reports_every_unit_once_r_p1_r_p2() {
    die_anywhere(Flow::Publishing, Invoicing::ByEngine).await;
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_closing_leaves_one_invoice_of_the_period_r_p1() {
    die_anywhere(Flow::Closing, Invoicing::ByCore).await;
    die_anywhere(Flow::Closing, Invoicing::ByEngine).await;
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_crediting_gives_one_credit_r_p1() {
    die_anywhere(Flow::Crediting, Invoicing::ByCore).await;
    die_anywhere(Flow::Crediting, Invoicing::ByEngine).await;
}

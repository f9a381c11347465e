//! Random lives of a subscription: whatever happens in whatever order, every unit is billed once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::size;
use monetization_conformance::store::{Fault, FaultyStore};
use monetization_core::clock::Clock;
use monetization_core::engine::CancelMode;
use monetization_core::entropy::Entropy;
use monetization_core::flows::{Ingested, UsageEvent, WebhookEndpoint};
use monetization_core::ids::InvoiceId;
use monetization_core::intent::{Operation, ParkedIntent};
use monetization_core::invoice::{Invoice, InvoiceState, Invoicing, LineItem, Occasion};
use monetization_core::memory::MemoryStore;
use monetization_core::plan::PlanVersion;
use monetization_core::runtime::Permit;
use monetization_core::secret::Secret;
use monetization_core::store::{JobStart, Store};
use monetization_core::subscription::{Subscription, SubscriptionState};
use monetization_engine_mock::faults::{Fault as CallFault, Injection};

use crate::world::{DAY, HOUR, World, below, ok, text};

const TERMS: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"3",
    "usage":[{"meter":"requests","unit_price":"1","included":"2"}]}"#;

/// A subscription and what an independent count says it has used.
pub struct Life {
    world: World,
    seed: u64,
    entropy: Entropy,
    subscription: Subscription,
    key: Secret,
    version: PlanVersion,
    in_flight: Vec<Permit>,
    used: i64,
    events: u32,
    history: Vec<&'static str>,
}

impl Life {
    async fn begin(seed: u64) -> Self {
        Self::begin_in(World::new(Invoicing::ByCore).await, TERMS, seed).await
    }

    pub async fn begin_in(world: World, terms: &str, seed: u64) -> Self {
        let (plan, version) = world.plan(terms).await;
        let ordered = world.subscribe(&plan).await;
        world.settle().await;
        Self {
            world,
            seed,
            entropy: Entropy::seeded(seed),
            subscription: ordered.subscription,
            key: ordered.key.unwrap().1,
            version,
            in_flight: Vec::new(),
            used: 0,
            events: 0,
            history: Vec::new(),
        }
    }

    /// What has happened, for whoever has to find out what went wrong.
    pub fn story(&self) -> String {
        format!("seed {}: {}", self.seed, self.history.join(", "))
    }

    fn below(&self, end: u8) -> u8 {
        below(&self.entropy, end)
    }

    pub async fn step(&mut self) {
        let step = self.below(14);
        let name = match step {
            0..=2 => self.call().await,
            3 => self.begin_call().await,
            4 => self.end_call().await,
            5 => self.report_late().await,
            6 | 7 => self.pass(HOUR * u32::from(self.below(30))).await,
            8 => self.pass(DAY * u32::from(self.below(20))).await,
            9 => self.close().await,
            10 => self.pay().await,
            11 => self.migrate().await,
            12 => self.lose_a_reply(),
            _ => self.cancel().await,
        };
        self.history.push(name);
    }

    async fn call(&mut self) -> &'static str {
        self.used += i64::from(self.world.call(&self.key).await.is_ok());
        "call"
    }

    async fn begin_call(&mut self) -> &'static str {
        self.in_flight.extend(self.world.admit(&self.key).await);
        "begin a call"
    }

    async fn end_call(&mut self) -> &'static str {
        if let Some(permit) = self.in_flight.pop() {
            permit.settle(ok()).durable().await.unwrap();
            self.used += 1;
        }
        "end a call"
    }

    async fn report_late(&mut self) -> &'static str {
        self.events += 1;
        let back = DAY * u32::from(self.below(60));
        let event = UsageEvent {
            source: text("elsewhere"),
            id: text(&self.events.to_string()),
            subscription: self.subscription.id,
            meter: text("requests"),
            quantity: Some("2".to_owned()),
            key: None,
            occurred_at: Some(self.world.clock.now().saturating_sub(back)),
        };
        let tenant = self.world.tenant_id();
        let twice = [event.clone(), event];
        let answers = self.world.monetizer.ingest(tenant, &twice).await.unwrap();
        if answers[0] == Ingested::Accepted {
            assert_eq!(answers[1], Ingested::Duplicate);
            self.used += 2;
        }
        "report late"
    }

    async fn pass(&mut self, time: Duration) -> &'static str {
        self.world.pass(time).await;
        "let time pass"
    }

    async fn close(&mut self) -> &'static str {
        self.world.settle().await;
        "close"
    }

    async fn pay(&mut self) -> &'static str {
        self.world.pay_all().await;
        "pay"
    }

    async fn migrate(&mut self) -> &'static str {
        let tenant = self.world.tenant_id();
        // Refused once it is ending: that is as good an answer as any.
        let moved =
            self.world
                .monetizer
                .migrate(tenant, self.subscription.id, self.version.id, None);
        drop(moved.await);
        "migrate"
    }

    fn lose_a_reply(&mut self) -> &'static str {
        self.world
            .provider
            .inject(Injection::next(CallFault::LoseReply));
        "lose a reply"
    }

    async fn cancel(&mut self) -> &'static str {
        if self.below(4) > 0 {
            return "think of cancelling";
        }
        let mode = if self.below(2) == 0 {
            CancelMode::Now
        } else {
            CancelMode::AtPeriodEnd
        };
        self.world.cancel(self.subscription.id, mode).await;
        "cancel"
    }

    /// Brings calls that have begun to their end.
    async fn end_calls(&mut self) {
        while let Some(permit) = self.in_flight.pop() {
            permit.settle(ok()).durable().await.unwrap();
            self.used += 1;
        }
    }

    /// Goes on over what `moved` makes of the store, between two calls.
    pub async fn move_by(&mut self, moved: impl AsyncFnOnce(&Clock) -> Arc<dyn Store>) {
        self.end_calls().await;
        let store = moved(&self.world.clock).await;
        self.world.move_to(store);
    }

    /// Everything ends, and is looked at.
    pub async fn end(mut self) {
        self.end_calls().await;
        self.world
            .cancel(self.subscription.id, CancelMode::Now)
            .await;
        // Replies that were lost one after the other make a job wait for half a day, and more.
        for _ in 0..60 {
            self.world.pass(3 * HOUR).await;
            self.world.settle().await;
        }
        let ended = self.world.subscription(self.subscription.id).await;
        assert_eq!(ended.state, SubscriptionState::Ended, "{}", self.story());
        let invoices = self.world.invoices(ended.id).await;
        let aftermath = match ended.segment_at(self.world.clock.now()) {
            Some(segment) => self
                .world
                .store
                .sums(self.world.tenant_id(), segment.id)
                .await
                .unwrap(),
            None => Vec::new(),
        };
        let held: i64 = aftermath.iter().map(|sum| sum.total.scaled()).sum();
        assert_eq!(billed(&invoices) + held, self.used, "{}", self.story());
        one_invoice_an_occasion(&invoices, &self.story());
        self.charged_once(&invoices).await;
    }

    /// What the provider collects is what was invoiced, invoice by invoice.
    async fn charged_once(&self, invoices: &[Invoice]) {
        let paid = self.paid_all_the_same().await;
        let void =
            |invoice: &Invoice| invoice.state == InvoiceState::Void && !paid.contains(&invoice.id);
        let mut here: Vec<(i64, bool)> = invoices
            .iter()
            .filter(|invoice| !invoice.total.is_zero())
            .map(|invoice| (invoice.total.minor(), void(invoice)))
            .collect();
        let mut there: Vec<(i64, bool)> = self
            .world
            .provider
            .invoices()
            .iter()
            .map(|invoice| (invoice.total.minor(), invoice.state == InvoiceState::Void))
            .collect();
        here.sort_unstable();
        there.sort_unstable();
        // One that was taken back before it was sent need not be there.
        here.retain(|invoice| !invoice.1 || there.contains(invoice));
        assert_eq!(here, there, "{}", self.story());
    }

    /// Invoices that were paid at the provider before they could be taken back there: the only
    /// thing that may be left for an operator.
    async fn paid_all_the_same(&self) -> BTreeSet<InvoiceId> {
        let parked = self
            .world
            .store
            .parked_intents(self.world.tenant_id(), None, usize::MAX)
            .await
            .unwrap();
        let of = |it: ParkedIntent| match it.intent.operation {
            Operation::VoidInvoice { invoice } if it.parking.reason.ends_with("is paid") => invoice,
            _ => panic!("{it:?} {}", self.story()),
        };
        parked.into_iter().map(of).collect()
    }
}

fn billed(invoices: &[Invoice]) -> i64 {
    let lines = invoices.iter().flat_map(|invoice| &invoice.lines);
    let used = lines.map(|line| match &line.item {
        LineItem::Usage(line) | LineItem::LateUsage(line) => line.used.scaled(),
        _ => 0,
    });
    used.sum()
}

fn one_invoice_an_occasion(invoices: &[Invoice], story: &str) {
    let mut seen = BTreeMap::new();
    for invoice in invoices {
        let index = match invoice.occasion {
            Occasion::Start | Occasion::Bundle => None,
            Occasion::Period { index, .. } => Some(index),
        };
        assert_eq!(
            seen.insert(index, invoice.id),
            None,
            "two invoices for {index:?}: {story}"
        );
    }
}

/// Lives that something has gone wrong in once. 2418: cancelled unpaid in its first instant, and its
/// use was reported afterwards.
const WENT_WRONG: [u64; 1] = [2418];

#[tokio::test]
async fn whatever_happens_every_unit_is_billed_once_or_kept_r_t8() {
    for seed in WENT_WRONG.into_iter().chain(0..size(60, 20_000)) {
        let mut life = Life::begin(seed).await;
        for _ in 0..60 {
            life.step().await;
        }
        life.end().await;
    }
}

/// Repeats a flow until the store's faults are used up, as a job would.
async fn persist<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>>>(
    flow: impl Fn() -> F,
) -> T {
    for _ in 0..8 {
        if let Ok(done) = flow().await {
            return done;
        }
    }
    panic!("it never came to its end");
}

#[tokio::test]
async fn a_fault_at_any_call_of_the_store_bills_a_month_once() {
    let calls = a_month(None).await;
    for call in 0..calls {
        for fault in [Fault::Before, Fault::After] {
            a_month(Some((call, fault))).await;
        }
    }
}

/// A month of a fixed plan, with a fault at one call of the store; answers how many there were.
async fn a_month(fault: Option<(u64, Fault)>) -> u64 {
    let (world, faulty) = faulty_world(Invoicing::ByCore).await;
    let (plan, _) = world.plan(TERMS).await;
    let mut order = world.order(&plan);
    order.request_key = Some(text("once"));
    let before = faulty.calls();
    if let Some((call, fault)) = fault {
        faulty.fail_call(before + call, fault);
    }
    let tenant = world.tenant_id();
    let ordered = persist(|| world.monetizer.subscribe(tenant, order.clone())).await;
    let id = ordered.subscription.id;
    let (_, key) = persist(|| world.monetizer.issue_key(tenant, id)).await;
    settle(&world).await;
    for invoice in world.provider.invoices() {
        world.provider.pay(invoice.id.as_str()).unwrap();
    }
    settle(&world).await;
    for _ in 0..3 {
        let permit = persist(|| world.admit(&key)).await;
        permit.settle(ok()).durable().await.unwrap();
    }
    world.time.advance(31 * DAY);
    world.provider.set(world.clock.now()).unwrap();
    settle(&world).await;
    let calls = faulty.calls() - before;
    let totals: Vec<i64> = world
        .invoices(id)
        .await
        .iter()
        .map(crate::world::cents)
        .collect();
    assert_eq!(totals, [300, 100 + 300], "{fault:?}");
    let there: Vec<i64> = world
        .provider
        .invoices()
        .iter()
        .map(|invoice| invoice.total.minor())
        .collect();
    assert_eq!(there, [300, 400], "{fault:?}");
    calls
}

/// Jobs and news until they come to their end; a claim that a fault left behind lapses meanwhile.
async fn settle(world: &World) {
    for _ in 0..6 {
        drop(world.monetizer.run_jobs().await);
        let secrets = world.provider.webhook_secrets();
        for message in world.provider.deliveries() {
            let engine = text("mock");
            let taken = world
                .monetizer
                .take_in(
                    WebhookEndpoint::new(&engine, &secrets),
                    &message.headers,
                    &message.body,
                )
                .await;
            if taken.is_ok() {
                world.provider.delivered(&[message.id]).unwrap();
            }
        }
        world.time.advance(Duration::from_secs(150));
        world.provider.set(world.clock.now()).unwrap();
    }
    drop(world.gatekeeper.refresh().await);
}

#[tokio::test]
async fn a_fault_at_any_call_of_the_store_publishes_every_unit_once_r_p1() {
    let calls = published(None).await;
    for call in 0..calls {
        for fault in [Fault::Before, Fault::After] {
            published(Some((call, fault))).await;
        }
    }
}

/// Use that is published, with a fault at one call of the store; answers how many there were.
async fn published(fault: Option<(u64, Fault)>) -> u64 {
    let (world, faulty) = faulty_world(Invoicing::ByEngine).await;
    let (_, key) = world.subscriber(TERMS).await;
    world.calls(&key, 5).await;
    let tenant = world.tenant_id();
    let before = faulty.calls();
    if let Some((call, fault)) = fault {
        faulty.fail_call(before + call, fault);
    }
    for _ in 0..3 {
        if let Ok(JobStart::Started(run)) = world.monetizer.start_publishing(tenant).await {
            drop(world.monetizer.publish(tenant, run).await);
        }
        world.time.advance(Duration::from_secs(200));
        world.provider.set(world.clock.now()).unwrap();
    }
    let calls = faulty.calls() - before;
    let there = world.provider.subscriptions()[0].id.clone();
    let counted = world
        .provider
        .usage(&there, world.product.meters[0].id)
        .unwrap();
    assert_eq!(counted.scaled(), 5, "{fault:?}");
    calls
}

async fn faulty_world(invoicing: Invoicing) -> (World, Arc<FaultyStore>) {
    let mut faulty = None;
    let world = World::over(invoicing, |clock| {
        let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new(clock))));
        faulty = Some(Arc::clone(&store));
        store
    })
    .await;
    (world, faulty.unwrap())
}

//! A marketplace whose nodes come and go: what is stored, the provider, and the time outlive them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use monetization_conformance::store::FaultyStore;
use monetization_core::clock::{Clock, ManualClock, Timestamp};
use monetization_core::consumer::Consumer;
use monetization_core::entropy::Entropy;
use monetization_core::flows::{
    Engines, Monetizer, NewPlan, NewProduct, NewTenant, ProductChange, Settings,
};
use monetization_core::ids::MeterId;
use monetization_core::invoice::Invoicing;
use monetization_core::key::Pepper;
use monetization_core::plan::{Approval, Plan, PlanVersion};
use monetization_core::product::{Meter, ProductState};
use monetization_core::runtime::{Gatekeeper, GatekeeperOptions};
use monetization_core::store::Store;
use monetization_core::tenant::Tenant;
use monetization_engine_mock::{Control, MockEngine};

use crate::base::Base;
use crate::check::Checker;
use crate::dice::Dice;
use crate::flaws::{Flaw, Flaws};
use crate::oracle::{Opening, Oracle};
use crate::runner::{Runner, Stop, block_on};

/// Noon on the first of January 2026.
const START: &str = "2026-01-01T12:00:00Z";
const NODES: usize = 2;

/// Two versions of one plan; the second costs more and allows as much.
fn terms(unit_price: u32, quota_max: u64) -> String {
    format!(
        r#"{{"billing":"metered","currency":"USD","cycle":"month","base_price":"3",
            "usage":[{{"meter":"requests","unit_price":"{unit_price}","included":"2"}}],
            "rates":[{{"kind":"calendar","window":"second","max":50}}],
            "quotas":[{{"window":"month","max":{quota_max},"overage":"strict"}}]}}"#
    )
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) runner: Runner,
    pub(crate) base: Base,
    /// What is stored, as the nodes' code has it.
    pub(crate) view: Arc<dyn Store>,
    pub(crate) flaws: Flaws,
    pub(crate) mock: MockEngine,
    pub(crate) provider: Control,
    pub(crate) market: Market,
    pub(crate) nodes: Vec<Node>,
    pub(crate) oracle: Rc<RefCell<Oracle>>,
    pub(crate) checker: Checker,
    clock: Clock,
    time: ManualClock,
    history: Vec<String>,
    /// Whether what happens is still worth telling.
    pub(crate) is_told: bool,
}

/// What is for sale, and to whom.
pub(crate) struct Market {
    pub(crate) tenant: Tenant,
    pub(crate) plan: Plan,
    pub(crate) versions: [PlanVersion; 2],
    pub(crate) consumer: Consumer,
    pub(crate) requests: MeterId,
    /// Units of the strict quota of each month.
    pub(crate) quota_max: u64,
}

/// A process, or the place of one that has died.
pub(crate) struct Node {
    pub(crate) clock: Clock,
    time: ManualClock,
    /// How far its clock is ahead of the time, in seconds.
    skew: i64,
    pub(crate) paused: bool,
    pub(crate) alive: Option<Alive>,
}

/// A process that runs.
#[derive(Clone)]
pub(crate) struct Alive {
    pub(crate) opening: Opening,
    pub(crate) stop: Arc<Stop>,
    pub(crate) monetizer: Monetizer,
    /// Where it may serve calls.
    pub(crate) gatekeeper: Option<Gatekeeper>,
}

impl World {
    pub(crate) fn new(seed: u64, flaw: Option<Flaw>, on_sqlite: bool) -> Self {
        let start: Timestamp = START.parse().unwrap();
        let (clock, time) = Clock::manual(start);
        let base = if on_sqlite {
            block_on(Base::sqlite(clock.clone()))
        } else {
            Base::memory(clock.clone())
        };
        let dice = Dice::seeded(seed);
        let mock = MockEngine::in_memory(start);
        let flaws = Flaws::new(flaw, dice.clone());
        let view = flaws.store(base.view());
        let invoicing = if dice.once_in(2) {
            Invoicing::ByCore
        } else {
            Invoicing::ByEngine
        };
        let founder = Monetizer::new(
            base.view(),
            Engines::new([mock.engine()]),
            clock.clone(),
            Arc::new(Entropy::seeded(seed)),
            pepper(),
        );
        // Gates hold few units, so where some are spent twice the quota has to be used up for that to show.
        let quota_max = if flaws.has(Flaw::LeaseReadmitted) {
            8
        } else {
            25
        };
        let market = block_on(Market::found(&founder, invoicing, quota_max));
        let mut world = Self {
            checker: Checker::default(),
            runner: Runner::default(),
            provider: mock.control(),
            nodes: (0..NODES).map(|_| Node::new(start)).collect(),
            oracle: Rc::default(),
            history: vec![format!("{invoicing:?}, on {}", view.name())],
            is_told: true,
            dice,
            base,
            view,
            flaws,
            mock,
            market,
            clock,
            time,
        };
        for node in 0..NODES {
            world.start(node);
        }
        world
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A process is started in the place of a node.
    pub(crate) fn start(&mut self, node: usize) {
        let (raw, number) = block_on(self.base.open(node));
        let serves = self.base.serves(node);
        if serves {
            // Nobody calls yet, and whoever died has left blocks of quotas behind.
            block_on(raw.settle_orphans()).unwrap();
        }
        let stop = Arc::new(Stop::new(self.dice.clone()));
        let scripted = FaultyStore::new(raw).with_script(Arc::clone(&stop) as _);
        let store = self.flaws.store(Arc::new(scripted));
        let entropy = Arc::new(Entropy::seeded(self.dice.below(u64::MAX)));
        let clock = self.nodes[node].clock.clone();
        let settings = Settings {
            closing_grace: Duration::ZERO,
            ..Settings::default()
        };
        let monetizer = Monetizer::new(
            Arc::clone(&store),
            Engines::new([self.flaws.engine(self.mock.engine())]),
            clock.clone(),
            Arc::clone(&entropy),
            pepper(),
        )
        .with_settings(settings);
        let gatekeeper = serves.then(|| {
            let options = GatekeeperOptions::default();
            let gatekeeper = Gatekeeper::new(store, clock.clone(), entropy, pepper(), options);
            let sleep = move |length| sleep(clock.clone(), length);
            let running = gatekeeper.clone().run(Arc::new(sleep));
            self.runner.serve(node, &stop, running);
            gatekeeper
        });
        self.nodes[node].alive = Some(Alive {
            opening: (node, number),
            stop,
            monetizer,
            gatekeeper,
        });
    }

    /// The process dies wherever it is.
    pub(crate) fn kill(&mut self, node: usize) {
        self.runner.kill(node);
        self.nodes[node].paused = false;
        if let Some(dead) = self.nodes[node].alive.take() {
            self.oracle.borrow_mut().deaths.insert(dead.opening);
            self.base.bury(dead.opening.1);
        }
    }

    /// A process that still runs counts as dead: what it has leased is taken back.
    pub(crate) fn take_for_dead(&mut self, node: &Alive) {
        self.oracle.borrow_mut().deaths.insert(node.opening);
        self.base.bury(node.opening.1);
        self.base.settle_orphans();
    }

    /// Lets time pass everywhere, each clock at its own offset.
    pub(crate) fn pass(&mut self, length: Duration) {
        self.time.advance(length);
        for node in &self.nodes {
            node.time.advance(length);
        }
        self.provider.set(self.now()).unwrap();
    }

    /// Sets a node's clock to so many seconds before or after the time.
    pub(crate) fn skew(&mut self, node: usize, seconds: i64) {
        let node = &mut self.nodes[node];
        let micros = (seconds - node.skew) * 1_000_000;
        let now = node.clock.now().as_micros() + micros;
        node.time.set(Timestamp::from_micros(now));
        node.skew = seconds;
    }

    pub(crate) fn poll_some(&mut self, count: u64) {
        let (nodes, runner) = (&self.nodes, &mut self.runner);
        runner.poll_some(count, &self.dice, |node| !nodes[node].paused);
    }

    pub(crate) fn poll_all(&mut self) {
        let (nodes, runner) = (&self.nodes, &mut self.runner);
        runner.poll_all(|node| !nodes[node].paused);
    }

    /// Nodes whose process runs and is not stopped.
    pub(crate) fn able(&self) -> Vec<usize> {
        let able = |node: &usize| self.nodes[*node].alive.is_some() && !self.nodes[*node].paused;
        (0..self.nodes.len()).filter(able).collect()
    }

    pub(crate) fn note(&mut self, what: impl std::fmt::Display) {
        if self.is_told {
            let at = self.now();
            self.history.push(format!("{at} {what}"));
        }
    }

    /// What happened, for whoever has to find out why: the last of it.
    pub(crate) fn story(&self, lines_max: usize) -> String {
        let left_out = self
            .history
            .len()
            .saturating_sub(lines_max)
            .saturating_sub(1);
        let mut story = self.history[0].clone();
        if left_out > 0 {
            write!(story, "\n  ... {left_out} steps ...").unwrap();
        }
        for line in self.history[1..].iter().skip(left_out) {
            write!(story, "\n  {line}").unwrap();
        }
        story
    }
}

impl Node {
    fn new(start: Timestamp) -> Self {
        let (clock, time) = Clock::manual(start);
        Self {
            clock,
            time,
            skew: 0,
            paused: false,
            alive: None,
        }
    }
}

impl Market {
    async fn found(monetizer: &Monetizer, invoicing: Invoicing, quota_max: u64) -> Self {
        let new = NewTenant {
            name: text("market"),
            engine: text("mock"),
            invoicing,
            payment_days: 7,
            grace_days: 0,
        };
        let tenant = monetizer.create_tenant(new).await.unwrap();
        let publisher = monetizer.create_publisher(tenant.id, text("publisher"), None);
        let publisher = publisher.await.unwrap();
        let new = NewProduct {
            publisher: publisher.id,
            slug: text("weather"),
            name: text("Weather"),
            description: text("The weather of tomorrow."),
            gateway_endpoint: text("http://127.0.0.1:9"),
            resources: Vec::new(),
            meters: Vec::new(),
        };
        let product = monetizer.create_product(tenant.id, new).await.unwrap();
        let active = ProductChange {
            state: Some(ProductState::Active),
            ..ProductChange::default()
        };
        let product = monetizer.change_product(tenant.id, product.id, active);
        let product = product.await.unwrap();
        let new = NewPlan {
            product: product.id,
            name: text("plan"),
            approval: Approval::Automatic,
            terms: serde_json::from_str(&terms(1, quota_max)).unwrap(),
        };
        let (plan, first) = monetizer.create_plan(tenant.id, new).await.unwrap();
        let dearer = serde_json::from_str(&terms(2, quota_max)).unwrap();
        let second = monetizer.revise_plan(tenant.id, plan.id, dearer);
        let (plan, second) = second.await.unwrap();
        monetizer
            .enable_monetization(tenant.id, product.id, &BTreeMap::new())
            .await
            .unwrap();
        let consumer = monetizer.create_consumer(tenant.id, text("consumer"), Vec::new());
        Self {
            quota_max,
            requests: product.meter(Meter::REQUESTS).unwrap().id,
            consumer: consumer.await.unwrap(),
            versions: [first, second],
            tenant,
            plan,
        }
    }
}

fn pepper() -> Pepper {
    Pepper::new(&[7; 32]).unwrap()
}

/// Waits by the node's own clock.
fn sleep(clock: Clock, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let until = clock.uptime().saturating_add(length);
    Box::pin(std::future::poll_fn(move |_| {
        if clock.uptime() >= until {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }))
}

pub(crate) fn text<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

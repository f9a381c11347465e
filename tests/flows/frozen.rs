//! Random lives of use on its way to an engine: whatever happens meanwhile, a batch that is sent again
//! is the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::size;
use monetization_core::engine::SealedReport;
use monetization_core::entropy::Entropy;
use monetization_core::flows::UsageEvent;
use monetization_core::invoice::Invoicing;
use monetization_core::plan::Plan;
use monetization_core::secret::Secret;
use monetization_core::store::JobStart;
use monetization_core::subscription::{Segment, Subscription};
use monetization_engine_mock::faults::{Fault, Injection, RecordFault};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use crate::wire::Wire;
use crate::world::{DAY, HOUR, World, below, text};

/// The price of a call is what changes.
fn terms(cents: u8) -> String {
    format!(
        r#"{{"billing":"metered","currency":"USD","cycle":"month",
            "usage":[{{"meter":"requests","unit_price":"0.{cents:02}"}}]}}"#
    )
}

struct Life {
    world: World,
    wire: Arc<Wire>,
    entropy: Entropy,
    plan: Plan,
    subscription: Subscription,
    key: Secret,
    events: u32,
    history: Vec<&'static str>,
}

impl Life {
    async fn begin(seed: u64) -> Self {
        let mut world = World::new(Invoicing::ByEngine).await;
        let wire = world.tap();
        let (plan, _) = world.plan(&terms(1)).await;
        let ordered = world.subscribe(&plan).await;
        world.settle().await;
        Self {
            world,
            wire,
            entropy: Entropy::seeded(seed),
            plan,
            subscription: ordered.subscription,
            key: ordered.key.unwrap().1,
            events: 0,
            history: Vec::new(),
        }
    }

    fn below(&self, end: u8) -> u8 {
        below(&self.entropy, end)
    }

    async fn step(&mut self) {
        let name = match self.below(16) {
            0..=3 => self.call().await,
            4 => self.report_late().await,
            5..=7 => self.fail_to_publish().await,
            8 | 9 => self.publish().await,
            10 => self.die().await,
            11 => self.restart(),
            12 => self.change_the_price().await,
            13 => self.step_the_clock_back(),
            14 => self.pass(DAY * u32::from(self.below(4))).await,
            _ => self.pass(HOUR * u32::from(self.below(6))).await,
        };
        self.history.push(name);
    }

    async fn call(&mut self) -> &'static str {
        // Refused or not: what is recorded is published.
        drop(self.world.call(&self.key).await);
        "call"
    }

    async fn report_late(&mut self) -> &'static str {
        self.report(DAY * u32::from(self.below(40))).await;
        "report late"
    }

    async fn report(&mut self, back: Duration) {
        self.events += 1;
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
        self.world.monetizer.ingest(tenant, &[event]).await.unwrap();
    }

    async fn fail_to_publish(&mut self) -> &'static str {
        let refusal = |kind| Refusal::new(kind, "a scripted fault");
        let fault = match self.below(6) {
            0 => Fault::LoseReply,
            1 => Fault::LoseCall,
            2 => Fault::Refuse(refusal(RefusalKind::Unavailable)),
            3 => Fault::FailAfter(refusal(RefusalKind::Broken)),
            4 => Fault::Refuse(refusal(RefusalKind::Throttled { retry_after: None })),
            _ => Fault::Record {
                index: 0,
                fault: RecordFault::ReceiptLost,
            },
        };
        let injection = Injection::next(fault).on(Operation::TakeUsage);
        self.world.provider.inject(injection);
        self.publish().await;
        self.world.provider.clear_faults();
        "fail to publish"
    }

    /// Unless the run of a process that has died still holds the lease.
    async fn publish(&mut self) -> &'static str {
        let (tenant, monetizer) = (self.world.tenant_id(), &self.world.monetizer);
        let started = monetizer.start_publishing(tenant).await.unwrap();
        if let JobStart::Started(run) = started {
            monetizer.publish(tenant, run).await.unwrap();
        }
        "publish"
    }

    /// Something is sent, and nothing of that is written.
    async fn die(&mut self) -> &'static str {
        self.world.pass(HOUR).await;
        self.report(Duration::ZERO).await;
        self.world.die_publishing(&self.wire);
        "die publishing"
    }

    fn restart(&mut self) -> &'static str {
        let seed = u64::from(self.below(u8::MAX));
        self.world.restart(seed);
        "restart"
    }

    async fn change_the_price(&mut self) -> &'static str {
        let (tenant, cents) = (self.world.tenant_id(), self.below(90) + 1);
        let dearer = serde_json::from_str(&terms(cents)).unwrap();
        let revised = self
            .world
            .monetizer
            .revise_plan(tenant, self.plan.id, dearer);
        let (_, version) = revised.await.unwrap();
        let (product, attributes) = (self.world.product.id, BTreeMap::new());
        let monetizer = &self.world.monetizer;
        let enabled = monetizer.enable_monetization(tenant, product, &attributes);
        enabled.await.unwrap();
        let moved = monetizer.migrate(tenant, self.subscription.id, version.id, None);
        moved
            .await
            .expect_err("the engine keeps the prices that were agreed");
        "change the price"
    }

    fn step_the_clock_back(&mut self) -> &'static str {
        let back = Duration::from_secs(u64::from(self.below(250)));
        let earlier = self.world.clock.now().saturating_sub(back);
        self.world.time.set(earlier);
        "step the clock back"
    }

    async fn pass(&mut self, time: Duration) -> &'static str {
        self.world.pass(time).await;
        self.world.settle().await;
        "let time pass"
    }

    /// What was sent of each batch is what is stored of it; answers how many were sent, and how often.
    async fn end(self) -> (usize, usize) {
        let story = self.history.join(", ");
        let subscription = self.world.subscription(self.subscription.id).await;
        let next = |before: &Segment| {
            let begun = before.span.start <= self.world.clock.now();
            begun
                .then(|| subscription.segment_at(before.span.end))
                .flatten()
        };
        let first = subscription.segment_at(subscription.created_at);
        let mut stored = Vec::new();
        for segment in std::iter::successors(first, next) {
            let batches = self.world.store.batches(self.world.tenant_id(), segment.id);
            for batch in batches.await.unwrap() {
                let (batch, body) = (batch.id, batch.body);
                stored.push(SealedReport { batch, body });
            }
        }
        for report in self.wire.sent().iter().flat_map(|sent| &sent.reports) {
            assert!(stored.contains(report), "{}: {story}", report.batch);
        }
        let attempts = self.wire.attempts();
        (attempts.len(), attempts.values().sum())
    }
}

#[tokio::test]
async fn a_batch_is_the_same_bytes_each_time_it_is_sent_r_p9() {
    let (mut batches, mut attempts) = (0, 0);
    for seed in 0..size(200, 10_000) {
        let mut life = Life::begin(seed).await;
        for _ in 0..30 {
            life.step().await;
        }
        let (sent, times) = life.end().await;
        batches += sent;
        attempts += times;
    }
    assert!(
        attempts > batches * 3 / 2,
        "{attempts} of {batches}: hardly any is repeated"
    );
}

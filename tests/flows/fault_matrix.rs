//! Twelve ways in which a provider fails to take a report, each before and after it has counted it.

use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::size;
use monetization_core::engine::Receipt;
use monetization_core::invoice::Invoicing;
use monetization_core::secret::Secret;
use monetization_core::store::{Batch, BatchState, Decision, Fate, JobState};
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use crate::wire::{Sent, Wire};
use crate::world::{HOUR, START, World, text};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"year",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;
const SECOND: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(7);

/// A way to fail: before the provider has counted anything, and after.
struct Failure {
    name: &'static str,
    before: Fault,
    after: Fault,
    then: Then,
}

/// What a publisher has to make of it.
#[derive(Clone, Copy)]
enum Then {
    /// The same again, not sooner than this.
    Again(Duration),
    /// Nothing, until somebody has looked at it.
    Held,
}

impl Failure {
    fn refused(name: &'static str, kind: RefusalKind, then: Then) -> Self {
        let refusal = Refusal::new(kind, name);
        Self {
            name,
            before: Fault::Refuse(refusal.clone()),
            after: Fault::FailAfter(refusal),
            then,
        }
    }
}

fn failures() -> [Failure; 12] {
    let again = Then::Again(Duration::ZERO);
    let throttled = |retry_after| RefusalKind::Throttled { retry_after };
    let asked = Then::Again(RETRY_AFTER);
    [
        Failure::refused("500", RefusalKind::Broken, again),
        Failure::refused("503", RefusalKind::Unavailable, again),
        Failure {
            name: "time-out",
            before: Fault::LoseCall,
            after: Fault::Delay(Duration::from_secs(90)),
            then: again,
        },
        Failure {
            name: "reset connection",
            before: Fault::NotSent,
            after: Fault::LoseReply,
            then: again,
        },
        Failure::refused(
            "429 that says how long",
            throttled(Some(RETRY_AFTER)),
            asked,
        ),
        Failure::refused("429", throttled(None), again),
        Failure::refused("409 in progress", RefusalKind::InProgress, again),
        Failure {
            name: "garbage",
            before: Fault::Garble { done: false },
            after: Fault::Garble { done: true },
            then: again,
        },
        Failure::refused("400", RefusalKind::Permanent, Then::Held),
        Failure::refused("401", RefusalKind::Unauthorized, Then::Held),
        Failure::refused("404", RefusalKind::NotFound, Then::Held),
        Failure::refused("409 of another order", RefusalKind::Conflict, Then::Held),
    ]
}

/// A world that fails in one way, and what was used in it.
struct Failing {
    world: World,
    wire: Arc<Wire>,
    key: Secret,
    used: i64,
    story: String,
}

impl Failing {
    async fn begin(story: String) -> Self {
        let mut world = World::new(Invoicing::ByEngine).await;
        let wire = world.tap();
        let (_, key) = world.subscriber(METERED).await;
        Self {
            world,
            wire,
            key,
            used: 0,
            story,
        }
    }

    /// Reports some use, which fails so often; answers the calls that it took until the provider had
    /// said that it has it, or until it was held.
    async fn report(&mut self, fault: &Fault, times: u32) -> Vec<Sent> {
        let calls = 1 + self.used % 3;
        self.world
            .calls(&self.key, usize::try_from(calls).unwrap())
            .await;
        self.used += calls;
        let injection = Injection::next(fault.clone()).on(Operation::TakeUsage);
        self.world.provider.inject(injection.times(times));
        let before = self.wire.sent().len();
        assert_eq!(self.world.publish().await, JobState::Incomplete);
        // Doubling, three tries wait for seven seconds at most.
        for _ in 0..64 {
            if self.wire.sent().len() - before > times as usize || !self.held().await.is_empty() {
                break;
            }
            self.world.pass(SECOND / 2).await;
            self.world.publish().await;
        }
        self.world.provider.clear_faults();
        self.wire.sent().split_off(before)
    }

    async fn held(&self) -> Vec<Batch> {
        let held = self
            .world
            .store
            .held_batches(self.world.tenant_id(), None, 10);
        held.await.unwrap()
    }

    /// The same bytes under the same key, not sooner than was asked for, until the provider has them.
    fn was_repeated(&self, sent: &[Sent], times: u32, not_sooner: Duration) {
        assert_eq!(sent.len(), times as usize + 1, "{}", self.story);
        let (last, failed) = sent.split_last().unwrap();
        for (attempt, sent) in failed.iter().enumerate() {
            let next = &failed.get(attempt + 1).unwrap_or(last);
            assert_eq!(sent.reports, last.reports, "{}: other bytes", self.story);
            assert_eq!(sent.key, last.key, "{}: another key", self.story);
            assert_eq!(sent.receipts, None, "{}", self.story);
            let waited = next.at.saturating_since(sent.at);
            assert!(waited >= not_sooner, "{}: {waited:?}", self.story);
        }
    }

    /// A refusal is shown and nothing is sent again by itself; whoever decides loses and doubles nothing.
    async fn was_held(&self, sent: &[Sent], failure: &Failure) {
        assert_eq!(sent.len(), 1, "{}: it was refused", self.story);
        let held = self.held().await;
        let [batch] = held.as_slice() else {
            panic!("{}: {held:?}", self.story);
        };
        let reason = batch.state.reason().unwrap();
        assert!(matches!(batch.state, BatchState::Parked { .. }), "{reason}");
        assert!(reason.ends_with(failure.name), "{reason}");
        self.world.pass(HOUR).await;
        self.world.publish().await;
        assert_eq!(self.wire.attempts()[&batch.id], 1, "{}", self.story);
        let because = "owner-1: the refusal was a mistake";
        let right = Decision::new(Fate::SendAgain, because, self.world.clock.now());
        let tenant = self.world.tenant_id();
        let decided = self.world.monetizer.decide_batch(tenant, batch.id, &right);
        decided.await.unwrap();
        assert_eq!(self.world.publish().await, JobState::Succeeded);
    }

    /// Every unit is there once, and everything was confirmed by success or by a duplicate.
    async fn all_is_there(&self) {
        assert_eq!(self.world.counted(), self.used, "{}", self.story);
        for batch in self.world.batches().await {
            assert_eq!(batch.state, BatchState::Confirmed, "{}", self.story);
        }
        let tenant = self.world.tenant_id();
        let report = self.world.monetizer.reconcile(tenant, text(START)).await;
        let report = report.unwrap();
        assert_eq!((report.compared, report.differing), (1, vec![]));
    }
}

#[tokio::test]
async fn twelve_faults_before_and_after_the_effect_lose_and_double_nothing_r_p5() {
    for failure in failures() {
        for (when, fault) in [("before", &failure.before), ("after", &failure.after)] {
            let story = format!("{} {when} it was counted", failure.name);
            let mut failing = Failing::begin(story).await;
            for round in 0..size(10, 1_000) {
                let times = match failure.then {
                    Then::Again(_) => 1 + round % 3,
                    Then::Held => 1,
                };
                let sent = failing.report(fault, times).await;
                match failure.then {
                    Then::Again(not_sooner) => failing.was_repeated(&sent, times, not_sooner),
                    Then::Held => failing.was_held(&sent, &failure).await,
                }
                let last = failing.wire.sent().pop().unwrap();
                let had = match when {
                    "after" => Receipt::Duplicate,
                    _ => Receipt::Accepted,
                };
                assert_eq!(last.receipts, Some(vec![had]), "{}", failing.story);
            }
            failing.all_is_there().await;
        }
    }
}

/// A failure within is given again for a day whenever the same is asked; nobody knows whether it was
/// counted. It stays the same report under the same key, also when it is asked about and sent again.
#[tokio::test]
async fn a_failure_that_is_replayed_for_a_day_never_gets_another_key_r_p5() {
    let broken = Refusal::new(RefusalKind::Broken, "replayed");
    for fault in [Fault::Refuse(broken.clone()), Fault::FailAfter(broken)] {
        let story = format!("{fault:?}");
        let mut failing = Failing::begin(story.clone()).await;
        let world = &mut failing.world;
        world.calls(&failing.key, 5).await;
        let injection = Injection::next(fault).on(Operation::TakeUsage);
        world.provider.inject(injection.always());
        for _ in 0..24 {
            world.publish().await;
            world.pass(HOUR).await;
        }
        world.provider.clear_faults();
        let replayed = failing.wire.sent().len();
        assert!(replayed >= 20, "{story}: {replayed}");
        world.publish().await;
        assert_eq!(failing.wire.sent().len(), replayed, "too late: {story}");
        let report = world.monetizer.reconcile(world.tenant_id(), text(START));
        assert_eq!(report.await.unwrap().decided.len(), 1, "{story}");
        world.publish().await;
        let sent = failing.wire.sent();
        assert!(sent.iter().all(|it| it.key == sent[0].key), "{story}");
        assert_eq!(failing.wire.attempts().len(), 1, "{story}");
        failing.used = 5;
        failing.all_is_there().await;
    }
}

//! Twelve ways in which Stripe fails to take a report, each before and after it has counted it.

use std::time::Duration;

use monetization_conformance::asked::{frozen_reports, one_key_for_each_wish};
use monetization_conformance::size;
use monetization_conformance::stripe::faults::{Fault, Plan, When};
use monetization_conformance::stripe::server::Seen;
use monetization_core::flows::FlowError;
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::Invoicing;
use monetization_core::store::{BatchState, Decision, Fate};

use crate::outside::Outside;
use crate::shop::{EVENTS, HOUR, METERED, MINUTE, Shop};

/// As many reports go out with each run, and each of them meets a fault.
const SUBSCRIBERS: u32 = 10;
const RETRY_AFTER: u32 = 7;
/// What takes longer has failed. By the machine's clock: nothing here waits for it but what never comes.
const PATIENCE: Duration = Duration::from_millis(150);

/// Stripe says that it was nothing.
const ANSWERS: [Fault; 7] = [
    Fault::TooMany {
        retry_after: RETRY_AFTER,
    },
    Fault::StoredFailure,
    Fault::Failure,
    Fault::Unavailable,
    Fault::Lock,
    Fault::ShouldRetry(true),
    Fault::ShouldRetry(false),
];
/// Stripe says nothing that can be read in time.
const SILENCE: [Fault; 5] = [
    Fault::Drop,
    Fault::Hang,
    Fault::Garbage,
    Fault::Truncated,
    Fault::Slow(PATIENCE.saturating_mul(2)),
];

/// A shop whose reports fail in one way.
struct Failing {
    shop: Shop,
    subscriptions: Vec<SubscriptionId>,
    fault: Fault,
    plan: Plan,
    story: String,
}

impl Failing {
    async fn begin(fault: Fault, when: When) -> Self {
        let outside = Outside::in_memory(2).await;
        let mut shop = Shop::open(outside, Invoicing::ByEngine, &[METERED]).await;
        let mut subscriptions = Vec::new();
        for _ in 0..SUBSCRIBERS {
            subscriptions.push(shop.subscriber().await);
        }
        if matches!(fault, Fault::Hang | Fault::Slow(_)) {
            shop.be_patient_for(PATIENCE).await;
        }
        let plan = match when {
            When::Before => Plan::before(fault),
            When::After => Plan::after(fault),
        };
        Self {
            shop,
            subscriptions,
            fault,
            plan: plan.on("POST", EVENTS).times(SUBSCRIBERS),
            story: format!("{fault:?} {when:?}"),
        }
    }

    /// Reports some use of each subscription, until Stripe has said that it has it.
    async fn report(&self, round: u32) {
        for (place, of) in (1..).zip(&self.subscriptions) {
            let units = 1 + u64::from(round) * place % 5;
            self.shop.use_units(*of, units).await;
        }
        self.shop.stripe().plan(self.plan.clone());
        self.publish().await;
        if matches!(self.fault, Fault::TooMany { .. }) {
            let sent = self.events().len();
            self.shop
                .pass(Duration::from_secs(u64::from(RETRY_AFTER) - 1));
            self.publish().await;
            assert_eq!(
                self.events().len(),
                sent,
                "{}: sooner than it was asked for",
                self.story
            );
        }
        for attempt in 0.. {
            assert!(attempt < 60, "{}: {:?}", self.story, self.shop.held().await);
            self.shop.pass(10 * MINUTE);
            self.decide().await;
            self.publish().await;
            if self.is_all_confirmed().await {
                return;
            }
        }
    }

    /// On a busy machine signing in may take longer than there is patience.
    async fn publish(&self) {
        match self.shop.try_to_publish().await {
            Ok(_) | Err(FlowError::Engine(_)) => {}
            Err(error) => panic!("{}: {error:?}", self.story),
        }
    }

    /// What Stripe has said not to repeat waits for somebody, who says that it is right.
    async fn decide(&self) {
        for batch in self.shop.held().await {
            let is_final = self.fault == Fault::ShouldRetry(false);
            let reason = batch.state.reason().unwrap();
            assert!(
                is_final && reason.contains("500"),
                "{}: {reason}",
                self.story
            );
            let now = self.shop.monetizer().now();
            let again = Decision::new(Fate::SendAgain, "owner-1: it is right", now);
            let decided = self
                .shop
                .monetizer()
                .decide_batch(self.shop.tenant, batch.id, &again);
            decided.await.unwrap();
        }
    }

    async fn is_all_confirmed(&self) -> bool {
        for of in &self.subscriptions {
            let batches = self.shop.batches(*of).await;
            if batches
                .iter()
                .any(|batch| batch.state != BatchState::Confirmed)
            {
                return false;
            }
        }
        true
    }

    /// Reports that Stripe has seen, whatever became of them.
    fn events(&self) -> Vec<Seen> {
        let seen = self.shop.stripe().requests().into_iter();
        seen.filter(|it| it.method == "POST" && it.path == EVENTS)
            .collect()
    }

    /// Every unit is there once, and what was sent again was the same to the byte: that, and no key, is what
    /// Stripe knows it by.
    async fn all_is_there(&mut self, rounds: u32) {
        self.shop.be_patient_for(MINUTE).await;
        let events = self.events();
        let failed = events.iter().filter(|it| it.fault.is_some()).count();
        assert_eq!(failed, (rounds * SUBSCRIBERS) as usize, "{}", self.story);
        let seen = self.shop.stripe().requests();
        assert_eq!(
            frozen_reports(&seen, &self.story),
            (rounds * SUBSCRIBERS) as usize,
            "{}",
            self.story
        );
        one_key_for_each_wish(&seen, &self.story);
        let mut used = 0;
        for of in &self.subscriptions {
            used += self.shop.recorded(*of).await;
        }
        assert_eq!(self.shop.counted(), used, "{}", self.story);
        self.shop.pass(HOUR);
        let since = monetization_conformance::sample::START;
        let report = self
            .shop
            .monetizer()
            .reconcile(self.shop.tenant, since)
            .await
            .unwrap();
        assert_eq!(
            (report.compared, report.differing),
            (SUBSCRIBERS as usize, vec![])
        );
    }
}

async fn fail_in_each(faults: &[Fault], when: When) {
    let rounds = size(10, 100);
    for fault in faults {
        let mut failing = Failing::begin(*fault, when).await;
        for round in 0..rounds {
            failing.report(round).await;
        }
        failing.all_is_there(rounds).await;
    }
}

#[tokio::test]
async fn what_stripe_answers_with_a_failure_it_has_not_counted_is_counted_once_r_p5_r_p9() {
    fail_in_each(&ANSWERS, When::Before).await;
}

#[tokio::test]
async fn what_stripe_answers_with_a_failure_though_it_has_counted_it_is_counted_once_r_p5_r_p9() {
    fail_in_each(&ANSWERS, When::After).await;
}

#[tokio::test]
async fn what_stripe_has_not_counted_and_says_nothing_of_is_counted_once_r_p5_r_p9() {
    fail_in_each(&SILENCE, When::Before).await;
}

#[tokio::test]
async fn what_stripe_has_counted_and_says_nothing_of_is_counted_once_r_p5_r_p9() {
    fail_in_each(&SILENCE, When::After).await;
}

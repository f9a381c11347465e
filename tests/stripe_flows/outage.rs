//! Stripe cannot be reached for an hour or for forty days.

use monetization_conformance::asked::frozen_reports;
use monetization_conformance::outages::{Outage, outages};
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_core::invoice::Invoicing;
use monetization_core::store::{Batch, BatchState, JobState};

use crate::outside::Outside;
use crate::shop::{EVENTS, HOUR, METERED, Shop};

const MONTHLY: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

/// What is told after an outage.
struct After {
    used: u64,
    counted: u64,
    held: Vec<Batch>,
    /// In how many hours of the outage a report was sent again, and the last of them.
    repeated: (u32, u32),
}

impl After {
    /// The reasons that an operator reads; each batch that is held has one.
    fn reasons(&self) -> Vec<&str> {
        self.held
            .iter()
            .map(|batch| batch.state.reason().unwrap())
            .collect()
    }

    fn units_held(&self) -> u64 {
        let units = self
            .held
            .iter()
            .map(|batch| batch.quantity().unwrap().scaled());
        u64::try_from(units.sum::<i64>()).unwrap()
    }
}

/// Five units whose report gets no answer, of which Stripe has them or has not; nothing gets through for
/// so long; then three more are used.
async fn live_through(terms: &str, outage: Outage) -> After {
    let shop = Shop::open(Outside::in_memory(1).await, Invoicing::ByEngine, &[terms]).await;
    let of = shop.subscriber().await;
    shop.use_units(of, 5).await;
    let lost = if outage.arrived {
        Plan::after(Fault::Drop)
    } else {
        Plan::before(Fault::Drop)
    };
    shop.stripe().plan(lost.on("POST", EVENTS));
    assert_eq!(shop.published().await, JobState::Incomplete);
    let repeated = shop.be_away(outage).await;
    shop.settle().await;
    shop.use_units(of, 3).await;
    for _ in 0..3 {
        shop.publish().await;
        shop.pass(HOUR);
        let since = shop.subscription(of).await.created_at;
        let report = shop
            .monetizer()
            .reconcile(shop.tenant, since)
            .await
            .unwrap();
        assert_eq!(report.failed, []);
    }
    shop.publish().await;
    let after = After {
        used: shop.recorded(of).await,
        counted: shop.counted(),
        held: shop.held().await,
        repeated,
    };
    for batch in shop.batches(of).await {
        let is_settled = batch.state == BatchState::Confirmed || after.held.contains(&batch);
        assert!(is_settled, "{batch:?}");
    }
    assert_eq!(frozen_reports(&shop.stripe().requests(), "outage"), 2);
    after
}

impl Shop {
    /// In how many hours of the outage a report was sent again, and the last of them.
    async fn be_away(&self, outage: Outage) -> (u32, u32) {
        let gone = Plan::before(Fault::Drop).times(u32::MAX);
        self.stripe().plan(if outage.of_reports_alone {
            gone.on("POST", EVENTS)
        } else {
            gone
        });
        let sent = || {
            let seen = self.stripe().requests();
            seen.iter().filter(|it| it.path == EVENTS).count()
        };
        let mut repeated = (0, 0);
        for hour in 1..=outage.hours {
            self.pass(HOUR);
            if hour > 30 && hour % 100 != 0 {
                continue;
            }
            let before = sent();
            let tried = self.try_to_publish().await;
            // Whoever signs in and finds nobody is told, and nothing is changed by it.
            assert_eq!(tried.is_ok(), outage.of_reports_alone, "{tried:?}");
            if sent() > before {
                repeated = (repeated.0 + 1, hour);
            }
        }
        self.stripe().clear_faults();
        repeated
    }
}

#[tokio::test]
async fn after_an_outage_of_stripe_of_up_to_forty_days_nothing_is_doubled_or_dropped_r_p6() {
    for outage in outages() {
        let after = live_through(METERED, outage).await;
        assert_eq!(after.used, 8, "{outage}");
        outage.is_over((5, 3), after.counted, after.units_held());
        for reason in after.reasons() {
            assert!(reason.contains("no longer knows it"), "{outage}: {reason}");
        }
        let (hours, last) = after.repeated;
        if outage.of_reports_alone {
            let usual = outage.hours.min(22);
            assert!(hours >= usual / 2, "{outage}: sent again in {hours}");
            assert!(last <= 23, "{outage}: sent again in hour {last}");
        } else {
            assert_eq!(hours, 0, "{outage}");
        }
    }
}

/// What would be billed to nobody any more is not sent, and is told.
#[tokio::test]
async fn use_of_a_month_that_stripe_has_billed_waits_for_an_operator_r_p6() {
    for outage in outages().into_iter().filter(|it| it.hours >= 24 * 32) {
        let after = live_through(MONTHLY, outage).await;
        let expected = if outage.arrived { (8, 0) } else { (3, 5) };
        let told = (after.counted, after.units_held());
        assert_eq!(told, expected, "{outage}: {:?}", after.reasons());
    }
}

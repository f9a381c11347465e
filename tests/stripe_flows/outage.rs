//! Stripe cannot be reached for an hour or for forty days.

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
}

impl After {
    /// The reasons that an operator reads; each batch that is held has one.
    fn reasons(&self) -> Vec<&str> {
        self.held
            .iter()
            .map(|batch| batch.state.reason().unwrap())
            .collect()
    }

    fn story(&self, hours: u32, arrives: bool) -> String {
        let (counted, reasons) = (self.counted, self.reasons());
        format!("{hours} h, arrives: {arrives}: {counted} counted, held: {reasons:?}")
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
async fn outage(terms: &str, hours: u32, arrives: bool) -> After {
    let shop = Shop::open(Outside::in_memory(1).await, Invoicing::ByEngine, &[terms]).await;
    let of = shop.subscriber().await;
    shop.use_units(of, 5).await;
    let lost = if arrives {
        Plan::after(Fault::Drop)
    } else {
        Plan::before(Fault::Drop)
    };
    shop.stripe().plan(lost.on("POST", EVENTS));
    assert_eq!(shop.published().await, JobState::Incomplete);
    shop.stripe()
        .plan(Plan::before(Fault::Drop).times(u32::MAX));
    for hour in 0..hours {
        shop.pass(HOUR);
        if hour < 30 || hour % 100 == 0 {
            // Whoever signs in finds nobody: that is said, and nothing is changed by it.
            shop.try_to_publish().await.unwrap_err();
        }
    }
    shop.stripe().clear_faults();
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
    };
    for batch in shop.batches(of).await {
        let is_settled = batch.state == BatchState::Confirmed || after.held.contains(&batch);
        assert!(is_settled, "{batch:?}");
    }
    after
}

const HOURS: [u32; 11] = [1, 12, 22, 23, 24, 30, 72, 240, 24 * 34, 24 * 36, 24 * 40];

#[tokio::test]
async fn after_an_outage_of_stripe_of_up_to_forty_days_nothing_is_doubled_or_dropped_r_p6() {
    for hours in HOURS {
        for arrives in [true, false] {
            let after = outage(METERED, hours, arrives).await;
            let story = after.story(hours, arrives);
            assert_eq!(after.used, 8, "{story}");
            if hours < 24 * 35 || arrives {
                assert_eq!((after.counted, after.units_held()), (8, 0), "{story}");
            } else {
                assert_eq!((after.counted, after.units_held()), (3, 5), "{story}");
                assert!(after.reasons()[0].contains("no longer knows it"), "{story}");
            }
        }
    }
}

/// What would be billed to nobody any more is not sent, and is told.
#[tokio::test]
async fn use_of_a_month_that_stripe_has_billed_waits_for_an_operator_r_p6() {
    for hours in [24 * 32, 24 * 34, 24 * 40] {
        for arrives in [true, false] {
            let after = outage(MONTHLY, hours, arrives).await;
            let story = after.story(hours, arrives);
            let expected = if arrives { (8, 0) } else { (3, 5) };
            assert_eq!((after.counted, after.units_held()), expected, "{story}");
            println!("{story}");
        }
    }
}

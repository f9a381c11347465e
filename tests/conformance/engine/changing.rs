//! Changes of plan of a subscription that the provider invoices.

use monetization_core::engine::{ChangeMode, PlanSwitch};
use monetization_core::text::ForeignId;

use super::steps::{HOUR, MINUTE, Running};
use super::{Bench, Offer};

/// What was used before the change is billed at the old price, what is used after it at the new.
pub async fn a_changed_plan_holds_from_the_next_period_on(bench: &Bench) {
    let running = bench
        .running(Offer {
            base_price: "5",
            ..Offer::A_CENT_EACH
        })
        .await;
    let next = Offer {
        base_price: "30",
        unit_price: Some("0.5"),
        ..Offer::A_CENT_EACH
    };
    let next = bench.offered(&running, next).await;
    bench.change(&running, &next, ChangeMode::AtPeriodEnd).await;
    bench.used(&running, "100", bench.fixture.now().await).await;
    bench.wait_for_invoice(&running).await;
    bench.used(&running, "100", bench.fixture.now().await).await;
    bench.wait_for_invoice(&running).await;
    let totals = bench.totals(&running).await;
    assert_eq!(totals, [500, 100 + 3_000, 5_000 + 3_000]);
}

/// Use before the change costs the old price, use after it the new one. Of the base prices that of what
/// is left of the period is charged, less what is left of the old one; whole again from then on.
pub async fn a_plan_changed_now_is_prorated(bench: &Bench) {
    let offer = Offer {
        base_price: "31",
        ..Offer::A_CENT_EACH
    };
    let running = bench.running(offer).await;
    let next = Offer {
        base_price: "62",
        unit_price: Some("0.5"),
        ..offer
    };
    let next = bench.offered(&running, next).await;
    let period = running.schedule().period(0).unwrap();
    let cycle = period.end.saturating_since(period.start);
    bench
        .wait_until(period.start.saturating_add(cycle / 4))
        .await;
    let before = bench.fixture.now().await.saturating_sub(MINUTE);
    bench.used(&running, "100", before).await;
    bench.change(&running, &next, ChangeMode::Now).await;
    bench.fixture.advance(HOUR).await;
    bench.used(&running, "100", bench.fixture.now().await).await;
    bench.wait_for_invoice(&running).await;
    bench.wait_for_invoice(&running).await;
    let totals = bench.totals(&running).await;
    let prorated = (6_200 - 3_100) * 3 / 4;
    assert_eq!(totals, [3_100, 100 + 5_000 + prorated + 6_200, 6_200]);
}

/// The period that was begun with the old plan meanwhile costs what it does with the new one.
pub async fn a_change_that_is_told_late_holds_from_its_boundary_on(bench: &Bench) {
    let offer = Offer {
        base_price: "5",
        ..Offer::A_CENT_EACH
    };
    let running = bench.running(offer).await;
    let next = Offer {
        base_price: "30",
        unit_price: Some("0.5"),
        ..offer
    };
    let next = bench.offered(&running, next).await;
    let boundary = running.schedule().period(0).unwrap().end;
    bench.wait_for_invoice(&running).await;
    let to = PlanSwitch {
        at: boundary,
        ..bench.switch(&next, ChangeMode::AtPeriodEnd).await
    };
    let (billing, cx) = (bench.billing(), bench.cx());
    let changed = billing.change_subscription(&cx, running.external(), &to);
    changed.await.unwrap();
    bench.used(&running, "100", bench.fixture.now().await).await;
    bench.wait_for_invoice(&running).await;
    let billed: i64 = bench.totals(&running).await.iter().sum();
    assert_eq!(billed, 500 + 3_000 + 5_000 + 3_000);
}

/// Going back to the plan that is in force takes back a change that waits for the next period.
pub async fn a_change_of_plan_is_taken_back(bench: &Bench) {
    let offer = Offer {
        base_price: "5",
        ..Offer::A_CENT_EACH
    };
    let running = bench.running(offer).await;
    let other = Offer {
        base_price: "30",
        ..offer
    };
    let other = bench.offered(&running, other).await;
    for plan in [&other, &running.new.plan] {
        bench.change(&running, plan, ChangeMode::AtPeriodEnd).await;
    }
    bench.wait_for_invoice(&running).await;
    let totals = bench.totals(&running).await;
    assert_eq!(totals, [500, 500]);
}

impl Bench {
    /// Another plan of the product of this subscription, as the provider calls it.
    pub(super) async fn offered(&self, running: &Running, offer: Offer) -> ForeignId {
        let plan = self.version(&running.product, offer);
        let made = self.billing();
        let made = made.create_billing_plan(&self.cx(), &plan).await;
        made.unwrap()
    }

    pub(super) async fn switch(&self, plan: &ForeignId, mode: ChangeMode) -> PlanSwitch {
        PlanSwitch {
            plan: plan.clone(),
            mode,
            at: self.fixture.now().await,
        }
    }

    pub(super) async fn change(&self, running: &Running, plan: &ForeignId, mode: ChangeMode) {
        let mut to = self.switch(plan, mode).await;
        if mode == ChangeMode::AtPeriodEnd {
            to.at = self.snapshot(running).await.period.end;
        }
        self.billing()
            .change_subscription(&self.cx(), running.external(), &to)
            .await
            .unwrap();
    }
}

//! Plans on their way to Stripe, and what becomes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use monetization_conformance::store::{Fault as StoreFault, FaultyStore};
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_core::engine::ChangeMode;
use monetization_core::flows::{DisableMode, Disabled, FlowError, PlanEnabled};
use monetization_core::product::Product;
use monetization_core::store::StoreExt;
use serde_json::Value;

use crate::market::{DAY, FIXED, METERED};
use crate::shop::Shop;

/// Two products, a meter, and a price of each.
const WRITES: u32 = 5;

/// There what had been made when enabling broke off belonged to nobody, and the next try made all of it
/// again.
#[tokio::test]
async fn enabling_that_breaks_off_anywhere_is_completed_and_makes_nothing_twice() {
    for plan in [Plan::before(Fault::Unavailable), Plan::after(Fault::Drop)] {
        for write in 0..WRITES {
            let shop = Shop::empty().await;
            let market = &shop.market;
            for terms in [FIXED, METERED] {
                market.plan(terms).await;
            }
            shop.stripe.plan(plan.clone().on("POST", "/").skip(write));
            let (tenant, product, properties) = (market.tenant, market.product.id, BTreeMap::new());
            let enabling = market
                .monetizer
                .enable_monetization(tenant, product, &properties);
            drop(enabling.await);
            let requests = shop.stripe.requests();
            assert!(requests.iter().any(|it| it.fault.is_some()), "{write}");
            // By then Stripe has forgotten the keys, too.
            market.pass(2 * DAY).await;
            let report = market.enable().await;
            let is_there = |it: &PlanEnabled| !matches!(it, PlanEnabled::Failed { .. });
            assert_eq!(report.plans.len(), 2);
            assert!(
                report.plans.values().all(is_there),
                "{plan:?} at {write}: {report:?}"
            );
            assert_eq!(shop.at_stripe("product").len(), 2, "{plan:?} at {write}");
            assert_eq!(shop.at_stripe("price").len(), 2, "{plan:?} at {write}");
            let again = market.enable().await;
            assert!(!again.changed, "{again:?}");
        }
    }
}

/// There prices were deleted one after the other, under those who had subscribed, too.
#[tokio::test]
async fn what_is_taken_off_sale_keeps_its_price_for_those_who_have_it() {
    let shop = Shop::open(FIXED, 1).await;
    shop.market.pay_open().await;
    let market = &shop.market;
    let disable = |mode| {
        market
            .monetizer
            .disable_monetization(market.tenant, market.product.id, mode)
    };
    let is_active = |kind| -> Vec<Value> {
        let there = shop.at_stripe(kind).into_iter();
        there.map(|it| it["active"].clone()).collect()
    };
    let refused = disable(DisableMode::Refuse).await;
    assert!(
        matches!(refused, Err(FlowError::InUse { .. })),
        "{refused:?}"
    );
    assert_eq!(
        (is_active("product"), is_active("price")),
        (vec![true.into()], vec![true.into()])
    );
    disable(DisableMode::RunOut).await.unwrap();
    market.settle().await;
    assert_eq!(
        (is_active("product"), is_active("price")),
        (vec![false.into()], vec![true.into()])
    );
    let there = &shop.at_stripe("subscription")[0];
    assert_eq!(there["status"], "active");
    assert_eq!(shop.admit(0).await, Ok(()));
    market.pass_until("2026-01-31T23:00:00Z").await;
    assert_eq!(shop.admit(0).await, Ok(()), "until its period ends");
}

/// There what broke off had been deleted in part, and what was left belonged to nobody.
#[tokio::test]
async fn a_taking_off_sale_that_breaks_off_anywhere_is_completed_the_next_time() {
    let ways = [Plan::before(Fault::Unavailable), Plan::after(Fault::Drop)];
    // A write for each of two plans.
    for (plan, write) in ways.iter().flat_map(|plan| [(plan, 0), (plan, 1)]) {
        let (shop, _) = two_on_sale().await;
        shop.stripe.plan(plan.clone().on("POST", "/").skip(write));
        let broken = off_sale(&shop).await;
        let story = format!("{plan:?} at {write}: {broken:?}");
        assert!(matches!(broken, Err(FlowError::Engine(_))), "{story}");
        is_completed(&shop, &story).await;
    }
    for fault in [StoreFault::Before, StoreFault::After] {
        for number in 1.. {
            let (shop, faulty) = two_on_sale().await;
            let fault_at = faulty.calls() + number;
            faulty.fail_call(fault_at, fault);
            let broken = off_sale(&shop).await;
            if faulty.calls() < fault_at {
                assert!(number > 3, "{number}");
                break;
            }
            is_completed(&shop, &format!("{fault:?} at {number}: {broken:?}")).await;
        }
    }
}

/// Two plans that Stripe has on sale.
async fn two_on_sale() -> (Shop, Arc<FaultyStore>) {
    let (shop, faulty) = Shop::over_faulty_store().await;
    for terms in [FIXED, METERED] {
        shop.market.plan(terms).await;
    }
    shop.market.enable().await;
    (shop, faulty)
}

async fn off_sale(shop: &Shop) -> Result<Disabled, FlowError> {
    let market = &shop.market;
    let off_sale = market.monetizer.disable_monetization(
        market.tenant,
        market.product.id,
        DisableMode::Refuse,
    );
    off_sale.await
}

/// Once it is asked for again, nothing is on sale here or there, and it goes on sale again as what it was.
async fn is_completed(shop: &Shop, story: &str) {
    // By then Stripe has forgotten the keys, too.
    shop.market.pass(2 * DAY).await;
    off_sale(shop).await.unwrap();
    let market = &shop.market;
    let product = market
        .store
        .fact::<Product>(market.tenant, market.product.id);
    assert_eq!(
        product.await.unwrap().unwrap().fact.monetization,
        None,
        "{story}"
    );
    let off = shop.at_stripe("product");
    assert_eq!(off.len(), 2, "{story}");
    assert!(
        off.iter().all(|it| it["active"] == false),
        "{story}: {off:?}"
    );
    market.enable().await;
    let on = shop.at_stripe("product");
    assert_eq!(on.len(), 2, "{story}");
    assert!(on.iter().all(|it| it["active"] == true), "{story}: {on:?}");
}

/// There a failing database was told as success, with nothing stored.
#[tokio::test]
async fn a_store_that_fails_anywhere_while_enabling_is_no_success() {
    for number in 1.. {
        let (shop, faulty) = Shop::over_faulty_store().await;
        let market = &shop.market;
        market.plan(FIXED).await;
        let fault_at = faulty.calls() + number;
        faulty.fail_call(fault_at, StoreFault::Before);
        let (tenant, product) = (market.tenant, market.product.id);
        let properties = BTreeMap::new();
        let enabled = market
            .monetizer
            .enable_monetization(tenant, product, &properties);
        let enabled = enabled.await;
        if faulty.calls() < fault_at {
            assert!(number > 3, "{number}");
            break;
        }
        assert!(enabled.is_err(), "call {number}: {enabled:?}");
        market.enable().await;
        let mapping = market.monetizer.plan_mapping(tenant, product).await;
        assert_eq!(mapping.unwrap().len(), 1, "call {number}");
    }
}

/// There the old price was deleted before the new one was made, and a new one reached nobody who had
/// subscribed before.
#[tokio::test]
async fn a_new_price_takes_nothing_from_the_old_one_and_holds_for_those_who_are_moved_to_it() {
    let dearer = FIXED.replace("25", "30");
    let mut shop = Shop::empty().await;
    let plan = shop.market.sell(FIXED).await;
    shop.market.subscribe(&plan).await;
    shop.market.settle().await;
    shop.market.pay_open().await;
    let (market, id) = (&shop.market, shop.only());
    let terms = serde_json::from_str(&dearer).unwrap();
    let revised = market.monetizer.revise_plan(market.tenant, plan.id, terms);
    let version = revised.await.unwrap().1.id;
    let no_prices = Plan::before(Fault::Unavailable).on("POST", "/v1/prices");
    shop.stripe.plan(no_prices.times(u32::MAX));
    let (tenant, product) = (market.tenant, market.product.id);
    let properties = BTreeMap::new();
    let enabled = market
        .monetizer
        .enable_monetization(tenant, product, &properties);
    if let Ok(report) = enabled.await {
        assert!(
            matches!(report.plans[&version], PlanEnabled::Failed { .. }),
            "{report:?}"
        );
    }
    let old = shop.at_stripe("price");
    assert_eq!((old.len(), &old[0]["active"]), (1, &true.into()));
    market.pass_until("2026-02-01T02:00:00Z").await;
    market.settle().await;
    assert_eq!(market.totals(id).await, [2_500, 2_500]);
    shop.stripe.clear_faults();
    let moved_to = market.sell(&dearer).await.id;
    market.pay_open().await;
    let next = Some(ChangeMode::AtPeriodEnd);
    let moved = market.monetizer.change_plan(tenant, id, moved_to, next);
    moved.await.unwrap();
    market.settle().await;
    market.pass_until("2026-03-01T02:00:00Z").await;
    market.settle().await;
    assert_eq!(market.totals(id).await, [2_500, 2_500, 3_000]);
    assert_eq!(shop.at_stripe("subscription").len(), 1);
}

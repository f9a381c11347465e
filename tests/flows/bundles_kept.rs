//! What changes of plans and products leave of bundles: B4.

use monetization_core::flows::FlowError;

use crate::meanwhile;
use crate::shop::{Shop, TERMS, WITHOUT, new_plan, terms};
use crate::world::HOUR;

/// Another version of the plan took the calls away that were paid, or opened the operation to all.
#[tokio::test]
async fn paid_calls_outlast_a_change_of_the_plan_b4() {
    let shop = Shop::open().await;
    let without = shop.revise(WITHOUT).await;
    let with = shop.revise(TERMS).await;
    let refused = async |at: Option<&str>| {
        let error = shop.migrate(without, at).await.unwrap_err();
        let FlowError::Field(error) = error else {
            panic!("{error}");
        };
        assert_eq!(error.field(), "version");
    };
    // It may still be paid.
    shop.buy("ten", None).await.unwrap();
    refused(None).await;
    shop.world.settle().await;
    shop.world.pay_all().await;
    assert_eq!(shop.calls("/search", 9).await, 9);
    refused(None).await;
    refused(Some("2026-06-01T00:00:00Z")).await;
    let new = new_plan(shop.plan.product, WITHOUT);
    let (tenant, monetizer) = (shop.plan.tenant, &shop.world.monetizer);
    let (other, _) = monetizer.create_plan(tenant, new).await.unwrap();
    let changed = monetizer.change_plan(tenant, shop.subscription.id, other.id, None);
    let FlowError::Field(error) = changed.await.unwrap_err() else {
        panic!("the plan was changed");
    };
    assert_eq!(error.field(), "plan");
    shop.migrate(with, None).await.unwrap();
    shop.world.pass(HOUR).await;
    assert_eq!(shop.calls("/search", 2).await, 1);
    // Nothing is left, and nothing more is sold.
    shop.migrate(without, Some("2026-06-01T00:00:00Z"))
        .await
        .unwrap();
    for bundle in ["ten", "gift"] {
        let FlowError::Field(error) = shop.buy(bundle, None).await.unwrap_err() else {
            panic!("{bundle} was sold");
        };
        assert_eq!(error.field(), "bundle");
    }
    shop.world.pass_until("2026-06-02T00:00:00Z").await;
    assert_eq!(shop.calls("/search", 20).await, 20);
}

/// Calls were sold that nobody could make: only what new subscribers get was looked at.
#[tokio::test]
async fn an_operation_stays_while_anybody_is_on_a_version_that_counts_it_b4() {
    let shop = Shop::open().await;
    let without = shop.revise(WITHOUT).await;
    let FlowError::InUse { problem } = shop.remove("search").await.unwrap_err() else {
        panic!("it was removed");
    };
    assert!(
        problem.contains("version 1 of the plan prepaid"),
        "{problem}"
    );
    shop.migrate(without, Some("2026-01-20T00:00:00Z"))
        .await
        .unwrap();
    let still = shop.remove("search").await.unwrap_err();
    assert!(matches!(still, FlowError::InUse { .. }), "{still}");
    shop.world.pass_until("2026-01-21T00:00:00Z").await;
    assert_eq!(shop.remove("search").await.unwrap().resources.len(), 1);
    let FlowError::Field(error) = shop.buy("ten", None).await.unwrap_err() else {
        panic!("it was sold");
    };
    assert_eq!(error.field(), "bundle");
}

#[tokio::test]
async fn an_operation_stays_where_a_plan_begins_to_count_it_meanwhile_b4() {
    for begins in ["with another version", "with another plan"] {
        let (world, before) = meanwhile::world().await;
        let shop = Shop::open_in(world, TERMS).await;
        let without = shop.revise(WITHOUT).await;
        shop.migrate(without, None).await.unwrap();
        shop.world.pass(HOUR).await;
        let (monetizer, plan) = (shop.world.monetizer.clone(), shop.plan.clone());
        let count_it = async move {
            if begins == "with another version" {
                let revised = monetizer.revise_plan(plan.tenant, plan.id, terms(TERMS));
                revised.await.unwrap();
            } else {
                let new = new_plan(plan.product, TERMS);
                monetizer.create_plan(plan.tenant, new).await.unwrap();
            }
        };
        *before.lock().unwrap() = Some(Box::pin(count_it));
        let error = shop.remove("search").await.unwrap_err();
        assert!(
            matches!(error, FlowError::InUse { .. }),
            "{begins}: {error}"
        );
    }
}

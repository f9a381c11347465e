//! Plans that cover some operations of their product only.

use monetization_core::access::Closed;
use monetization_core::flows::FlowError;
use monetization_core::runtime::Denial;

use crate::shop::{Shop, new_plan, terms};
use crate::world::World;

const SEARCH: &str = r#"{"billing":"fixed","currency":"EUR","cycle":"month","base_price":"5",
    "resources":["search"]}"#;
const BROWSE: &str = r#"{"billing":"fixed","currency":"EUR","cycle":"month","base_price":"5",
    "resources":["browse"]}"#;

async fn open() -> Shop {
    let world = World::new(monetization_core::invoice::Invoicing::ByCore).await;
    let shop = Shop::open_in(world, SEARCH).await;
    shop.world.pay_all().await;
    shop
}

#[tokio::test]
async fn a_plan_opens_the_operations_that_it_covers_and_no_other_a7() {
    let shop = open().await;
    shop.call(&shop.key, "/search").await.unwrap();
    let elsewhere = shop.call(&shop.key, "/browse").await;
    assert_eq!(elsewhere, Err(Denial::NotCovered));
    let nowhere = shop.call(&shop.key, "/read").await;
    assert_eq!(nowhere, Err(Denial::NoSuchResource));
}

#[tokio::test]
async fn of_two_plans_of_a_product_the_unpaid_one_is_closed_alone_d9() {
    let shop = open().await;
    let new = new_plan(shop.plan.product, BROWSE);
    let (other, _) = shop
        .world
        .monetizer
        .create_plan(shop.plan.tenant, new)
        .await
        .unwrap();
    let ordered = shop.world.subscribe(&other).await;
    shop.world.settle().await;
    let unpaid = ordered.key.unwrap().1;
    let due = Err(Denial::Closed(Closed::PaymentRequired));
    assert_eq!(shop.call(&unpaid, "/browse").await, due);
    shop.call(&shop.key, "/search").await.unwrap();
    shop.world.pay_all().await;
    shop.call(&unpaid, "/browse").await.unwrap();
}

#[tokio::test]
async fn what_a_plan_covers_exists_and_stays_a7() {
    let shop = open().await;
    let error = shop.remove("search").await.unwrap_err();
    let FlowError::InUse { problem } = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        problem,
        "version 1 of the plan prepaid covers calls of search: change it first"
    );
    for (wrong, field) in [
        (r#"["read"]"#, "resources[0]"),
        (r#"["browse","browse"]"#, "resources[1]"),
    ] {
        let json = SEARCH.replace(r#"["search"]"#, wrong);
        let (tenant, plan) = (shop.plan.tenant, shop.plan.id);
        let revised = shop.world.monetizer.revise_plan(tenant, plan, terms(&json));
        let Err(FlowError::Field(problem)) = revised.await else {
            panic!("{wrong} is taken");
        };
        assert_eq!(problem.field(), field);
    }
}

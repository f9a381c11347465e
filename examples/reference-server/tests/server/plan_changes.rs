//! A buyer changes the plan of a subscription over REST.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{World, metered};

#[tokio::test]
async fn a_buyer_changes_the_plan_of_a_subscription_c6() {
    let world = World::start().await;
    world.travel("2026-03-01T00:00:00Z").await;
    let product = world.product("weather").await;
    let (cheap, dear) = (
        world.plan(&product, metered("0.01")).await,
        world.plan(&product, metered("0.5")).await,
    );
    let bought = world.buy(&cheap).await;
    let changes = format!("/api/v1/subscriptions/{}/plan", bought.id);
    world.call(&bought.key, "/weather/now").await;

    let later = json!({ "plan": dear, "mode": "period_end" });
    let told = world.developer(Method::POST, &changes, later).await.ok();
    assert_eq!(told["plan"], json!(dear));
    assert_eq!(told["changes"][0]["at"], "2026-04-01T00:00:00Z");
    let back = json!({ "plan": cheap });
    let told = world.developer(Method::POST, &changes, back).await.ok();
    assert_eq!(
        (&told["plan"], &told["changes"][0]["version"]),
        (&json!(cheap), &told["version"]),
        "what was to come is taken back"
    );

    let now = json!({ "plan": dear, "mode": "now" });
    let told = world.developer(Method::POST, &changes, now).await.ok();
    assert_eq!(told["plan"], json!(dear));
    world.advance(60).await;
    world.call(&bought.key, "/weather/now").await;
    let usage = format!("/api/v1/subscriptions/{}/usage", bought.id);
    let statement = world.developer(Method::GET, &usage, Value::Null).await.ok();
    assert_eq!(statement["total"]["amount"], "0.51");

    let wrong = json!({ "plan": dear, "mode": "tomorrow" });
    let refused = world.developer(Method::POST, &changes, wrong).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let elsewhere = world.product("maps").await;
    let elsewhere = world.plan(&elsewhere, metered("0.01")).await;
    let other = json!({ "plan": elsewhere });
    let refused = world.developer(Method::POST, &changes, other).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

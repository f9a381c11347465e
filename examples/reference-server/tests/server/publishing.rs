use http::{Method, StatusCode};
use monetization_engine_mock::faults::{Fault, Injection, RecordFault};
use monetization_engine_mock::transport::Operation;
use serde_json::{Value, json};

use super::world::{Bought, Text, World, metered};

const PUBLISH: &str = "/api/v1/monetization/publish-usage";
const STATUS: &str = "/api/v1/monetization/publish-usage/status";

async fn used(world: &World, calls: usize) -> Bought {
    let product = world.product("weather").await;
    let bought = world
        .buy(&world.plan(&product, metered("0.01")).await)
        .await;
    world.server().round().await;
    for _ in 0..calls {
        assert_eq!(
            world.call(&bought.key, "/weather/now").await.status,
            StatusCode::OK
        );
    }
    bought
}

async fn status(world: &World) -> (String, String) {
    let told = world.owner(Method::GET, STATUS, Value::Null).await.ok();
    (told["state"].text(), told["status"].text())
}

/// A run is a task of its own: whoever asks has to ask again.
async fn completed(world: &World) -> String {
    loop {
        let (state, result) = status(world).await;
        if state == "COMPLETED" {
            return result;
        }
        tokio::task::yield_now().await;
    }
}

fn counted(world: &World) -> i64 {
    let subscriptions = world.mock().subscriptions();
    let records = subscriptions
        .iter()
        .flat_map(|subscription| &subscription.records);
    records.map(|record| record.quantity.scaled()).sum()
}

#[tokio::test]
async fn publishing_is_accepted_and_refused_while_it_runs_e3() {
    let world = World::billed_by_engine().await;
    used(&world, 3).await;
    assert_eq!(
        status(&world).await,
        ("INITIATED".into(), "INPROGRESS".into())
    );
    world
        .mock()
        .inject(Injection::next(Fault::Hold).on(Operation::TakeUsage));
    let accepted = world.owner(Method::POST, PUBLISH, Value::Null).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    let expected =
        r#"{"status":"Request Accepted","message":"Server is running the usage publisher"}"#;
    assert_eq!(accepted.text(), expected);
    let busy = world.owner(Method::POST, PUBLISH, Value::Null).await;
    assert_eq!(
        (busy.status, busy.code().as_str()),
        (StatusCode::CONFLICT, "job_running")
    );
    assert_eq!(busy.json()["running"]["number"], 1);
    assert_eq!(
        status(&world).await,
        ("RUNNING".into(), "INPROGRESS".into())
    );
    while world
        .mock()
        .calls()
        .iter()
        .all(|call| call.operation != Operation::TakeUsage)
    {
        tokio::task::yield_now().await;
    }
    world.mock().release();
    assert_eq!(completed(&world).await, "SUCCESSFUL");
    assert_eq!(counted(&world), 3);
    let told = world.owner(Method::GET, STATUS, Value::Null).await.ok();
    assert_eq!(told["lastPublishedTime"], told["lastPublsihedTime"]);
    assert_eq!(told["startedTime"], "1772323200000");
}

/// The process dies within a run: nobody is locked out for longer than its lease.
#[tokio::test]
async fn a_crash_while_publishing_blocks_nobody_for_long_e4() {
    let mut world = World::billed_by_engine().await;
    used(&world, 3).await;
    world
        .mock()
        .inject(Injection::next(Fault::Hold).on(Operation::TakeUsage));
    world.owner(Method::POST, PUBLISH, Value::Null).await.ok();
    while world
        .mock()
        .calls()
        .iter()
        .all(|call| call.operation != Operation::TakeUsage)
    {
        tokio::task::yield_now().await;
    }
    world.crash().await;
    let busy = world.owner(Method::POST, PUBLISH, Value::Null).await;
    assert_eq!(
        busy.status,
        StatusCode::CONFLICT,
        "nobody knows yet that it died"
    );
    world.advance(61).await;
    assert_eq!(status(&world).await, ("COMPLETED".into(), "FAILED".into()));
    let accepted = world.owner(Method::POST, PUBLISH, Value::Null).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED, "{}", accepted.text());
    assert_eq!(completed(&world).await, "SUCCESSFUL");
    assert_eq!(counted(&world), 3, "and nothing was counted twice");
}

#[tokio::test]
async fn what_the_engine_makes_of_published_use_is_seen_as_an_invoice() {
    let world = World::billed_by_engine().await;
    let bought = used(&world, 5).await;
    world.travel("2026-03-31T23:59:00Z").await;
    world.owner(Method::POST, PUBLISH, Value::Null).await.ok();
    assert_eq!(completed(&world).await, "SUCCESSFUL");
    world.travel("2026-04-01T02:00:00Z").await;
    let invoices = world.invoices(&bought.id).await;
    assert_eq!(
        invoices.last().unwrap()["total"]["amount"],
        "0.05",
        "{invoices:?}"
    );
    assert_eq!(invoices.last().unwrap()["invoicing"], json!("by_engine"));
}

#[tokio::test]
async fn what_the_engine_rejects_is_listed_until_the_owner_decides_e9() {
    let world = World::billed_by_engine().await;
    used(&world, 3).await;
    let rejected = Fault::Record {
        index: 0,
        fault: RecordFault::Rejected,
    };
    world
        .mock()
        .inject(Injection::next(rejected).on(Operation::TakeUsage));
    world.owner(Method::POST, PUBLISH, Value::Null).await;
    completed(&world).await;
    let held = async || {
        let held = world.owner(Method::GET, "/api/v1/batches", Value::Null);
        held.await.ok()["items"].as_array().unwrap().clone()
    };
    let listed = held().await;
    let [batch] = listed.as_slice() else {
        panic!("{listed:?}");
    };
    assert_eq!(
        (batch["state"].text(), &batch["quantity"]),
        ("rejected".into(), &json!(3))
    );
    assert!(
        batch["reason"].text().contains("a scripted fault"),
        "{batch}"
    );

    let unbilled = world.owner(Method::GET, "/api/v1/usage/unbilled", Value::Null);
    let expected =
        json!({ "after_the_end": [], "held": listed, "written_off": [], "set_aside": [] });
    assert_eq!(unbilled.await.ok(), expected);

    let path = format!("/api/v1/batches/{}/decision", batch["id"].text());
    let nameless = json!({ "fate": "send_again", "because": " " });
    let refused = world.owner(Method::POST, &path, nameless).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("because"), "{}", refused.text());
    let decision = json!({ "fate": "send_again", "because": "owner: they have mended it" });
    let decided = world.owner(Method::POST, &path, decision).await.ok();
    assert_eq!(decided["state"], "sealed");
    assert_eq!(held().await, Vec::<Value>::new());
    world.owner(Method::POST, PUBLISH, Value::Null).await;
    assert_eq!(completed(&world).await, "SUCCESSFUL");
    assert_eq!(counted(&world), 3);

    let reconcile = "/api/v1/monetization/reconcile";
    let report = world.owner(Method::POST, reconcile, json!({})).await.ok();
    assert_eq!(
        report,
        json!({ "compared": 1, "differing": [], "decided": [], "failed": [] })
    );
}

/// By the tenant's owner, once, and while the engine takes it back.
#[tokio::test]
async fn the_owner_takes_back_what_was_reported_by_mistake_e9() {
    let world = World::billed_by_engine().await;
    let bought = used(&world, 3).await;
    world.owner(Method::POST, PUBLISH, Value::Null).await;
    assert_eq!(completed(&world).await, "SUCCESSFUL");
    let path = withdrawal(&world);
    let because = json!({ "because": "owner: a test of ours" });
    let (_, stranger) = world.stranger().await;
    let others = world.ask(Some(&stranger), Method::POST, &path, because.clone());
    assert_eq!(others.await.status, StatusCode::FORBIDDEN);
    let nobodys = "/api/v1/batches/bat_00000000000000000000000000000000/withdrawal";
    let missing = world.owner(Method::POST, nobodys, because.clone()).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(counted(&world), 3);

    let withdrawn = world.owner(Method::POST, &path, because.clone()).await.ok();
    assert_eq!(withdrawn["state"], "written_off");
    assert_eq!(counted(&world), 0);
    let unbilled = world.owner(Method::GET, "/api/v1/usage/unbilled", Value::Null);
    let unbilled = unbilled.await.ok();
    assert_eq!(unbilled["held"], json!([]));
    assert_eq!(unbilled["written_off"][0]["quantity"], 3);
    let again = world.owner(Method::POST, &path, because.clone()).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);

    let called = world.call(&bought.key, "/weather/now").await;
    assert_eq!(called.status, StatusCode::OK);
    world.owner(Method::POST, PUBLISH, Value::Null).await;
    assert_eq!(completed(&world).await, "SUCCESSFUL");
    let path = withdrawal(&world);
    world.advance(2 * 86_400).await;
    let late = world.owner(Method::POST, &path, because).await;
    assert_eq!(
        (late.status, late.code().as_str()),
        (StatusCode::CONFLICT, "too_late")
    );
    assert_eq!(counted(&world), 1);
}

/// Where to take back one of the reports that the provider counts.
fn withdrawal(world: &World) -> String {
    let subscriptions = world.mock().subscriptions();
    let mut records = subscriptions.iter().flat_map(|it| &it.records);
    let batch = records.next().unwrap().identifier;
    format!("/api/v1/batches/{batch}/withdrawal")
}

//! The command `check`, on what a server keeps while it serves.

use std::path::Path;

use http::{Method, StatusCode};
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;
use reference_server::check;
use reference_server::cli::{CheckArgs, DatabaseArgs};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use super::world::{Text, World};

/// Tells whether everything holds, and what was said.
async fn check(directory: &Path, json: bool) -> (bool, String) {
    let args = CheckArgs {
        data_directory: Some(directory.to_owned()),
        database: DatabaseArgs::default(),
        json,
    };
    let mut told = Vec::new();
    let holds = check::check(args, &mut told).await.unwrap();
    (holds, String::from_utf8(told).unwrap())
}

pub(super) async fn database(directory: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(directory.join("monetization.db"));
    options.connect().await.unwrap()
}

fn terms() -> Value {
    json!({
        "billing": "metered", "currency": "USD", "cycle": "month", "base_price": "25.00",
        "usage": [{ "meter": "requests", "unit_price": "0.50", "included": "2" }],
        "quotas": [{ "window": "month", "max": 1_000, "overage": "strict" }],
    })
}

/// R-Z4: as an operator would run it every hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_passes_while_the_server_serves_and_bills_r_z4() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::kept_in(folder.path(), |_| {}).await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, terms()).await;
    let bought = world.buy(&plan).await;
    world.pay(&bought.payment_url.clone().unwrap()).await;
    world.server().round().await;
    let serve = async {
        for call in 0..100 {
            let answer = world.call(&bought.key, &format!("/weather/{call}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        }
        world.travel("2026-04-01T02:00:00Z").await;
        world.server().round().await;
    };
    let check_again_and_again = async {
        for _ in 0..20 {
            let (holds, told) = check(folder.path(), false).await;
            assert!(holds, "{told}");
        }
    };
    tokio::join!(serve, check_again_and_again);
    let (holds, told) = check(folder.path(), true).await;
    assert!(holds, "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let looked = |name: &str| {
        let invariants = told["invariants"].as_array().unwrap();
        let found = invariants.iter().find(|it| it["name"] == name);
        found.unwrap()["looked"].as_u64().unwrap()
    };
    for name in [
        "ledger_equals_sums",
        "use_is_invoiced_once",
        "quotas_within_limit",
    ] {
        assert_eq!(looked(name), 1, "{name}");
    }
    assert_eq!(looked("lines_equal_total"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_told_by_name_and_id() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::kept_in(folder.path(), |_| {}).await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, terms()).await;
    let bought = world.buy(&plan).await;
    let mut raw = database(folder.path()).await;
    sqlx::query(
        "UPDATE fact SET body = json_set(body, '$.total.amount', '26.00') WHERE kind = 'invoice'",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    let invoices = world
        .owner(Method::GET, "/api/v1/invoices", Value::Null)
        .await
        .ok();
    let invoice = invoices["items"][0]["id"].text();
    let (holds, told) = check(folder.path(), false).await;
    assert!(!holds, "{told}");
    let line =
        format!("{invoice}: its lines add up to 2500 of the minor unit, its total says 2600");
    assert!(told.contains(&line), "{told}");
    assert!(told.contains("BROKEN  lines_equal_total"), "{told}");
    assert!(told.ends_with("1 of 21 invariants do not hold\n"), "{told}");
    let (holds, told) = check(folder.path(), true).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(!holds && told["holds"] == false);
    let broken: Vec<&Value> = told["invariants"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["holds"] == false)
        .collect();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0]["examples"][0]["id"], invoice);
    drop(bought);
}

/// An operation that was given up breaks nothing, and nobody would carry it out again.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_an_operator_is_told_beside_the_invariants() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::kept_in(folder.path(), |_| {}).await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, terms()).await;
    let refusal = Refusal::new(RefusalKind::Permanent, "not today");
    let refused = Injection::next(Fault::Refuse(refusal)).on(Operation::IssueInvoice);
    world.mock().inject(refused);
    world.buy(&plan).await;
    let (holds, told) = check(folder.path(), false).await;
    assert!(holds, "{told}");
    let last = told.lines().last().unwrap();
    assert!(last.starts_with("waits for an operator: operation, 1 in all, the newest int_"));
    assert!(last.ends_with("not today"), "{last}");
    let (_, told) = check(folder.path(), true).await;
    let told: Value = serde_json::from_str(&told).unwrap();
    let held = &told["held"][0];
    assert_eq!(
        (held["kind"].text(), &held["count"]),
        ("operation".to_owned(), &json!(1))
    );
}

#[tokio::test]
async fn where_there_is_no_database_there_is_nothing_to_check() {
    let folder = tempfile::tempdir().unwrap();
    let args = CheckArgs {
        data_directory: Some(folder.path().to_owned()),
        database: DatabaseArgs::default(),
        json: false,
    };
    let error = check::check(args, Vec::new()).await.unwrap_err();
    let said = reference_server::report::chain(&error);
    assert!(said.contains("monetization.db"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

//! Operations at the engine that were given up, and are carried out again.

use http::{Method, StatusCode};
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;
use serde_json::{Value, json};

use super::world::{Text, World, fixed};

const OPERATIONS: &str = "/api/v1/operations";

#[tokio::test]
async fn operations_that_were_given_up_are_listed_and_carried_out_again_by_order() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, fixed("25.00")).await;
    let refusal = Refusal::new(RefusalKind::Permanent, "not today");
    let refused = Injection::next(Fault::Refuse(refusal)).on(Operation::IssueInvoice);
    world.mock().inject(refused.times(3));
    world.buy(&plan).await;
    world.buy(&plan).await;
    assert!(world.mock().invoices().is_empty());

    let first = format!("{OPERATIONS}?limit=1");
    let page = world.owner(Method::GET, &first, Value::Null).await.ok();
    assert_eq!(page["has_more"], true);
    let next = format!("{first}&cursor={}", page["next_cursor"].text());
    let last = world.owner(Method::GET, &next, Value::Null).await.ok();
    assert_eq!(last["has_more"], false);
    let (one, other) = (&page["items"][0], &last["items"][0]);
    for it in [one, other] {
        assert_eq!(it["operation"], "issue_invoice");
        assert!(it["invoice"].text().starts_with("inv_"));
        assert!(it["reason"].text().ends_with("not today"), "{it}");
        assert_eq!(it["parked_at"], "2026-03-01T00:00:00Z");
    }

    let path = format!("{OPERATIONS}/{}/resumption", one["id"].text());
    let (_, stranger) = world.stranger().await;
    let others = world.ask(Some(&stranger), Method::POST, &path, Value::Null);
    assert_eq!(others.await.status, StatusCode::FORBIDDEN);
    let again = world.owner(Method::POST, &path, Value::Null).await.ok();
    assert_eq!(again["state"], "parked");
    assert!(again["reason"].text().ends_with("not today"), "{again}");
    let done = world.owner(Method::POST, &path, Value::Null).await.ok();
    assert_eq!(done, json!({ "id": one["id"], "state": "done" }));
    assert_eq!(world.mock().invoices().len(), 1);
    let left = world.owner(Method::GET, OPERATIONS, Value::Null).await.ok();
    assert_eq!(left["items"], json!([other]));
    let over = world.owner(Method::POST, &path, Value::Null).await;
    assert_eq!(over.status, StatusCode::NOT_FOUND);
}

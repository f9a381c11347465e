use http::{Method, StatusCode};
use monetization_core::secret::Secret;
use serde_json::{Value, json};

use super::world::{Text, World, fixed, free, metered};

#[tokio::test]
async fn an_event_that_is_reported_again_counts_once_e2() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world
        .buy(&world.plan(&product, metered("0.10")).await)
        .await;
    let event = |id: &str, quantity: &str, meter: &str| {
        json!({
            "source": "billing-test", "id": id, "subscription": bought.id,
            "meter": meter, "quantity": quantity,
        })
    };
    let report = async |events: Value| {
        let answers = world
            .publisher(Method::POST, "/api/v1/usage", events)
            .await
            .ok();
        let results = answers
            .as_array()
            .unwrap()
            .iter()
            .map(|answer| answer["result"].text());
        results.collect::<Vec<_>>()
    };
    let first = json!([
        event("1", "5", "requests"),
        event("1", "5", "requests"),
        event("2", "3", "requests")
    ]);
    assert_eq!(
        report(first.clone()).await,
        ["accepted", "duplicate", "accepted"]
    );
    assert_eq!(report(first).await, ["duplicate", "duplicate", "duplicate"]);
    let odd = json!([
        event("1", "6", "requests"),
        event("3", "-1", "requests"),
        event("4", "1.5", "requests"),
        event("5", "1", "bananas"),
        event("6", "1", "requests"),
    ]);
    assert_eq!(
        report(odd).await,
        ["conflict", "refused", "refused", "refused", "accepted"]
    );
    let usage = format!("/api/v1/subscriptions/{}/usage", bought.id);
    let statement = world.developer(Method::GET, &usage, Value::Null).await.ok();
    assert_eq!(statement["used"][0]["used"], "9");
    assert_eq!(statement["total"]["amount"], "0.90");
}

#[tokio::test]
async fn use_of_other_publishers_products_cannot_be_reported() {
    let world = World::start().await;
    let rival = world
        .owner(
            Method::POST,
            "/api/v1/publishers",
            json!({ "name": "A rival" }),
        )
        .await
        .ok();
    let token = json!({ "role": "publisher", "publisher": rival["id"] });
    let token = world
        .owner(Method::POST, "/api/v1/tokens", token)
        .await
        .ok()["token"]
        .text();
    let product = world.product("weather").await;
    let bought = world
        .buy(&world.plan(&product, metered("0.10")).await)
        .await;
    let event = json!([{
        "source": "s", "id": "1", "subscription": bought.id, "meter": "requests", "quantity": "1",
    }]);
    let refused = world
        .ask(
            Some(&Secret::new(token)),
            Method::POST,
            "/api/v1/usage",
            event,
        )
        .await
        .ok();
    assert_eq!(refused[0]["result"], "refused");
    assert_eq!(refused[0]["error"]["field"], "subscription");
}

#[tokio::test]
async fn a_statement_is_for_those_whose_business_it_is_h1() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let mut terms = metered("0.0001");
    terms["base_price"] = json!("25.00");
    let bought = world.buy(&world.plan(&product, terms).await).await;
    world.pay(bought.payment_url.as_ref().unwrap()).await;
    world.call(&bought.key, "/weather/now").await;
    let usage = format!("/api/v1/subscriptions/{}/usage", bought.id);
    let owner = world.owner(Method::GET, &usage, Value::Null).await.ok();
    assert_eq!(
        owner["period"],
        json!({ "start": "2026-03-01T00:00:00Z", "end": "2026-04-01T00:00:00Z" })
    );
    assert_eq!(
        owner["used"][0],
        json!({
            "meter": "requests", "unit": "requests", "used": "1", "included": "0", "remaining": "0",
            "resets_at": "2026-04-01T00:00:00Z", "cost": { "amount": "0.00", "currency": "USD" },
        })
    );
    assert_eq!(
        owner["total"],
        json!({ "amount": "25.00", "currency": "USD" })
    );
    assert_eq!(owner["lines"][0]["parts"][0]["unit_price"], "0.0001");
    assert_eq!(
        world.publisher(Method::GET, &usage, Value::Null).await.ok(),
        owner
    );
    assert_eq!(
        world.developer(Method::GET, &usage, Value::Null).await.ok(),
        owner
    );
    let (_, stranger) = world.stranger().await;
    let refused = world
        .ask(Some(&stranger), Method::GET, &usage, Value::Null)
        .await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn enabling_twice_is_no_failure_and_new_plans_are_added_j4() {
    let world = World::start().await;
    let product = world.draft("weather").await;
    let plan = world.plan(&product, fixed("49.00")).await;
    world.plan(&product, free()).await;
    let monetize = format!("/api/v1/products/{product}/monetize");
    let enable = async || {
        world
            .owner(
                Method::POST,
                &monetize,
                json!({ "enabled": true, "properties": {} }),
            )
            .await
            .ok()
    };
    let first = enable().await;
    assert_eq!(first["changed"], true);
    let again = enable().await;
    assert_eq!(again["changed"], false);
    let results = |answer: &Value| {
        let plans = answer["plans"].as_object().unwrap().values();
        plans.map(|plan| plan["result"].text()).collect::<Vec<_>>()
    };
    assert_eq!(
        (results(&first), results(&again)),
        (vec!["created".to_owned()], vec!["existing".to_owned()])
    );
    world.plan(&product, metered("0.01")).await;
    let mut third = results(&enable().await);
    third.sort();
    assert_eq!(third, ["created", "existing"]);
    let mapping = world
        .owner(
            Method::GET,
            &format!("/api/v1/products/{product}/monetization"),
            Value::Null,
        )
        .await
        .ok();
    assert_eq!(mapping["enabled"], true);
    assert_eq!(mapping["plans"].as_object().unwrap().len(), 2);
    let version = world
        .owner(Method::GET, &format!("/api/v1/plans/{plan}"), Value::Null)
        .await
        .ok()["version"]
        .text();
    assert!(mapping["plans"][version].is_string());
    let unknown = json!({ "enabled": true, "properties": { "Colour": "red" } });
    let refused = world.owner(Method::POST, &monetize, unknown).await;
    assert_eq!(refused.field(), "attributes.Colour");
}

#[tokio::test]
async fn taking_a_product_off_sale_names_who_still_uses_it_j5() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, metered("0.01")).await;
    let bought = world.buy(&plan).await;
    let monetize = format!("/api/v1/products/{product}/monetize");
    let disable = async |body: Value| world.owner(Method::POST, &monetize, body).await;
    let refused = disable(json!({ "enabled": false })).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::CONFLICT, "in_use")
    );
    assert!(refused.text().contains(&bought.id), "{}", refused.text());
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
    let out = disable(json!({ "enabled": false, "subscriptions": "run_out" }))
        .await
        .ok();
    assert_eq!(
        (&out["changed"], &out["cancelled"]),
        (&json!(true), &json!([bought.id]))
    );
    assert_eq!(world.subscription(&bought.id).await["status"], "ending");
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
    let again = disable(json!({ "enabled": false })).await.ok();
    assert_eq!(again["changed"], false);
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_refused_at_the_start_j1() {
    use monetization_core::clock::Clock;
    use monetization_core::entropy::Entropy;
    use monetization_core::key::Pepper;
    use monetization_core::memory::MemoryStore;
    use monetization_engine_mock::provider::Rules;
    use monetization_engine_mock::{JournalPlace, MemoryJournal};
    use reference_server::report::chain;
    use reference_server::server::{Ingredients, Server};
    use reference_server::settings::Settings;
    use std::sync::Arc;

    let start = async |engine: &str| {
        let mut settings = Settings::default();
        settings.gateway_address = ([127, 0, 0, 1], 0).into();
        settings.control_address = ([127, 0, 0, 1], 0).into();
        settings.engine = engine.parse().unwrap();
        let ingredients = Ingredients {
            store: Arc::new(MemoryStore::default()),
            clock: Clock::system(),
            manual_clock: None,
            entropy: Arc::new(Entropy::seeded(1)),
            pepper: Pepper::new(&[1; 16]).unwrap(),
            journal: JournalPlace::Memory(MemoryJournal::default()),
            rules: Rules::default(),
            newest_record: None,
            lease: None,
            set_aside: None,
        };
        Server::start(&settings, ingredients).await
    };
    let unknown = start("paypal").await.unwrap_err();
    let said = chain(&unknown);
    assert!(
        said.contains("there is no engine \"paypal\": known are mock, none"),
        "{said}"
    );
    // Stripe is not taken for another engine where nothing is said of it.
    let unsaid = chain(&start("stripe").await.unwrap_err());
    let expected = if cfg!(feature = "stripe") {
        "start with --engine-secrets-file"
    } else {
        "there is no engine \"stripe\""
    };
    assert!(unsaid.contains(expected), "{unsaid}");
    for known in ["mock", "none"] {
        assert!(start(known).await.is_ok(), "{known}");
    }
}

/// With the engine that does nothing, free plans are sold, metered and limited; others are not.
#[tokio::test]
async fn without_an_engine_calls_are_metered_and_limited_only_j1() {
    let world = World::with(|settings| settings.engine = "none".parse().unwrap()).await;
    let product = world.product("weather").await;
    let mut terms = free();
    terms["rates"] = json!([{ "kind": "calendar", "window": "hour", "max": 1 }]);
    let bought = world.buy(&world.plan(&product, terms).await).await;
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    let priced = world.plan(&product, fixed("49.00")).await;
    let refused = world
        .developer(
            Method::POST,
            "/api/v1/subscriptions",
            super::world::order(&priced),
        )
        .await;
    assert_eq!(refused.field(), "plan");
    let page = world.owner(Method::GET, "/mock/pay/x", Value::Null).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

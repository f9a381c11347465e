use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::world::{Text, World, free};

#[tokio::test]
async fn a_key_works_from_its_making_to_the_end_of_its_subscription_g1() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, free()).await).await;
    assert!(bought.key.starts_with("mk_live_"));
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
    let keys = format!("/api/v1/subscriptions/{}/keys", bought.id);
    let list = world.developer(Method::GET, &keys, Value::Null).await;
    assert!(!list.text().contains(&bought.key), "a key is told once");
    let hint = list.ok()[0]["hint"].text();
    let secret = bought.key.rsplit_once('_').unwrap().0;
    assert!(secret.ends_with(&hint), "{hint}");
    let cancel = format!("/api/v1/subscriptions/{}/cancel", bought.id);
    world
        .developer(Method::POST, &cancel, json!({ "mode": "now" }))
        .await
        .ok();
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn an_old_key_is_good_for_the_overlap_and_no_longer_g6() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, free()).await).await;
    let keys = format!("/api/v1/subscriptions/{}/keys", bought.id);
    let first = world.developer(Method::GET, &keys, Value::Null).await.ok()[0]["id"].text();
    let rotate = format!("/api/v1/keys/{first}/rotate");
    let rotated = world
        .developer(Method::POST, &rotate, json!({ "overlap_seconds": 60 }))
        .await
        .ok();
    let new = rotated["key"].text();
    for key in [&bought.key, &new] {
        assert_eq!(world.call(key, "/weather/now").await.status, StatusCode::OK);
    }
    world.advance(60).await;
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        world.call(&new, "/weather/now").await.status,
        StatusCode::OK
    );
    let path = format!("/api/v1/keys/{}", rotated["id"].text());
    world
        .developer(Method::DELETE, &path, Value::Null)
        .await
        .ok();
    let revoked = world.call(&new, "/weather/now").await;
    assert_eq!(
        (revoked.status, revoked.code().as_str()),
        (StatusCode::UNAUTHORIZED, "invalid_key")
    );
    let again = world.developer(Method::DELETE, &path, Value::Null).await;
    assert_eq!(
        again.status,
        StatusCode::OK,
        "revoking twice changes nothing"
    );
    let late = world
        .developer(Method::POST, &format!("{path}/rotate"), json!({}))
        .await;
    assert_eq!(late.code(), "illegal_state");
    let long = world
        .developer(
            Method::POST,
            &rotate,
            json!({ "overlap_seconds": u32::MAX }),
        )
        .await;
    assert_eq!(long.field(), "overlap_seconds");
}

#[tokio::test]
async fn the_upstream_learns_who_is_calling_from_us_alone_g3() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, free()).await).await;
    let spoofed = Request::get(world.gateway("/weather/now"))
        .header("authorization", format!("Bearer {}", bought.key))
        .header("x-consumer-id", "con_somebody")
        .header("X_Consumer_ID", "con_somebody")
        .header("x-consumer-username", "root")
        .header("x-consumer-groups", "admins")
        .header("connection", "x-consumer-id")
        .header("x-mine", "kept")
        .body(Full::default())
        .unwrap();
    assert_eq!(world.send(spoofed).await.status, StatusCode::OK);
    let asked = world.upstream.asked().pop().unwrap().headers;
    let consumer = world.first.consumer.to_string();
    let seen = |name: &str| {
        let values = asked.get_all(name).into_iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(seen("x-consumer-id"), [consumer]);
    assert_eq!(seen("x-consumer-custom-id"), ["u-17"]);
    assert_eq!(seen("x-consumer-username"), ["buyer"]);
    assert_eq!(seen("x-mine"), ["kept"]);
    for gone in [
        "x_consumer_id",
        "x-consumer-groups",
        "authorization",
        "x-api-key",
    ] {
        assert!(seen(gone).is_empty(), "{gone}");
    }
}

/// R-A5: what is no key by its checksum is refused without a look anywhere.
#[tokio::test]
async fn junk_keys_are_refused() {
    let world = World::start().await;
    let owner = world.first.owner_token.reveal().to_owned();
    for key in ["", "x", "mk_live_", &owner] {
        let reply = world.call(key, "/weather/now").await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{key}");
    }
}

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::world::{World, free, metered};

async fn open(world: &World) -> String {
    let product = world.product("weather").await;
    world.buy(&world.plan(&product, free()).await).await.key
}

#[tokio::test]
async fn method_headers_query_and_body_arrive_as_they_were_sent() {
    let world = World::start().await;
    let key = open(&world).await;
    let body = Bytes::from(vec![b'x'; 300_000]);
    let request = Request::put(world.gateway("/weather/echo?a=b&a=%2F"))
        .header("x-api-key", key)
        .header("content-type", "text/csv")
        .body(Full::new(body.clone()))
        .unwrap();
    let reply = world.send(request).await;
    assert_eq!((reply.status, reply.bytes == body), (StatusCode::OK, true));
    let asked = world.upstream.asked().pop().unwrap();
    assert_eq!(asked.target, "/echo?a=b&a=%2F");
    assert_eq!(asked.headers["content-type"], "text/csv");
    assert_eq!(asked.headers["host"], world.upstream.address.to_string());
    assert_eq!(asked.body.len(), body.len());
}

#[tokio::test]
async fn a_redirection_is_the_clients_and_leads_through_the_gateway_g2() {
    let world = World::start().await;
    let key = open(&world).await;
    let reply = world.call(&key, "/weather/elsewhere").await;
    assert_eq!(reply.status, StatusCode::FOUND);
    assert_eq!(reply.header("location"), "/weather/there?x=1");
    assert_eq!(world.upstream.asked().len(), 1, "nobody has followed it");
}

#[tokio::test]
async fn an_upstream_that_is_away_or_slow_is_told_without_its_address_g2() {
    let world =
        World::with(|settings| settings.upstream_timeout = Duration::from_millis(300)).await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, metered("1")).await).await;
    let slow = world.call(&bought.key, "/weather/slow").await;
    assert_eq!(
        (slow.status, slow.code().as_str()),
        (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout")
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let change = json!({ "gateway_endpoint": format!("http://{closed}") });
    world
        .owner(
            Method::PATCH,
            &format!("/api/v1/products/{product}"),
            change,
        )
        .await
        .ok();
    let away = world.call(&bought.key, "/weather/now").await;
    assert_eq!(
        (away.status, away.code().as_str()),
        (StatusCode::BAD_GATEWAY, "no_answer")
    );
    for reply in [&slow, &away] {
        assert!(
            !reply.text().contains("127.0.0.1")
                && !format!("{:?}", reply.headers).contains("127.0.0.1")
        );
    }
    let usage = format!("/api/v1/subscriptions/{}/usage", bought.id);
    let statement = world.owner(Method::GET, &usage, Value::Null).await.ok();
    assert_eq!(
        statement["total"]["amount"], "0.00",
        "no answer costs nothing"
    );
}

#[tokio::test]
async fn upstreams_on_this_machine_are_the_owners_choice_x6() {
    let world = World::with(|settings| settings.private_upstreams = false).await;
    let key = open(&world).await;
    let refused = world.call(&key, "/weather/now").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::BAD_GATEWAY, "no_answer")
    );
    assert!(world.upstream.asked().is_empty());
}

#[tokio::test]
async fn a_product_cannot_be_served_by_the_control_plane() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let key = world.buy(&world.plan(&product, free()).await).await.key;
    let change = json!({ "gateway_endpoint": world.control("") });
    world
        .owner(
            Method::PATCH,
            &format!("/api/v1/products/{product}"),
            change,
        )
        .await
        .ok();
    assert_eq!(
        world.call(&key, "/weather/livez").await.status,
        StatusCode::BAD_GATEWAY
    );
}

#[tokio::test]
async fn a_body_that_is_too_long_never_arrives_g6() {
    let world = World::with(|settings| settings.request_bytes_max = 1_000).await;
    let key = open(&world).await;
    let send = async |length: usize| {
        let request = Request::post(world.gateway("/weather/echo"))
            .header("x-api-key", &key)
            .body(Full::new(Bytes::from(vec![b'x'; length])))
            .unwrap();
        world.send(request).await
    };
    assert_eq!(send(1_000).await.status, StatusCode::OK);
    let long = send(1_001).await;
    assert_eq!(
        (long.status, long.code().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "body_too_long")
    );
    assert_eq!(world.upstream.asked().len(), 1);
}

/// A head that is never finished is not waited for for ever.
#[tokio::test]
async fn a_client_that_never_finishes_its_head_is_let_go_g5() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::with(|settings| settings.head_timeout = Duration::from_millis(300)).await;
    let mut socket = tokio::net::TcpStream::connect(world.server().gateway_address())
        .await
        .unwrap();
    socket
        .write_all(b"GET /weather/now HTTP/1.1\r\nHost: x\r\nX-Slow:")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let ended =
        tokio::time::timeout(Duration::from_secs(15), socket.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn health_is_told_to_whoever_asks() {
    let world = World::start().await;
    assert_eq!(world.anybody(Method::GET, "/livez").await.text(), "alive\n");
    let ready = world.anybody(Method::GET, "/readyz").await.ok();
    assert_eq!(
        (&ready["ready"], &ready["checks"]["store"]),
        (&json!(true), &json!(true))
    );
}

//! What the upstream is told, and what is not told of it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use monetization_gateway_tower::{Forward, LayerOptions, MonetizationLayer, Mount};
use tower::ServiceExt;

use crate::support::{Setting, TestBody, Upstream, World, ok, send, whole};

type Seen = Arc<Mutex<Vec<Parts>>>;

fn echo() -> (Seen, impl Upstream<TestBody>) {
    let seen = Seen::default();
    let sink = Arc::clone(&seen);
    let service = tower::service_fn(move |request: Request<TestBody>| {
        sink.lock().unwrap().push(request.into_parts().0);
        async { Ok(Response::new(whole("ok"))) }
    });
    (seen, service)
}

#[tokio::test]
async fn the_upstream_learns_who_calls_and_never_the_key() {
    let world = World::start(Setting::default()).await;
    let (seen, service) = echo();
    let options = LayerOptions {
        private_cookies: vec!["__Host-session".to_owned()],
        ..world.options()
    };
    let service = world.layer(options, service);
    let mut request = world.get("/cities/bonn?day=1");
    let cookie = HeaderValue::from_static("a=1; __Host-session=secret");
    request.headers_mut().insert("cookie", cookie);
    assert_eq!(send(&service, request).await.status, 200);
    let mut request = world.get("/");
    request.headers_mut().remove("authorization");
    request
        .headers_mut()
        .insert("x-api-key", world.key.parse().unwrap());
    assert_eq!(send(&service, request).await.status, 200);

    let seen = std::mem::take(&mut *seen.lock().unwrap());
    for parts in &seen {
        let consumer = world.subscription.consumer.to_string();
        assert_eq!(parts.headers["x-consumer-id"], consumer);
        assert_eq!(parts.headers["x-consumer-custom-id"], "user-17");
        assert_eq!(parts.headers["x-consumer-username"], "ada");
        let told = format!("{:?} {}", parts.headers, parts.uri);
        assert!(!told.contains(&world.key), "{told}");
        assert!(!parts.headers.contains_key("authorization"));
        assert!(!parts.headers.contains_key("x-api-key"));
    }
    assert_eq!(seen[0].headers["cookie"], "a=1");
    assert_eq!(seen[0].uri, "/cities/bonn?day=1");
    let forward = seen[0].extensions.get::<Forward>().unwrap();
    assert_eq!(forward.path_and_query, "/cities/bonn?day=1");
    assert_eq!(
        forward.endpoint.as_str(),
        "http://upstream.internal:9000/v1"
    );
    assert_eq!(forward.subscription, world.subscription.id);
    assert_eq!(forward.resource, None);
}

#[tokio::test]
async fn the_record_has_the_id_that_the_upstream_was_told() {
    let world = World::start(Setting::default()).await;
    let (seen, service) = echo();
    let service = world.layer(world.options(), service);
    assert_eq!(send(&service, world.get("/")).await.status, 200);
    let told = seen.lock().unwrap()[0]
        .extensions
        .get::<Forward>()
        .unwrap()
        .record;
    assert_eq!(world.records().await[0].id, told);
}

#[tokio::test]
async fn forwarding_headers_are_believed_only_where_they_are_trusted() {
    let world = World::start(Setting::default()).await;
    for trusts_forwarded in [false, true] {
        let (seen, service) = echo();
        let options = LayerOptions {
            trusts_forwarded,
            ..world.options()
        };
        let service = world.layer(options, service);
        let mut request = world.get("/");
        for name in [
            "x-forwarded-for",
            "x-forwarded-host",
            "forwarded",
            "x-real-ip",
        ] {
            request
                .headers_mut()
                .insert(name, HeaderValue::from_static("10.0.0.1"));
        }
        assert_eq!(send(&service, request).await.status, 200);
        let headers = &seen.lock().unwrap()[0].headers;
        assert_eq!(headers.contains_key("x-forwarded-for"), trusts_forwarded);
        assert_eq!(headers.contains_key("x-forwarded-host"), trusts_forwarded);
        assert_eq!(headers.contains_key("forwarded"), trusts_forwarded);
        assert_eq!(headers.contains_key("x-real-ip"), trusts_forwarded);
    }
}

#[tokio::test]
async fn an_answer_does_not_tell_where_the_upstream_is() {
    let world = World::start(Setting::default()).await;
    let talkative = tower::service_fn(|_: Request<TestBody>| async {
        let response = Response::builder()
            .status(302)
            .header("location", "http://upstream.internal:9000/v1/cities/3")
            .header("content-location", "http://upstream.internal:9000/admin")
            .header(
                "link",
                "<http://upstream.internal:9000/v1?page=2>; rel=next",
            )
            .header("alt-svc", "h3=\"upstream.internal:443\"")
            .header("server", "inside/1.0")
            .header("connection", "x-hop, close")
            .header("x-hop", "1")
            .header("set-cookie", "__Host-session=forged; Secure")
            .header("set-cookie", "own=1")
            .body(whole("moved"));
        Ok::<_, Infallible>(response.unwrap())
    });
    let options = LayerOptions {
        private_cookies: vec!["__Host-session".to_owned()],
        hides_server: true,
        ..world.options()
    };
    let received = send(&world.layer(options, talkative), world.get("/")).await;
    received.assert_headers(&[
        ("location", "/weather/cities/3"),
        ("content-location", ""),
        ("link", ""),
        ("alt-svc", ""),
        ("server", ""),
        ("connection", ""),
        ("x-hop", ""),
        ("set-cookie", "own=1"),
    ]);
    assert!(!format!("{:?}", received.headers).contains("upstream.internal"));
    let received = send(&world.layer(world.options(), ok()), world.get("/")).await;
    assert_eq!(received.status, 200);
}

#[tokio::test]
async fn an_axum_router_is_sold_by_one_line() {
    let world = World::start(Setting::default()).await;
    let options = LayerOptions {
        mount: Mount::Fixed("weather".parse().unwrap()),
        ..world.options()
    };
    let layer = MonetizationLayer::new(world.gatekeeper.clone(), world.clock.clone(), options);
    let router: Router = Router::new()
        .route("/cities/{city}", get(async |Path(city): Path<String>| city))
        .layer(layer);
    let ask = async |path: &str| {
        let request = Request::get(path).header("x-api-key", &world.key);
        let response = router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await;
        response.unwrap().status().as_u16()
    };
    assert_eq!(ask("/cities/bonn").await, 200);
    // The router has matched it as it came, so it must not be read otherwise afterwards.
    assert_eq!(ask("/cities/b%6Fnn").await, 400);
    let records = world.records().await;
    assert_eq!(records.len(), 1);
}

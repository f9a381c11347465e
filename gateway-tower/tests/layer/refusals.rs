//! Who is refused, and how: 401, 402, 403, 404, 400, 502, 503.

use std::sync::atomic::Ordering;

use http::{HeaderValue, Request, Response};
use monetization_core::ids::ApiKeyId;
use monetization_core::key::{ApiKey, KeyKind, PresentedKey};
use monetization_core::plan::QuotaWindow;
use monetization_core::product::{Method, Product, ProductState, Resource};
use monetization_core::subscription::{BlockReason, Subscription, SubscriptionState};
use monetization_gateway_tower::Monetization;

use crate::support::{
    Broken, Gate, Offer, Received, Setting, TestBody, World, counted, ok, send, strict,
};

type Answer = Response<TestBody>;

fn assert_problem(received: &Received, status: u16, code: &str) {
    assert_eq!(received.status, status, "{}", received.body);
    assert_eq!(received.header("Content-Type"), "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&received.body).unwrap();
    assert_eq!(problem["code"], code);
    assert_eq!(problem["status"], status);
    for member in ["type", "title", "detail"] {
        assert!(problem[member].is_string(), "{member}");
    }
}

fn with_key(world: &World, name: &'static str, value: &str) -> Request<TestBody> {
    let mut request = world.get("/");
    request.headers_mut().remove("authorization");
    request
        .headers_mut()
        .append(name, HeaderValue::from_str(value).unwrap());
    request
}

#[tokio::test]
async fn without_one_valid_key_the_answer_is_401_and_the_upstream_hears_nothing() {
    let world = World::start(Setting::default()).await;
    let (calls, service) = counted();
    let service = world.layer(world.options(), service);
    let mut none = world.get("/");
    none.headers_mut().remove("authorization");
    let mut both = with_key(&world, "x-api-key", &world.key);
    both.headers_mut()
        .append("x-api-key", HeaderValue::from_str(&world.key).unwrap());
    let id: ApiKeyId = world.entropy.id(world.clock.now());
    let unknown = PresentedKey::generate(KeyKind::Live, id, &world.entropy).reveal();
    // The right id with another secret.
    let forged = PresentedKey::generate(KeyKind::Live, world.key_id, &world.entropy).reveal();
    let admin = PresentedKey::generate(KeyKind::Admin, world.key_id, &world.entropy).reveal();
    let requests = [
        (none, "no_key"),
        (both, "several_keys"),
        (with_key(&world, "x-api-key", "nonsense"), "invalid_key"),
        (
            with_key(&world, "authorization", "Basic YTpi"),
            "invalid_key",
        ),
        (
            with_key(&world, "x-api-key", unknown.reveal()),
            "invalid_key",
        ),
        (
            with_key(&world, "x-api-key", forged.reveal()),
            "invalid_key",
        ),
        (with_key(&world, "x-api-key", admin.reveal()), "invalid_key"),
    ];
    for (request, code) in requests {
        let refused = send(&service, request).await;
        assert_problem(&refused, 401, code);
        assert_eq!(refused.header("WWW-Authenticate"), "Bearer");
    }
    let through_header = with_key(&world, "x-api-key", &world.key);
    assert_eq!(send(&service, through_header).await.status, 200);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(world.records().await.len(), 1);
}

#[tokio::test]
async fn an_unpaid_subscription_is_refused_with_402_until_it_is_paid() {
    let world = World::start(Setting::default()).await;
    let service = world.layer(world.options(), ok());
    let id = world.subscription.id;
    let unpaid = |it: &mut Subscription| it.blocks.extend([BlockReason::Payment]);
    world.change(id, unpaid).await;
    world.gatekeeper.refresh().await.unwrap();
    assert_problem(
        &send(&service, world.get("/")).await,
        402,
        "payment_required",
    );
    world
        .change(id, |it: &mut Subscription| it.blocks.clear())
        .await;
    world.gatekeeper.refresh().await.unwrap();
    assert_eq!(send(&service, world.get("/")).await.status, 200);
}

#[tokio::test]
async fn a_subscription_that_opens_nothing_is_refused_with_the_reason() {
    let world = World::start(Setting::default()).await;
    let service = world.layer(world.options(), ok());
    let states = [
        (SubscriptionState::PendingApproval, 403, "not_approved"),
        (SubscriptionState::AwaitingPayment, 402, "payment_required"),
        (SubscriptionState::Ended, 403, "subscription_ended"),
    ];
    for (state, status, code) in states {
        let id = world.subscription.id;
        world
            .change(id, |it: &mut Subscription| it.state = state)
            .await;
        world.gatekeeper.refresh().await.unwrap();
        assert_problem(&send(&service, world.get("/")).await, status, code);
    }
    let blocked = |it: &mut Subscription| {
        it.state = SubscriptionState::Active;
        it.blocks.insert(BlockReason::Admin);
    };
    world.change(world.subscription.id, blocked).await;
    world.gatekeeper.refresh().await.unwrap();
    assert_problem(&send(&service, world.get("/")).await, 403, "blocked");
    let archived = |it: &mut Product| it.state = ProductState::Archived;
    world.change(world.subscription.product, archived).await;
    world.gatekeeper.refresh().await.unwrap();
    assert_problem(&send(&service, world.get("/")).await, 404, "not_served");
}

#[tokio::test]
async fn a_product_of_others_looks_like_one_that_does_not_exist() {
    let world = World::start(Setting::default()).await;
    let mut other: Product = {
        use monetization_core::store::StoreExt;
        let of = &world.subscription;
        world
            .memory
            .fact(of.tenant, of.product)
            .await
            .unwrap()
            .unwrap()
            .fact
    };
    other.id = world.entropy.id(world.clock.now());
    other.slug = "oracle".parse().unwrap();
    world.insert(&other).await;
    world.gatekeeper.refresh().await.unwrap();
    let service = world.layer(world.options(), ok());
    let ask = async |path: &str| {
        let mut request = world.get("/");
        *request.uri_mut() = path.parse().unwrap();
        let refused = send(&service, request).await;
        assert_problem(&refused, 403, "no_subscription");
        (format!("{:?}", refused.headers), refused.body)
    };
    let of_others = ask("/oracle/today").await;
    assert_eq!(of_others, ask("/nothing/today").await);
    assert_eq!(of_others, ask("/").await);
}

#[tokio::test]
async fn what_a_product_does_not_declare_is_404_and_takes_nothing() {
    let resource = Resource {
        identifier: "read".parse().unwrap(),
        method: Method::Get,
        path: "/cities/{city}".parse().unwrap(),
        name: "Read".parse().unwrap(),
        description: None,
    };
    let world = World::start(Setting {
        offer: Offer {
            resources: vec![resource],
            quotas: vec![strict(QuotaWindow::Month, 10)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.options(), ok());
    for (method, path) in [
        ("GET", "/"),
        ("POST", "/cities/bonn"),
        ("GET", "/cities/bonn/x"),
    ] {
        let refused = send(&service, world.request(method, path)).await;
        assert_problem(&refused, 404, "no_such_resource");
    }
    let passed = send(&service, world.get("/cities/bonn")).await;
    assert_eq!(passed.header("X-RateLimit-Remaining-Month"), "9");
    let records = world.records().await;
    assert_eq!(records[0].resource.as_ref().unwrap().as_str(), "read");
}

#[tokio::test]
async fn an_ambiguous_path_is_400_before_the_key_is_looked_at() {
    let world = World::start(Setting::default()).await;
    let service = world.layer(world.options(), ok());
    for path in [
        "/a/../b",
        "//a",
        "/a%2fb",
        "/%2e%2e/a",
        "/a;b",
        "/a%00",
        "/a%25b",
        "/%zz",
    ] {
        let mut request = world.get(path);
        request.headers_mut().remove("authorization");
        assert_problem(&send(&service, request).await, 400, "ambiguous_path");
    }
    let mut long = world.get("/");
    *long.uri_mut() = format!("/weather/{}", "a".repeat(9_000)).parse().unwrap();
    assert_problem(&send(&service, long).await, 414, "target_too_long");
    assert!(world.records().await.is_empty());
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_502_and_says_no_address() {
    let world = World::start(Setting::default()).await;
    let broken = tower::service_fn(|_: Request<TestBody>| async {
        Err::<Answer, Broken>(Broken("connection refused: upstream.internal:9000"))
    });
    let service = world.layer(world.options(), broken);
    let received = send(&service, world.get("/")).await;
    assert_problem(&received, 502, "no_answer");
    assert!(!received.body.contains("upstream.internal"));
    assert_eq!(world.records().await.len(), 1);
}

#[tokio::test]
async fn a_store_that_is_away_closes_the_gate_once_its_news_are_old() {
    let world = World::without_runner(Setting {
        frozen: true,
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.background(), ok());
    world.store.set(Gate::Away);
    assert_eq!(send(&service, world.get("/")).await.status, 200);
    world.time.advance(std::time::Duration::from_millis(1_001));
    let refused = send(&service, world.get("/")).await;
    assert_problem(&refused, 503, "busy");
    assert_eq!(refused.header("Retry-After"), "1");
    world.store.set(Gate::Open);
    assert_eq!(send(&service, world.get("/")).await.status, 200);
}

#[tokio::test]
async fn a_revoked_key_is_refused_within_a_second_of_process_time() {
    let world = World::without_runner(Setting {
        frozen: true,
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.background(), ok());
    assert_eq!(send(&service, world.get("/")).await.status, 200);
    let now = world.clock.now();
    world
        .change(world.key_id, |it: &mut ApiKey| it.revoked_at = Some(now))
        .await;
    // Nobody has read the news; past this age the store is asked.
    world.time.advance(std::time::Duration::from_millis(1_001));
    assert_problem(&send(&service, world.get("/")).await, 401, "invalid_key");
}

#[tokio::test]
async fn keys_that_overlap_in_rotation_share_one_count() {
    let world = World::start(Setting {
        offer: Offer {
            quotas: vec![strict(QuotaWindow::Month, 5)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let second = world.second_key().await;
    let service: Monetization<_> = world.layer(world.options(), ok());
    let mut statuses = Vec::new();
    for call in 0..7 {
        let request = if call % 2 == 0 {
            world.get("/")
        } else {
            with_key(&world, "x-api-key", &second)
        };
        statuses.push(send(&service, request).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429, 429]);
    // The old key goes; the count stays.
    let now = world.clock.now();
    world
        .change(world.key_id, |it: &mut ApiKey| it.revoked_at = Some(now))
        .await;
    world.gatekeeper.refresh().await.unwrap();
    assert_eq!(send(&service, world.get("/")).await.status, 401);
    assert_eq!(
        send(&service, with_key(&world, "x-api-key", &second))
            .await
            .status,
        429
    );
    assert_eq!(world.records().await.len(), 5);
}

use http::{Method, StatusCode};
use monetization_core::secret::Secret;
use reference_server::control::routes::{Access, RoleKind, Route, table};
use serde_json::{Value, json};

use super::world::{World, free};

const ROLES: [RoleKind; 3] = [
    RoleKind::PlatformOwner,
    RoleKind::Publisher,
    RoleKind::Developer,
];

/// A6 and R-A8, from the table that the router is made of: a route that is added is tested.
#[tokio::test]
async fn every_route_is_closed_to_nobody_and_to_other_roles_a6() {
    let world = World::start().await;
    let mut closed = 0;
    for route in table() {
        let path = path_of(&route);
        let Access::Roles(allowed) = route.access else {
            continue;
        };
        let nobody = world
            .ask(None, route.method.clone(), &path, Value::Null)
            .await;
        assert_eq!(
            nobody.status,
            StatusCode::UNAUTHORIZED,
            "{} {path}",
            route.method
        );
        assert_eq!(nobody.code(), "unauthenticated");
        assert_eq!(nobody.header("www-authenticate"), "Bearer");
        for role in ROLES {
            let reply = world
                .ask(
                    Some(token(&world, role)),
                    route.method.clone(),
                    &path,
                    Value::Null,
                )
                .await;
            if allowed.contains(&role) {
                let refused =
                    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&reply.status);
                assert!(
                    !refused,
                    "{} {path} {role:?}: {}",
                    route.method,
                    reply.text()
                );
            } else {
                closed += 1;
                assert_eq!(
                    reply.status,
                    StatusCode::FORBIDDEN,
                    "{} {path} {role:?}",
                    route.method
                );
                assert_eq!(reply.code(), "forbidden");
            }
        }
    }
    assert!(closed > 30, "the table is read wrongly: {closed}");
}

#[tokio::test]
async fn only_what_is_meant_for_everybody_needs_no_token() {
    let public: Vec<String> = table()
        .iter()
        .filter(|route| route.access == Access::Public)
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let expected = [
        "GET /api/v1/catalogue",
        "GET /api/v1/catalogue/{product}",
        "POST /api/v1/estimates",
        "POST /webhooks/{endpoint}",
        "GET /mock/pay/{token}",
        "POST /mock/pay/{token}",
        "GET /livez",
        "GET /readyz",
    ];
    assert_eq!(public, expected);
}

#[tokio::test]
async fn what_is_no_token_of_the_control_plane_opens_nothing() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, free()).await).await;
    let owner = world.first.owner_token.reveal();
    let mut mistyped = owner.to_owned();
    mistyped.replace_range(12..13, if &owner[12..13] == "x" { "y" } else { "x" });
    for junk in ["", "x", "mk_admin_", &bought.key, &mistyped] {
        let reply = world
            .ask(
                Some(&Secret::new(junk)),
                Method::GET,
                "/api/v1/products",
                Value::Null,
            )
            .await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{junk}");
    }
}

/// Things of others do not exist: 404 and never 403, so that nobody finds out which there are.
#[tokio::test]
async fn things_of_other_consumers_do_not_exist() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, free()).await).await;
    let keys = format!("/api/v1/subscriptions/{}/keys", bought.id);
    let key = world.developer(Method::GET, &keys, Value::Null).await.ok()[0]["id"].clone();
    let key = key.as_str().unwrap();
    let (_, stranger) = world.stranger().await;
    let subscription = format!("/api/v1/subscriptions/{}", bought.id);
    let foreign = [
        (Method::GET, subscription.clone()),
        (Method::GET, format!("{subscription}/usage")),
        (Method::GET, format!("{subscription}/keys")),
        (Method::POST, format!("{subscription}/keys")),
        (Method::DELETE, format!("/api/v1/keys/{key}")),
        (
            Method::GET,
            format!("/api/v1/consumers/{}", world.first.consumer),
        ),
        (Method::POST, format!("{subscription}/bundles")),
        (Method::POST, format!("{subscription}/time-zone")),
    ];
    expect_not_found(&world, &stranger, &foreign).await;
    expect_nothing_listed(&world, &stranger).await;
}

#[tokio::test]
async fn things_of_other_publishers_do_not_exist() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, free()).await;
    let bought = world.buy(&plan).await;
    let body = json!({ "name": "A rival" });
    let rival = world.owner(Method::POST, "/api/v1/publishers", body).await;
    let body = json!({ "role": "publisher", "publisher": rival.ok()["id"] });
    let token = world.owner(Method::POST, "/api/v1/tokens", body).await.ok()["token"].clone();
    let rival = Secret::new(token.as_str().unwrap());
    let subscription = format!("/api/v1/subscriptions/{}", bought.id);
    let product_path = format!("/api/v1/products/{product}");
    let foreign = [
        (Method::GET, product_path.clone()),
        (Method::GET, format!("{product_path}/plans")),
        (Method::GET, format!("/api/v1/plans/{plan}")),
        (Method::DELETE, format!("{product_path}?confirm=true")),
        (Method::GET, subscription.clone()),
        (Method::POST, format!("{subscription}/block")),
        (Method::GET, format!("{subscription}/usage")),
        (Method::POST, format!("{product_path}/resources")),
        (Method::PATCH, format!("{product_path}/resources/r")),
        (Method::DELETE, format!("{product_path}/resources/r")),
        (
            Method::GET,
            format!("/api/v1/reports/revenue?product={product}"),
        ),
        (
            Method::GET,
            format!("/api/v1/reports/invoices?product={product}"),
        ),
    ];
    expect_not_found(&world, &rival, &foreign).await;
    expect_nothing_listed(&world, &rival).await;
    let revenue = "/api/v1/reports/revenue";
    let revenue = world.ask(Some(&rival), Method::GET, revenue, Value::Null);
    let nothing = json!({ "subscriptions": [], "products": [], "total": [] });
    assert_eq!(revenue.await.ok(), nothing);
}

async fn expect_not_found(world: &World, token: &Secret, foreign: &[(Method, String)]) {
    for (method, path) in foreign {
        let body = body_of(path);
        let reply = world.ask(Some(token), method.clone(), path, body).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{method} {path}");
    }
}

async fn expect_nothing_listed(world: &World, token: &Secret) {
    for list in ["/api/v1/subscriptions", "/api/v1/invoices"] {
        let reply = world.ask(Some(token), Method::GET, list, Value::Null).await;
        assert_eq!(reply.ok()["items"].as_array().unwrap().len(), 0, "{list}");
    }
    let lines = "/api/v1/reports/invoices";
    let lines = world.ask(Some(token), Method::GET, lines, Value::Null);
    assert_eq!(lines.await.ok(), json!({ "lines": [], "total": [] }));
}

/// What has to be said there, so that only whose it is can be wrong.
fn body_of(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "bundles" => json!({ "bundle": "b" }),
        "time-zone" => json!({ "time_zone": "UTC" }),
        "resources" => {
            json!({ "identifier": "r", "method": "GET", "path": "/r", "name": "n" })
        }
        "r" => json!({ "name": "n" }),
        _ => Value::Null,
    }
}

fn token(world: &World, role: RoleKind) -> &Secret {
    match role {
        RoleKind::PlatformOwner => &world.first.owner_token,
        RoleKind::Publisher => &world.first.publisher_token,
        RoleKind::Developer => &world.first.developer_token,
    }
}

/// The path with an id in place of every name.
fn path_of(route: &Route) -> String {
    let segments = route.path.split('/').map(|segment| {
        let prefix = match segment {
            "{product}" => "prd",
            "{plan}" => "pln",
            "{consumer}" => "con",
            "{subscription}" => "sub",
            "{key}" => "key",
            "{invoice}" => "inv",
            other => return other.to_owned(),
        };
        format!("{prefix}_{}", "0".repeat(32))
    });
    segments.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn a_token_that_is_taken_back_opens_nothing_more() {
    let world = World::start().await;
    let tokens = "/api/v1/tokens";
    let listed = world.owner(Method::GET, tokens, Value::Null).await.ok();
    let listed = listed["items"].as_array().unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|token| token.get("token").is_none()));
    let of = |role: &str| {
        let found = listed.iter().find(|token| token["role"] == role);
        format!("{tokens}/{}", found.unwrap()["id"].as_str().unwrap())
    };
    let open = async |token| {
        let path = "/api/v1/subscriptions";
        world
            .ask(Some(token), Method::GET, path, Value::Null)
            .await
            .status
    };
    assert_eq!(open(&world.first.developer_token).await, StatusCode::OK);
    for _again in 0..2 {
        let taken = world
            .owner(Method::DELETE, &of("developer"), Value::Null)
            .await;
        assert!(taken.ok()["revoked_at"].is_string());
    }
    assert_eq!(
        open(&world.first.developer_token).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(open(&world.first.publisher_token).await, StatusCode::OK);
    let own = world
        .owner(Method::DELETE, &of("platform_owner"), Value::Null)
        .await;
    assert_eq!(
        (own.status, own.code().as_str()),
        (StatusCode::CONFLICT, "own_token")
    );
    let none = format!("{tokens}/tok_00000000000000000000000000000000");
    let none = world.owner(Method::DELETE, &none, Value::Null).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

//! Every route that is led to a thing by its id, for those whose it is, those whose it is not, and the owner.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use monetization_core::secret::Secret;
use reference_server::control::routes::{Access, RoleKind, Route, table};
use serde_json::{Value, json};

use super::world::{Text, World, fixed, free};

/// What there is of one publisher and one developer, by its name in paths.
type Things = BTreeMap<&'static str, String>;

/// Who asks: as what, and whether the things are theirs.
struct Asking<'a> {
    role: RoleKind,
    token: &'a Secret,
    owns: bool,
}

async fn things(world: &World) -> Things {
    let product = world.product("weather").await;
    let resource = json!({ "identifier": "r", "method": "GET", "path": "/r", "name": "n" });
    let resources = format!("/api/v1/products/{product}/resources");
    world.owner(Method::POST, &resources, resource).await.ok();
    let plan = world.plan(&product, fixed("25")).await;
    let bought = world.buy(&plan).await;
    let keys = format!("/api/v1/subscriptions/{}/keys", bought.id);
    let keys = world.owner(Method::GET, &keys, Value::Null).await.ok();
    let subscription = world.subscription(&bought.id).await;
    let invoices = world.invoices(&bought.id).await;
    BTreeMap::from([
        ("{product}", product),
        ("{resource}", "r".to_owned()),
        ("{version}", subscription["version"].text()),
        ("{plan}", plan),
        ("{consumer}", world.first.consumer.to_string()),
        ("{subscription}", bought.id),
        ("{key}", keys[0]["id"].text()),
        ("{invoice}", invoices[0]["id"].text()),
    ])
}

/// The routes to such things, and the roles that they are open to.
fn routes() -> Vec<(Route, &'static [RoleKind])> {
    let routes = table().into_iter().filter_map(|route| match route.access {
        Access::Roles(roles) if route.path.contains('{') => Some((route, roles)),
        _ => None,
    });
    let of_one_tenant = ["{token}", "{batch}", "{operation}"];
    let routes =
        routes.filter(|(route, _)| !of_one_tenant.iter().any(|it| route.path.contains(it)));
    routes.collect()
}

/// The route's path to these things; the thing at that place is nobody's.
fn path_to(route: &Route, things: &Things, nobodys: Option<&str>) -> String {
    let mut path = route.path.to_owned();
    for (name, id) in things {
        let none = id.split_once('_').map_or_else(
            || "nothing".to_owned(),
            |(prefix, rest)| format!("{prefix}_{}", "0".repeat(rest.len())),
        );
        path = path.replace(name, if nobodys == Some(name) { &none } else { id });
    }
    if route.method == Method::DELETE {
        path += "?confirm=true";
    }
    path
}

/// What has to be said there, so that only whose it is can be wrong.
fn body_of(route: &Route, things: &Things) -> Value {
    match (
        route.method.as_str(),
        route.path.rsplit('/').next().unwrap(),
    ) {
        ("GET" | "DELETE", _) => Value::Null,
        ("PATCH", "{plan}") => json!({ "status": "active" }),
        ("PATCH", _) => json!({ "name": "n" }),
        (_, "plans") => json!({ "name": "n", "terms": free() }),
        (_, "versions") => json!({ "terms": free() }),
        (_, "resources") => {
            json!({ "identifier": "s", "method": "GET", "path": "/s", "name": "n" })
        }
        (_, "monetize") => json!({ "enabled": true }),
        (_, "plan") => json!({ "plan": things["{plan}"] }),
        (_, "time-zone") => json!({ "time_zone": "UTC" }),
        (_, "rotate") => json!({}),
        (_, "bundles") => json!({ "bundle": "b" }),
        (_, "credits") => json!({ "credit": "1", "reason": "late" }),
        (_, "reject") => json!({ "reason": "no" }),
        (_, "cancel") => json!({ "mode": "period_end" }),
        (_, "migrate") => json!({ "version": things["{version}"] }),
        (_, "pages") => json!({ "page": "portal", "return_url": "http://127.0.0.1:1/" }),
        _ => Value::Null,
    }
}

/// What stands in the way of who asks, where something does not have to.
async fn leak(
    world: &World,
    asking: &Asking<'_>,
    route: &Route,
    things: &Things,
) -> Option<String> {
    let ask = async |path: &str| {
        let body = body_of(route, things);
        world
            .ask(Some(asking.token), route.method.clone(), path, body)
            .await
    };
    let own = path_to(route, things, None);
    let reply = ask(&own).await;
    let said = format!(
        "{:?} {} {own}: {} {}",
        asking.role,
        route.method,
        reply.status,
        reply.text()
    );
    let is_missing = reply.status == StatusCode::NOT_FOUND;
    if asking.owns {
        return (is_missing || reply.status == StatusCode::FORBIDDEN).then_some(said);
    }
    for name in things.keys().filter(|name| route.path.contains(*name)) {
        let none = ask(&path_to(route, things, Some(name))).await;
        if none.status != StatusCode::NOT_FOUND || none.bytes != reply.bytes {
            return Some(format!(
                "{said}, and of nobody's {name}: {} {}",
                none.status,
                none.text()
            ));
        }
    }
    (!is_missing).then_some(said)
}

/// All of it, as the owner is told of it.
async fn told(world: &World, things: &Things) -> Vec<Value> {
    let mut told = Vec::new();
    for (route, _) in routes() {
        if route.method == Method::GET {
            let path = path_to(&route, things, None);
            told.push(world.owner(Method::GET, &path, Value::Null).await.json());
        }
    }
    told
}

/// R-A7, from the table that the router is made of: a route that is added is tested, or fails here for want
/// of a body.
async fn others_are_told_what_nobody_would_be(world: World) {
    let things = things(&world).await;
    let body = json!({ "name": "A rival" });
    let rival = world.owner(Method::POST, "/api/v1/publishers", body).await;
    let body = json!({ "role": "publisher", "publisher": rival.ok()["id"] });
    let rival = world.owner(Method::POST, "/api/v1/tokens", body).await;
    let rival = Secret::new(rival.ok()["token"].text());
    let (_, stranger) = world.stranger().await;
    let first = &world.first;
    let asking = [
        (RoleKind::Publisher, &rival, false),
        (RoleKind::Developer, &stranger, false),
        (RoleKind::Publisher, &first.publisher_token, true),
        (RoleKind::Developer, &first.developer_token, true),
        (RoleKind::PlatformOwner, &first.owner_token, true),
    ];
    let before = told(&world, &things).await;
    let (mut asked, mut leaks) = (0, Vec::new());
    for (role, token, owns) in asking {
        let asking = Asking { role, token, owns };
        for (route, roles) in routes() {
            // What is taken away is not there for whoever comes next.
            let takes_away = owns && route.method == Method::DELETE;
            if roles.contains(&role) && !takes_away {
                asked += 1;
                leaks.extend(leak(&world, &asking, &route, &things).await);
            }
        }
        if !owns {
            assert_eq!(told(&world, &things).await, before);
        }
    }
    assert_eq!(leaks, [""; 0]);
    assert!(asked > 60, "the table is read wrongly: {asked}");
}

#[tokio::test]
async fn of_every_route_things_of_others_are_as_things_of_nobody_r_a7() {
    others_are_told_what_nobody_would_be(World::start().await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn of_every_route_over_postgresql_things_of_others_are_as_things_of_nobody_r_a7() {
    let database = monetization_conformance::postgres::Database::unused();
    database.make_empty().await;
    others_are_told_what_nobody_would_be(World::in_database(&database).await).await;
    database.remove().await;
}

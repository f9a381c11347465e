//! The control plane: the REST API, health, messages of engines, the mock's checkout.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use monetization_core::tenant::Role;

use crate::app::App;
pub(crate) use estimates::Estimators;
use input::{BODY_BYTES_MAX, Caller, unauthenticated};
use problem::Problem;
use routes::{Access, RoleKind};

pub mod routes;

mod batches;
mod catalogue;
mod estimates;
mod health;
mod input;
mod invoices;
mod keys;
mod mock;
mod monetization;
mod operations;
mod ownership;
mod page;
mod parties;
mod payments;
mod plans;
mod problem;
mod products;
mod publishing;
mod reports;
mod resources;
mod subscription_view;
mod subscriptions;
mod tokens;
mod unbilled;
mod usage;
mod webhooks;

/// The router of the control plane: the table of routes, each behind its check.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for route in routes::table() {
        let (access, changes) = (route.access, route.changes());
        let check = from_fn_with_state(
            Arc::clone(&app),
            move |State(app): State<Arc<App>>, request: Request, next: Next| {
                guard(app, (access, changes), request, next)
            },
        );
        router = router.route(route.path, route.handler.route_layer(check));
    }
    router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            let detail = "this path has other methods";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(harden))
        .with_state(app)
}

/// Lets those through who may ask for a route, and tells the gates of what they have changed, so
/// that it holds for the next call.
async fn guard(
    app: Arc<App>,
    (access, changes): (Access, bool),
    mut request: Request,
    next: Next,
) -> Response {
    if let Access::Roles(roles) = access {
        let caller = match authenticate(&app, request.headers()).await {
            Ok(caller) => caller,
            Err(problem) => return problem.into_response(),
        };
        if !roles.contains(&kind(caller.role)) {
            let detail = "the token's role may not do this";
            return Problem::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response();
        }
        request.extensions_mut().insert(caller);
    }
    let response = next.run(request).await;
    if changes && response.status().is_success() {
        app.tell_gates().await;
    }
    response
}

pub(crate) async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Caller, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(unauthenticated());
    };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    let bearer = text.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = bearer else {
        return Err(unauthenticated());
    };
    let token = app.monetizer.authenticate(token.trim()).await?;
    let token = token.ok_or_else(unauthenticated)?;
    Ok(Caller {
        token: token.id,
        tenant: token.tenant,
        role: token.role,
    })
}

fn kind(role: Role) -> RoleKind {
    match role {
        Role::PlatformOwner => RoleKind::PlatformOwner,
        Role::Publisher { .. } => RoleKind::Publisher,
        Role::Developer { .. } => RoleKind::Developer,
    }
}

/// Answers of the control plane are for one caller, and are what they say they are.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

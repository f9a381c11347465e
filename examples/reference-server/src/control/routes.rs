//! The table of routes: what there is, and who may ask for it. The router is made from it, and
//! so are the tests of authorization.

use axum::routing::{MethodRouter, delete, get, patch, post};
use http::Method;
use std::sync::Arc;

use super::{
    catalogue, health, invoices, keys, mock, monetization, parties, plans, products, publishing,
    subscriptions, usage, webhooks,
};
use crate::app::App;

/// One route of the control plane.
#[derive(Debug, Clone)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for one segment.
    pub path: &'static str,
    /// Who may ask for it.
    pub access: Access,
    pub(super) handler: MethodRouter<Arc<App>>,
}

/// Who may ask for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Access {
    /// Everybody, without a token.
    Public,
    /// Whoever has a token of one of these roles.
    Roles(&'static [RoleKind]),
}

/// A role, whoever it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the roles of core, without whom they are about"
)]
pub enum RoleKind {
    /// Everything within the tenant.
    PlatformOwner,
    /// The products of one publisher.
    Publisher,
    /// What one consumer has bought.
    Developer,
}

const OWNER: Access = Access::Roles(&[RoleKind::PlatformOwner]);
const SELLERS: Access = Access::Roles(&[RoleKind::PlatformOwner, RoleKind::Publisher]);
const BUYERS: Access = Access::Roles(&[RoleKind::PlatformOwner, RoleKind::Developer]);
const EVERY_ROLE: Access = Access::Roles(&[
    RoleKind::PlatformOwner,
    RoleKind::Publisher,
    RoleKind::Developer,
]);

/// Every route of the control plane.
#[must_use]
pub fn table() -> Vec<Route> {
    let mut table = selling();
    table.extend(buying());
    table.extend(billing());
    table.extend(outside());
    table
}

/// Products, plans, and who sells.
fn selling() -> Vec<Route> {
    vec![
        route(
            Method::POST,
            "/api/v1/products",
            SELLERS,
            post(products::create),
        ),
        route(
            Method::GET,
            "/api/v1/products",
            SELLERS,
            get(products::list),
        ),
        route(
            Method::GET,
            "/api/v1/products/{product}",
            SELLERS,
            get(products::show),
        ),
        route(
            Method::PATCH,
            "/api/v1/products/{product}",
            SELLERS,
            patch(products::change),
        ),
        route(
            Method::DELETE,
            "/api/v1/products/{product}",
            SELLERS,
            delete(products::remove),
        ),
        route(
            Method::POST,
            "/api/v1/products/{product}/plans",
            SELLERS,
            post(plans::create),
        ),
        route(
            Method::GET,
            "/api/v1/products/{product}/plans",
            SELLERS,
            get(plans::list),
        ),
        route(
            Method::GET,
            "/api/v1/plans/{plan}",
            SELLERS,
            get(plans::show),
        ),
        route(
            Method::PATCH,
            "/api/v1/plans/{plan}",
            SELLERS,
            patch(plans::change),
        ),
        route(
            Method::POST,
            "/api/v1/plans/{plan}/versions",
            SELLERS,
            post(plans::revise),
        ),
        route(
            Method::POST,
            "/api/v1/products/{product}/monetize",
            SELLERS,
            post(monetization::set),
        ),
        route(
            Method::GET,
            "/api/v1/products/{product}/monetization",
            SELLERS,
            get(monetization::show),
        ),
        route(
            Method::GET,
            "/api/v1/engines",
            SELLERS,
            get(monetization::engines),
        ),
        route(
            Method::POST,
            "/api/v1/publishers",
            OWNER,
            post(parties::create_publisher),
        ),
        route(
            Method::GET,
            "/api/v1/publishers",
            OWNER,
            get(parties::list_publishers),
        ),
        route(
            Method::POST,
            "/api/v1/tokens",
            OWNER,
            post(parties::create_token),
        ),
    ]
}

/// Consumers, subscriptions and keys.
fn buying() -> Vec<Route> {
    vec![
        route(
            Method::POST,
            "/api/v1/consumers",
            OWNER,
            post(parties::create_consumer),
        ),
        route(
            Method::GET,
            "/api/v1/consumers",
            OWNER,
            get(parties::list_consumers),
        ),
        route(
            Method::GET,
            "/api/v1/consumers/{consumer}",
            BUYERS,
            get(parties::show_consumer),
        ),
        route(
            Method::POST,
            "/api/v1/subscriptions",
            BUYERS,
            post(subscriptions::create),
        ),
        route(
            Method::GET,
            "/api/v1/subscriptions",
            EVERY_ROLE,
            get(subscriptions::list),
        ),
        route(
            Method::GET,
            "/api/v1/subscriptions/{subscription}",
            EVERY_ROLE,
            get(subscriptions::show),
        ),
        route(
            Method::POST,
            "/api/v1/subscriptions/{subscription}/approve",
            SELLERS,
            post(subscriptions::approve),
        ),
        route(
            Method::POST,
            "/api/v1/subscriptions/{subscription}/reject",
            SELLERS,
            post(subscriptions::reject),
        ),
        route(
            Method::POST,
            "/api/v1/subscriptions/{subscription}/cancel",
            BUYERS,
            post(subscriptions::cancel),
        ),
        route(
            Method::POST,
            "/api/v1/subscriptions/{subscription}/block",
            SELLERS,
            post(subscriptions::block),
        ),
        route(
            Method::POST,
            "/api/v1/subscriptions/{subscription}/unblock",
            SELLERS,
            post(subscriptions::unblock),
        ),
        route(
            Method::POST,
            "/api/v1/subscriptions/{subscription}/migrate",
            SELLERS,
            post(subscriptions::migrate),
        ),
        route(
            Method::POST,
            "/api/v1/subscriptions/{subscription}/keys",
            BUYERS,
            post(keys::issue),
        ),
        route(
            Method::GET,
            "/api/v1/subscriptions/{subscription}/keys",
            BUYERS,
            get(keys::list),
        ),
        route(
            Method::POST,
            "/api/v1/keys/{key}/rotate",
            BUYERS,
            post(keys::rotate),
        ),
        route(
            Method::DELETE,
            "/api/v1/keys/{key}",
            BUYERS,
            delete(keys::revoke),
        ),
    ]
}

/// Use, invoices, publishing.
fn billing() -> Vec<Route> {
    vec![
        route(Method::POST, "/api/v1/usage", SELLERS, post(usage::ingest)),
        route(
            Method::GET,
            "/api/v1/subscriptions/{subscription}/usage",
            EVERY_ROLE,
            get(usage::statement),
        ),
        route(
            Method::GET,
            "/api/v1/invoices",
            EVERY_ROLE,
            get(invoices::list),
        ),
        route(
            Method::GET,
            "/api/v1/invoices/{invoice}",
            EVERY_ROLE,
            get(invoices::show),
        ),
        route(
            Method::POST,
            "/api/v1/monetization/publish-usage",
            OWNER,
            post(publishing::start),
        ),
        route(
            Method::GET,
            "/api/v1/monetization/publish-usage/status",
            OWNER,
            get(publishing::status),
        ),
        route(Method::GET, "/mock/clock", OWNER, get(mock::clock)),
        route(Method::POST, "/mock/clock", OWNER, post(mock::set_clock)),
    ]
}

/// What needs no token.
fn outside() -> Vec<Route> {
    vec![
        route(
            Method::GET,
            "/api/v1/catalogue",
            Access::Public,
            get(catalogue::list),
        ),
        route(
            Method::GET,
            "/api/v1/catalogue/{product}",
            Access::Public,
            get(catalogue::show),
        ),
        route(
            Method::POST,
            "/webhooks/{endpoint}",
            Access::Public,
            post(webhooks::take_in),
        ),
        route(
            Method::GET,
            "/mock/pay/{token}",
            Access::Public,
            get(mock::checkout),
        ),
        route(
            Method::POST,
            "/mock/pay/{token}",
            Access::Public,
            post(mock::pay),
        ),
        route(Method::GET, "/livez", Access::Public, get(health::live)),
        route(Method::GET, "/readyz", Access::Public, get(health::ready)),
    ]
}

fn route(
    method: Method,
    path: &'static str,
    access: Access,
    handler: MethodRouter<Arc<App>>,
) -> Route {
    Route {
        method,
        path,
        access,
        handler,
    }
}

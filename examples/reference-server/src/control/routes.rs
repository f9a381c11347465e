//! The table of routes: what there is, and who may ask for it. The router is made from it, and
//! so are the tests of authorization.

use std::sync::Arc;

use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;

use super::{
    batches, catalogue, estimates, health, invoices, keys, mock, monetization, operations, parties,
    payments, plans, products, publishing, reports, resources, subscriptions, tokens, unbilled,
    usage, webhooks,
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

impl Route {
    /// Whether it may change what gates go by.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.method != Method::GET && self.path != ESTIMATES
    }
}

/// Asks with a body, and changes nothing.
const ESTIMATES: &str = "/api/v1/estimates";

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

const PUBLIC: Access = Access::Public;
const OWNER: Access = Access::Roles(&[RoleKind::PlatformOwner]);
const SELLERS: Access = Access::Roles(&[RoleKind::PlatformOwner, RoleKind::Publisher]);
const BUYERS: Access = Access::Roles(&[RoleKind::PlatformOwner, RoleKind::Developer]);
const EVERY_ROLE: Access = Access::Roles(&[
    RoleKind::PlatformOwner,
    RoleKind::Publisher,
    RoleKind::Developer,
]);

macro_rules! routes {
    ($($method:ident $path:tt $access:ident $handler:path;)+) => {
        vec![$(Route {
            method: Method::$method,
            path: $path,
            access: $access,
            handler: on(MethodFilter::$method, $handler),
        }),+]
    };
}

/// Every route of the control plane.
#[must_use]
pub fn table() -> Vec<Route> {
    [catalogue(), subscriptions(), billing(), public()]
        .into_iter()
        .flatten()
        .collect()
}

/// What is sold, by whom, and who may ask.
fn catalogue() -> Vec<Route> {
    routes! {
        POST "/api/v1/products" SELLERS products::create;
        GET "/api/v1/products" SELLERS products::list;
        GET "/api/v1/products/{product}" SELLERS products::show;
        PATCH "/api/v1/products/{product}" SELLERS products::change;
        DELETE "/api/v1/products/{product}" SELLERS products::remove;
        POST "/api/v1/products/{product}/plans" SELLERS plans::create;
        GET "/api/v1/products/{product}/plans" SELLERS plans::list;
        GET "/api/v1/plans/{plan}" SELLERS plans::show;
        PATCH "/api/v1/plans/{plan}" SELLERS plans::change;
        POST "/api/v1/plans/{plan}/versions" SELLERS plans::revise;
        POST "/api/v1/products/{product}/resources" SELLERS resources::add;
        PATCH "/api/v1/products/{product}/resources/{resource}" SELLERS resources::change;
        DELETE "/api/v1/products/{product}/resources/{resource}" SELLERS resources::remove;
        POST "/api/v1/products/{product}/monetize" SELLERS monetization::set;
        GET "/api/v1/products/{product}/monetization" SELLERS monetization::show;
        GET "/api/v1/engines" SELLERS monetization::engines;
        POST "/api/v1/engines/reload" OWNER monetization::reload;
        POST "/api/v1/publishers" OWNER parties::create_publisher;
        GET "/api/v1/publishers" OWNER parties::list_publishers;
        POST "/api/v1/tokens" OWNER tokens::create;
        GET "/api/v1/tokens" OWNER tokens::list;
        DELETE "/api/v1/tokens/{token}" OWNER tokens::revoke;
    }
}

/// Who has bought what.
fn subscriptions() -> Vec<Route> {
    routes! {
        POST "/api/v1/consumers" OWNER parties::create_consumer;
        GET "/api/v1/consumers" OWNER parties::list_consumers;
        GET "/api/v1/consumers/{consumer}" BUYERS parties::show_consumer;
        PATCH "/api/v1/consumers/{consumer}" OWNER parties::change_consumer;
        POST "/api/v1/subscriptions" BUYERS subscriptions::create;
        GET "/api/v1/subscriptions" EVERY_ROLE subscriptions::list;
        GET "/api/v1/subscriptions/{subscription}" EVERY_ROLE subscriptions::show;
        POST "/api/v1/subscriptions/{subscription}/approve" SELLERS subscriptions::approve;
        POST "/api/v1/subscriptions/{subscription}/reject" SELLERS subscriptions::reject;
        POST "/api/v1/subscriptions/{subscription}/cancel" BUYERS subscriptions::cancel;
        POST "/api/v1/subscriptions/{subscription}/block" SELLERS subscriptions::block;
        POST "/api/v1/subscriptions/{subscription}/unblock" SELLERS subscriptions::unblock;
        POST "/api/v1/subscriptions/{subscription}/migrate" SELLERS subscriptions::migrate;
        POST "/api/v1/subscriptions/{subscription}/plan" BUYERS subscriptions::change_plan;
        POST "/api/v1/subscriptions/{subscription}/time-zone" BUYERS subscriptions::move_zone;
        POST "/api/v1/subscriptions/{subscription}/bundles" BUYERS resources::buy;
        POST "/api/v1/subscriptions/{subscription}/pages" BUYERS payments::page;
        POST "/api/v1/subscriptions/{subscription}/keys" BUYERS keys::issue;
        GET "/api/v1/subscriptions/{subscription}/keys" BUYERS keys::list;
        POST "/api/v1/keys/{key}/rotate" BUYERS keys::rotate;
        DELETE "/api/v1/keys/{key}" BUYERS keys::revoke;
    }
}

/// What is used, billed and told to the engine.
fn billing() -> Vec<Route> {
    routes! {
        POST "/api/v1/usage" SELLERS usage::ingest;
        GET "/api/v1/usage/unbilled" OWNER unbilled::list;
        GET "/api/v1/subscriptions/{subscription}/usage" EVERY_ROLE usage::statement;
        GET "/api/v1/invoices" EVERY_ROLE invoices::list;
        GET "/api/v1/invoices/{invoice}" EVERY_ROLE invoices::show;
        POST "/api/v1/invoices/{invoice}/payment-url" BUYERS invoices::renew_payment_url;
        POST "/api/v1/invoices/{invoice}/credits" SELLERS payments::credit;
        GET "/api/v1/reports/revenue" SELLERS reports::revenue;
        GET "/api/v1/reports/invoices" EVERY_ROLE reports::invoices;
        POST "/api/v1/monetization/publish-usage" OWNER publishing::start;
        GET "/api/v1/monetization/publish-usage/status" OWNER publishing::status;
        GET "/api/v1/batches" OWNER batches::list;
        POST "/api/v1/batches/{batch}/decision" OWNER batches::decide;
        POST "/api/v1/batches/{batch}/withdrawal" OWNER batches::withdraw;
        POST "/api/v1/monetization/reconcile" OWNER batches::reconcile;
        GET "/api/v1/operations" OWNER operations::list;
        POST "/api/v1/operations/{operation}/resumption" OWNER operations::resume;
        GET "/metrics" OWNER health::metrics;
        GET "/mock/clock" OWNER mock::clock;
        POST "/mock/clock" OWNER mock::set_clock;
    }
}

/// What needs no token.
fn public() -> Vec<Route> {
    routes! {
        GET "/api/v1/catalogue" PUBLIC catalogue::list;
        GET "/api/v1/catalogue/{product}" PUBLIC catalogue::show;
        POST ESTIMATES PUBLIC estimates::create;
        POST "/webhooks/{endpoint}" PUBLIC webhooks::take_in;
        GET "/mock/pay/{token}" PUBLIC mock::page;
        POST "/mock/pay/{token}" PUBLIC mock::submit;
        GET "/livez" PUBLIC health::live;
        GET "/readyz" PUBLIC health::ready;
    }
}

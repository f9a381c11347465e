use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use monetization_core::engine::Attribute;
use monetization_core::field::FieldError;
use monetization_core::flows::{DisableMode, PlanEnabled};
use monetization_core::ids::{PlanVersionId, ProductId, SubscriptionId};
use monetization_core::text::{ForeignId, Slug};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Json};
use super::problem::Problem;
use crate::app::App;
use crate::report;

/// Puts a product on sale at the engine or takes it off, in WSO2's words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MonetizeBody {
    enabled: bool,
    /// What the engine asks for.
    #[serde(default)]
    properties: BTreeMap<String, String>,
    /// When disabling: what becomes of live subscriptions. It is refused where that is not said.
    subscriptions: Option<Leftover>,
}

/// What becomes of live subscriptions of a product that is taken off sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Leftover {
    /// They are cancelled now.
    CancelAll,
    /// They are cancelled with their current periods.
    RunOut,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Monetized {
    enabled: bool,
    /// Whether anything is different from before; asking twice is no failure.
    changed: bool,
    /// When enabling: how each plan version stands at the engine.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    plans: BTreeMap<PlanVersionId, PlanAnswer>,
    /// When disabling: what was cancelled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cancelled: Vec<SubscriptionId>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
enum PlanAnswer {
    Created,
    Existing,
    Failed { reason: String },
}

/// How a product stands at the engine.
#[derive(Debug, Serialize)]
pub(super) struct MonetizationView {
    enabled: bool,
    properties: BTreeMap<String, String>,
    /// What the engine calls each plan version.
    plans: BTreeMap<PlanVersionId, ForeignId>,
}

/// An engine, as forms need it.
#[derive(Debug, Serialize)]
pub(super) struct EngineView {
    id: Slug,
    api_version: String,
    attributes: Vec<Attribute>,
}

pub(super) async fn set(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(product): Id<ProductId>,
    Json(body): Json<MonetizeBody>,
) -> Result<axum::Json<Monetized>, Problem> {
    app.own_product(caller, product).await?;
    if body.enabled {
        return enable(&app, caller, product, body).await.map(axum::Json);
    }
    if !body.properties.is_empty() {
        let problem = "only enabling takes properties: leave them out";
        return Err(FieldError::new("properties", problem).into());
    }
    let mode = match body.subscriptions {
        None => DisableMode::Refuse,
        Some(Leftover::CancelAll) => DisableMode::CancelAll,
        Some(Leftover::RunOut) => DisableMode::RunOut,
    };
    let disabled = app
        .monetizer
        .disable_monetization(caller.tenant, product, mode)
        .await?;
    Ok(axum::Json(Monetized {
        enabled: false,
        changed: disabled.changed,
        plans: BTreeMap::new(),
        cancelled: disabled.cancelled,
    }))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<ProductId>,
) -> Result<axum::Json<MonetizationView>, Problem> {
    let product = app.own_product(caller, id).await?;
    let plans = app.monetizer.plan_mapping(caller.tenant, id).await?;
    Ok(axum::Json(MonetizationView {
        enabled: product.monetization.is_some(),
        properties: product
            .monetization
            .map(|known| known.attributes)
            .unwrap_or_default(),
        plans,
    }))
}

pub(super) async fn engines(
    State(app): State<Arc<App>>,
    _caller: Caller,
) -> axum::Json<Vec<EngineView>> {
    let engines = app.monetizer.engines().iter().map(|engine| EngineView {
        id: engine.descriptor.id.clone(),
        api_version: engine.descriptor.api_version.clone(),
        attributes: engine.descriptor.attributes.clone(),
    });
    axum::Json(engines.collect())
}

/// Reads the engine's secrets again, and tells nothing of them.
pub(super) async fn reload(
    State(app): State<Arc<App>>,
    _caller: Caller,
) -> Result<StatusCode, Problem> {
    let reloaded = app.engine_secrets.reload();
    reloaded.map_err(|error| Problem::conflict("secrets_unreadable", report::chain(&error)))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn enable(
    app: &App,
    caller: Caller,
    product: ProductId,
    body: MonetizeBody,
) -> Result<Monetized, Problem> {
    if body.subscriptions.is_some() {
        let problem = "only disabling takes it: leave it out";
        return Err(FieldError::new("subscriptions", problem).into());
    }
    let report = app
        .monetizer
        .enable_monetization(caller.tenant, product, &body.properties)
        .await?;
    let plans = report.plans.into_iter().map(|(id, enabled)| {
        let answer = match enabled {
            PlanEnabled::Created => PlanAnswer::Created,
            PlanEnabled::Existing => PlanAnswer::Existing,
            PlanEnabled::Failed { reason } => PlanAnswer::Failed { reason },
        };
        (id, answer)
    });
    Ok(Monetized {
        enabled: true,
        changed: report.changed,
        plans: plans.collect(),
        cancelled: Vec::new(),
    })
}

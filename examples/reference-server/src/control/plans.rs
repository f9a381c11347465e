use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use monetization_core::clock::Timestamp;
use monetization_core::flows::NewPlan;
use monetization_core::ids::{PlanId, PlanVersionId, ProductId};
use monetization_core::money::{Currency, Money, Rounding};
use monetization_core::period::{Alignment, Cycle, Proration};
use monetization_core::plan::{
    Approval, Billing, BundleDraft, CommitmentDraft, MeteringPolicy, Plan, PlanDraft, PlanState,
    PlanTerms, PlanVersion, QuotaDraft, Rate, TermsDraft, UsageDraft, WhenAway,
};
use monetization_core::store::{Index, RowKey, StoreExt};
use monetization_core::text::Name;
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Json};
use super::problem::Problem;
use crate::app::App;

/// The terms of the next version of a plan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionBody {
    terms: TermsDraft,
}

/// Where a plan is to be in its life.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanPatch {
    status: PlanState,
}

/// A plan with the version that is on sale.
#[derive(Debug, Serialize)]
pub(crate) struct PlanView {
    id: PlanId,
    product: ProductId,
    name: Name,
    status: PlanState,
    approval: Approval,
    version: PlanVersionId,
    number: u32,
    /// The price as people should read it.
    price_label: String,
    terms: TermsView,
    created_at: Timestamp,
}

/// What a version costs and allows.
#[derive(Debug, Serialize)]
struct TermsView {
    billing: Billing,
    currency: Currency,
    cycle: Cycle,
    alignment: Alignment,
    base_price: Money,
    proration: Proration,
    setup_fee: Money,
    usage: Vec<UsageDraft>,
    commitment: CommitmentDraft,
    rates: Vec<Rate>,
    rates_when_away: WhenAway,
    quotas: Vec<QuotaDraft>,
    bundles: Vec<BundleDraft>,
    metering: MeteringPolicy,
    rounding: Rounding,
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(product): Id<ProductId>,
    Json(body): Json<PlanDraft>,
) -> Result<Response, Problem> {
    app.own_product(caller, product).await?;
    let new = NewPlan {
        product,
        name: body.name,
        approval: body.approval,
        terms: body.terms,
    };
    let made = app.monetizer.create_plan(caller.tenant, new).await;
    let (plan, version) = made.map_err(Problem::within_terms)?;
    Ok((
        StatusCode::CREATED,
        axum::Json(PlanView::new(plan, &version)),
    )
        .into_response())
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(product): Id<ProductId>,
) -> Result<axum::Json<Vec<PlanView>>, Problem> {
    app.own_product(caller, product).await?;
    let key = RowKey::new(Index::PlansOfProduct, product);
    let plans = app.store().facts_by::<Plan>(caller.tenant, key).await?;
    let mut views = Vec::with_capacity(plans.len());
    for plan in plans {
        let (plan, version) = app.own_plan(caller, plan.fact.id).await?;
        views.push(PlanView::new(plan, &version));
    }
    Ok(axum::Json(views))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<PlanId>,
) -> Result<axum::Json<PlanView>, Problem> {
    let (plan, version) = app.own_plan(caller, id).await?;
    Ok(axum::Json(PlanView::new(plan, &version)))
}

pub(super) async fn revise(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<PlanId>,
    Json(body): Json<VersionBody>,
) -> Result<Response, Problem> {
    app.own_plan(caller, id).await?;
    let revised = app
        .monetizer
        .revise_plan(caller.tenant, id, body.terms)
        .await;
    let (plan, version) = revised.map_err(Problem::within_terms)?;
    Ok((
        StatusCode::CREATED,
        axum::Json(PlanView::new(plan, &version)),
    )
        .into_response())
}

pub(super) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<PlanId>,
    Json(patch): Json<PlanPatch>,
) -> Result<axum::Json<PlanView>, Problem> {
    let (_, version) = app.own_plan(caller, id).await?;
    let plan = app
        .monetizer
        .set_plan_state(caller.tenant, id, patch.status)
        .await?;
    Ok(axum::Json(PlanView::new(plan, &version)))
}

impl PlanView {
    pub(crate) fn new(plan: Plan, version: &PlanVersion) -> Self {
        Self {
            id: plan.id,
            product: plan.product,
            name: plan.name,
            status: plan.state,
            approval: plan.approval,
            version: version.id,
            number: version.number,
            price_label: version.terms.label(),
            terms: TermsView::from(&version.terms),
            created_at: plan.created_at,
        }
    }
}

impl From<&PlanTerms> for TermsView {
    fn from(terms: &PlanTerms) -> Self {
        Self {
            billing: terms.billing(),
            currency: terms.currency(),
            cycle: terms.cycle(),
            alignment: terms.alignment(),
            base_price: terms.base_price(),
            proration: terms.proration(),
            setup_fee: terms.setup_fee(),
            usage: terms.usage().iter().map(Into::into).collect(),
            commitment: (&terms.commitment()).into(),
            rates: terms.rates().to_vec(),
            rates_when_away: terms.rates_when_away(),
            quotas: terms.quotas().iter().map(Into::into).collect(),
            bundles: terms.bundles().iter().map(Into::into).collect(),
            metering: terms.metering(),
            rounding: terms.rounding(),
        }
    }
}

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use monetization_core::clock::Span;
use monetization_core::estimate::{Asked, EstimateError, Question, Usage, estimate};
use monetization_core::field::FieldError;
use monetization_core::flows::FlowError;
use monetization_core::ids::{MeterId, PlanId, TypedId};
use monetization_core::plan::{Countable, Plan, PlanState, PlanTerms, PlanVersion, TermsDraft};
use monetization_core::plan_file::PlanFile;
use monetization_core::product::{Meter, MeterDraft, Product, Resource};
use monetization_core::store::StoreExt;
use monetization_core::text::Name;
use serde::Deserialize;

use super::input::{Caller, Json, MaybeCaller};
use super::problem::Problem;
use super::products::ResourceDto;
use crate::app::App;
use crate::estimate::{Estimated, document, instant, meter, parsed, transactions};

/// What is to be estimated: a plan, or terms that are written out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EstimateBody {
    plan: Option<PlanId>,
    terms: Option<TermsDraft>,
    /// What is counted beside calls, with `terms`.
    #[serde(default)]
    meters: Vec<MeterDraft>,
    /// The operations that quotas of `terms` are of.
    #[serde(default)]
    resources: Vec<ResourceDto>,
    /// What is used in each billing period, by the names of meters.
    #[serde(default)]
    usage: BTreeMap<String, UsedBody>,
    from: Option<String>,
    to: Option<String>,
}

/// A quantity, or an amount with the number of equal transactions that it is made in.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a quantity as text, or {\"quantity\": text, \"transactions\": text}"
)]
enum UsedBody {
    Quantity(String),
    Amount(AmountBody),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountBody {
    quantity: String,
    transactions: Option<String>,
}

/// The terms that are asked about.
struct Subject {
    name: Option<Name>,
    meters: Vec<Meter>,
    terms: PlanTerms,
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    MaybeCaller(caller): MaybeCaller,
    Json(body): Json<EstimateBody>,
) -> Result<axum::Json<serde_json::Value>, Problem> {
    let span = span(&body)?;
    let usage = body.usage;
    let subject = match (body.plan, body.terms) {
        (Some(plan), None) if body.meters.is_empty() && body.resources.is_empty() => {
            app.plan_to_estimate(caller, plan).await?
        }
        (Some(_), None) => {
            let problem = "the plan's product has its own: leave it out";
            let field = if body.meters.is_empty() {
                "resources"
            } else {
                "meters"
            };
            return Err(FieldError::new(field, problem).into());
        }
        (None, Some(terms)) => written(terms, body.meters, body.resources)?,
        (None, None) => {
            return Err(FieldError::new("plan", "it is missing: give plan or terms").into());
        }
        (Some(_), Some(_)) => {
            return Err(FieldError::new("terms", "a plan is given: leave one of them out").into());
        }
    };
    let mut used = Usage::new();
    for (name, body) in &usage {
        let meter = meter("usage", name, &subject.meters)?;
        used.insert(meter.id, body.asked(meter)?);
    }
    let terms = &subject.terms;
    let question = Question {
        terms,
        used: &used,
        span,
    };
    let estimate = estimate(&question).map_err(|error| match error {
        EstimateError::Money(error) => Problem::from(FlowError::from(error)),
        EstimateError::Question(error) => error.into(),
        EstimateError::Transactions { ref meter } => {
            let problem =
                format!("{error}: allowed is {{\"quantity\": \"1000\", \"transactions\": \"10\"}}");
            FieldError::new(format!("usage.{meter}"), problem).into()
        }
    })?;
    Ok(axum::Json(document(&Estimated {
        name: subject.name.as_ref(),
        terms,
        meters: &subject.meters,
        used: &used,
        span,
        estimate: &estimate,
    })))
}

impl UsedBody {
    fn asked(&self, meter: &Meter) -> Result<Asked, FieldError> {
        let field = format!("usage.{}", meter.name);
        let (quantity, count) = match self {
            Self::Quantity(quantity) => (quantity, None),
            Self::Amount(body) => (&body.quantity, body.transactions.as_deref()),
        };
        let field_of_count = format!("{field}.transactions");
        Ok(Asked {
            quantity: parsed(&field, quantity, meter)?,
            transactions: count
                .map(|count| transactions(&field_of_count, count, meter))
                .transpose()?,
        })
    }
}

fn span(body: &EstimateBody) -> Result<Option<Span>, FieldError> {
    match (&body.from, &body.to) {
        (None, None) => Ok(None),
        (Some(from), Some(to)) => Ok(Some(Span {
            start: instant("from", from)?,
            end: instant("to", to)?,
        })),
        (Some(_), None) => Err(FieldError::new("to", "it is missing: from needs it")),
        (None, Some(_)) => Err(FieldError::new("from", "it is missing: to needs it")),
    }
}

/// Terms that are written out, checked against the meters and resources beside them.
fn written(
    draft: TermsDraft,
    drafts: Vec<MeterDraft>,
    resources: Vec<ResourceDto>,
) -> Result<Subject, Problem> {
    if resources.len() > Product::RESOURCES_MAX {
        let problem = format!("too many: allowed are {}", Product::RESOURCES_MAX);
        return Err(FieldError::new("resources", problem).into());
    }
    if drafts.len() > PlanFile::METERS_MAX {
        let problem = format!("too many: allowed are {}", PlanFile::METERS_MAX);
        return Err(FieldError::new("meters", problem).into());
    }
    let id = |name: &str| MeterId::derived(&[b"estimate", name.as_bytes()]);
    let requests = Meter::requests(id(Meter::REQUESTS));
    let mut meters = vec![requests.map_err(|error| FieldError::new("meters", error))?];
    for (index, draft) in drafts.into_iter().enumerate() {
        let within = |name: &str| format!("meters[{index}].{name}");
        if meters.iter().any(|meter| meter.name == draft.name) {
            let problem = "it is there already: allowed is a name of its own";
            return Err(FieldError::new(within("name"), problem).into());
        }
        let id = id(draft.name.as_str());
        let meter = draft.check(id);
        meters
            .push(meter.map_err(|error| FieldError::new(within(error.field()), error.problem()))?);
    }
    let resources: Vec<Resource> = resources.into_iter().map(Into::into).collect();
    let countable = Countable {
        meters: &meters,
        resources: &resources,
    };
    let terms = PlanTerms::new(draft, countable);
    let terms = terms.map_err(|error| Problem::within_terms(error.into()))?;
    Ok(Subject {
        name: None,
        meters,
        terms,
    })
}

impl App {
    /// A plan that anybody may see in the catalogue, or one of the caller's own.
    async fn plan_to_estimate(
        &self,
        caller: Option<Caller>,
        id: PlanId,
    ) -> Result<Subject, Problem> {
        let tenant = caller.map_or(self.tenant, |caller| caller.tenant);
        let (store, missing) = (self.store(), Problem::not_found);
        let plan = store
            .fact::<Plan>(tenant, id)
            .await?
            .ok_or_else(missing)?
            .fact;
        let product = store.fact::<Product>(tenant, plan.product).await?;
        let product = product.ok_or_else(missing)?.fact;
        if !product.state.is_on_sale() || plan.state != PlanState::Active {
            let caller = caller.ok_or_else(missing)?;
            self.own_plan(caller, id).await?;
        }
        let version = store.fact::<PlanVersion>(tenant, plan.current).await?;
        Ok(Subject {
            name: Some(plan.name),
            meters: product.meters,
            terms: version.ok_or_else(missing)?.fact.terms,
        })
    }
}

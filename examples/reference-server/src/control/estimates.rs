use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use monetization_core::clock::Span;
use monetization_core::estimate::{Asked, EstimateError, Question, Usage, estimate};
use monetization_core::field::FieldError;
use monetization_core::flows::FlowError;
use monetization_core::ids::{MeterId, PlanId, TypedId};
use monetization_core::money::Currency;
use monetization_core::plan::{Countable, Plan, PlanState, PlanTerms, PlanVersion, TermsDraft};
use monetization_core::product::{Meter, MeterDraft, Product, Resource};
use monetization_core::store::StoreExt;
use monetization_core::text::Name;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::input::{Caller, Json, MaybeCaller};
use super::problem::Problem;
use super::products::ResourceDto;
use crate::app::App;
use crate::estimate::{Estimated, document, meter, parsed, span, transactions};

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
    /// The currency that is expected: nothing is converted.
    currency: Option<Currency>,
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
) -> Result<axum::Json<Value>, Problem> {
    let span = span("", body.from.as_deref(), body.to.as_deref())?;
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
    subject.check_currency(body.currency)?;
    let mut used = Usage::new();
    for (name, body) in &usage {
        let meter = meter("usage", name, &subject.meters)?;
        used.insert(meter.id, body.asked(meter)?);
    }
    let work = move || subject.document(&used, span);
    let document = app.estimators.run(work).await??;
    Ok(axum::Json(document))
}

/// Where estimates are worked out: a few at a time, beside the threads that serve calls.
#[derive(Debug)]
pub(crate) struct Estimators {
    turns: Semaphore,
    /// How long one waits for a turn.
    wait_max: Duration,
}

impl Estimators {
    /// Estimates that are worked out at a time.
    const AT_ONCE_MAX: usize = 2;

    /// Does `work` once it is its turn.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = tokio::time::timeout(self.wait_max, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let detail = "many others are estimating: try again";
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                detail,
            ));
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| {
            let detail = "something went wrong";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail)
        })
    }
}

impl Default for Estimators {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(Self::AT_ONCE_MAX),
            wait_max: Duration::from_secs(1),
        }
    }
}

impl Subject {
    fn check_currency(&self, expected: Option<Currency>) -> Result<(), FieldError> {
        let own = self.terms.currency();
        match expected.filter(|expected| *expected != own) {
            Some(expected) => {
                let problem = format!(
                    "the plan is not in {expected}, and nothing is converted: allowed is {own}"
                );
                Err(FieldError::new("currency", problem))
            }
            None => Ok(()),
        }
    }

    fn document(&self, used: &Usage, span: Option<Span>) -> Result<Value, Problem> {
        let question = Question {
            terms: &self.terms,
            used,
            span,
        };
        let estimate = estimate(&question).map_err(|error| match error {
            EstimateError::Money(error) => Problem::from(FlowError::from(error)),
            EstimateError::Question(error) => error.into(),
            EstimateError::Transactions { ref meter } => {
                let problem = format!(
                    "{error}: allowed is {{\"quantity\": \"1000\", \"transactions\": \"10\"}}"
                );
                FieldError::new(format!("usage.{meter}"), problem).into()
            }
        })?;
        Ok(document(&Estimated {
            name: self.name.as_ref(),
            terms: &self.terms,
            meters: &self.meters,
            used,
            span,
            estimate: &estimate,
        }))
    }
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
    let resources: Vec<Resource> = resources.into_iter().map(Into::into).collect();
    let id = |name: &str| MeterId::derived(&[b"estimate", name.as_bytes()]);
    let meters = MeterDraft::check_all(drafts, &resources, id)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Anybody could have estimates worked out at once, as many as they liked, on the threads that serve calls.
    #[tokio::test]
    async fn few_estimates_are_worked_out_at_a_time_and_others_wait_for_a_while() {
        let estimators = Estimators {
            wait_max: Duration::from_millis(1),
            ..Estimators::default()
        };
        let here = std::thread::current().id();
        let there = || std::thread::current().id();
        assert_ne!(estimators.run(there).await.unwrap(), here);
        let all = u32::try_from(Estimators::AT_ONCE_MAX).unwrap();
        let under_way = estimators.turns.acquire_many(all).await.unwrap();
        let refused = estimators.run(there).await.unwrap_err();
        assert!(format!("{refused:?}").contains("busy"), "{refused:?}");
        drop(under_way);
        assert!(estimators.run(there).await.is_ok());
    }
}

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::flows::{FlowError, Ingested, LimitUse, MeterUse, Statement, UsageEvent};
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::LineItem;
use monetization_core::money::Money;
use monetization_core::plan::{Overage, QuotaOf, QuotaWindow};
use monetization_core::product::{Meter, Product, Resource, Unit};
use monetization_core::store::StoreExt;
use monetization_core::tenant::Role;
use monetization_core::text::{ForeignId, Slug};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Json};
use super::invoices::LineView;
use super::problem::Problem;
use crate::app::App;

/// Use as somebody reports it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventBody {
    /// The system it comes from.
    source: ForeignId,
    /// Its id there: the same event may be reported any number of times.
    id: ForeignId,
    subscription: SubscriptionId,
    meter: Slug,
    /// How much, such as `"1.5"`: text, so that no digit is lost on the way. May be left out where each
    /// event counts as one.
    quantity: Option<String>,
    /// Which value it is, for a meter that counts different ones.
    key: Option<String>,
    /// When; now where it is left out.
    occurred_at: Option<Timestamp>,
}

/// What became of one event.
#[derive(Debug, Serialize)]
pub(super) struct EventAnswer {
    source: ForeignId,
    id: ForeignId,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<EventError>,
}

#[derive(Debug, Serialize)]
struct EventError {
    field: String,
    problem: String,
}

/// What a subscription has used and would be invoiced now.
#[derive(Debug, Serialize)]
pub(super) struct StatementView {
    subscription: SubscriptionId,
    period: Span,
    as_of: Timestamp,
    used: Vec<UsedView>,
    limits: Vec<LimitView>,
    lines: Vec<LineView>,
    /// What closing the period now would invoice.
    total: Money,
}

/// The use of one meter.
#[derive(Debug, Serialize)]
struct UsedView {
    meter: Slug,
    unit: Unit,
    used: String,
    /// What the base price pays for in the whole period.
    included: String,
    /// How much of that is left.
    remaining: String,
    /// When it starts anew.
    resets_at: Timestamp,
    /// What the use of the period costs so far.
    cost: Money,
}

/// How much of a quota is used.
#[derive(Debug, Serialize)]
struct LimitView {
    window: QuotaWindow,
    /// `requests`, or the unit of the meter.
    unit: Unit,
    /// The meter that is limited, where it is not all calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    meter: Option<Slug>,
    /// The operation whose calls are limited, where it is not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Slug>,
    overage: Overage,
    max: u64,
    used: u64,
    remaining: u64,
    /// When it starts anew; never, for the calls of bundles.
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<Timestamp>,
}

pub(super) async fn ingest(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(bodies): Json<Vec<EventBody>>,
) -> Result<axum::Json<Vec<EventAnswer>>, Problem> {
    let mut own: BTreeMap<SubscriptionId, bool> = BTreeMap::new();
    for body in &bodies {
        if let Role::Publisher { .. } = caller.role
            && !own.contains_key(&body.subscription)
        {
            let found = app.own_subscription(caller, body.subscription).await;
            own.insert(body.subscription, found.is_ok());
        }
    }
    let names: Vec<_> = bodies
        .iter()
        .map(|body| (body.source.clone(), body.id.clone(), body.subscription))
        .collect();
    let is_own = |id: &SubscriptionId| own.get(id).copied().unwrap_or(true);
    let events: Vec<UsageEvent> = bodies
        .into_iter()
        .filter(|body| is_own(&body.subscription))
        .map(Into::into)
        .collect();
    let ingested = app.monetizer.ingest(caller.tenant, &events).await?;
    let mut ingested = ingested.into_iter();
    let answers = names.into_iter().map(|(source, id, subscription)| {
        let became = is_own(&subscription).then(|| ingested.next()).flatten();
        EventAnswer::new((source, id), became, subscription)
    });
    Ok(axum::Json(answers.collect()))
}

pub(super) async fn statement(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
) -> Result<axum::Json<StatementView>, Problem> {
    let subscription = app.own_subscription(caller, id).await?;
    let product = app
        .store()
        .fact::<Product>(caller.tenant, subscription.product)
        .await?;
    let product = product.ok_or_else(Problem::not_found)?.fact;
    let statement = app.monetizer.statement(caller.tenant, id).await?;
    let mut used = Vec::with_capacity(statement.used.len());
    for of_meter in &statement.used {
        let mut meters = product.meters.iter();
        if let Some(meter) = meters.find(|meter| meter.id == of_meter.meter) {
            used.push(UsedView::new(of_meter, meter, &statement)?);
        }
    }
    let limits = statement.limits.iter();
    let limits = limits.map(|limit| LimitView::new(limit, &product));
    Ok(axum::Json(StatementView {
        subscription: id,
        period: statement.period,
        as_of: statement.as_of,
        used,
        limits: limits.collect(),
        lines: LineView::all(statement.lines, Some(&product)),
        total: statement.total,
    }))
}

impl UsedView {
    fn new(of: &MeterUse, meter: &Meter, statement: &Statement) -> Result<Self, FlowError> {
        let lines = statement
            .lines
            .iter()
            .filter(|line| matches!(&line.item, LineItem::Usage(usage) if usage.meter == meter.id));
        let cost = Money::sum(statement.total.currency(), lines.map(|line| line.amount))?;
        Ok(Self {
            meter: meter.name.clone(),
            unit: meter.unit,
            used: meter.scale.render(of.used),
            included: meter.scale.render(of.included),
            remaining: meter.scale.render(of.included.above(of.used)),
            resets_at: statement.period.end,
            cost,
        })
    }
}

impl LimitView {
    fn new(of: &LimitUse, product: &Product) -> Self {
        let LimitUse {
            quota,
            window,
            used,
        } = of;
        let meters = product.meters.iter();
        let mut meters = meters.filter(|meter| quota.name.of == QuotaOf::Meter(meter.id));
        let mut resources = product.resources.iter().filter(|resource| {
            let id = Resource::id(product.id, &resource.identifier);
            quota.name.of == QuotaOf::Resource(id)
        });
        Self {
            window: quota.name.window,
            unit: quota.unit,
            meter: meters.next().map(|meter| meter.name.clone()),
            resource: resources.next().map(|it| it.identifier.clone()),
            overage: quota.overage,
            max: quota.max,
            used: *used,
            remaining: quota.max.saturating_sub(*used),
            resets_at: (quota.name.window != QuotaWindow::Ever).then_some(window.end),
        }
    }
}

impl EventAnswer {
    /// `None` stands for an event about a subscription that is not the caller's business.
    fn new(
        (source, id): (ForeignId, ForeignId),
        became: Option<Ingested>,
        subscription: SubscriptionId,
    ) -> Self {
        let (result, error) = match became {
            Some(Ingested::Accepted) => ("accepted", None),
            Some(Ingested::Duplicate) => ("duplicate", None),
            Some(Ingested::Conflict) => ("conflict", None),
            Some(Ingested::Refused(error)) => (
                "refused",
                Some((error.field().to_owned(), error.problem().to_owned())),
            ),
            None => (
                "refused",
                Some((
                    "subscription".to_owned(),
                    format!("{subscription} does not exist"),
                )),
            ),
        };
        Self {
            source,
            id,
            result,
            error: error.map(|(field, problem)| EventError { field, problem }),
        }
    }
}

impl From<EventBody> for UsageEvent {
    fn from(body: EventBody) -> Self {
        Self {
            source: body.source,
            id: body.id,
            subscription: body.subscription,
            meter: body.meter,
            quantity: body.quantity,
            key: body.key,
            occurred_at: body.occurred_at,
        }
    }
}

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use monetization_core::clock::Timestamp;
use monetization_core::engine::{CancelMode, ChangeMode};
use monetization_core::field::FieldError;
use monetization_core::flows::Order;
use monetization_core::ids::{ConsumerId, PlanId, PlanVersionId, SubscriptionId};
use monetization_core::period::TimeZone;
use monetization_core::product::Product;
use monetization_core::store::{Index, RowKey, StoreExt};
use monetization_core::subscription::Subscription;
use monetization_core::tenant::Role;
use monetization_core::text::{ForeignId, Name, Prose};
use serde::Deserialize;

use super::input::{Caller, Id, Json, Params};
use super::page::{List, Page};
use super::parties::BuyerDto;
use super::problem::Problem;
use super::subscription_view::SubscriptionView;
use crate::app::App;

/// A wish to subscribe.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderBody {
    plan: PlanId,
    buyer: BuyerDto,
    /// Who pays; a developer's own where it is left out.
    consumer: Option<ConsumerId>,
    application: Option<Name>,
    /// The time zone that its billing periods go by; UTC where it is left out.
    #[serde(default)]
    time_zone: TimeZone,
    /// Recognises the order when it is sent again, as the header `Idempotency-Key` does.
    request_key: Option<ForeignId>,
}

/// Why a subscription is not approved.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RejectBody {
    reason: Prose,
}

/// When a subscription ends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelBody {
    mode: ModeWord,
}

/// Whether something happens at once or with the period.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeWord {
    Now,
    PeriodEnd,
}

/// Which version of its plan a subscription moves to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MigrateBody {
    version: PlanVersionId,
    /// From when on; as soon as every gateway can know of it where it is left out.
    at: Option<Timestamp>,
}

/// Which plan a subscription changes to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanBody {
    plan: PlanId,
    /// At once, or with the next period; as its price asks for where it is left out.
    mode: Option<ModeWord>,
}

/// The time zone that later billing periods go by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneBody {
    time_zone: TimeZone,
}

/// Subscribes. A recognised order is answered 200 with what it became, without the key's secret,
/// which was told once.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Json(body): Json<OrderBody>,
) -> Result<Response, Problem> {
    let order = Order {
        consumer: payer(caller, body.consumer)?,
        buyer: body.buyer.into(),
        application: body.application,
        plan: body.plan,
        time_zone: body.time_zone,
        request_key: request_key(&headers, body.request_key)?,
    };
    let ordered = app.monetizer.subscribe(caller.tenant, order).await?;
    let subscription = if app.awaits_link(&ordered.subscription) {
        app.carry_out_soon().await;
        app.own_subscription(caller, ordered.subscription.id)
            .await?
    } else {
        ordered.subscription
    };
    let status = if ordered.new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let view = SubscriptionView::new(subscription, app.now()).with_key(ordered.key);
    Ok((status, axum::Json(view)).into_response())
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<axum::Json<List<SubscriptionView>>, Problem> {
    let now = app.now();
    let show = |subscription| SubscriptionView::new(subscription, now);
    let key = match caller.role {
        Role::PlatformOwner => None,
        Role::Developer { consumer } => Some(RowKey::new(Index::SubscriptionsOfConsumer, consumer)),
        Role::Publisher { publisher } => {
            let products = app.products_of(caller, publisher).await?;
            let mine = app.subscriptions_to(caller, &products).await?;
            return Ok(axum::Json(page.of(mine, show)?));
        }
    };
    let list = page.read(app.store(), (caller.tenant, key), |_| true, show);
    Ok(axum::Json(list.await?))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    let subscription = app.own_subscription(caller, id).await?;
    Ok(app.shown(subscription))
}

pub(super) async fn approve(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    app.own_subscription(caller, id).await?;
    let mut subscription = app.monetizer.approve(caller.tenant, id).await?;
    if app.awaits_link(&subscription) {
        app.carry_out_soon().await;
        subscription = app.own_subscription(caller, id).await?;
    }
    Ok(app.shown(subscription))
}

pub(super) async fn reject(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Json(body): Json<RejectBody>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    app.own_subscription(caller, id).await?;
    let rejected = app.monetizer.reject(caller.tenant, id, body.reason).await?;
    Ok(app.shown(rejected))
}

pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Json(body): Json<CancelBody>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    app.own_subscription(caller, id).await?;
    let mode = match body.mode {
        ModeWord::Now => CancelMode::Now,
        ModeWord::PeriodEnd => CancelMode::AtPeriodEnd,
    };
    let cancelled = app.monetizer.cancel(caller.tenant, id, mode).await?;
    app.rounds.wake();
    Ok(app.shown(cancelled))
}

pub(super) async fn block(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    app.own_subscription(caller, id).await?;
    Ok(app.shown(app.monetizer.block(caller.tenant, id).await?))
}

pub(super) async fn unblock(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    app.own_subscription(caller, id).await?;
    Ok(app.shown(app.monetizer.unblock(caller.tenant, id).await?))
}

pub(super) async fn migrate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Json(body): Json<MigrateBody>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    app.own_subscription(caller, id).await?;
    let MigrateBody { version, at } = body;
    let migrated = app
        .monetizer
        .migrate(caller.tenant, id, version, at)
        .await?;
    Ok(app.shown(migrated))
}

pub(super) async fn change_plan(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Json(body): Json<PlanBody>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    app.own_subscription(caller, id).await?;
    let mode = body.mode.map(|mode| match mode {
        ModeWord::Now => ChangeMode::Now,
        ModeWord::PeriodEnd => ChangeMode::AtPeriodEnd,
    });
    let changed = app
        .monetizer
        .change_plan(caller.tenant, id, body.plan, mode)
        .await?;
    app.rounds.wake();
    Ok(app.shown(changed))
}

pub(super) async fn move_zone(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Json(body): Json<ZoneBody>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    app.own_subscription(caller, id).await?;
    let moved = app.monetizer.move_zone(caller.tenant, id, body.time_zone);
    Ok(app.shown(moved.await?))
}

impl App {
    fn shown(&self, subscription: Subscription) -> axum::Json<SubscriptionView> {
        axum::Json(SubscriptionView::new(subscription, self.now()))
    }

    fn awaits_link(&self, subscription: &Subscription) -> bool {
        use monetization_core::subscription::SubscriptionState::AwaitingPayment;
        subscription.state == AwaitingPayment && subscription.payment_url.is_none()
    }

    async fn subscriptions_to(
        &self,
        caller: Caller,
        products: &[Product],
    ) -> Result<Vec<Subscription>, Problem> {
        let mut found = Vec::new();
        for product in products {
            let key = RowKey::new(Index::SubscriptionsOfProduct, product.id);
            let stored = self
                .store()
                .facts_by::<Subscription>(caller.tenant, key)
                .await?;
            found.extend(stored.into_iter().map(|stored| stored.fact));
        }
        Ok(found)
    }
}

fn payer(caller: Caller, named: Option<ConsumerId>) -> Result<ConsumerId, Problem> {
    match (caller.role, named) {
        (Role::Developer { consumer }, named) if named.is_none_or(|named| named == consumer) => {
            Ok(consumer)
        }
        (Role::PlatformOwner, Some(named)) => Ok(named),
        (Role::PlatformOwner, None) => {
            Err(FieldError::new("consumer", "say which consumer pays").into())
        }
        _ => Err(Problem::not_found()),
    }
}

/// The request's key, from its header or its body. The header may be quoted, as its draft has it,
/// or bare, as most programs send it.
pub(super) fn request_key(
    headers: &HeaderMap,
    in_body: Option<ForeignId>,
) -> Result<Option<ForeignId>, Problem> {
    const NAME: &str = "Idempotency-Key";
    let mut values = headers.get_all(NAME).into_iter();
    let Some(value) = values.next() else {
        return Ok(in_body);
    };
    let refuse = |problem: &str| Problem::field(&FieldError::new(NAME, problem));
    if values.next().is_some() {
        return Err(refuse("it is given twice: allowed is once"));
    }
    let text = value.to_str().map_err(|_| refuse("it is not text"))?;
    let bare = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let key: ForeignId = bare
        .parse()
        .map_err(|error| Problem::field(&FieldError::new(NAME, error)))?;
    match in_body {
        Some(other) if other != key => Err(refuse("request_key says something else: send one")),
        _ => Ok(Some(key)),
    }
}

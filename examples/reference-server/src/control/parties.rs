use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use monetization_core::clock::Timestamp;
use monetization_core::consumer::{Buyer, Consumer};
use monetization_core::ids::{ConsumerId, PublisherId};
use monetization_core::tenant::Publisher;
use monetization_core::text::{ForeignId, Name};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Json, Params};
use super::page::{List, Page};
use super::problem::Problem;
use crate::app::App;

/// A consumer that is to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsumerBody {
    name: Name,
    #[serde(default)]
    members: Vec<BuyerDto>,
}

/// Days that a consumer may be late without its calls being stopped.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GraceBody {
    grace_days: Option<u16>,
}

/// A person who buys, as the consumer's own systems know them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BuyerDto {
    user_id: ForeignId,
    name: ForeignId,
}

/// A consumer.
#[derive(Debug, Serialize)]
pub(super) struct ConsumerView {
    id: ConsumerId,
    name: Name,
    members: Vec<BuyerDto>,
    /// Days that it may be late without its calls being stopped, where it has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    grace_days: Option<u16>,
    created_at: Timestamp,
}

/// A publisher that is to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublisherBody {
    name: Name,
    /// Its own account at the engine.
    account: Option<ForeignId>,
}

/// A publisher.
#[derive(Debug, Serialize)]
pub(super) struct PublisherView {
    id: PublisherId,
    name: Name,
    account: Option<ForeignId>,
    created_at: Timestamp,
}

pub(super) async fn create_consumer(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<ConsumerBody>,
) -> Result<Response, Problem> {
    let members = body.members.into_iter().map(Into::into).collect();
    let consumer = app
        .monetizer
        .create_consumer(caller.tenant, body.name, members)
        .await?;
    Ok((
        StatusCode::CREATED,
        axum::Json(ConsumerView::from(consumer)),
    )
        .into_response())
}

pub(super) async fn list_consumers(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<axum::Json<List<ConsumerView>>, Problem> {
    let list = page.read::<Consumer, _>(app.store(), (caller.tenant, None), |_| true, Into::into);
    Ok(axum::Json(list.await?))
}

pub(super) async fn show_consumer(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<ConsumerId>,
) -> Result<axum::Json<ConsumerView>, Problem> {
    Ok(axum::Json(app.own_consumer(caller, id).await?.into()))
}

/// Gives a consumer days of grace of its own; `null` takes them back.
pub(super) async fn change_consumer(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<ConsumerId>,
    Json(body): Json<GraceBody>,
) -> Result<axum::Json<ConsumerView>, Problem> {
    app.own_consumer(caller, id).await?;
    let changed = app
        .monetizer
        .grant_grace(caller.tenant, id, body.grace_days);
    Ok(axum::Json(changed.await?.into()))
}

pub(super) async fn create_publisher(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<PublisherBody>,
) -> Result<Response, Problem> {
    let publisher = app
        .monetizer
        .create_publisher(caller.tenant, body.name, body.account)
        .await?;
    Ok((
        StatusCode::CREATED,
        axum::Json(PublisherView::from(publisher)),
    )
        .into_response())
}

pub(super) async fn list_publishers(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<axum::Json<List<PublisherView>>, Problem> {
    let list = page.read::<Publisher, _>(app.store(), (caller.tenant, None), |_| true, Into::into);
    Ok(axum::Json(list.await?))
}

impl From<BuyerDto> for Buyer {
    fn from(dto: BuyerDto) -> Self {
        Self {
            user_id: dto.user_id,
            name: dto.name,
        }
    }
}

impl From<Buyer> for BuyerDto {
    fn from(buyer: Buyer) -> Self {
        Self {
            user_id: buyer.user_id,
            name: buyer.name,
        }
    }
}

impl From<Consumer> for ConsumerView {
    fn from(consumer: Consumer) -> Self {
        Self {
            id: consumer.id,
            name: consumer.name,
            members: consumer.members.into_iter().map(Into::into).collect(),
            grace_days: consumer.grace_days,
            created_at: consumer.created_at,
        }
    }
}

impl From<Publisher> for PublisherView {
    fn from(publisher: Publisher) -> Self {
        Self {
            id: publisher.id,
            name: publisher.name,
            account: publisher.account,
            created_at: publisher.created_at,
        }
    }
}

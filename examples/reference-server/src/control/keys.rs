use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use monetization_core::ids::{ApiKeyId, SubscriptionId};
use monetization_core::key::ApiKey;
use monetization_core::secret::Secret;
use monetization_core::store::{Index, RowKey, StoreExt};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Json};
use super::problem::Problem;
use crate::app::App;

/// For how long the old key stays good beside the new one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateBody {
    #[serde(default)]
    overlap_seconds: u32,
}

/// A key. Its secret is in the answer that made it and nowhere else.
#[derive(Debug, Serialize)]
pub(super) struct KeyView {
    id: ApiKeyId,
    subscriptions: Vec<SubscriptionId>,
    /// The last characters of its secret, to tell keys apart.
    hint: String,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
    /// The whole key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

const OVERLAP_SECONDS_MAX: u32 = 30 * 86_400;

pub(super) async fn issue(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
) -> Result<Response, Problem> {
    app.own_subscription(caller, id).await?;
    let (key, secret) = app.monetizer.issue_key(caller.tenant, id).await?;
    Ok(created(key, &secret))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
) -> Result<axum::Json<Vec<KeyView>>, Problem> {
    app.own_subscription(caller, id).await?;
    let by_subscription = RowKey::new(Index::KeysOfSubscription, id);
    let keys = app
        .store()
        .facts_by::<ApiKey>(caller.tenant, by_subscription)
        .await?;
    let views = keys.into_iter().map(|stored| KeyView::from(stored.fact));
    Ok(axum::Json(views.collect()))
}

pub(super) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<ApiKeyId>,
    Json(body): Json<RotateBody>,
) -> Result<Response, Problem> {
    app.own_key(caller, id).await?;
    if body.overlap_seconds > OVERLAP_SECONDS_MAX {
        let problem = format!("it is too long: allowed are up to {OVERLAP_SECONDS_MAX}");
        return Err(FieldError::new("overlap_seconds", problem).into());
    }
    let overlap = Duration::from_secs(u64::from(body.overlap_seconds));
    let (key, secret) = app.monetizer.rotate_key(caller.tenant, id, overlap).await?;
    Ok(created(key, &secret))
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<ApiKeyId>,
) -> Result<axum::Json<KeyView>, Problem> {
    app.own_key(caller, id).await?;
    let key = app.monetizer.revoke_key(caller.tenant, id).await?;
    Ok(axum::Json(key.into()))
}

fn created(key: ApiKey, secret: &Secret) -> Response {
    (
        StatusCode::CREATED,
        axum::Json(KeyView::revealed(key, secret)),
    )
        .into_response()
}

impl KeyView {
    /// With its secret: the only time it is told.
    pub(super) fn revealed(key: ApiKey, secret: &Secret) -> Self {
        let mut view = Self::from(key);
        view.key = Some(secret.reveal().to_owned());
        view
    }
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            subscriptions: key.subscriptions,
            hint: key.hint,
            created_at: key.created_at,
            revoked_at: key.revoked_at,
            key: None,
        }
    }
}

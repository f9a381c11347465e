use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use monetization_core::ids::{AccessTokenId, ConsumerId, PublisherId};
use monetization_core::store::StoreExt;
use monetization_core::tenant::{AccessToken, Publisher, Role};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Json, Params};
use super::page::{List, Page};
use super::problem::Problem;
use crate::app::App;

/// A token that is to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenBody {
    role: RoleName,
    /// For a publisher's token: whose products.
    publisher: Option<PublisherId>,
    /// For a developer's token: which consumer.
    consumer: Option<ConsumerId>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoleName {
    PlatformOwner,
    Publisher,
    Developer,
}

/// A token; its secret is told once, when it is made.
#[derive(Debug, Serialize)]
pub(super) struct TokenView {
    id: AccessTokenId,
    #[serde(flatten)]
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<TokenBody>,
) -> Result<Response, Problem> {
    let role = match (body.role, body.publisher, body.consumer) {
        (RoleName::PlatformOwner, None, None) => Role::PlatformOwner,
        (RoleName::Publisher, Some(publisher), None) => {
            let known = app
                .store()
                .fact::<Publisher>(caller.tenant, publisher)
                .await?;
            known.ok_or_else(Problem::not_found)?;
            Role::Publisher { publisher }
        }
        (RoleName::Developer, None, Some(consumer)) => {
            app.own_consumer(caller, consumer).await?;
            Role::Developer { consumer }
        }
        _ => {
            let problem = "a publisher's token names a publisher, a developer's a consumer, an owner's neither";
            return Err(FieldError::new("role", problem).into());
        }
    };
    let made = app
        .monetizer
        .create_access_token(caller.tenant, role)
        .await?;
    let (token, secret) = made;
    let mut view = TokenView::from(token);
    view.token = Some(secret.reveal().to_owned());
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<axum::Json<List<TokenView>>, Problem> {
    let list =
        page.read::<AccessToken, _>(app.store(), (caller.tenant, None), |_| true, Into::into);
    Ok(axum::Json(list.await?))
}

/// Takes a token back, at once. Never the one that asks: so there always is one left that may.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<AccessTokenId>,
) -> Result<axum::Json<TokenView>, Problem> {
    if id == caller.token {
        let problem = "a token does not take itself back: make another, and ask with that";
        return Err(Problem::conflict("own_token", problem));
    }
    let token = app.monetizer.revoke_access_token(caller.tenant, id).await?;
    Ok(axum::Json(token.into()))
}

impl From<AccessToken> for TokenView {
    fn from(token: AccessToken) -> Self {
        Self {
            id: token.id,
            role: token.role,
            token: None,
            created_at: token.created_at,
            revoked_at: token.revoked_at,
        }
    }
}

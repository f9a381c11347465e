//! What requests bring along: read strictly, refused by the name of the field.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use monetization_core::field::FieldError;
use monetization_core::ids::{AccessTokenId, TenantId, TypedId};
use monetization_core::tenant::Role;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::app::App;

/// A body in JSON. Fields that are not known are refused, and so is anything after it.
pub(crate) struct Json<T>(pub(crate) T);

/// The query string. Parameters that are not known are refused.
pub(crate) struct Params<T>(pub(crate) T);

/// The id in the path. What is no id is no thing that exists.
pub(crate) struct Id<T>(pub(crate) T);

/// Whose token the request bears.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    /// The token that asks.
    pub(crate) token: AccessTokenId,
    /// The tenant that the token is good for.
    pub(crate) tenant: TenantId,
    /// What it lets its bearer do.
    pub(crate) role: Role,
}

/// Whose token the request bears on a route that needs none; a token that is sent has to be good.
pub(crate) struct MaybeCaller(pub(crate) Option<Caller>);

/// Bytes the body of a request may have.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        check_type(request.headers()).map_err(IntoResponse::into_response)?;
        let bytes = Bytes::from_request(request, app).await.map_err(|refused| {
            let status = refused.status();
            Problem::new(status, "body_refused", refused.body_text()).into_response()
        })?;
        read(&bytes).map(Self).map_err(IntoResponse::into_response)
    }
}

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Params<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Response> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(params)| Self(params)).map_err(|refused| {
            let said = refused.body_text();
            let said = said
                .rsplit_once("query string: ")
                .map_or(said.as_str(), |(_, why)| why);
            Problem::field(&FieldError::new("query", said)).into_response()
        })
    }
}

impl<T: TypedId> FromRequestParts<Arc<App>> for Id<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let text = Path::<String>::from_request_parts(parts, app).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self)
            .ok_or_else(|| Problem::not_found().into_response())
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Response> {
        // The check of the route has put it there; without it nobody is let in.
        let known = parts.extensions.get::<Self>().copied();
        known.ok_or_else(|| unauthenticated().into_response())
    }
}

impl FromRequestParts<Arc<App>> for MaybeCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(Self(None));
        }
        let caller = super::authenticate(app, &parts.headers).await;
        caller
            .map(|caller| Self(Some(caller)))
            .map_err(IntoResponse::into_response)
    }
}

/// Nobody known is asking.
pub(crate) fn unauthenticated() -> Problem {
    let detail = "send a token of the control plane as Authorization: Bearer";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let kind = given
        .and_then(|given| given.split(';').next())
        .map(str::trim);
    if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let detail = "allowed is Content-Type: application/json";
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media_type",
        detail,
    ))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refuse(&path, error.inner())
    })?;
    json.end().map_err(|error| refuse(".", &error))?;
    Ok(value)
}

fn refuse(path: &str, error: &serde_json::Error) -> Problem {
    let said = error.to_string();
    if !error.is_data() {
        return Problem::new(StatusCode::BAD_REQUEST, "malformed_json", said);
    }
    let said = said
        .rsplit_once(" at line ")
        .map_or(said.as_str(), |(said, _)| said);
    // serde tells of such fields where they would stand, not by their path.
    let named = ["unknown field `", "missing field `", "duplicate field `"]
        .into_iter()
        .find_map(|begin| said.strip_prefix(begin)?.split_once('`'))
        .map(|(name, _)| name);
    let field = match (path.trim_end_matches('?').trim_end_matches('.'), named) {
        ("", None) => "body".to_owned(),
        ("", Some(name)) => name.to_owned(),
        (path, Some(name)) if path.rsplit('.').next() != Some(name) => format!("{path}.{name}"),
        (path, _) => path.to_owned(),
    };
    Problem::field(&FieldError::new(field, said))
}

//! What requests bring along: read strictly, refused by the name of the field.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use monetization_core::field::FieldError;
use monetization_core::text::ForeignId;
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// A body in JSON, with nothing after it.
pub(super) struct Json<T>(pub(super) T);

/// The query string. Parameters that are not known are refused.
pub(super) struct Params<T>(pub(super) T);

/// The name of an object in the path. What is no name is no object that exists.
pub(super) struct Named(pub(super) ForeignId);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_type(request.headers())?;
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|refused| {
            Problem::new(refused.status(), "body_refused", refused.body_text())
        })?;
        read(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(params)| Self(params))
            .map_err(|refused| FieldError::new("query", refused.body_text()).into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let name = text.ok().and_then(|Path(text)| text.parse().ok());
        name.map(Self).ok_or_else(Problem::not_found)
    }
}

/// A form of another site cannot send this type without being asked first.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok());
    let kind = given.and_then(|given| given.split(';').next());
    if kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media_type",
        "allowed is Content-Type: application/json",
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

/// Says of a field by its path, such as `request.order.name`, what is wrong with it. What is not
/// JSON at all has no field.
fn refuse(path: &str, error: &serde_json::Error) -> Problem {
    let said = error.to_string();
    if !error.is_data() {
        return Problem::new(StatusCode::BAD_REQUEST, "malformed_json", said);
    }
    let said = said
        .rsplit_once(" at line ")
        .map_or(said.as_str(), |(said, _)| said);
    // serde tells of such fields in words, and of the path only as far as what they stand in.
    let named = ["unknown field `", "missing field `", "duplicate field `"]
        .into_iter()
        .find_map(|begin| said.strip_prefix(begin)?.split_once('`'))
        .map(|(name, _)| name);
    let path = path.trim_end_matches('?').trim_end_matches('.');
    let field = match (path, named) {
        ("", None) => "body".to_owned(),
        ("", Some(name)) => name.to_owned(),
        (path, Some(name)) if path.rsplit('.').next() != Some(name) => format!("{path}.{name}"),
        (path, _) => path.to_owned(),
    };
    FieldError::new(field, said).into()
}

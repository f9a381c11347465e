use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use super::denial::Unauthenticated;
use crate::key::PresentedKey;

/// The header besides `Authorization` that a key is read from: `X-API-Key`.
pub const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The one key of a call: `Authorization: Bearer` or `X-API-Key`.
pub(super) fn present(headers: &HeaderMap) -> Result<PresentedKey, Unauthenticated> {
    let bearer = headers.get_all(AUTHORIZATION).into_iter().map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| key.trim_start())
    });
    let header = headers
        .get_all(API_KEY)
        .into_iter()
        .map(|value| value.to_str().ok());
    let mut keys = bearer.chain(header);
    let first = keys.next().ok_or(Unauthenticated::Missing)?;
    if keys.next().is_some() {
        return Err(Unauthenticated::Several);
    }
    first
        .and_then(PresentedKey::parse)
        .ok_or(Unauthenticated::Invalid)
}

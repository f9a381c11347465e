use std::sync::Arc;

use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use monetization_core::flows::WebhookEndpoint;
use monetization_core::text::Slug;

use super::problem::Problem;
use crate::app::App;
use crate::news;

/// Takes a message of an engine in. The answer is sent after its effect is durable; whatever is
/// not 2xx asks the engine to send it again.
pub(super) async fn take_in(
    State(app): State<Arc<App>>,
    Path(endpoint): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let engine: Slug = endpoint.parse().map_err(|_| Problem::not_found())?;
    let secrets = app.engine_secrets.of_messages(&engine);
    let secrets = secrets.ok_or_else(Problem::not_found)?;
    let endpoint = WebhookEndpoint {
        tenant: Some(app.tenant),
        ..WebhookEndpoint::new(&engine, &secrets)
    };
    let taken = app.monetizer.take_in(endpoint, &headers, &body).await?;
    news::tell(&taken.contradictions, taken.rejected);
    Ok(StatusCode::NO_CONTENT)
}

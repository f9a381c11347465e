//! Messages for those who fetch them instead of having them posted.

use std::collections::BTreeMap;

use axum::extract::State;
use http::StatusCode;
use monetization_core::text::ForeignId;
use serde::{Deserialize, Serialize};

use super::Desk;
use super::input::{Json, Params};
use super::objects::{Listed, Page};
use super::problem::Problem;
use crate::webhooks::Delivery;

/// A message that waits, byte for byte as it would be posted.
#[derive(Debug, Serialize)]
pub(super) struct MessageView {
    /// Its name, which is in the headers too.
    id: ForeignId,
    /// By their names in lower case; the signature is good for 300 seconds.
    headers: BTreeMap<String, String>,
    /// JSON as text: written anew it would have another signature.
    body: String,
}

impl From<Delivery> for MessageView {
    fn from(delivery: Delivery) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = delivery.headers.iter();
        Self {
            id: delivery.id,
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
                .collect(),
            body: text(&delivery.body),
        }
    }
}

/// Messages that have arrived.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveredBody {
    messages: Vec<ForeignId>,
}

/// What waits, signed as of now. It goes on waiting.
pub(super) async fn waiting(
    State(desk): State<Desk>,
    Params(page): Params<Page>,
) -> Result<axum::Json<Listed<MessageView>>, Problem> {
    let waiting = desk.control.deliveries().into_iter();
    let waiting = waiting.map(MessageView::from).collect();
    page.oldest(waiting, |message| &message.id).map(axum::Json)
}

/// Takes messages off. A name that does not wait is passed over.
pub(super) async fn delivered(
    State(desk): State<Desk>,
    Json(body): Json<DeliveredBody>,
) -> Result<StatusCode, Problem> {
    desk.control.delivered(&body.messages)?;
    Ok(StatusCode::NO_CONTENT)
}

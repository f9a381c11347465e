//! What was told by messages, told again.

use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::engine::{EngineContext, EngineError, NewsFeed, NewsPage, VerifiedEvent};

use super::{Client, unexpected};
use crate::provider::{Notice, Query, Reply};
use crate::webhooks::body;

#[async_trait]
impl NewsFeed for Client {
    async fn since(&self, cx: &EngineContext, from: Timestamp) -> Result<NewsPage, EngineError> {
        let message = |notice: Notice| {
            Some(VerifiedEvent {
                body: body(&notice, &self.payment_url_base)?,
                id: notice.id,
            })
        };
        match self.ask(cx, Query::News { since: from }).await? {
            Reply::News {
                notices,
                until,
                is_last,
            } => Ok(NewsPage {
                messages: notices.into_iter().filter_map(message).collect(),
                until,
                is_last,
            }),
            other => Err(unexpected(&other)),
        }
    }
}

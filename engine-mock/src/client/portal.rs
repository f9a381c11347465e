use async_trait::async_trait;
use monetization_core::engine::{CustomerPortal, EngineContext, EngineError, PageRequest};
use monetization_core::text::ForeignId;

use super::{Client, unexpected};
use crate::provider::{Order, Query, Reply};

#[async_trait]
impl CustomerPortal for Client {
    async fn page_url(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
        request: &PageRequest,
    ) -> Result<String, EngineError> {
        let query = Query::Page {
            customer: customer.clone(),
            page: request.page,
            return_url: request.return_url.clone(),
        };
        match self.ask(cx, query).await? {
            Reply::Page(token) => Ok(format!("{}{token}", self.payment_url_base)),
            other => Err(unexpected(&other)),
        }
    }

    async fn charge_stored(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
    ) -> Result<(), EngineError> {
        let customer = customer.clone();
        match self.order(cx, Order::ChargeStored { customer }).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}

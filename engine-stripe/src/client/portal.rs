//! Stripe's own pages.
//!
//! ```text
//! POST /v1/billing_portal/sessions    customer=cus_1 return_url=… configuration=bpc_1
//! POST /v1/checkout/sessions          customer=cus_1 mode=setup currency=usd success_url=… cancel_url=…
//! ```
//!
//! The first is good for some minutes, the second for a day, and either for one visit: they are asked for when
//! somebody wants to go there, under a key that no other visit has, and are kept nowhere.
//!
//! | page | what Stripe needs for it |
//! |---|---|
//! | portal | a configuration: that of the account, saved once in the dashboard, or the one that the product names |
//! | checkout | nothing; which payment methods it offers follows from the currency and the account |
//!
//! That a method was stored is told by `checkout.session.completed`; what is changed in the portal is not
//! told, and begins no charging.

use async_trait::async_trait;
use monetization_core::engine::{CustomerPortal, EngineContext, EngineError, Page, PageRequest};
use monetization_core::text::ForeignId;
use stripe_billing::billing_portal_session::CreateBillingPortalSession;
use stripe_checkout::CheckoutSessionMode;
use stripe_checkout::checkout_session::CreateCheckoutSession;

use super::plans::currency;
use super::{Client, permanent};
use crate::answer::Visit;
use crate::descriptor::PORTAL_CONFIGURATION;
use crate::names;

#[async_trait]
impl CustomerPortal for Client {
    async fn page_url(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
        request: &PageRequest,
    ) -> Result<String, EngineError> {
        let session = self.session(cx);
        let back = request.return_url.as_str();
        let visit = match request.page {
            Page::Portal => {
                let mut visit = CreateBillingPortalSession::new()
                    .customer(customer.as_str())
                    .return_url(back);
                if let Some(configuration) = request.attributes.get(PORTAL_CONFIGURATION) {
                    visit = visit.configuration(configuration.as_str());
                }
                session.order::<Visit>(&visit).await?
            }
            Page::Checkout => {
                let visit = CreateCheckoutSession::new()
                    .customer(customer.as_str())
                    .mode(CheckoutSessionMode::Setup)
                    .currency(currency(request.currency))
                    .success_url(back)
                    .cancel_url(back);
                session.order::<Visit>(&visit).await?
            }
        };
        let missing = || permanent("Stripe's page has no address");
        visit.object.url.ok_or_else(missing)
    }

    async fn charge_stored(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
    ) -> Result<(), EngineError> {
        let customer = names::in_path(customer)?;
        Ok(self.session(cx).charge_stored(customer).await?)
    }
}

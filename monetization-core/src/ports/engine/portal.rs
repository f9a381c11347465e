use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{EngineContext, EngineError};
use crate::money::Currency;
use crate::store::Port;
use crate::text::{ForeignId, PageUrl};

/// Pages of the provider's own, on which a consumer looks after what they pay with. No card ever comes
/// near this system.
///
/// | page | for |
/// |---|---|
/// | [`Page::Portal`] | invoices, payment methods and addresses, as the provider shows them |
/// | [`Page::Checkout`] | storing a payment method, from which later invoices are charged |
///
/// # Implementing
/// Links may be good for a short while and for one visit: they are asked for when somebody wants to go
/// there, and kept nowhere. That a method was stored is told by
/// [`News::PaymentMethodStored`](super::News::PaymentMethodStored); core then asks for
/// [`charge_stored`](Self::charge_stored), as often as it takes.
///
/// A provider with one page, and nothing to be charged:
///
/// ```
/// use monetization_core::engine::*;
/// use monetization_core::text::ForeignId;
///
/// #[derive(Debug)]
/// struct OnePage;
///
/// #[async_trait::async_trait]
/// impl CustomerPortal for OnePage {
///     async fn page_url(
///         &self, _: &EngineContext, customer: &ForeignId, request: &PageRequest,
///     ) -> Result<String, EngineError> {
///         let back = request.return_url.as_str();
///         match request.page {
///             Page::Portal => Ok(format!("https://pay.example/{customer}?back={back}")),
///             Page::Checkout => {
///                 let nowhere = "this provider stores no payment methods";
///                 Err(EngineError::new(EngineErrorKind::Permanent, nowhere))
///             }
///         }
///     }
///
///     async fn charge_stored(&self, _: &EngineContext, _: &ForeignId) -> Result<(), EngineError> {
///         Ok(())
///     }
/// }
///
/// let portal: std::sync::Arc<dyn CustomerPortal> = std::sync::Arc::new(OnePage);
/// assert_eq!(format!("{portal:?}"), "OnePage");
/// ```
#[async_trait]
pub trait CustomerPortal: Port {
    /// Where a customer finds a page now.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn page_url(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
        request: &PageRequest,
    ) -> Result<String, EngineError>;

    /// Has what a customer is invoiced from now on charged to the payment method that they have stored
    /// last, instead of asking them to pay each invoice. Where they have stored none, or it is so already,
    /// nothing changes.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn charge_stored(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
    ) -> Result<(), EngineError>;
}

/// A page that somebody wants to visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Which one.
    pub page: Page,
    /// Where it leads back to.
    pub return_url: PageUrl,
    /// What the customer is invoiced in.
    pub currency: Currency,
    /// What the engine was told of the product that they have subscribed to.
    pub attributes: BTreeMap<String, String>,
}

/// A page of a provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Page {
    /// Everything that the customer may see and change.
    Portal,
    /// A payment method is stored.
    Checkout,
}

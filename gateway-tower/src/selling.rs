//! The shortest way from a storefront to a layer.

use monetization_core::storefront::Storefront;
use monetization_core::text::Slug;

use crate::{LayerOptions, MonetizationLayer, Mount, TokioRuntime};

impl MonetizationLayer {
    /// A layer inside the service that this product of a storefront is, with the default
    /// [`LayerOptions`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn selling(storefront: &Storefront, product: Slug) -> Self {
        let mut options = LayerOptions::new(TokioRuntime::current());
        options.mount = Mount::Fixed(product);
        let gatekeeper = storefront.gatekeeper().clone();
        Self::new(gatekeeper, storefront.clock().clone(), options)
    }
}

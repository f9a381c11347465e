//! What an empty store is given, so that somebody can sign in.

use monetization_core::flows::{Beginning, FlowError, Monetizer, NewTenant};
use monetization_core::invoice::Invoicing;
use monetization_core::store::{Kind, Store, StoreError, Stored};
use monetization_core::tenant::Tenant;
use monetization_core::text::{Name, Slug};

/// What was made on the first start.
pub use monetization_core::flows::Begun as FirstStart;

/// What the tenant of the first start is like.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) engine: Slug,
    pub(crate) invoicing: Invoicing,
    pub(crate) payment_days: u32,
    pub(crate) grace_days: u16,
}

/// The tenant that is there, if one is.
pub(crate) async fn known(store: &dyn Store) -> Result<Option<Tenant>, StoreError> {
    let rows = store.all(Kind::Tenant, None, 1).await?;
    let tenant = rows.first().map(Stored::<Tenant>::read).transpose()?;
    Ok(tenant.map(|stored| stored.fact))
}

/// The tenant that is there, or a new one.
pub(crate) async fn tenant(
    monetizer: &Monetizer,
    market: Market,
) -> Result<(Tenant, Option<FirstStart>), FlowError> {
    let store = monetizer.store();
    if let Some(tenant) = known(&**store).await? {
        return Ok((tenant, None));
    }
    let beginning = Beginning {
        tenant: NewTenant {
            name: name("Marketplace"),
            engine: market.engine,
            invoicing: market.invoicing,
            payment_days: market.payment_days,
            grace_days: market.grace_days,
        },
        publisher: name("First publisher"),
        consumer: name("First consumer"),
    };
    if let Some(first) = monetizer.begin_store(beginning).await? {
        return Ok((first.tenant.clone(), Some(first)));
    }
    // Another server has begun it meanwhile.
    let tenant = known(&**store).await?.ok_or(FlowError::Contended)?;
    Ok((tenant, None))
}

fn name(text: &'static str) -> Name {
    #[expect(clippy::unwrap_used, reason = "the names in this file are names")]
    text.parse().unwrap()
}

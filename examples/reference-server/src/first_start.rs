//! What an empty store is given, so that somebody can sign in.

use monetization_core::flows::{FlowError, Monetizer, NewTenant};
use monetization_core::ids::{ConsumerId, PublisherId, TenantId};
use monetization_core::invoice::Invoicing;
use monetization_core::secret::Secret;
use monetization_core::store::{Kind, Store, StoreError, Stored};
use monetization_core::tenant::{Role, Tenant};
use monetization_core::text::{Name, Slug};

/// What was made on the first start. The tokens are told here and nowhere else.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FirstStart {
    /// The marketplace.
    pub tenant: TenantId,
    /// A publisher, to own products.
    pub publisher: PublisherId,
    /// A consumer, to buy them.
    pub consumer: ConsumerId,
    /// The token of the role `platform_owner`.
    pub owner_token: Secret,
    /// The publisher's token.
    pub publisher_token: Secret,
    /// A token of the consumer's developers.
    pub developer_token: Secret,
}

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
    if let Some(tenant) = known(&**monetizer.store()).await? {
        return Ok((tenant, None));
    }
    let tenant = monetizer
        .create_tenant(NewTenant {
            name: name("Marketplace"),
            engine: market.engine,
            invoicing: market.invoicing,
            payment_days: market.payment_days,
            grace_days: market.grace_days,
        })
        .await?;
    let id = tenant.id;
    let publisher = monetizer
        .create_publisher(id, name("First publisher"), None)
        .await?
        .id;
    let consumer = monetizer
        .create_consumer(id, name("First consumer"), Vec::new())
        .await?
        .id;
    let owner = monetizer.create_access_token(id, Role::PlatformOwner);
    let (_, owner_token) = owner.await?;
    let (_, publisher_token) = monetizer
        .create_access_token(id, Role::Publisher { publisher })
        .await?;
    let (_, developer_token) = monetizer
        .create_access_token(id, Role::Developer { consumer })
        .await?;
    let first = FirstStart {
        tenant: id,
        publisher,
        consumer,
        owner_token,
        publisher_token,
        developer_token,
    };
    Ok((tenant, Some(first)))
}

fn name(text: &'static str) -> Name {
    #[expect(clippy::unwrap_used, reason = "the names in this file are names")]
    text.parse().unwrap()
}

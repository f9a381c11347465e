use std::fmt;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{Directory, Expected, Listing, Named, Rows, StoreError, StoreErrorKind, Write};
use crate::clock::Timestamp;
use crate::consumer::Consumer;
use crate::cursor::NewsCursor;
use crate::ids::{TenantId, TypedId};
use crate::invoice::Invoice;
use crate::key::ApiKey;
use crate::plan::{Plan, PlanVersion};
use crate::product::Product;
use crate::reference::Reference;
use crate::subscription::Subscription;
use crate::tenant::{AccessToken, Publisher, Tenant};

/// A fact as a store keeps it: a body the store does not look into, and what it is found by.
///
/// Two stores that hold the same rows are the same store: everything else about facts is in core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub kind: Kind,
    /// Its id; unique within its kind, across tenants.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: TenantId,
    /// 1 when it is made, one more with each change.
    pub version: u64,
    /// When a job has to look at it next, in business time.
    pub due_at: Option<Timestamp>,
    /// What it is found by.
    pub keys: Vec<RowKey>,
    /// The fact itself, in JSON.
    pub body: String,
    /// Its place in the change sequence: greater than that of every change before it. Set by
    /// the store.
    pub seq: u64,
}

/// One thing a row is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// Which index.
    pub index: Index,
    /// The value there.
    pub value: String,
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the fact of that name")]
#[non_exhaustive]
pub enum Kind {
    Tenant,
    Publisher,
    AccessToken,
    Product,
    Plan,
    PlanVersion,
    Consumer,
    Subscription,
    ApiKey,
    Invoice,
    Reference,
    NewsCursor,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Tenant,
        Self::Publisher,
        Self::AccessToken,
        Self::Product,
        Self::Plan,
        Self::PlanVersion,
        Self::Consumer,
        Self::Subscription,
        Self::ApiKey,
        Self::Invoice,
        Self::Reference,
        Self::NewsCursor,
    ];

    /// Its name where it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Publisher => "publisher",
            Self::AccessToken => "access_token",
            Self::Product => "product",
            Self::Plan => "plan",
            Self::PlanVersion => "plan_version",
            Self::Consumer => "consumer",
            Self::Subscription => "subscription",
            Self::ApiKey => "api_key",
            Self::Invoice => "invoice",
            Self::Reference => "reference",
            Self::NewsCursor => "news_cursor",
        }
    }
}

/// What rows are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Index {
    /// A product by its slug. Unique in the tenant.
    ProductSlug,
    /// The products of a publisher.
    ProductsOfPublisher,
    /// The plans of a product.
    PlansOfProduct,
    /// A plan version by plan and number. Unique in the tenant.
    PlanVersionNumber,
    /// A subscription by consumer and the request's key. Unique in the tenant.
    SubscriptionRequest,
    /// The subscriptions of a consumer.
    SubscriptionsOfConsumer,
    /// The subscriptions of a product.
    SubscriptionsOfProduct,
    /// The keys of a subscription.
    KeysOfSubscription,
    /// The invoices of a subscription.
    InvoicesOfSubscription,
    /// The invoices of a consumer.
    InvoicesOfConsumer,
    /// A reference by engine, account, kind of object and the object's name there. Unique
    /// across tenants: it tells whose an engine's news is.
    ReferenceExternal,
}

impl Index {
    /// Every index.
    pub const ALL: [Self; 11] = [
        Self::ProductSlug,
        Self::ProductsOfPublisher,
        Self::PlansOfProduct,
        Self::PlanVersionNumber,
        Self::SubscriptionRequest,
        Self::SubscriptionsOfConsumer,
        Self::SubscriptionsOfProduct,
        Self::KeysOfSubscription,
        Self::InvoicesOfSubscription,
        Self::InvoicesOfConsumer,
        Self::ReferenceExternal,
    ];

    /// Its name where it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProductSlug => "product_slug",
            Self::ProductsOfPublisher => "products_of_publisher",
            Self::PlansOfProduct => "plans_of_product",
            Self::PlanVersionNumber => "plan_version_number",
            Self::SubscriptionRequest => "subscription_request",
            Self::SubscriptionsOfConsumer => "subscriptions_of_consumer",
            Self::SubscriptionsOfProduct => "subscriptions_of_product",
            Self::KeysOfSubscription => "keys_of_subscription",
            Self::InvoicesOfSubscription => "invoices_of_subscription",
            Self::InvoicesOfConsumer => "invoices_of_consumer",
            Self::ReferenceExternal => "reference_external",
        }
    }

    /// How far a value may stand once only.
    #[must_use]
    pub fn unique(self) -> Unique {
        match self {
            Self::ProductSlug | Self::PlanVersionNumber | Self::SubscriptionRequest => {
                Unique::InTenant
            }
            Self::ReferenceExternal => Unique::Everywhere,
            Self::ProductsOfPublisher
            | Self::PlansOfProduct
            | Self::SubscriptionsOfConsumer
            | Self::SubscriptionsOfProduct
            | Self::KeysOfSubscription
            | Self::InvoicesOfSubscription
            | Self::InvoicesOfConsumer => Unique::No,
        }
    }
}

/// How far a value of an index may stand once only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Unique {
    /// Any number of rows may have it.
    No,
    /// One row of each tenant.
    InTenant,
    /// One row in the whole store.
    Everywhere,
}

/// A fact that a store keeps as a row.
///
/// Implemented for the facts of this crate. Which index a fact stands in is said here once, for
/// every store:
///
/// | fact | is found by |
/// |---|---|
/// | product | slug (unique in its tenant), publisher |
/// | plan | product |
/// | plan version | plan and number (unique in its tenant) |
/// | subscription | consumer, product, consumer and request key (unique in its tenant) |
/// | API key | each subscription it opens |
/// | invoice | subscription, consumer |
/// | reference | engine, account, kind and name there (unique everywhere) |
/// | tenant, publisher, access token, consumer, news cursor | id alone |
pub trait Fact: Serialize + DeserializeOwned + Send + Sync {
    /// What its rows are.
    const KIND: Kind;
    /// Its id's type.
    type Id: TypedId + Send + Sync;

    /// Its id.
    fn id(&self) -> Self::Id;

    /// Whose it is.
    fn tenant(&self) -> TenantId;

    /// What it is found by.
    fn keys(&self) -> Vec<RowKey>;

    /// When a job has to look at it next.
    fn due_at(&self) -> Option<Timestamp>;
}

/// A fact with the version it was read at.
///
/// Read, change, write: the write is refused where somebody else has changed it meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<T> {
    /// The fact.
    pub fact: T,
    /// The version a change of it must name; 0 while no store has it.
    pub version: u64,
}

impl<T: Fact> Stored<T> {
    /// A fact that no store has yet.
    #[must_use]
    pub const fn new(fact: T) -> Self {
        Self { fact, version: 0 }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// [`StoreErrorKind::Broken`] where the body is no such fact.
    pub fn read(row: &Row) -> Result<Self, StoreError> {
        let fact = serde_json::from_str(&row.body).map_err(|error| {
            StoreError::new(StoreErrorKind::Broken, "read a stored fact").because(error)
        })?;
        Ok(Self {
            fact,
            version: row.version,
        })
    }

    /// The write that makes it, where no store has it yet, or replaces it by what it is now.
    ///
    /// # Errors
    /// [`StoreErrorKind::Broken`] where the fact cannot be serialised.
    pub fn write(&self) -> Result<Write, StoreError> {
        let row = row_of(&self.fact, self.version.saturating_add(1))?;
        let expected = match self.version {
            0 => Expected::Absent,
            version => Expected::Version(version),
        };
        Ok(Write { row, expected })
    }
}

impl Write {
    /// The write that makes a new fact.
    ///
    /// # Errors
    /// [`StoreErrorKind::Broken`] where the fact cannot be serialised.
    pub fn insert<T: Fact>(fact: &T) -> Result<Self, StoreError> {
        Ok(Self {
            row: row_of(fact, 1)?,
            expected: Expected::Absent,
        })
    }
}

fn row_of<T: Fact>(fact: &T, version: u64) -> Result<Row, StoreError> {
    let body = serde_json::to_string(fact)
        .map_err(|error| StoreError::new(StoreErrorKind::Broken, "write a fact").because(error))?;
    Ok(Row {
        kind: T::KIND,
        id: fact.id().uuid(),
        tenant: fact.tenant(),
        version,
        due_at: fact.due_at(),
        keys: fact.keys(),
        body,
        seq: 0,
    })
}

/// Reads of whole facts, over any store.
///
/// Implemented for everything that reads rows; nothing about it is a store's to decide.
#[async_trait]
pub trait StoreExt: Rows + Directory {
    /// The fact with this id, if it is the tenant's.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn fact<T: Fact>(
        &self,
        tenant: TenantId,
        id: T::Id,
    ) -> Result<Option<Stored<T>>, StoreError> {
        let row = self.row(tenant, T::KIND, id.uuid()).await?;
        row.as_ref().map(Stored::read).transpose()
    }

    /// The facts that an index leads to, in the order of their ids.
    ///
    /// Reads as many pages as there are: for indexes whose rows are bounded by one owner.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn facts_by<T: Fact>(
        &self,
        tenant: TenantId,
        key: RowKey,
    ) -> Result<Vec<Stored<T>>, StoreError> {
        all(self, tenant, Some(key)).await
    }

    /// All facts of this kind that a tenant has, in the order of their ids.
    ///
    /// Reads as many pages as there are: for kinds of which a tenant has few.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn facts<T: Fact>(&self, tenant: TenantId) -> Result<Vec<Stored<T>>, StoreError> {
        all(self, tenant, None).await
    }

    /// The one fact that a unique index leads to.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn fact_by<T: Fact>(
        &self,
        tenant: TenantId,
        key: RowKey,
    ) -> Result<Option<Stored<T>>, StoreError> {
        let listing = Listing {
            kind: T::KIND,
            key: Some(key),
            after: None,
            limit: 1,
        };
        let rows = self.rows(tenant, &listing).await?;
        rows.first().map(Stored::read).transpose()
    }
}

impl<S: Rows + Directory + ?Sized> StoreExt for S {}

/// The facts of a listing, to its last page.
async fn all<T: Fact>(
    rows: &(impl Rows + ?Sized),
    tenant: TenantId,
    key: Option<RowKey>,
) -> Result<Vec<Stored<T>>, StoreError> {
    let mut listing = Listing {
        kind: T::KIND,
        key,
        after: None,
        limit: Listing::LIMIT_MAX,
    };
    let mut facts = Vec::new();
    loop {
        let page = rows.rows(tenant, &listing).await?;
        for row in &page {
            facts.push(Stored::read(row)?);
        }
        match page.last() {
            Some(last) if page.len() == listing.limit => listing.after = Some(last.id),
            _ => return Ok(facts),
        }
    }
}

impl RowKey {
    /// The value `value` of this index.
    pub fn new(index: Index, value: impl fmt::Display) -> Self {
        Self {
            index,
            value: value.to_string(),
        }
    }

    /// The keys of a row, as stores keep them beside it: `[["product_slug","weather"],...]`.
    ///
    /// # Errors
    /// Where they cannot be written as JSON.
    pub fn list_to_text(keys: &[Self]) -> serde_json::Result<String> {
        let pairs: Vec<(&str, &str)> = keys
            .iter()
            .map(|key| (key.index.as_str(), key.value.as_str()))
            .collect();
        serde_json::to_string(&pairs)
    }

    /// Reads what [`list_to_text`](Self::list_to_text) has written.
    ///
    /// # Errors
    /// Where it is no such list, or names an index that is not known.
    pub fn list_of_text(text: &str) -> serde_json::Result<Vec<Self>> {
        let pairs: Vec<(&str, String)> = serde_json::from_str(text)?;
        let key = |(index, value)| {
            let index = Index::named(index).map_err(serde::de::Error::custom)?;
            Ok(Self { index, value })
        };
        pairs.into_iter().map(key).collect()
    }

    /// The plan version of this number.
    #[must_use]
    pub fn plan_version(plan: crate::ids::PlanId, number: u32) -> Self {
        Self::new(Index::PlanVersionNumber, format!("{plan}/{number}"))
    }

    /// The subscription that this consumer asked for under this key.
    #[must_use]
    pub fn request(consumer: crate::ids::ConsumerId, key: &crate::text::ForeignId) -> Self {
        Self::new(Index::SubscriptionRequest, format!("{consumer}/{key}"))
    }

    /// The object of this name at an engine.
    #[must_use]
    pub fn external(
        place: &crate::reference::Place,
        object: crate::reference::ObjectKind,
        external: &crate::text::ForeignId,
    ) -> Self {
        let account = place
            .account
            .as_ref()
            .map_or("", |account| account.as_str());
        let value = format!("{}/{account}/{}/{external}", place.engine, object.as_str());
        Self::new(Index::ReferenceExternal, value)
    }
}

macro_rules! facts {
    ($($fact:ident: $id:ident, $tenant:ident, $keys:expr, $due_at:expr;)+) => {$(
        impl Fact for $fact {
            const KIND: Kind = Kind::$fact;
            type Id = crate::ids::$id;

            fn id(&self) -> Self::Id {
                self.id
            }

            fn tenant(&self) -> TenantId {
                self.$tenant
            }

            fn keys(&self) -> Vec<RowKey> {
                let keys: fn(&Self) -> Vec<RowKey> = $keys;
                keys(self)
            }

            fn due_at(&self) -> Option<Timestamp> {
                let due_at: fn(&Self) -> Option<Timestamp> = $due_at;
                due_at(self)
            }
        }
    )+};
}

facts! {
    Tenant: TenantId, id, |_| Vec::new(), |_| None;
    Publisher: PublisherId, tenant, |_| Vec::new(), |_| None;
    AccessToken: AccessTokenId, tenant, |_| Vec::new(), |_| None;
    Product: ProductId, tenant, |this| vec![
        RowKey::new(Index::ProductSlug, &this.slug),
        RowKey::new(Index::ProductsOfPublisher, this.publisher),
    ], |_| None;
    Plan: PlanId, tenant, |this| vec![RowKey::new(Index::PlansOfProduct, this.product)], |_| None;
    PlanVersion: PlanVersionId, tenant, |this| {
        vec![RowKey::plan_version(this.plan, this.number)]
    }, |_| None;
    Consumer: ConsumerId, tenant, |_| Vec::new(), |_| None;
    Subscription: SubscriptionId, tenant, |this| {
        let mut keys = vec![
            RowKey::new(Index::SubscriptionsOfConsumer, this.consumer),
            RowKey::new(Index::SubscriptionsOfProduct, this.product),
        ];
        keys.extend(this.request_key.as_ref().map(|key| RowKey::request(this.consumer, key)));
        keys
    }, Subscription::due_at;
    ApiKey: ApiKeyId, tenant, |this| {
        this.subscriptions.iter().map(|of| RowKey::new(Index::KeysOfSubscription, of)).collect()
    }, |_| None;
    Invoice: InvoiceId, tenant, |this| vec![
        RowKey::new(Index::InvoicesOfSubscription, this.subscription),
        RowKey::new(Index::InvoicesOfConsumer, this.consumer),
    ], Invoice::due;
    Reference: ReferenceId, tenant, |this| vec![
        RowKey::external(&this.place(), this.object, &this.external),
    ], |_| None;
    NewsCursor: CursorId, tenant, |_| Vec::new(), |_| None;
}

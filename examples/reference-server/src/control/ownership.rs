//! Whose a thing is. What is not the caller's does not exist for them: 404, never 403.

use monetization_core::consumer::Consumer;
use monetization_core::ids::{
    ApiKeyId, ConsumerId, InvoiceId, PlanId, ProductId, PublisherId, SubscriptionId,
};
use monetization_core::invoice::Invoice;
use monetization_core::key::ApiKey;
use monetization_core::plan::{Plan, PlanVersion};
use monetization_core::product::Product;
use monetization_core::store::{Fact, Index, RowKey, StoreExt};
use monetization_core::subscription::Subscription;
use monetization_core::tenant::Role;

use super::input::Caller;
use super::problem::Problem;
use crate::app::App;

impl App {
    async fn existing<T: Fact>(&self, caller: Caller, id: T::Id) -> Result<T, Problem> {
        let found = self.store().fact::<T>(caller.tenant, id).await?;
        found
            .map(|stored| stored.fact)
            .ok_or_else(Problem::not_found)
    }

    /// A product the caller may manage.
    pub(crate) async fn own_product(
        &self,
        caller: Caller,
        id: ProductId,
    ) -> Result<Product, Problem> {
        let product = self.existing::<Product>(caller, id).await?;
        let own = match caller.role {
            Role::PlatformOwner => true,
            Role::Publisher { publisher } => product.publisher == publisher,
            Role::Developer { .. } => false,
        };
        own.then_some(product).ok_or_else(Problem::not_found)
    }

    /// A plan of a product that the caller may manage, with the version that is on sale.
    pub(crate) async fn own_plan(
        &self,
        caller: Caller,
        id: PlanId,
    ) -> Result<(Plan, PlanVersion), Problem> {
        let plan = self.existing::<Plan>(caller, id).await?;
        self.own_product(caller, plan.product).await?;
        let version = self.existing::<PlanVersion>(caller, plan.current).await?;
        Ok((plan, version))
    }

    /// A consumer the caller may look at: a developer's own.
    pub(crate) async fn own_consumer(
        &self,
        caller: Caller,
        id: ConsumerId,
    ) -> Result<Consumer, Problem> {
        let consumer = self.existing::<Consumer>(caller, id).await?;
        let own = match caller.role {
            Role::PlatformOwner => true,
            Role::Publisher { .. } => false,
            Role::Developer { consumer } => consumer == id,
        };
        own.then_some(consumer).ok_or_else(Problem::not_found)
    }

    /// A subscription that is the caller's business: a developer's own, a publisher's products'.
    pub(crate) async fn own_subscription(
        &self,
        caller: Caller,
        id: SubscriptionId,
    ) -> Result<Subscription, Problem> {
        let subscription = self.existing::<Subscription>(caller, id).await?;
        self.check(caller, subscription.consumer, subscription.product)
            .await?;
        Ok(subscription)
    }

    /// An invoice that is the caller's business, as [`own_subscription`](Self::own_subscription).
    pub(crate) async fn own_invoice(
        &self,
        caller: Caller,
        id: InvoiceId,
    ) -> Result<Invoice, Problem> {
        let invoice = self.existing::<Invoice>(caller, id).await?;
        self.check(caller, invoice.consumer, invoice.product)
            .await?;
        Ok(invoice)
    }

    /// A key that the caller may rotate and revoke: a developer's own.
    pub(crate) async fn own_key(&self, caller: Caller, id: ApiKeyId) -> Result<ApiKey, Problem> {
        let key = self.existing::<ApiKey>(caller, id).await?;
        self.own_consumer(caller, key.consumer).await?;
        Ok(key)
    }

    /// The products of a publisher.
    pub(crate) async fn products_of(
        &self,
        caller: Caller,
        publisher: PublisherId,
    ) -> Result<Vec<Product>, Problem> {
        let key = RowKey::new(Index::ProductsOfPublisher, publisher);
        let products = self.store().facts_by::<Product>(caller.tenant, key).await?;
        Ok(products.into_iter().map(|stored| stored.fact).collect())
    }

    async fn check(
        &self,
        caller: Caller,
        of: ConsumerId,
        product: ProductId,
    ) -> Result<(), Problem> {
        match caller.role {
            Role::PlatformOwner => Ok(()),
            Role::Publisher { .. } => self.own_product(caller, product).await.map(drop),
            Role::Developer { consumer } if consumer == of => Ok(()),
            Role::Developer { .. } => Err(Problem::not_found()),
        }
    }
}

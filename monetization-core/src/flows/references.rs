//! What things of ours are called at engines.
//!
//! The reference is written after the engine has answered. A crash between the two is mended by
//! asking the engine again under the same key: it answers with the same name.

use super::{FlowError, Monetizer};
use crate::consumer::Consumer;
use crate::engine::{Engine, IdempotencyKey};
use crate::ids::{ConsumerId, PlanVersionId, ProductId, TenantId, TypedId};
use crate::plan::PlanVersion;
use crate::product::Product;
use crate::reference::{ObjectKind, Place, Reference};
use crate::store::{ChangeSet, StoreExt, Stored, Write};
use crate::tenant::Publisher;
use crate::text::ForeignId;

/// One thing of ours that has, or shall have, an object at an engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thing {
    pub(super) tenant: TenantId,
    pub(super) object: ObjectKind,
    pub(super) ours: uuid::Uuid,
}

/// The thing with this id.
pub(super) fn thing(tenant: TenantId, object: ObjectKind, id: impl TypedId) -> Thing {
    Thing {
        tenant,
        object,
        ours: id.uuid(),
    }
}

impl Monetizer {
    /// Where a product's objects live: at the tenant's engine, in its publisher's account.
    pub(super) async fn place(
        &self,
        tenant: TenantId,
        engine: &Engine,
        product: ProductId,
    ) -> Result<Place, FlowError> {
        let product = self.must::<Product>(tenant, product).await?.fact;
        let publisher = self
            .must::<Publisher>(tenant, product.publisher)
            .await?
            .fact;
        Ok(Place {
            engine: engine.descriptor.id.clone(),
            account: publisher.account,
        })
    }

    /// What the engine calls an object of ours, where it has been told.
    pub(super) async fn reference(
        &self,
        place: &Place,
        thing: Thing,
    ) -> Result<Option<ForeignId>, FlowError> {
        let id = place.reference(thing.tenant, thing.object, thing.ours);
        let stored = self.store.fact::<Reference>(thing.tenant, id).await?;
        Ok(stored.map(|stored| stored.fact.external))
    }

    /// What the engine calls a consumer, who is made known there first if need be.
    pub(super) async fn customer(
        &self,
        engine: &Engine,
        place: &Place,
        tenant: TenantId,
        id: ConsumerId,
    ) -> Result<ForeignId, FlowError> {
        if let Some(known) = self
            .reference(place, thing(tenant, ObjectKind::Customer, id))
            .await?
        {
            return Ok(known);
        }
        let consumer: Stored<Consumer> = self.must(tenant, id).await?;
        let key = IdempotencyKey::new(format!("customer:{id}"));
        let cx = self.context(tenant, place.account.clone(), key);
        let external = engine.billing.ensure_customer(&cx, &consumer.fact).await?;
        self.remember(place, thing(tenant, ObjectKind::Customer, id), &external)
            .await?;
        Ok(external)
    }

    /// What the engine calls a plan version, which is made known there first if need be.
    pub(super) async fn plan(
        &self,
        engine: &Engine,
        place: &Place,
        tenant: TenantId,
        id: PlanVersionId,
    ) -> Result<ForeignId, FlowError> {
        if let Some(known) = self
            .reference(place, thing(tenant, ObjectKind::Plan, id))
            .await?
        {
            return Ok(known);
        }
        let version: Stored<PlanVersion> = self.must(tenant, id).await?;
        let cx = self.context(
            tenant,
            place.account.clone(),
            IdempotencyKey::new(format!("plan:{id}")),
        );
        let external = engine
            .billing
            .create_billing_plan(&cx, &version.fact)
            .await?;
        self.remember(place, thing(tenant, ObjectKind::Plan, id), &external)
            .await?;
        Ok(external)
    }

    /// Writes down what the engine calls an object of ours.
    pub(super) async fn remember(
        &self,
        place: &Place,
        thing: Thing,
        external: &ForeignId,
    ) -> Result<(), FlowError> {
        let mut change = self.change();
        self.refer(&mut change, place, thing, external).await?;
        // Somebody else may have written the same meanwhile, and nothing else can stand there.
        self.apply(&change).await.map(drop)
    }

    /// Adds the reference to a change, unless it is written as it is.
    pub(super) async fn refer(
        &self,
        change: &mut ChangeSet,
        place: &Place,
        thing: Thing,
        external: &ForeignId,
    ) -> Result<(), FlowError> {
        let Thing {
            tenant,
            object,
            ours,
        } = thing;
        let id = place.reference(tenant, object, ours);
        match self.store.fact::<Reference>(tenant, id).await? {
            None => change.writes.push(Write::insert(&Reference {
                id,
                tenant,
                engine: place.engine.clone(),
                account: place.account.clone(),
                object,
                ours,
                external: external.clone(),
                created_at: self.now(),
            })?),
            // What was taken off sale there and put on again may have another name.
            Some(mut known) if known.fact.external != *external => {
                known.fact.external = external.clone();
                change.writes.push(known.write()?);
            }
            Some(_) => {}
        }
        Ok(())
    }
}

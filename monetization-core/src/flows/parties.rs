//! Tenants, publishers, consumers, and the tokens they sign in with.
//!
//! Each is one change with one row. A crash before it leaves nothing; whoever did not hear the
//! answer and asks again makes another one, since nothing tells the two wishes apart.

use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::consumer::{Buyer, Consumer};
use crate::ids::{AccessTokenId, ConsumerId, PublisherId, TenantId};
use crate::invoice::Invoicing;
use crate::key::{KeyKind, PresentedKey};
use crate::secret::Secret;
use crate::store::{Kind, StoreError, Stored, Write};
use crate::tenant::{AccessToken, Publisher, Role, Tenant};
use crate::text::{ForeignId, Name, Slug};

/// A tenant that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    /// Its name.
    pub name: Name,
    /// The engine that bills for it.
    pub engine: Slug,
    /// Who makes the invoices of its subscriptions.
    pub invoicing: Invoicing,
    /// Days a consumer has to pay an invoice that core made.
    pub payment_days: u32,
    /// Days of grace after that, in which calls still pass.
    pub grace_days: u16,
}

impl Monetizer {
    /// Makes a tenant.
    ///
    /// # Errors
    /// [`FlowError::UnknownEngine`] where its engine is not there; [`FlowError::Store`].
    pub async fn create_tenant(&self, new: NewTenant) -> Result<Tenant, FlowError> {
        self.engines.choose(&new.engine)?;
        let NewTenant {
            name,
            engine,
            invoicing,
            payment_days,
            grace_days,
        } = new;
        let tenant = Tenant {
            id: self.id(),
            name,
            engine,
            invoicing,
            payment_days,
            grace_days,
            restored_at: None,
            created_at: self.now(),
        };
        self.insert(&tenant).await?;
        Ok(tenant)
    }

    /// Makes a publisher.
    ///
    /// # Errors
    /// [`FlowError::Store`].
    pub async fn create_publisher(
        &self,
        tenant: TenantId,
        name: Name,
        account: Option<ForeignId>,
    ) -> Result<Publisher, FlowError> {
        let publisher = Publisher {
            id: self.id::<PublisherId>(),
            tenant,
            name,
            account,
            created_at: self.now(),
        };
        self.insert(&publisher).await?;
        Ok(publisher)
    }

    /// Makes a consumer.
    ///
    /// # Errors
    /// [`FlowError::Store`].
    pub async fn create_consumer(
        &self,
        tenant: TenantId,
        name: Name,
        members: Vec<Buyer>,
    ) -> Result<Consumer, FlowError> {
        let consumer = Consumer {
            id: self.id::<ConsumerId>(),
            tenant,
            name,
            members,
            grace_days: None,
            created_at: self.now(),
        };
        self.insert(&consumer).await?;
        Ok(consumer)
    }

    /// Gives a consumer days of grace of its own, or takes them back: those of the plan or of the tenant
    /// hold then. It holds for invoices that fall past due from now on.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn grant_grace(
        &self,
        tenant: TenantId,
        consumer: ConsumerId,
        days: Option<u16>,
    ) -> Result<Consumer, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Consumer>(tenant, consumer).await?;
            stored.fact.grace_days = days;
            let mut change = self.change();
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// Makes a token for the control plane. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`FlowError::Store`].
    pub async fn create_access_token(
        &self,
        tenant: TenantId,
        role: Role,
    ) -> Result<(AccessToken, Secret), FlowError> {
        let id = self.id::<AccessTokenId>();
        let presented = PresentedKey::generate(KeyKind::Admin, id, &self.entropy);
        let digest = presented.digest(&self.pepper);
        let token = AccessToken {
            id,
            tenant,
            role,
            digest,
            created_at: self.now(),
            revoked_at: None,
        };
        self.insert(&token).await?;
        Ok((token, presented.reveal()))
    }

    /// Takes a token back: from now on nobody is let in by it. Taking it back again changes nothing.
    ///
    /// Who may take back whose, and that somebody is left who may, is for the caller to see to.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn revoke_access_token(
        &self,
        tenant: TenantId,
        id: AccessTokenId,
    ) -> Result<AccessToken, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<AccessToken>(tenant, id).await?;
            let now = self.now();
            if stored.fact.revoked_at.is_some_and(|at| at <= now) {
                return Ok(stored.fact);
            }
            stored.fact.revoked_at = Some(now);
            let mut change = self.change();
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// The token that this text is, if it is one and is still good.
    ///
    /// Everything that is wrong about a text is `None`: not a token, mistyped, unknown, revoked.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    pub async fn authenticate(&self, text: &str) -> Result<Option<AccessToken>, StoreError> {
        let Some(presented) = PresentedKey::parse(text).filter(|key| key.kind() == KeyKind::Admin)
        else {
            return Ok(None);
        };
        let digest = presented.digest(&self.pepper);
        let id = presented.id::<AccessTokenId>();
        let row = self
            .store
            .find(Kind::AccessToken, crate::ids::TypedId::uuid(id))
            .await?;
        let token = row.as_ref().map(Stored::<AccessToken>::read).transpose()?;
        let good = |token: &AccessToken| {
            token.digest == digest && token.revoked_at.is_none_or(|at| at > self.now())
        };
        Ok(token.map(|stored| stored.fact).filter(good))
    }

    /// Writes one new fact. That there is one of its id already would be chance, and is told as
    /// contention.
    pub(super) async fn insert<T: crate::store::Fact>(&self, fact: &T) -> Result<(), FlowError> {
        let mut change = self.change();
        change.writes.push(Write::insert(fact)?);
        if self.apply(&change).await? {
            Ok(())
        } else {
            Err(FlowError::Contended)
        }
    }
}

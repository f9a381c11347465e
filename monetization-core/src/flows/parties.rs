//! Tenants, publishers, consumers, and the tokens they sign in with.
//!
//! Each is one change with one row. A crash before it leaves nothing; whoever did not hear the
//! answer and asks again makes another one, since nothing tells the two wishes apart. What an empty store is
//! [begun with](Monetizer::begin_store) is one change as well, and there once however many begin it.

use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::consumer::{Buyer, Consumer};
use crate::ids::{AccessTokenId, ChangeSetId, ConsumerId, PublisherId, TenantId, TypedId};
use crate::invoice::Invoicing;
use crate::key::{KeyKind, PresentedKey};
use crate::secret::Secret;
use crate::store::{ChangeSet, Kind, StoreError, StoreExt, Stored, Write};
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

/// What an empty store is begun with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The tenant.
    pub tenant: NewTenant,
    /// The name of its publisher.
    pub publisher: Name,
    /// The name of its consumer.
    pub consumer: Name,
}

/// What an empty store was begun with. The tokens are told here and nowhere else.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Begun {
    /// The tenant.
    pub tenant: Tenant,
    /// Its publisher.
    pub publisher: PublisherId,
    /// Its consumer.
    pub consumer: ConsumerId,
    /// A token of the role [`PlatformOwner`](Role::PlatformOwner).
    pub owner_token: Secret,
    /// The publisher's token.
    pub publisher_token: Secret,
    /// A token of the consumer's developers.
    pub developer_token: Secret,
}

impl Monetizer {
    /// Begins a store: makes its first tenant, with somebody who sells, somebody who buys, and a token for
    /// each. Of several processes that begin one store at once it is begun by one; to the others, and where
    /// it was begun before, the answer is `None`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use monetization_core::clock::Clock;
    /// use monetization_core::engine;
    /// use monetization_core::entropy::Entropy;
    /// use monetization_core::flows::{Beginning, Engines, Monetizer, NewTenant};
    /// use monetization_core::invoice::Invoicing;
    /// use monetization_core::key::Pepper;
    /// use monetization_core::memory::MemoryStore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (clock, _) = Clock::manual("2026-03-01T00:00:00Z".parse()?);
    /// let (entropy, store) = (Arc::new(Entropy::seeded(1)), Arc::new(MemoryStore::new(clock.clone())));
    /// let process = |pepper: Pepper| {
    ///     let engines = Engines::new([engine::none()]);
    ///     Monetizer::new(store.clone(), engines, clock.clone(), entropy.clone(), pepper)
    /// };
    /// let beginning = Beginning {
    ///     tenant: NewTenant {
    ///         name: "Market".parse()?,
    ///         engine: "none".parse()?,
    ///         invoicing: Invoicing::ByCore,
    ///         payment_days: 14,
    ///         grace_days: 0,
    ///     },
    ///     publisher: "Somebody who sells".parse()?,
    ///     consumer: "Somebody who buys".parse()?,
    /// };
    /// let shared = Pepper::random(&entropy);
    /// let (one, other) = (process(shared.clone()), process(shared));
    /// let begun = one.begin_store(beginning.clone()).await?.ok_or("it was empty")?;
    /// assert!(other.begin_store(beginning).await?.is_none());
    /// assert!(other.authenticate(begun.owner_token.reveal()).await?.is_some());
    ///
    /// let stranger = process(Pepper::random(&entropy));
    /// assert!(stranger.authenticate(begun.owner_token.reveal()).await?.is_none());
    /// let [knows, does_not] = [other.has_pepper_of(begun.tenant.id).await?, stranger.has_pepper_of(begun.tenant.id).await?];
    /// assert!(knows && !does_not);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`FlowError::UnknownEngine`] where the tenant's engine is not there; [`FlowError::Store`].
    pub async fn begin_store(&self, beginning: Beginning) -> Result<Option<Begun>, FlowError> {
        let tenant = self.new_tenant(beginning.tenant)?;
        let publisher = self.new_publisher(tenant.id, beginning.publisher, None);
        let consumer = self.new_consumer(tenant.id, beginning.consumer, Vec::new());
        let roles = [
            Role::PlatformOwner,
            Role::Publisher {
                publisher: publisher.id,
            },
            Role::Developer {
                consumer: consumer.id,
            },
        ];
        let tokens = roles.map(|role| self.new_access_token(tenant.id, role));
        // All who begin it apply a change of this name, so one of them is written.
        let mut change = ChangeSet::new(ChangeSetId::derived(&[b"begin the store"]), self.now());
        change.writes.push(Write::insert(&tenant)?);
        change.writes.push(Write::insert(&publisher)?);
        change.writes.push(Write::insert(&consumer)?);
        for (token, _) in &tokens {
            change.writes.push(Write::insert(token)?);
        }
        self.apply(&change).await?;
        let is_ours = self.store.fact::<Tenant>(tenant.id, tenant.id).await?;
        let [owner_token, publisher_token, developer_token] = tokens.map(|(_, secret)| secret);
        Ok(is_ours.map(|_| Begun {
            tenant,
            publisher: publisher.id,
            consumer: consumer.id,
            owner_token,
            publisher_token,
            developer_token,
        }))
    }

    /// Whether this process has the pepper that the tenant was begun with. A tenant that nothing is known of in
    /// that respect has that of this process from here on.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn has_pepper_of(&self, tenant: TenantId) -> Result<bool, FlowError> {
        let ours = self.pepper.fingerprint();
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Tenant>(tenant, tenant).await?;
            if let Some(theirs) = stored.fact.pepper {
                return Ok(theirs == ours);
            }
            stored.fact.pepper = Some(ours);
            let mut change = self.change();
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(true);
            }
        }
        Err(FlowError::Contended)
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// [`FlowError::UnknownEngine`] where its engine is not there; [`FlowError::Store`].
    pub async fn create_tenant(&self, new: NewTenant) -> Result<Tenant, FlowError> {
        let tenant = self.new_tenant(new)?;
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
        let publisher = self.new_publisher(tenant, name, account);
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
        let consumer = self.new_consumer(tenant, name, members);
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
        let (token, secret) = self.new_access_token(tenant, role);
        self.insert(&token).await?;
        Ok((token, secret))
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
        let row = self.store.find(Kind::AccessToken, id.uuid()).await?;
        let token = row.as_ref().map(Stored::<AccessToken>::read).transpose()?;
        let good = |token: &AccessToken| {
            token.digest == digest && token.revoked_at.is_none_or(|at| at > self.now())
        };
        Ok(token.map(|stored| stored.fact).filter(good))
    }

    fn new_tenant(&self, new: NewTenant) -> Result<Tenant, FlowError> {
        self.engines.choose(&new.engine)?;
        let NewTenant {
            name,
            engine,
            invoicing,
            payment_days,
            grace_days,
        } = new;
        Ok(Tenant {
            id: self.id(),
            name,
            engine,
            invoicing,
            payment_days,
            grace_days,
            pepper: Some(self.pepper.fingerprint()),
            restored_at: None,
            created_at: self.now(),
        })
    }

    fn new_publisher(&self, tenant: TenantId, name: Name, account: Option<ForeignId>) -> Publisher {
        Publisher {
            id: self.id(),
            tenant,
            name,
            account,
            created_at: self.now(),
        }
    }

    fn new_consumer(&self, tenant: TenantId, name: Name, members: Vec<Buyer>) -> Consumer {
        Consumer {
            id: self.id(),
            tenant,
            name,
            members,
            grace_days: None,
            created_at: self.now(),
        }
    }

    fn new_access_token(&self, tenant: TenantId, role: Role) -> (AccessToken, Secret) {
        let id = self.id::<AccessTokenId>();
        let presented = PresentedKey::generate(KeyKind::Admin, id, &self.entropy);
        let token = AccessToken {
            id,
            tenant,
            role,
            digest: presented.digest(&self.pepper),
            created_at: self.now(),
            revoked_at: None,
        };
        (token, presented.reveal())
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

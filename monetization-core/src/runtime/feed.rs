//! What the request path knows, kept fresh from the store's change sequence.
//!
//! Starting from place 0 the sequence is a snapshot, then the news: there is one way to learn of a
//! thing, and a process that has just started learns what one that runs for a year learns. Rows are
//! taken in by their place; a place that was taken in is never asked for again.
//!
//! Only products, plan versions, subscriptions and API keys matter here. A key's revocation is a
//! change of the key, and so arrives by the same way.

use std::collections::BTreeMap;
#[expect(
    clippy::disallowed_types,
    reason = "looked up, never iterated into anything that is stored"
)]
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;
use uuid::Uuid;

use super::gate::{Gate, Identity, ProductCell, ProductView, Terms};
use crate::clock::Timestamp;
use crate::ids::{ApiKeyId, PlanVersionId, ProductId, SubscriptionId, TypedId};
use crate::key::{ApiKey, SecretDigest};
use crate::plan::{PlanTerms, PlanVersion};
use crate::product::Product;
use crate::store::{Directory, Kind, Listing, Row, StoreError, StoreErrorKind, Stored};
use crate::subscription::Subscription;

/// What an API key opens.
#[derive(Debug)]
pub(super) struct KeyEntry {
    pub(super) digest: SecretDigest,
    pub(super) revoked_at: Option<Timestamp>,
    /// A gate for each subscription.
    pub(super) gates: Vec<Arc<Gate>>,
}

/// The keys, found by their id. Shards keep writers and readers out of each other's way.
pub(super) struct Keys([RwLock<Shard>; SHARDS]);

#[expect(clippy::disallowed_types, reason = "looked up, never iterated")]
type Shard = HashMap<Uuid, Arc<KeyEntry>, RandomState>;

/// Sixteen locks: a key that is added holds up a sixteenth of the calls, for one insertion.
const SHARDS: usize = 16;

impl Keys {
    pub(super) fn find(&self, id: ApiKeyId) -> Option<Arc<KeyEntry>> {
        let shard = self
            .shard(id.uuid())?
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        shard.get(&id.uuid()).cloned()
    }

    fn put(&self, id: ApiKeyId, entry: KeyEntry) {
        if let Some(shard) = self.shard(id.uuid()) {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.insert(id.uuid(), Arc::new(entry));
        }
    }

    fn shard(&self, id: Uuid) -> Option<&RwLock<Shard>> {
        // The last bits of an id are random.
        let last = id.as_bytes().last().copied().unwrap_or_default();
        self.0.get(usize::from(last).checked_rem(SHARDS)?)
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self(std::array::from_fn(|_| RwLock::default()))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Keys")
    }
}

/// Reads the change sequence. Rows may speak of things that come later in it (a key is older
/// than the latest change of its subscription): those get an empty place that is filled then.
#[derive(Debug, Default)]
pub(super) struct Feed {
    cursor: u64,
    gates: BTreeMap<SubscriptionId, Arc<Gate>>,
    products: BTreeMap<ProductId, Arc<ProductCell>>,
    versions: BTreeMap<PlanVersionId, Arc<PlanTerms>>,
}

impl Feed {
    /// Takes in everything that has changed since the last time.
    pub(super) async fn catch_up(
        &mut self,
        store: &dyn Directory,
        keys: &Keys,
    ) -> Result<(), StoreError> {
        loop {
            let rows = store.changes(self.cursor, Listing::LIMIT_MAX).await?;
            for row in &rows {
                self.take_in(row, keys)?;
                self.cursor = row.seq;
            }
            if rows.len() < Listing::LIMIT_MAX {
                return Ok(());
            }
        }
    }

    /// The place up to which everything was taken in.
    pub(super) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Every subscription's gate.
    pub(super) fn gates(&self) -> Vec<Arc<Gate>> {
        self.gates.values().cloned().collect()
    }

    /// Takes one row in. What it names and nothing is known of yet gets an empty place, which a call
    /// takes for a subscription that opens nothing.
    fn take_in(&mut self, row: &Row, keys: &Keys) -> Result<(), StoreError> {
        match row.kind {
            Kind::Product => {
                let product = Stored::<Product>::read(row)?.fact;
                let view = ProductView::new(row.seq, &product).map_err(|error| {
                    StoreError::new(StoreErrorKind::Broken, "take in a product").because(error)
                })?;
                self.products.entry(product.id).or_default().set(view);
            }
            Kind::PlanVersion => {
                let version = Stored::<PlanVersion>::read(row)?.fact;
                self.versions.insert(version.id, Arc::new(version.terms));
            }
            Kind::Subscription => {
                let subscription = Stored::<Subscription>::read(row)?.fact;
                let product = Arc::clone(self.products.entry(subscription.product).or_default());
                let gate = self.gates.entry(subscription.id).or_default();
                let changes = subscription
                    .timeline
                    .changes
                    .iter()
                    .map(|change| change.version);
                // A version never changes, so it stands before every subscription that names it.
                let versions = std::iter::once(subscription.timeline.first)
                    .chain(changes)
                    .filter_map(|id| Some((id, Arc::clone(self.versions.get(&id)?))))
                    .collect();
                let identity = Identity::of(&subscription).map_err(|error| {
                    StoreError::new(StoreErrorKind::Broken, "take in a subscription").because(error)
                })?;
                gate.set_terms(Terms {
                    seq: row.seq,
                    subscription,
                    identity,
                    product,
                    versions,
                });
            }
            Kind::ApiKey => {
                let key = Stored::<ApiKey>::read(row)?.fact;
                let gates = key
                    .subscriptions
                    .iter()
                    .map(|id| Arc::clone(self.gates.entry(*id).or_default()));
                let gates = gates.collect();
                keys.put(
                    key.id,
                    KeyEntry {
                        digest: key.digest,
                        revoked_at: key.revoked_at,
                        gates,
                    },
                );
            }
            _ => {}
        }
        Ok(())
    }
}

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::clock::Span;
use crate::ids::{LeaseId, SubscriptionId, TenantId};
use crate::plan::QuotaName;
use crate::store::judging::QuotaKey;
use crate::store::{LeaseAnswer, LeaseRequest, QuotaCounter, Quotas, StoreError};

#[async_trait]
impl Quotas for MemoryStore {
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, StoreError> {
        Ok(self.state().blocks.lease(request))
    }

    async fn settle(&self, tenant: TenantId, lease: LeaseId) -> Result<(), StoreError> {
        self.state().blocks.settle((tenant, lease));
        Ok(())
    }

    async fn settle_orphans(&self) -> Result<u64, StoreError> {
        // Whoever took a block from this store is in this process.
        Ok(0)
    }

    async fn quota(
        &self,
        tenant: TenantId,
        subscription: SubscriptionId,
        quota: QuotaName,
        window: Span,
    ) -> Result<QuotaCounter, StoreError> {
        let key = QuotaKey::new(tenant, subscription, quota, window);
        Ok(self.state().blocks.counter(&key))
    }
}

#[cfg(test)]
impl MemoryStore {
    /// How many blocks were handed out so far.
    pub(crate) fn blocks_handed_out(&self) -> usize {
        self.state().blocks.leases.len()
    }
}

pub(super) type LeaseKey = (TenantId, LeaseId);

/// A block that was handed out. It stays when it is settled, so that its id is known for ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    pub(super) key: QuotaKey,
    pub(super) units: u64,
    pub(super) committed: u64,
    pub(super) settled: bool,
}

impl Lease {
    fn unspent(&self) -> u64 {
        self.units.saturating_sub(self.committed)
    }
}

/// Counters by quota and window, and every block that was ever handed out.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) counters: BTreeMap<QuotaKey, QuotaCounter>,
    pub(super) leases: BTreeMap<LeaseKey, Lease>,
}

impl Blocks {
    pub(super) fn counter(&self, key: &QuotaKey) -> QuotaCounter {
        self.counters.get(key).copied().unwrap_or_default()
    }

    fn lease(&mut self, request: &LeaseRequest) -> LeaseAnswer {
        let key = QuotaKey::of_request(request);
        let mut counter = self.counter(&key);
        // A plan change may have lowered the limit below what is out already.
        let free = request.max.saturating_sub(counter.leased);
        let id = (request.tenant, request.id);
        if let Some(known) = self.leases.get(&id) {
            let units = known.units;
            return LeaseAnswer::Granted { units, free };
        }
        let units = request.block(free);
        if units == 0 {
            let outstanding = self.outstanding(&key);
            return LeaseAnswer::Exhausted { outstanding };
        }
        counter.leased = counter.leased.saturating_add(units);
        self.counters.insert(key, counter);
        let lease = Lease {
            key,
            units,
            committed: 0,
            settled: false,
        };
        self.leases.insert(id, lease);
        LeaseAnswer::Granted {
            units,
            free: free.saturating_sub(units),
        }
    }

    fn outstanding(&self, key: &QuotaKey) -> u64 {
        let open = self.leases.values().filter(|lease| !lease.settled);
        open.filter(|lease| lease.key == *key)
            .fold(0, |sum, lease| sum.saturating_add(lease.unspent()))
    }

    fn settle(&mut self, id: LeaseKey) {
        let open = self.leases.get_mut(&id).filter(|lease| !lease.settled);
        let Some(lease) = open else { return };
        lease.settled = true;
        if let Some(counter) = self.counters.get_mut(&lease.key) {
            counter.leased = counter.leased.saturating_sub(lease.unspent());
        }
    }
}

use async_trait::async_trait;

use super::{Port, StoreError};
use crate::clock::Span;
use crate::ids::{LeaseId, SubscriptionId, TenantId};
use crate::plan::QuotaWindow;

/// Durable counters of quotas, and blocks of strict ones that are handed out in advance.
///
/// For every quota and window `committed <= leased <= max` holds at all times, where `leased`
/// is what blocks that are still out may spend plus what settled ones have committed.
#[async_trait]
pub trait Quotas: Port {
    /// Hands out a block of a strict quota, at most what is left of it. The size is
    /// [`LeaseRequest::block`] of what is left, so that blocks shrink as the limit nears. Asking
    /// again with the same id gives the same block.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then ask the same again.
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, StoreError>;

    /// Takes a block back: what was committed under it stays spent, the rest is free again.
    /// Settling twice changes nothing. No call granted under it may be unfinished.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then settle again.
    async fn settle(&self, tenant: TenantId, lease: LeaseId) -> Result<(), StoreError>;

    /// Takes back every block whose owner is gone for good, and answers how many there were.
    /// Who is gone is for the store to know: for an embedded database every owner but this one.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then ask again.
    async fn settle_orphans(&self) -> Result<u64, StoreError>;

    /// The counter of a quota in one of its windows; all zero before its first use.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn quota(
        &self,
        tenant: TenantId,
        subscription: SubscriptionId,
        quota: QuotaWindow,
        window: Span,
    ) -> Result<QuotaCounter, StoreError>;
}

/// A wish for a block of a strict quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Recognises the wish when it is repeated.
    pub id: LeaseId,
    /// The marketplace.
    pub tenant: TenantId,
    /// Whose quota.
    pub subscription: SubscriptionId,
    /// Which quota.
    pub quota: QuotaWindow,
    /// Which stretch of it.
    pub window: Span,
    /// The limit, as the plan in force has it.
    pub max: u64,
    /// At most so many units.
    pub want: u64,
}

impl LeaseRequest {
    /// How many units to hand out while `free` are left: a quarter, at least one, at most what
    /// is wanted.
    #[must_use]
    pub fn block(&self, free: u64) -> u64 {
        free.div_ceil(4).min(self.want.max(1)).min(free)
    }
}

/// What became of a wish for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum LeaseAnswer {
    /// Here it is.
    Granted {
        /// Units in the block.
        units: u64,
        /// Units of the quota that are still free beyond it.
        free: u64,
    },
    /// Nothing is left.
    Exhausted {
        /// Units in blocks that are out and may yet come back unspent.
        outstanding: u64,
    },
}

/// How much of a quota is spent in one of its windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuotaCounter {
    /// Units that records have spent.
    pub committed: u64,
    /// Units handed out in blocks, less what came back.
    pub leased: u64,
}

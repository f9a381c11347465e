use async_trait::async_trait;

use super::{Port, StoreError};
use crate::clock::Span;
use crate::ids::{LeaseId, SubscriptionId, TenantId};
use crate::plan::QuotaName;

/// Durable counters of quotas, and blocks of strict ones that are handed out in advance.
///
/// For every quota and window `committed <= leased <= max` holds at all times, where `leased`
/// is what blocks that are still out may spend plus what settled ones have committed.
///
/// Blocks let a gateway spend without asking, and lose nothing when it dies: what was committed
/// under a block is in the ledger, and the rest comes back. They shrink as the limit nears, so that
/// the last units are not held where nobody calls. A gatekeeper wants no more than it spends in about a
/// second, or a two-thousandth of the quota, and settles a block of which it has more than that left after two. Of
/// a quota of 100, taken by one process that wants and spends all it gets:
///
/// ```
/// use monetization_core::clock::Span;
/// use monetization_core::ids::{LeaseId, SubscriptionId, TenantId, TypedId};
/// use monetization_core::memory::MemoryStore;
/// use monetization_core::plan::QuotaWindow;
/// use monetization_core::store::{LeaseAnswer, LeaseRequest, Quotas};
///
/// # use futures::FutureExt;
/// # async {
/// let store = MemoryStore::default();
/// let request = |number: u8| LeaseRequest {
///     id: LeaseId::derived(&[&[number]]),
///     tenant: TenantId::derived(&[b"t"]),
///     subscription: SubscriptionId::derived(&[b"s"]),
///     quota: QuotaWindow::Day.into(),
///     window: Span {
///         start: monetization_core::clock::Timestamp::EPOCH,
///         end: monetization_core::clock::Timestamp::from_micros(86_400_000_000),
///     },
///     max: 100,
///     want: 1_000,
/// };
/// let mut blocks = Vec::new();
/// for number in 0_u8.. {
///     match store.lease(&request(number)).await? {
///         LeaseAnswer::Granted { units, .. } => blocks.push(units),
///         LeaseAnswer::Exhausted { outstanding } => {
///             assert_eq!(outstanding, 100, "nothing is committed yet, all of it may come back");
///             break;
///         }
///     }
/// }
/// assert_eq!(blocks[..6], [25, 19, 14, 11, 8, 6]);
/// assert_eq!(blocks.iter().sum::<u64>(), 100);
///
/// // Asking again under the same id gives the same block; settling one frees what it did not spend.
/// assert!(matches!(store.lease(&request(0)).await?, LeaseAnswer::Granted { units: 25, .. }));
/// store.settle(request(0).tenant, request(0).id).await?;
/// assert!(matches!(
///     store.lease(&request(200)).await?,
///     LeaseAnswer::Granted { units: 7, free: 18 },
/// ));
/// # Ok::<(), monetization_core::store::StoreError>(())
/// # }.now_or_never().ok_or("it waited")??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
        quota: QuotaName,
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
    pub quota: QuotaName,
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
    ///
    /// ```
    /// # use monetization_core::clock::{Span, Timestamp};
    /// # use monetization_core::ids::TypedId;
    /// # use monetization_core::plan::QuotaWindow;
    /// # use monetization_core::store::LeaseRequest;
    /// # let request = LeaseRequest {
    /// #     id: TypedId::derived(&[b"l"]), tenant: TypedId::derived(&[b"t"]),
    /// #     subscription: TypedId::derived(&[b"s"]), quota: QuotaWindow::Day.into(),
    /// #     window: Span { start: Timestamp::EPOCH, end: Timestamp::MAX }, max: 10_000, want: 1_000,
    /// # };
    /// assert_eq!(request.want, 1_000);
    /// assert_eq!([10_000, 400, 4, 3, 1, 0].map(|free| request.block(free)), [1_000, 100, 1, 1, 1, 0]);
    /// ```
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
///
/// A loose quota's units are leased and committed by the record that spends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuotaCounter {
    /// Units that records have spent.
    pub committed: u64,
    /// Units handed out in blocks, less what came back.
    pub leased: u64,
}

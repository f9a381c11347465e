//! Handing a port on: to what a pointer points to, or to a store that is wrapped.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Batches, Directory, Ledger, Quotas, Rows, Store, StoreError, Work};

/// Implements parts of the store port by another store: for stores that are wrapped to count, to
/// delay or to change one thing, and leave the rest as it is.
///
/// What stands after the colon: the wrapper's generics in brackets, the wrapper, and where the
/// inner store is. `Ledger but Wrapper::function: ...` hands on all of the ledger but what it is
/// given: records go to this async function of the wrapper, which takes and answers what
/// [`Ledger::append`](crate::store::Ledger::append) does.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use monetization_core::delegate_store;
/// use monetization_core::ids::{SubscriptionId, TenantId, LeaseId};
/// use monetization_core::clock::Span;
/// use monetization_core::plan::QuotaName;
/// use monetization_core::store::*;
///
/// /// Counts the blocks of quotas that are asked for.
/// #[derive(Debug)]
/// struct Counting<S> {
///     inner: S,
///     leases: AtomicUsize,
/// }
///
/// delegate_store!(Rows, Directory, Ledger, Batches, Work: [<S: Store>] Counting<S>, it => it.inner);
///
/// #[async_trait]
/// impl<S: Store> Quotas for Counting<S> {
///     async fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, StoreError> {
///         self.leases.fetch_add(1, Ordering::Relaxed);
///         self.inner.lease(request).await
///     }
///
///     async fn settle(&self, tenant: TenantId, lease: LeaseId) -> Result<(), StoreError> {
///         self.inner.settle(tenant, lease).await
///     }
///
///     async fn settle_orphans(&self) -> Result<u64, StoreError> {
///         self.inner.settle_orphans().await
///     }
///
///     async fn quota(
///         &self, tenant: TenantId, of: SubscriptionId, quota: QuotaName, window: Span,
///     ) -> Result<QuotaCounter, StoreError> {
///         self.inner.quota(tenant, of, quota, window).await
///     }
/// }
///
/// #[async_trait]
/// impl<S: Store> Store for Counting<S> {
///     fn name(&self) -> &'static str {
///         self.inner.name()
///     }
///
///     async fn ping(&self) -> Result<(), StoreError> {
///         self.inner.ping().await
///     }
/// }
///
/// // A pointer to a store is a store, too.
/// let inner: Arc<dyn Store> = Arc::new(monetization_core::memory::MemoryStore::default());
/// let store = Counting { inner, leases: AtomicUsize::new(0) };
/// assert_eq!(store.name(), "memory");
/// ```
#[macro_export]
macro_rules! delegate_store {
    ($first:ident, $($port:ident),+: $generics:tt $type:ty, $store:ident => $inner:expr) => {
        $crate::delegate_store!($first: $generics $type, $store => $inner);
        $crate::delegate_store!($($port),+: $generics $type, $store => $inner);
    };
    (Rows: [$($generics:tt)*] $type:ty, $store:ident => $inner:expr) => {
        #[$crate::store::async_trait]
        impl $($generics)* $crate::store::Rows for $type {
            async fn apply(
                &self,
                change: &$crate::store::ChangeSet,
            ) -> ::core::result::Result<$crate::store::Applied, $crate::store::StoreError> {
                let $store = self;
                $inner.apply(change).await
            }

            async fn row(
                &self,
                tenant: $crate::ids::TenantId,
                kind: $crate::store::Kind,
                id: $crate::store::Uuid,
            ) -> ::core::result::Result<Option<$crate::store::Row>, $crate::store::StoreError> {
                let $store = self;
                $inner.row(tenant, kind, id).await
            }

            async fn rows(
                &self,
                tenant: $crate::ids::TenantId,
                listing: &$crate::store::Listing,
            ) -> ::core::result::Result<Vec<$crate::store::Row>, $crate::store::StoreError> {
                let $store = self;
                $inner.rows(tenant, listing).await
            }
        }
    };
    (Directory: [$($generics:tt)*] $type:ty, $store:ident => $inner:expr) => {
        #[$crate::store::async_trait]
        impl $($generics)* $crate::store::Directory for $type {
            async fn find(
                &self,
                kind: $crate::store::Kind,
                id: $crate::store::Uuid,
            ) -> ::core::result::Result<Option<$crate::store::Row>, $crate::store::StoreError> {
                let $store = self;
                $inner.find(kind, id).await
            }

            async fn find_by(
                &self,
                key: &$crate::store::RowKey,
            ) -> ::core::result::Result<Option<$crate::store::Row>, $crate::store::StoreError> {
                let $store = self;
                $inner.find_by(key).await
            }

            async fn due(
                &self,
                kind: $crate::store::Kind,
                now: $crate::clock::Timestamp,
                after: Option<($crate::clock::Timestamp, $crate::store::Uuid)>,
                limit: usize,
            ) -> ::core::result::Result<Vec<$crate::store::Row>, $crate::store::StoreError> {
                let $store = self;
                $inner.due(kind, now, after, limit).await
            }

            async fn changes(
                &self,
                after: u64,
                limit: usize,
            ) -> ::core::result::Result<Vec<$crate::store::Row>, $crate::store::StoreError> {
                let $store = self;
                $inner.changes(after, limit).await
            }

            async fn news_after(&self, after: u64) {
                let $store = self;
                $inner.news_after(after).await
            }

            async fn all(
                &self,
                kind: $crate::store::Kind,
                after: Option<$crate::store::Uuid>,
                limit: usize,
            ) -> ::core::result::Result<Vec<$crate::store::Row>, $crate::store::StoreError> {
                let $store = self;
                $inner.all(kind, after, limit).await
            }
        }
    };
    (Ledger: $generics:tt $type:ty, $store:ident => $inner:expr) => {
        $crate::delegate_store!(@ledger $generics $type, $store => $inner, records => {
            $inner.append(records)
        });
    };
    (Ledger but $append:path: $generics:tt $type:ty, $store:ident => $inner:expr) => {
        $crate::delegate_store!(@ledger $generics $type, $store => $inner, records => {
            $append($store, records)
        });
    };
    (
        @ledger [$($generics:tt)*] $type:ty, $store:ident => $inner:expr,
        $records:ident => $append:block
    ) => {
        #[$crate::store::async_trait]
        impl $($generics)* $crate::store::Ledger for $type {
            async fn append(
                &self,
                $records: &[$crate::usage::UsageRecord],
            ) -> ::core::result::Result<Vec<$crate::store::Appended>, $crate::store::StoreError> {
                let $store = self;
                $append.await
            }

            async fn sums(
                &self,
                tenant: $crate::ids::TenantId,
                segment: $crate::ids::SegmentId,
            ) -> ::core::result::Result<Vec<$crate::usage::Sum>, $crate::store::StoreError> {
                let $store = self;
                $inner.sums(tenant, segment).await
            }

            async fn sums_of_origin(
                &self,
                tenant: $crate::ids::TenantId,
                origin: $crate::ids::SegmentId,
            ) -> ::core::result::Result<Vec<$crate::usage::Sum>, $crate::store::StoreError> {
                let $store = self;
                $inner.sums_of_origin(tenant, origin).await
            }

            async fn segment(
                &self,
                tenant: $crate::ids::TenantId,
                segment: $crate::ids::SegmentId,
            ) -> ::core::result::Result<Option<$crate::store::SegmentRow>, $crate::store::StoreError> {
                let $store = self;
                $inner.segment(tenant, segment).await
            }

            async fn records(
                &self,
                tenant: $crate::ids::TenantId,
                segment: $crate::ids::SegmentId,
                after: Option<$crate::ids::RecordId>,
                limit: usize,
            ) -> ::core::result::Result<Vec<$crate::usage::UsageRecord>, $crate::store::StoreError> {
                let $store = self;
                $inner.records(tenant, segment, after, limit).await
            }
        }
    };
    (Quotas: [$($generics:tt)*] $type:ty, $store:ident => $inner:expr) => {
        #[$crate::store::async_trait]
        impl $($generics)* $crate::store::Quotas for $type {
            async fn lease(
                &self,
                request: &$crate::store::LeaseRequest,
            ) -> ::core::result::Result<$crate::store::LeaseAnswer, $crate::store::StoreError> {
                let $store = self;
                $inner.lease(request).await
            }

            async fn settle(
                &self,
                tenant: $crate::ids::TenantId,
                lease: $crate::ids::LeaseId,
            ) -> ::core::result::Result<(), $crate::store::StoreError> {
                let $store = self;
                $inner.settle(tenant, lease).await
            }

            async fn settle_orphans(&self) -> ::core::result::Result<u64, $crate::store::StoreError> {
                let $store = self;
                $inner.settle_orphans().await
            }

            async fn quota(
                &self,
                tenant: $crate::ids::TenantId,
                subscription: $crate::ids::SubscriptionId,
                quota: $crate::plan::QuotaName,
                window: $crate::clock::Span,
            ) -> ::core::result::Result<$crate::store::QuotaCounter, $crate::store::StoreError> {
                let $store = self;
                $inner.quota(tenant, subscription, quota, window).await
            }
        }
    };
    (Batches: [$($generics:tt)*] $type:ty, $store:ident => $inner:expr) => {
        #[$crate::store::async_trait]
        impl $($generics)* $crate::store::Batches for $type {
            async fn unsealed(
                &self,
                tenant: $crate::ids::TenantId,
                after: Option<$crate::usage::SumKey>,
                limit: usize,
            ) -> ::core::result::Result<Vec<$crate::store::UnsealedSum>, $crate::store::StoreError> {
                let $store = self;
                $inner.unsealed(tenant, after, limit).await
            }

            async fn seal(
                &self,
                batch: &$crate::store::Batch,
            ) -> ::core::result::Result<$crate::store::Sealed, $crate::store::StoreError> {
                let $store = self;
                $inner.seal(batch).await
            }

            async fn claim_batches(
                &self,
                tenant: $crate::ids::TenantId,
                now: $crate::clock::Timestamp,
                claim: $crate::store::Claim,
            ) -> ::core::result::Result<Vec<$crate::store::Batch>, $crate::store::StoreError> {
                let $store = self;
                $inner.claim_batches(tenant, now, claim).await
            }

            async fn settle_batch(
                &self,
                batch: $crate::ids::BatchId,
                fence: u64,
                verdict: &$crate::store::Verdict,
            ) -> ::core::result::Result<bool, $crate::store::StoreError> {
                let $store = self;
                $inner.settle_batch(batch, fence, verdict).await
            }

            async fn decide_batch(
                &self,
                tenant: $crate::ids::TenantId,
                batch: $crate::ids::BatchId,
                held: $crate::store::Held,
                decision: &$crate::store::Decision,
            ) -> ::core::result::Result<bool, $crate::store::StoreError> {
                let $store = self;
                $inner.decide_batch(tenant, batch, held, decision).await
            }

            async fn held_batches(
                &self,
                tenant: $crate::ids::TenantId,
                after: Option<$crate::ids::BatchId>,
                limit: usize,
            ) -> ::core::result::Result<Vec<$crate::store::Batch>, $crate::store::StoreError> {
                let $store = self;
                $inner.held_batches(tenant, after, limit).await
            }

            async fn batch(
                &self,
                tenant: $crate::ids::TenantId,
                batch: $crate::ids::BatchId,
            ) -> ::core::result::Result<Option<$crate::store::Batch>, $crate::store::StoreError> {
                let $store = self;
                $inner.batch(tenant, batch).await
            }

            async fn batches(
                &self,
                tenant: $crate::ids::TenantId,
                segment: $crate::ids::SegmentId,
            ) -> ::core::result::Result<Vec<$crate::store::Batch>, $crate::store::StoreError> {
                let $store = self;
                $inner.batches(tenant, segment).await
            }
        }
    };
    (Work: [$($generics:tt)*] $type:ty, $store:ident => $inner:expr) => {
        #[$crate::store::async_trait]
        impl $($generics)* $crate::store::Work for $type {
            async fn claim_intents(
                &self,
                now: $crate::clock::Timestamp,
                claim: $crate::store::Claim,
            ) -> ::core::result::Result<Vec<($crate::intent::Intent, u64)>, $crate::store::StoreError> {
                let $store = self;
                $inner.claim_intents(now, claim).await
            }

            async fn postpone_intent(
                &self,
                intent: $crate::ids::IntentId,
                fence: u64,
                due_at: $crate::clock::Timestamp,
            ) -> ::core::result::Result<bool, $crate::store::StoreError> {
                let $store = self;
                $inner.postpone_intent(intent, fence, due_at).await
            }

            async fn resume_intent(
                &self,
                tenant: $crate::ids::TenantId,
                intent: $crate::ids::IntentId,
                due_at: $crate::clock::Timestamp,
            ) -> ::core::result::Result<bool, $crate::store::StoreError> {
                let $store = self;
                $inner.resume_intent(tenant, intent, due_at).await
            }

            async fn intent_state(
                &self,
                tenant: $crate::ids::TenantId,
                intent: $crate::ids::IntentId,
            ) -> ::core::result::Result<Option<$crate::intent::IntentState>, $crate::store::StoreError> {
                let $store = self;
                $inner.intent_state(tenant, intent).await
            }

            async fn parked_intents(
                &self,
                tenant: $crate::ids::TenantId,
                after: Option<$crate::ids::IntentId>,
                limit: usize,
            ) -> ::core::result::Result<Vec<$crate::intent::ParkedIntent>, $crate::store::StoreError> {
                let $store = self;
                $inner.parked_intents(tenant, after, limit).await
            }

            async fn has_unfinished_intents(
                &self,
                tenant: $crate::ids::TenantId,
            ) -> ::core::result::Result<bool, $crate::store::StoreError> {
                let $store = self;
                $inner.has_unfinished_intents(tenant).await
            }

            async fn start_job(
                &self,
                tenant: $crate::ids::TenantId,
                name: &$crate::text::Slug,
                now: $crate::clock::Timestamp,
                lease: ::core::time::Duration,
            ) -> ::core::result::Result<$crate::store::JobStart, $crate::store::StoreError> {
                let $store = self;
                $inner.start_job(tenant, name, now, lease).await
            }

            async fn keep_job(
                &self,
                tenant: $crate::ids::TenantId,
                name: &$crate::text::Slug,
                run: &$crate::store::JobRun,
                lease: ::core::time::Duration,
            ) -> ::core::result::Result<bool, $crate::store::StoreError> {
                let $store = self;
                $inner.keep_job(tenant, name, run, lease).await
            }

            async fn last_job(
                &self,
                tenant: $crate::ids::TenantId,
                name: &$crate::text::Slug,
            ) -> ::core::result::Result<Option<$crate::store::JobRun>, $crate::store::StoreError> {
                let $store = self;
                $inner.last_job(tenant, name).await
            }
        }
    };
}

macro_rules! pointers {
    ($($pointer:ident),+) => {$(
        delegate_store!(Rows: [<T: Rows + ?Sized>] $pointer<T>, it => (**it));
        delegate_store!(Directory: [<T: Directory + ?Sized>] $pointer<T>, it => (**it));
        delegate_store!(Ledger: [<T: Ledger + ?Sized>] $pointer<T>, it => (**it));
        delegate_store!(Quotas: [<T: Quotas + ?Sized>] $pointer<T>, it => (**it));
        delegate_store!(Batches: [<T: Batches + ?Sized>] $pointer<T>, it => (**it));
        delegate_store!(Work: [<T: Work + ?Sized>] $pointer<T>, it => (**it));

        #[async_trait]
        impl<T: Store + ?Sized> Store for $pointer<T> {
            fn name(&self) -> &'static str {
                (**self).name()
            }

            async fn ping(&self) -> Result<(), StoreError> {
                (**self).ping().await
            }
        }
    )+};
}

pointers!(Arc, Box);

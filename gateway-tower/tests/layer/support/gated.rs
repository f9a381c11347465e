//! A store whose ledger can be made slow, unwilling or absent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::delegate_store;
use monetization_core::memory::MemoryStore;
use monetization_core::store::{
    Appended, Directory, Kind, Ledger, Refusal, Row, RowKey, Store, StoreError, StoreErrorKind,
};
use monetization_core::usage::UsageRecord;
use tokio::sync::watch;
use uuid::Uuid;

/// What becomes of appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// They are written.
    Open,
    /// They wait.
    Shut,
    /// Every record is refused.
    Refuses,
    /// They fail.
    Away,
    /// News are asked for and never come; appends are written.
    Deaf,
}

#[derive(Debug)]
pub(crate) struct GatedStore {
    inner: Arc<MemoryStore>,
    gate: watch::Sender<Gate>,
    /// Sizes of the appends that were asked for.
    pub(crate) batches: Mutex<Vec<usize>>,
    /// Whether somebody waits for news that do not come.
    pub(crate) is_asked_for_news: AtomicBool,
}

impl GatedStore {
    pub(crate) fn new(inner: Arc<MemoryStore>) -> Self {
        Self {
            inner,
            gate: watch::Sender::new(Gate::Open),
            batches: Mutex::default(),
            is_asked_for_news: AtomicBool::new(false),
        }
    }

    pub(crate) fn set(&self, gate: Gate) {
        self.gate.send_replace(gate);
    }

    fn is_away(&self) -> Result<(), StoreError> {
        if *self.gate.borrow() == Gate::Away {
            let kind = StoreErrorKind::Unavailable;
            return Err(StoreError::new(kind, "reach a store that is away"));
        }
        Ok(())
    }

    async fn pass_gate(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        self.batches.lock().unwrap().push(records.len());
        let mut gate = self.gate.subscribe();
        let opened = gate.wait_for(|gate| *gate != Gate::Shut).await;
        if *opened.unwrap() == Gate::Refuses {
            return Ok(vec![Appended::Refused(Refusal::Overflow); records.len()]);
        }
        self.is_away()?;
        self.inner.append(records).await
    }
}

#[async_trait]
impl Store for GatedStore {
    fn name(&self) -> &'static str {
        "gated"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.is_away()
    }
}

delegate_store!(Ledger but GatedStore::pass_gate: [] GatedStore, it => it.inner);
// While the store is there.
delegate_store!(Rows, Quotas, Batches, Work: [] GatedStore, it => {
    it.is_away()?;
    &it.inner
});

#[async_trait]
impl Directory for GatedStore {
    async fn find(&self, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        self.inner.find(kind, id).await
    }

    async fn find_by(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.inner.find_by(key).await
    }

    async fn due(
        &self,
        kind: Kind,
        now: Timestamp,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.inner.due(kind, now, after, limit).await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.is_away()?;
        let mut gate = self.gate.subscribe();
        if *gate.borrow() == Gate::Deaf {
            self.is_asked_for_news.store(true, Ordering::SeqCst);
        }
        drop(gate.wait_for(|gate| *gate != Gate::Deaf).await);
        self.inner.changes(after, limit).await
    }

    async fn all(
        &self,
        kind: Kind,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.inner.all(kind, after, limit).await
    }
}

//! The databases that nodes work on: what is left when all of them have died.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use monetization_core::clock::{Clock, Span};
use monetization_core::delegate_store;
use monetization_core::ids::{LeaseId, SubscriptionId, TenantId};
use monetization_core::memory::MemoryStore;
use monetization_core::plan::QuotaName;
use monetization_core::store::{
    LeaseAnswer, LeaseRequest, QuotaCounter, Quotas, Store, StoreError,
};
use monetization_store_sqlite::{Inspection, SqliteOptions, SqliteStore, Synchronous};

use crate::runner::block_on;

/// A database, and how a node opens it.
pub(crate) enum Base {
    /// Every node appends and leases.
    Memory(Arc<MemoryStore>, Arc<Blocks>),
    /// Node 0 owns the file; the others work beside it.
    Sqlite {
        path: PathBuf,
        options: SqliteOptions,
        view: Arc<SqliteStore>,
        _directory: tempfile::TempDir,
    },
}

/// Whose blocks of quotas are out: what a database knows by leases of its own.
#[derive(Debug, Default)]
pub(crate) struct Blocks(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    openings: u64,
    dead: BTreeSet<u64>,
    of: BTreeMap<(TenantId, LeaseId), u64>,
}

impl Base {
    pub(crate) fn memory(clock: Clock) -> Self {
        let store = Arc::new(MemoryStore::new(clock));
        Self::Memory(store, Arc::default())
    }

    pub(crate) async fn sqlite(clock: Clock) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("market.db");
        let options = SqliteOptions::new(&path)
            .with_clock(clock)
            .with_synchronous(Synchronous::Normal)
            .with_owner_wait(Duration::from_secs(30));
        drop(SqliteStore::open(&options).await.unwrap());
        let view = Arc::new(SqliteStore::open_beside(&options).await.unwrap());
        Self::Sqlite {
            path,
            options,
            view,
            _directory: directory,
        }
    }

    /// Whether this node may append to the ledger, and so serve calls.
    pub(crate) fn serves(&self, node: usize) -> bool {
        match self {
            Self::Memory(..) => true,
            Self::Sqlite { .. } => node == 0,
        }
    }

    /// What is stored, for whoever only looks.
    pub(crate) fn view(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store, _) => Arc::clone(store) as Arc<dyn Store>,
            Self::Sqlite { view, .. } => Arc::clone(view) as Arc<dyn Store>,
        }
    }

    /// What a look at the file from outside finds wrong.
    pub(crate) async fn problems(&self) -> Vec<String> {
        let Self::Sqlite { path, .. } = self else {
            return Vec::new();
        };
        let mut inspection = Inspection::open(path).await.unwrap();
        let findings = inspection.check().await.unwrap();
        let broken = findings.iter().filter(|finding| finding.broken > 0);
        broken.map(|finding| format!("{finding:?}")).collect()
    }

    /// What a node works with from its start to its death, and the number of this opening.
    pub(crate) async fn open(&self, node: usize) -> (Arc<dyn Store>, u64) {
        match self {
            Self::Memory(store, blocks) => {
                let opening = blocks.open();
                let opened = Opened {
                    store: Arc::clone(store),
                    blocks: Arc::clone(blocks),
                    opening,
                };
                (Arc::new(opened), opening)
            }
            Self::Sqlite { options, .. } if node == 0 => {
                let owner = SqliteStore::open(options).await.unwrap();
                (Arc::new(owner), 0)
            }
            Self::Sqlite { options, .. } => {
                let beside = SqliteStore::open_beside(options).await.unwrap();
                (Arc::new(beside), 0)
            }
        }
    }

    /// The node of this opening is gone for good, or is taken to be.
    pub(crate) fn bury(&self, opening: u64) {
        if let Self::Memory(_, blocks) = self {
            blocks.0.lock().unwrap().dead.insert(opening);
        }
    }
}

impl Base {
    /// Takes the blocks of buried nodes back, where nodes do not do it by themselves.
    pub(crate) fn settle_orphans(&self) {
        if let Self::Memory(store, blocks) = self {
            for (tenant, lease) in blocks.orphans() {
                block_on(store.settle(tenant, lease)).unwrap();
            }
        }
    }
}

impl Blocks {
    fn open(&self) -> u64 {
        let mut known = self.0.lock().unwrap();
        known.openings += 1;
        known.openings
    }

    fn hand_out(&self, lease: (TenantId, LeaseId), to: u64) {
        self.0.lock().unwrap().of.insert(lease, to);
    }

    fn orphans(&self) -> Vec<(TenantId, LeaseId)> {
        let known = self.0.lock().unwrap();
        let orphaned = known.of.iter().filter(|(_, of)| known.dead.contains(of));
        orphaned.map(|(lease, _)| *lease).collect()
    }
}

/// A store in memory as one process has it.
#[derive(Debug)]
struct Opened {
    store: Arc<MemoryStore>,
    blocks: Arc<Blocks>,
    opening: u64,
}

delegate_store!(Rows, Directory, Ledger, Batches, Work: [] Opened, it => it.store);

#[async_trait]
impl Quotas for Opened {
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, StoreError> {
        let lease = (request.tenant, request.id);
        self.blocks.hand_out(lease, self.opening);
        self.store.lease(request).await
    }

    async fn settle(&self, tenant: TenantId, lease: LeaseId) -> Result<(), StoreError> {
        self.store.settle(tenant, lease).await
    }

    async fn settle_orphans(&self) -> Result<u64, StoreError> {
        let orphans = self.blocks.orphans();
        for (tenant, lease) in &orphans {
            self.store.settle(*tenant, *lease).await?;
        }
        Ok(u64::try_from(orphans.len()).unwrap())
    }

    async fn quota(
        &self,
        tenant: TenantId,
        subscription: SubscriptionId,
        quota: QuotaName,
        window: Span,
    ) -> Result<QuotaCounter, StoreError> {
        self.store.quota(tenant, subscription, quota, window).await
    }
}

#[async_trait]
impl Store for Opened {
    fn name(&self) -> &'static str {
        self.store.name()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store.ping().await
    }
}

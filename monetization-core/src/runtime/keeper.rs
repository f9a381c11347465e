//! Keeps the blocks of strict quotas: asks the store for them, and takes them back.
//!
//! A block lives through four stages. It is wished for under an id that is kept until the answer
//! has come, so that an answer that was lost is asked for again and no block is out unseen. It is
//! in a cell, where calls spend from it. It is done with once nothing is left in it or its window
//! is over, and nothing that was spent from it is in flight. And it is settled, which gives back
//! what no record was committed under.
//!
//! A block that is never settled (this process dies) is settled by the store, for which a dead
//! owner's blocks are orphans.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cells::QuotaNeed;
use super::gate::Gate;
use super::gatekeeper::Sleep;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::ids::{LeaseId, TenantId};
use crate::store::{LeaseRequest, Store, StoreError};

/// How long an exhausted quota is believed while blocks of it are out and may come back.
const RECHECK: Duration = Duration::from_millis(100);
/// How long the counter of a quota is believed to which calls of other processes add.
const COUNTED: Duration = Duration::from_secs(1);
/// Units of the largest block.
const BLOCK_MAX: u64 = 1_000;

/// Clones share one list of blocks to be taken back.
#[derive(Clone)]
pub(super) struct Keeper(Arc<Shared>);

/// `done` holds blocks to be settled; an order among them does not matter.
struct Shared {
    store: Arc<dyn Store>,
    clock: Clock,
    entropy: Arc<Entropy>,
    done: Mutex<Vec<(TenantId, LeaseId)>>,
}

impl Keeper {
    pub(super) fn new(store: Arc<dyn Store>, clock: Clock, entropy: Arc<Entropy>) -> Self {
        Self(Arc::new(Shared {
            store,
            clock,
            entropy,
            done: Mutex::default(),
        }))
    }

    /// Fills the cell that is empty. Callers with the same need wait for one answer.
    pub(super) async fn supply(&self, gate: &Gate, need: QuotaNeed) -> Result<(), StoreError> {
        let Shared {
            store,
            clock,
            entropy,
            ..
        } = &*self.0;
        let Some((tenant, subscription)) = gate
            .terms()
            .as_ref()
            .map(|terms| (terms.subscription.tenant, terms.subscription.id))
        else {
            return Ok(());
        };
        let _one_at_a_time = gate.supply.lock().await;
        // What cannot be spent any more is to be had again.
        self.settle_later(tenant, gate.cells.expire(clock.now()));
        self.settle_all().await?;
        let Some(id) = gate
            .cells
            .wish(need, clock.uptime(), entropy.id(clock.now()))
        else {
            return Ok(());
        };
        let (quota, window, max) = (need.quota.name, need.window, need.quota.max);
        let recheck_at = |after| clock.uptime().saturating_add(after);
        if need.quota.is_leased() {
            let request = LeaseRequest {
                id,
                tenant,
                subscription,
                quota,
                window,
                max,
                want: BLOCK_MAX,
            };
            let answer = store.lease(&request).await?;
            gate.cells.granted(need, id, answer, recheck_at(RECHECK));
        } else {
            let counter = store.quota(tenant, subscription, quota, window).await?;
            let after = if need.quota.is_reported {
                RECHECK
            } else {
                COUNTED
            };
            gate.cells
                .counted(need, counter.committed, recheck_at(after));
        }
        Ok(())
    }

    /// Takes these blocks back when there is time.
    pub(super) fn settle_later(&self, tenant: TenantId, leases: Vec<LeaseId>) {
        if !leases.is_empty() {
            let mut done = self.0.done.lock().unwrap_or_else(PoisonError::into_inner);
            done.extend(leases.into_iter().map(|lease| (tenant, lease)));
        }
    }

    /// Takes back what is done with. What the store does not take stays for the next time.
    pub(super) async fn settle_all(&self) -> Result<(), StoreError> {
        loop {
            let next = self
                .0
                .done
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let Some((tenant, lease)) = next else {
                return Ok(());
            };
            if let Err(error) = self.0.store.settle(tenant, lease).await {
                self.settle_later(tenant, vec![lease]);
                return Err(error);
            }
        }
    }

    /// Takes blocks back for as long as it is polled. Blocks that are not taken back stay safe:
    /// they hold units back, and the store settles them when this process is gone.
    pub(super) async fn run(
        self,
        sleep: Arc<dyn Sleep>,
        gates: impl Fn() -> Vec<Arc<Gate>> + Send,
    ) {
        loop {
            sleep.sleep(Duration::from_secs(1)).await;
            let now = self.0.clock.now();
            for gate in gates() {
                if let Some(terms) = gate.terms().as_ref() {
                    self.settle_later(terms.subscription.tenant, gate.cells.expire(now));
                }
            }
            // An error is no news here: the committer's backlog and the feed tell of a store
            // that is away, and the blocks are still on the list.
            drop(self.settle_all().await);
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Keeper")
    }
}

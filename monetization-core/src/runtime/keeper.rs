//! Keeps the blocks of strict quotas: asks the store for them, and takes them back.
//!
//! A block lives through four stages. It is wished for under an id that is kept until the answer
//! has come, so that an answer that was lost is asked for again and no block is out unseen. It is
//! in a cell, where calls spend from it. It is done with once nothing is left in it, its window is over or too
//! much is left of it after two seconds, and nothing that was spent from it is in flight. And it is settled, which
//! gives back what no record was committed under.
//!
//! A block that is never settled (this process dies) is settled by the store, for which a dead
//! owner's blocks are orphans.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::attempts::micros;
use super::cells::QuotaNeed;
use super::gate::Gate;
use super::gatekeeper::Sleep;
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::ids::{LeaseId, TenantId};
use crate::store::{LeaseRequest, Store, StoreError};

/// How long the counter of a quota is believed while what others report stops calls.
const REPORTED: Duration = Duration::from_millis(100);
/// How long the counter of a quota is believed to which calls of other processes add.
const COUNTED: Duration = Duration::from_secs(1);

/// As errors name it.
const SUPPLY: &str = "have units of a quota";

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

    /// Fills the cell that is empty. Callers with the same need wait for one answer, and none for a second one that fails.
    pub(super) async fn supply(&self, gate: &Gate, need: QuotaNeed) -> Result<(), StoreError> {
        let clock = &self.0.clock;
        let asked_at = micros(clock);
        gate.supplies.before_turn(asked_at, SUPPLY)?;
        let _waits = Waits::at(&gate.waiting);
        let _one_at_a_time = gate.supply.lock().await;
        gate.supplies.at_turn(asked_at, SUPPLY)?;
        let attempt = gate.supplies.begin();
        let supplied = self.fill(gate, need).await;
        attempt.end(supplied.is_ok(), micros(clock));
        supplied
    }

    async fn fill(&self, gate: &Gate, need: QuotaNeed) -> Result<(), StoreError> {
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
        // What cannot be spent any more is to be had again.
        self.settle_later(tenant, gate.cells.expire(clock.now(), clock.uptime()));
        self.settle_all().await?;
        let Some(wish) = gate
            .cells
            .wish(need, clock.uptime(), entropy.id(clock.now()))
        else {
            return Ok(());
        };
        let (quota, window, max) = (need.quota.name, need.window, need.quota.max);
        if need.quota.is_leased() {
            let request = LeaseRequest {
                id: wish.id,
                tenant,
                subscription,
                quota,
                window,
                max,
                want: wish.units.max(gate.waiting.load(Ordering::Relaxed)),
            };
            let answer = store.lease(&request).await?;
            gate.cells.granted(need, wish.id, answer, clock.uptime());
        } else {
            let counter = store.quota(tenant, subscription, quota, window).await?;
            let after = if need.quota.is_reported {
                REPORTED
            } else {
                COUNTED
            };
            let recheck_at = clock.uptime().saturating_add(after);
            gate.cells.counted(need, counter.committed, recheck_at);
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
            let (now, uptime) = (self.0.clock.now(), self.0.clock.uptime());
            for gate in gates() {
                if let Some(terms) = gate.terms().as_ref() {
                    let done = gate.cells.expire(now, uptime);
                    self.settle_later(terms.subscription.tenant, done);
                }
            }
            // An error is no news here: the committer's backlog and the feed tell of a store
            // that is away, and the blocks are still on the list.
            drop(self.settle_all().await);
        }
    }
}

/// Counts a call as one that waits, until it is dropped.
struct Waits<'a>(&'a AtomicU64);

impl<'a> Waits<'a> {
    fn at(waiting: &'a AtomicU64) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Keeper")
    }
}

//! The limiter.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use monetization_rate_limiter::{Bucket, Decision, LimitKind};

use crate::inspect::{Warning, inspect};
use crate::keeper::{Core, keep};
use crate::numbers::bytes;
use crate::question::{Question, Wanted};
use crate::share::share_of;
use crate::{
    Ask, Away, BadAddress, By, Clock, Holder, Namespace, Options, Outcome, SharedLimits, Way,
    WhenAway,
};

/// A limiter that several machines share through Redis or Valkey. Cheap to clone; all clones share one connection, which is
/// made anew by itself.
///
/// It holds no counters and no limits: the ones are in the [`Holder`]s, the others come with each call, so that refreshing a
/// customer's terms never touches what was counted.
///
/// The last of them takes its background task with it when it is dropped. Call [`release`](Self::release) before, so that
/// units in blocks go back at once.
#[derive(Clone, Debug)]
pub struct RedisLimiter(Arc<Core>);

impl RedisLimiter {
    /// Tries to connect, once, and begins to keep the connection. That the server is away is no error: the limiter works
    /// without it, by local shares, until it is there.
    ///
    /// # Errors
    /// When the address cannot be read.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn start(options: Options, clock: Arc<dyn Clock>) -> Result<Self, BadAddress> {
        let core = Arc::new(Core::new(options, clock)?);
        core.probe().await;
        tokio::spawn(keep(Arc::downgrade(&core)));
        Ok(Self(core))
    }

    /// Takes the units that are asked for, of all limits or of none. Takes no longer than the
    /// [`budget`](Options::budget). A refused call has taken nothing.
    ///
    /// A future that is dropped may or may not have taken them: what was asked of the server counts there.
    pub async fn take(&self, holder: &Holder, ask: &Ask<'_>) -> Outcome {
        if let Some(outcome) = self.take_at_once(holder, ask) {
            return outcome;
        }
        let mut is_asked = false;
        let asked = self.ask(holder, ask, &mut is_asked);
        match tokio::time::timeout(self.0.options.budget, asked).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(away)) => self.without_server(holder, ask, away),
            Err(_) => {
                if is_asked {
                    self.0.failed(Away::Slow);
                }
                self.without_server(holder, ask, Away::Slow)
            }
        }
    }

    /// As [`take`](Self::take) where that needs no waiting: from a block, without limits, or while the server is away.
    /// `None` where the server has to be asked; nothing is taken then.
    pub fn take_at_once(&self, holder: &Holder, ask: &Ask<'_>) -> Option<Outcome> {
        if ask.limits.limits().is_empty() {
            let decision =
                Bucket::new().assess(ask.limits.limits(), self.0.clock.now(), ask.weight);
            return Some(Outcome::Decided {
                decision,
                by: By::Block,
            });
        }
        if ask.way == Way::Blocks
            && let Some(decision) = holder.stock.spend(ask, self.0.clock.uptime())
        {
            return Some(Outcome::Decided {
                decision,
                by: By::Block,
            });
        }
        let away = self.0.circuit.why_not()?;
        Some(self.without_server(holder, ask, away))
    }

    /// Hands back the units of a call that passed and shall not count after all. The limits are those that it was asked with.
    ///
    /// Calendar windows that still last take them back, and never more than they hold; counters that began after the server
    /// had lost the former ones do not, as far as this node has heard of it. Units of a GCRA drain by themselves; a share gives
    /// them back as [`Bucket::give_back`] does. It waits for the server as [`take`](Self::take) does, so it is not for the way
    /// of a call; where the server is away the units stay taken.
    pub async fn give_back(&self, holder: &Holder, limits: &SharedLimits, outcome: &Outcome) {
        let Outcome::Decided { decision, by } = outcome else {
            return;
        };
        let took = decision.is_allowed() && decision.weight() > 0;
        if !took || limits.limits().is_empty() {
            return;
        }
        if let By::Share { nodes, .. } = by {
            let nodes = NonZeroU32::new(*nodes).unwrap_or(NonZeroU32::MIN);
            let share = share_of(limits.limits(), nodes);
            let taken_at = decision.decided_at();
            return holder.cells.give_back(&share, taken_at, decision.weight());
        }
        let back = units_of(decision, holder.stock.born.load(Ordering::Relaxed));
        let sent = self.0.send_back(holder.key(), limits, &back);
        if tokio::time::timeout(self.0.options.budget, sent)
            .await
            .is_err()
        {
            self.0.failed(Away::Slow);
        }
    }

    /// What keeps this installation apart from others on the server.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.0.options.namespace
    }

    /// Why the server is not asked at the moment, if so: for metrics, and for a check of health.
    #[must_use]
    pub fn away(&self) -> Option<Away> {
        self.0.circuit.why_not()
    }

    /// How many nodes there are, this one included, as last heard from the server.
    #[must_use]
    pub fn nodes(&self) -> NonZeroU32 {
        self.0.nodes()
    }

    /// Looks whether the server is fit to count: once at start, for an operator to see.
    ///
    /// # Errors
    /// Where the server is away.
    pub async fn inspect(&self) -> Result<Vec<Warning>, Away> {
        tokio::time::timeout(self.0.options.connect_max, inspect(&self.0.link))
            .await
            .map_err(|_| Away::Slow)?
    }

    /// Hands back all units in blocks and leaves the nodes: for shutdown, when no more calls come.
    ///
    /// # Errors
    /// Where the server is away. The units then stay taken until their windows are over.
    pub async fn release(&self) -> Result<(), Away> {
        self.0.sweep(true).await;
        self.0.leave().await
    }

    async fn ask(
        &self,
        holder: &Holder,
        ask: &Ask<'_>,
        is_asked: &mut bool,
    ) -> Result<Outcome, Away> {
        if ask.way == Way::Blocks && ask.weight > 0 {
            return self.refill(holder, ask, is_asked).await;
        }
        *is_asked = true;
        let (core, key) = (&self.0, holder.key());
        let wanted = Wanted::exactly(ask.weight);
        let question = Question::new(core.link.number(), key, ask.limits.clone(), wanted, b"");
        let reply = core.exchange(&question, key, b"").await?;
        holder.stock.born.store(reply.born, Ordering::Relaxed);
        Ok(Outcome::Decided {
            decision: reply.decision,
            by: By::Server,
        })
    }

    /// Has a block brought, one for all who wait for it.
    async fn refill(
        &self,
        holder: &Holder,
        ask: &Ask<'_>,
        is_asked: &mut bool,
    ) -> Result<Outcome, Away> {
        let _alone = holder.supply.lock().await;
        if let Some(outcome) = self.take_at_once(holder, ask) {
            return Ok(outcome);
        }
        *is_asked = true;
        let (core, stock) = (Arc::clone(&self.0), Arc::clone(&holder.stock));
        let refill = stock.refill(ask, core.clock.uptime(), core.sizes());
        // On its own, so that a block arrives even if nobody waits for it any more.
        let brought = tokio::spawn(core.bring(stock, ask.limits.clone(), refill));
        let reply = brought.await.map_err(|_| Away::Failed)??;
        Ok(Outcome::Decided {
            decision: reply.decision,
            by: By::Server,
        })
    }

    /// Decides while the server is away.
    fn without_server(&self, holder: &Holder, ask: &Ask<'_>, away: Away) -> Outcome {
        if ask.when_away == WhenAway::Refuse {
            return Outcome::Refused(away);
        }
        let nodes = self.0.nodes();
        let share = share_of(ask.limits.limits(), nodes);
        Outcome::Decided {
            decision: holder.cells.take(&share, self.0.clock.now(), ask.weight),
            by: By::Share {
                nodes: nodes.get(),
                away,
            },
        }
    }
}

/// What a call has taken of calendar windows, as it is handed back to counters that began then.
fn units_of(decision: &Decision, born: i64) -> Vec<u8> {
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let mut numbers = vec![number(born)];
    for standing in decision.standings() {
        if let LimitKind::Calendar(_) = standing.kind() {
            let (code, end) = (standing.kind().code(), standing.reset_at());
            let weight = decision.weight();
            numbers.extend([u64::from(code), number(end.as_micros()), 0, weight, 0]);
        }
    }
    bytes(&numbers)
}

//! The limiter.

use std::num::NonZeroU32;
use std::sync::Arc;

use monetization_rate_limiter::Bucket;

use crate::inspect::{Warning, inspect};
use crate::keeper::{Core, keep};
use crate::question::{Question, Wanted};
use crate::share::share_of;
use crate::{Ask, Away, BadAddress, By, Clock, Holder, Options, Outcome, Way, WhenAway};

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

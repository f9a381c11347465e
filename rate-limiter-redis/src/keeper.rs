//! What goes on beside the calls: connecting, announcing, handing back.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::announce::Announcer;
use crate::block::Block;
use crate::circuit::Circuit;
use crate::link::{Given, Link, Script};
use crate::moment::Moment;
use crate::question::{Question, Wanted};
use crate::reply::Reply;
use crate::stock::{Refill, Sizes, Stock};
use crate::{Away, BadAddress, Clock, HolderKey, Options, SharedLimits};

/// What calls and the keeper share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) link: Link,
    pub(crate) circuit: Circuit,
    script: Script,
    announcer: Announcer,
    heard: Mutex<Heard>,
    /// Stocks that had a block when it was last looked.
    listed: Mutex<Vec<Arc<Stock>>>,
    wake: Notify,
    has_left: AtomicBool,
}

impl Core {
    pub(crate) fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Self, BadAddress> {
        Ok(Self {
            link: Link::to(&options)?,
            circuit: Circuit::unconnected(),
            script: Script::new(include_str!("../lua/take.lua")),
            announcer: Announcer::new(&options),
            heard: Mutex::new(Heard {
                nodes: options.nodes_at_first,
                at: None,
            }),
            listed: Mutex::default(),
            wake: Notify::new(),
            has_left: AtomicBool::new(false),
            options,
            clock,
        })
    }

    /// How many nodes there are, as last heard.
    pub(crate) fn nodes(&self) -> NonZeroU32 {
        self.heard().nodes
    }

    /// How large blocks are now.
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            max: u64::from(self.options.block_max.get()),
            parts: u64::from(self.nodes().get()).saturating_mul(PARTS_A_NODE),
            life: self.options.block_life,
        }
    }

    /// Asks the server, and takes note whether it answers.
    ///
    /// # Errors
    /// Where it is away, or has not answered what was asked.
    pub(crate) async fn exchange(
        &self,
        question: &Question,
        key: &HolderKey,
        back: &[u8],
    ) -> Result<Reply, Away> {
        let [hash, ask] = question.arguments();
        let given = Given {
            key: key.as_str(),
            arguments: &[hash, ask, back],
        };
        let answer = self.link.run(&self.script, given).await;
        match answer.and_then(|value| Reply::read(value, question)) {
            Ok(reply) => {
                self.circuit.answered();
                Ok(reply)
            }
            Err(away) => {
                self.failed(away);
                Err(away)
            }
        }
    }

    /// Takes note that the server did not decide. Whoever finds out first wakes the keeper.
    pub(crate) fn failed(&self, away: Away) {
        if away == Away::Misfit {
            self.link.cut();
        }
        if self.circuit.failed(away) {
            self.wake.notify_one();
        }
    }

    /// Has units brought: those of the call that asks, and a block beside them, to be found in the stock.
    ///
    /// # Errors
    /// Where the server is away. What was handed back with the question is lost until its windows are over.
    pub(crate) async fn bring(
        self: Arc<Self>,
        stock: Arc<Stock>,
        limits: SharedLimits,
        refill: Refill,
    ) -> Result<Reply, Away> {
        let sent = self.clock.uptime();
        let question = Question::new(
            self.link.number(),
            &stock.key,
            limits,
            refill.wanted,
            &refill.back,
        );
        let reply = self.exchange(&question, &stock.key, &refill.back).await?;
        stock.born.store(reply.born, Ordering::Relaxed);
        if !reply.decision.is_allowed() {
            let moment = Moment {
                server: reply.now,
                sent,
            };
            stock.refuse(&question.limits, &reply.decision, moment);
        } else if let Some(block) = Block::of(&question, &reply, sent, self.options.block_life) {
            match stock.put(block) {
                Ok(true) => self.list(stock),
                Ok(false) => {}
                Err(surplus) => self.hand_back(&stock.key, &surplus).await,
            }
        }
        Ok(reply)
    }

    /// Hands back what can be of the blocks that are over, or of all of them. Holders that nobody calls any more, and those
    /// that are dropped, are found by the list.
    pub(crate) async fn sweep(self: &Arc<Self>, anyway: bool) {
        let uptime = self.clock.uptime();
        let mut ended = Vec::new();
        self.listed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|stock| {
                let (block, is_listed) = stock.end(uptime, anyway);
                ended.extend(block.map(|block| (Arc::clone(stock), block)));
                is_listed
            });
        let mut returns = JoinSet::new();
        for (stock, block) in ended {
            if returns.len() >= RETURNS_MAX {
                returns.join_next().await;
            }
            let core = Arc::clone(self);
            returns.spawn(async move { core.hand_back(&stock.key, &block).await });
        }
        while returns.join_next().await.is_some() {}
    }

    /// Announces that this node leaves, and ends the keeper.
    ///
    /// # Errors
    /// Where the server is away; it forgets the node by itself.
    pub(crate) async fn leave(&self) -> Result<(), Away> {
        self.has_left.store(true, Ordering::Release);
        self.announcer
            .announce(&self.link, &self.options, Duration::ZERO)
            .await
            .map(drop)
    }

    /// Connects if need be, and announces the node. An answer in time lets calls ask again.
    pub(crate) async fn probe(&self) {
        let announced = async {
            self.link.connect().await?;
            self.announcer
                .announce(&self.link, &self.options, self.options.node_life)
                .await
        };
        match announced.await {
            Ok(nodes) => {
                self.hear(nodes);
                self.circuit.close();
            }
            Err(away) => {
                self.circuit.failed(away);
                // Another connection may lead elsewhere: a name may have come to stand for another server.
                if self.circuit.why_not().is_some() {
                    self.link.cut();
                }
            }
        }
    }

    /// A number of nodes that falls is believed once it has stayed so for a node's life: a server that has lost what it
    /// knew hears of one after the other.
    fn hear(&self, nodes: NonZeroU32) {
        let (uptime, life) = (self.clock.uptime(), self.options.node_life);
        let mut heard = self.heard();
        let is_old = |at: Duration| uptime.saturating_sub(at) > life;
        if nodes >= heard.nodes || heard.at.is_none_or(is_old) {
            *heard = Heard {
                nodes,
                at: Some(uptime),
            };
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self, stock: Arc<Stock>) {
        self.listed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(stock);
    }

    /// Not tried again: what may have been handed back already is not handed back twice.
    async fn hand_back(&self, key: &HolderKey, block: &Block) {
        let back = block.remains(self.clock.uptime());
        if !back.is_empty() {
            self.send_back(key, &block.limits, &back).await;
        }
    }

    /// Hands back what is written in `back`; whether it arrived is nobody's concern.
    pub(crate) async fn send_back(&self, key: &HolderKey, limits: &SharedLimits, back: &[u8]) {
        let (number, nothing) = (self.link.number(), Wanted::exactly(0));
        let question = Question::new(number, key, limits.clone(), nothing, back);
        let handed_back = self.exchange(&question, key, back).await;
        drop(handed_back);
    }
}

/// How many nodes there are, and when there were last so many.
#[derive(Debug)]
struct Heard {
    nodes: NonZeroU32,
    at: Option<Duration>,
}

/// Runs until the limiter is dropped or has left.
pub(crate) async fn keep(core: Weak<Core>) {
    for turn in 0_u64.. {
        let Some(core) = core.upgrade() else { return };
        if core.has_left.load(Ordering::Acquire) {
            return;
        }
        let is_away = core.circuit.why_not().is_some();
        if is_away || turn % TURNS == 0 {
            core.probe().await;
        }
        if core.circuit.why_not().is_none() {
            core.sweep(false).await;
        }
        let pause = core.options.announce_every.checked_div(TURNS_A_PERIOD);
        let pause = pause.unwrap_or_default();
        let woken = tokio::time::timeout(pause, core.wake.notified()).await;
        if woken.is_ok() {
            // A server that fails whatever is asked but probes is not probed all the time.
            tokio::time::sleep(WAKING).await;
        }
    }
}

/// The keeper looks after things so many times in each period of announcing.
const TURNS: u64 = 4;
const TURNS_A_PERIOD: u32 = 4;

const WAKING: Duration = Duration::from_millis(25);

/// If every node has a block, three quarters of what was left are there for whoever wants more.
const PARTS_A_NODE: u64 = 4;

/// Blocks that are handed back at once.
const RETURNS_MAX: usize = 64;

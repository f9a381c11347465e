//! What one holder has here.

use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use monetization_rate_limiter::{Decision, Timestamp};

use crate::block::Block;
use crate::moment::Moment;
use crate::question::Wanted;
use crate::{Ask, HolderKey};

/// A holder's block, how large the next one is to be, and what is known of whether there would be another.
#[derive(Debug)]
pub(crate) struct Stock {
    pub(crate) key: HolderKey,
    /// When the counters on the server began, as last heard.
    pub(crate) born: AtomicI64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    block: Option<Box<Block>>,
    refusal: Option<Box<Refusal>>,
    /// Units that the next block shall have.
    size: u64,
    /// How many times as much time of a GCRA it shall have.
    stretch: u64,
    refilled_at: Option<Duration>,
    /// Whether the keeper knows that there is a block.
    is_listed: bool,
}

/// A refusal that is good for a moment longer.
#[derive(Debug)]
struct Refusal {
    limits: crate::SharedLimits,
    decision: Decision,
    /// When the units asked for could be had again, by the server's clock.
    retry_at: Option<Timestamp>,
    moment: Moment,
}

/// A block is to be had, and what is left of the one before goes back with the same question.
#[derive(Debug)]
pub(crate) struct Refill {
    /// What the call needs, and how large a block may come with it.
    pub(crate) wanted: Wanted,
    /// What is left of the block before, as it is sent.
    pub(crate) back: Vec<u8>,
}

impl Stock {
    pub(crate) fn empty(key: HolderKey) -> Self {
        Self {
            key,
            born: AtomicI64::new(0),
            state: Mutex::default(),
        }
    }

    /// Spends from the block, or repeats a refusal.
    pub(crate) fn spend(&self, ask: &Ask<'_>, uptime: Duration) -> Option<Decision> {
        let mut state = self.lock();
        if let Some(block) = &mut state.block
            && block.limits == *ask.limits
        {
            return block.spend(ask.weight, uptime);
        }
        let refusal = state.refusal.as_ref()?;
        refusal.holds(ask, uptime).then(|| refusal.decision.clone())
    }

    /// What to ask for, with the block taken out: it is spent from no more.
    pub(crate) fn refill(&self, ask: &Ask<'_>, uptime: Duration, sizes: Sizes) -> Refill {
        let mut state = self.lock();
        let is_hot = state
            .refilled_at
            .is_some_and(|at| uptime.saturating_sub(at) < sizes.life);
        // Twice as many for who comes back soon, half as many for who did not.
        let size = match (is_hot, state.size) {
            (true, 0) => 2,
            (true, size) => size.saturating_mul(2).min(sizes.max),
            (false, size) => size / 2,
        };
        let block = state.block.take();
        let has_drained = block.as_ref().is_some_and(|it| it.has_drained(uptime));
        state.stretch = match (is_hot, has_drained) {
            (true, true) => state.stretch.saturating_mul(2).min(STRETCH_MAX),
            (true, false) => state.stretch.max(1),
            (false, _) => 1,
        };
        state.size = size;
        state.refilled_at = Some(uptime);
        state.refusal = None;
        let back = block.map(|block| block.remains(uptime));
        let most = ask.weight.saturating_add(size);
        Refill {
            wanted: Wanted {
                weight: ask.weight,
                most,
                reach: most.saturating_mul(state.stretch),
                parts: sizes.parts,
            },
            back: back.unwrap_or_default(),
        }
    }

    /// Keeps a block. Says whether the keeper has to be told; gives the block back where there is one already.
    pub(crate) fn put(&self, block: Block) -> Result<bool, Box<Block>> {
        let mut state = self.lock();
        if state.block.is_some() {
            return Err(Box::new(block));
        }
        state.block = Some(Box::new(block));
        Ok(!std::mem::replace(&mut state.is_listed, true))
    }

    /// Keeps a refusal for a moment.
    pub(crate) fn refuse(&self, limits: &crate::SharedLimits, decision: &Decision, moment: Moment) {
        self.lock().refusal = Some(Box::new(Refusal {
            limits: limits.clone(),
            decision: decision.clone(),
            retry_at: decision.retry_at(),
            moment,
        }));
    }

    /// Takes the block out if it is over, or in any case. The second answer is whether there is still one here.
    pub(crate) fn end(&self, uptime: Duration, anyway: bool) -> (Option<Box<Block>>, bool) {
        let mut state = self.lock();
        let is_over = |block: &Block| anyway || block.is_over(uptime);
        let ended = state.block.take_if(|block| is_over(block));
        state.is_listed = state.block.is_some();
        (ended, state.is_listed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every method leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How large blocks are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Units, at most.
    pub(crate) max: u64,
    /// A block has at most one of so many parts of what is left of a limit: so they shrink as it nears.
    pub(crate) parts: u64,
    /// How long one is spent from. Who has the next one sooner calls often.
    pub(crate) life: Duration,
}

impl Refusal {
    fn holds(&self, ask: &Ask<'_>, uptime: Duration) -> bool {
        let age = uptime.saturating_sub(self.moment.sent);
        let can_pass = |at| self.moment.latest(uptime) >= at;
        age < REFUSAL_HELD
            && self.decision.weight() == ask.weight
            && self.limits == *ask.limits
            && !self.retry_at.is_some_and(can_pass)
    }
}

/// Time for so many times the units of a block is enough for whoever calls often.
const STRETCH_MAX: u64 = 1 << 20;

/// Others may hand back units meanwhile; who was refused learns of them this much later.
const REFUSAL_HELD: Duration = Duration::from_millis(20);

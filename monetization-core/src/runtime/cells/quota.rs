//! One quota of one subscription: the blocks of it that this process may spend.
//!
//! | | strict | loose |
//! |---|---|---|
//! | spends from | blocks that the store has handed out | nothing: it counts |
//! | known once | a block has units left, or the store has said there is nothing | the store has said what was used |
//! | exceeded | no units left, and none to be had | never |
//! | given back | to its block, while that is here | to the count |
//!
//! A quota that is exhausted is not asked about again until blocks that are out may have come back,
//! or the limit of the plan changes.
//!
//! Units that lie here can be had nowhere else, so a block is as small as the store can bear. The first has one unit,
//! or one for each call that waits. The next has twice as many where that one was used up within half a second, and
//! half as many for each second that it lasted. Once it shows that others take of the quota too, a block has at most
//! a thirty-second part of what was free; so the last units go out one by one. What was not spent two seconds after it
//! was handed out goes back; while calls from it are under way it cannot, and is spent from again once there is nothing
//! else. That also bounds what is spent of blocks which others have taken back, because this process slept. Of a large
//! quota a block has a two-thousandth at least, and so much may lie here until it is spent: nobody misses it, and who
//! calls now and then need not ask for each call.
//!
//! What a meter counts has no blocks: a strict quota of it is exceeded once as much was used, and what was used is asked
//! for again after a while, because others add to it.

use std::time::Duration;

use super::QuotaNeed;
use crate::clock::{Span, Timestamp};
use crate::ids::LeaseId;
use crate::plan::{EnforcedQuota, Overage, QuotaName, QuotaWindow};
use crate::runtime::standing::QuotaStanding;
use crate::store::LeaseAnswer;
use crate::usage::Spent;

/// The counter of a quota in its current window. A window is never turned back: a clock that
/// steps back goes on counting in the latest window seen.
#[derive(Debug)]
pub(in crate::runtime) struct QuotaCell {
    pub(super) quota: QuotaName,
    window: Span,
    /// What a call was last let through under. Blocks of a larger quota are not spent from.
    max: u64,
    /// Blocks of a strict quota, also of windows that are over while calls are in flight.
    blocks: Vec<Block>,
    /// Units that the store still had beyond the blocks when it was last asked.
    free: u64,
    /// Whether others have taken of it, too, in this window.
    is_shared: bool,
    /// The size of the latest block, and the process time at which it came.
    latest: Option<(u64, Duration)>,
    /// The store has nothing left.
    exhausted: Option<Exhausted>,
    /// What has been used of a quota without blocks, once the store has said so.
    used: Option<u64>,
    /// Until when that can be relied on, where others add to it and it stops calls.
    used_until: Duration,
    /// The wish whose answer has not come.
    pub(super) asked: Option<LeaseId>,
}

/// A part of a strict quota that was handed out. It stays until its window is over, it is empty, or
/// the quota has become smaller than the one it is a part of, or it is too old or lost, and nothing of it is in flight.
#[derive(Debug)]
struct Block {
    lease: LeaseId,
    window: Span,
    max: u64,
    left: u64,
    in_flight: u64,
    /// Process time at which it came.
    granted_at: Duration,
    /// It is too old to be spent from.
    is_old: bool,
    /// The ledger takes nothing that is spent from it.
    is_lost: bool,
}

/// How long a block is spent from. It is far less than the time for which a store takes a process that says
/// nothing for alive.
const BLOCK_AGE_MAX: Duration = Duration::from_secs(2);
/// A block that was used up sooner was too small.
const BLOCK_AGE_MIN: Duration = Duration::from_millis(500);
/// Units of the largest block.
const BLOCK_MAX: u64 = 1_000;
/// So many gatekeepers may each let one unit of this many lie without an end, and nearly all can be used.
const CRUMBS: u64 = 2_048;
/// What part of the free units a block has at most where others take of them, too.
const SHARE: u64 = 32;
/// How long an exhausted quota is believed while blocks of it are out and may come back.
const RECHECK: Duration = Duration::from_millis(100);

/// What the store said when it had nothing left, and under which limit it was asked.
#[derive(Debug, Clone, Copy)]
struct Exhausted {
    max: u64,
    /// From when on it is worth asking again; `None` while nothing can come back.
    recheck_at: Option<Duration>,
}

impl QuotaCell {
    pub(super) fn new(quota: QuotaName) -> Self {
        let window = Span {
            start: Timestamp::MIN,
            end: Timestamp::MIN,
        };
        Self {
            quota,
            window,
            max: u64::MAX,
            blocks: Vec::new(),
            free: 0,
            is_shared: false,
            latest: None,
            exhausted: None,
            used: None,
            used_until: Duration::ZERO,
            asked: None,
        }
    }

    /// Goes on to `window` if it begins later; answers the window that counts.
    pub(super) fn turn_to(&mut self, window: Span) -> Span {
        if window.start > self.window.start {
            self.window = window;
            self.free = 0;
            self.is_shared = false;
            self.exhausted = None;
            self.used = None;
            self.asked = None;
        }
        self.window
    }

    /// As [`turn_to`](Self::turn_to) the window that `now` lies in, where `period` is the billing
    /// period of that instant, under a quota of `max` units.
    pub(super) fn window_at(&mut self, now: Timestamp, period: Span, max: u64) -> Span {
        self.max = max;
        if self.quota.window != QuotaWindow::Period && self.window.contains(now) {
            return self.window;
        }
        self.turn_to(self.quota.window.containing(now, period))
    }

    /// The window that counts.
    pub(in crate::runtime) fn window(&self) -> Span {
        self.window
    }

    /// Ends the blocks that were not spent in time.
    pub(super) fn retire(&mut self, uptime: Duration) {
        let crumb = self.crumb();
        for block in &mut self.blocks {
            let is_due = uptime.saturating_sub(block.granted_at) >= BLOCK_AGE_MAX;
            block.is_old |= is_due && block.left > crumb;
        }
    }

    /// So few units that nobody misses them where they lie.
    fn crumb(&self) -> u64 {
        self.max / CRUMBS
    }

    /// How many units the next block should have: what is spent in about a second.
    pub(super) fn want(&self, uptime: Duration) -> u64 {
        let Some((units, granted_at)) = self.latest else {
            return self.crumb().clamp(1, BLOCK_MAX);
        };
        let lasted = uptime.saturating_sub(granted_at);
        let want = if lasted < BLOCK_AGE_MIN {
            units.saturating_mul(2)
        } else {
            let halvings = u32::try_from(lasted.as_secs()).unwrap_or(u32::MAX);
            units.checked_shr(halvings).unwrap_or(0)
        };
        let most = if self.is_shared {
            self.free / SHARE
        } else {
            BLOCK_MAX
        };
        want.min(most).max(self.crumb()).clamp(1, BLOCK_MAX)
    }

    /// Whether it can be decided without asking the store.
    pub(super) fn is_known(&self, quota: &EnforcedQuota, uptime: Duration) -> bool {
        if quota.is_leased() {
            return self.left() > 0 || self.is_exhausted(quota.max, uptime);
        }
        let grows_unseen = quota.is_counted_after() && quota.overage == Overage::Strict;
        self.used.is_some() && (!grows_unseen || uptime < self.used_until)
    }

    fn is_exhausted(&self, max: u64, uptime: Duration) -> bool {
        self.exhausted.is_some_and(|exhausted| {
            exhausted.max == max
                && exhausted
                    .recheck_at
                    .is_none_or(|recheck_at| uptime < recheck_at)
        })
    }

    /// How it stands.
    pub(in crate::runtime) fn standing(&self, quota: &EnforcedQuota) -> QuotaStanding {
        let max = quota.max;
        if quota.is_leased() {
            let left = self.left();
            return QuotaStanding {
                max,
                remaining: left.saturating_add(self.free).min(max),
                exceeded: left == 0,
            };
        }
        let remaining = max.saturating_sub(self.used.unwrap_or(0));
        QuotaStanding {
            max,
            remaining,
            exceeded: remaining == 0 && quota.overage == Overage::Strict,
        }
    }

    /// Takes so many units, none or one; the caller has found it known and not exceeded.
    pub(super) fn spend(&mut self, quota: &EnforcedQuota, units: u64) -> Spent {
        let window = self.window;
        let lease = if quota.is_leased() {
            self.current().find(|block| block.left > 0).map(|block| {
                block.left = block.left.saturating_sub(units);
                block.in_flight = block.in_flight.saturating_add(units);
                block.lease
            })
        } else {
            self.used = self.used.map(|used| used.saturating_add(units));
            None
        };
        Spent {
            quota: self.quota,
            window,
            lease,
            units,
        }
    }

    /// Counts what a call has used, where that is known at its end only.
    pub(super) fn add(&mut self, spent: &Spent) {
        if spent.window == self.window {
            self.used = self.used.map(|used| used.saturating_add(spent.units));
        }
    }

    /// Ends a call; answers its block if that is done with.
    pub(super) fn finish(&mut self, spent: &Spent, give_back: bool) -> Option<LeaseId> {
        let Some(lease) = spent.lease else {
            if give_back && spent.window == self.window {
                self.used = self.used.map(|used| used.saturating_sub(spent.units));
            }
            return None;
        };
        let (window, max) = (self.window, self.max);
        let block = self.blocks.iter_mut().find(|block| block.lease == lease)?;
        block.in_flight = block.in_flight.saturating_sub(spent.units);
        if give_back {
            block.left = block.left.saturating_add(spent.units);
        }
        let over = block.left == 0 || !block.counts(window, max);
        (over && block.in_flight == 0).then(|| self.drop_block(lease))
    }

    pub(super) fn granted(
        &mut self,
        need: QuotaNeed,
        lease: LeaseId,
        answer: LeaseAnswer,
        uptime: Duration,
    ) {
        if self.asked == Some(lease) {
            self.asked = None;
        }
        match answer {
            LeaseAnswer::Granted { units, free } => {
                self.blocks.push(Block {
                    lease,
                    window: need.window,
                    max: need.quota.max,
                    left: units,
                    in_flight: 0,
                    granted_at: uptime,
                    is_old: false,
                    is_lost: false,
                });
                self.latest = Some((units, uptime));
                if need.window == self.window {
                    self.is_shared |= free.saturating_add(units) < self.free;
                    self.free = free;
                    self.exhausted = None;
                }
            }
            LeaseAnswer::Exhausted { outstanding } => {
                if need.window == self.window {
                    self.free = 0;
                    self.renew(uptime);
                    let recheck_at = (outstanding > 0).then(|| uptime.saturating_add(RECHECK));
                    self.exhausted = Some(Exhausted {
                        max: need.quota.max,
                        recheck_at,
                    });
                }
            }
        }
    }

    /// What the store has counted. Where calls are counted, what is known here may have more in it:
    /// those whose records are not written yet.
    pub(super) fn counted(&mut self, need: QuotaNeed, committed: u64, recheck_at: Duration) {
        if need.window != self.window {
            return;
        }
        let known = self.used.filter(|_| !need.quota.is_reported);
        self.used = Some(known.map_or(committed, |known| known.max(committed)));
        self.used_until = recheck_at;
    }

    pub(super) fn release(&mut self) -> Vec<LeaseId> {
        self.drop_blocks(|_| true)
    }

    /// The ledger does not take what is spent of this block.
    pub(super) fn lose(&mut self, lease: LeaseId) {
        let mut blocks = self.blocks.iter_mut();
        if let Some(block) = blocks.find(|block| block.lease == lease) {
            block.is_lost = true;
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp, uptime: Duration) -> Vec<LeaseId> {
        self.retire(uptime);
        let max = self.max;
        self.drop_blocks(|block| {
            block.is_old || block.is_lost || block.window.end <= now || block.max > max
        })
    }

    /// Lets calls have what is left in blocks that could not go back.
    fn renew(&mut self, uptime: Duration) {
        for block in &mut self.blocks {
            if block.is_old {
                (block.is_old, block.granted_at) = (false, uptime);
            }
        }
    }

    fn drop_blocks(&mut self, which: impl Fn(&Block) -> bool) -> Vec<LeaseId> {
        let done = |block: &Block| block.in_flight == 0 && which(block);
        let leases = self
            .blocks
            .iter()
            .filter(|block| done(block))
            .map(|block| block.lease)
            .collect();
        self.blocks.retain(|block| !done(block));
        leases
    }

    fn drop_block(&mut self, lease: LeaseId) -> LeaseId {
        self.blocks.retain(|block| block.lease != lease);
        lease
    }

    fn current(&mut self) -> impl Iterator<Item = &mut Block> {
        let (window, max) = (self.window, self.max);
        let blocks = self.blocks.iter_mut();
        blocks.filter(move |block| block.counts(window, max))
    }

    fn left(&self) -> u64 {
        let blocks = self.blocks.iter();
        let current = blocks.filter(|block| block.counts(self.window, self.max));
        current.fold(0, |left, block| left.saturating_add(block.left))
    }
}

impl Block {
    /// Whether it may be spent from in this window, under a quota of `max` units.
    fn counts(&self, window: Span, max: u64) -> bool {
        !self.is_old && !self.is_lost && self.window == window && self.max <= max
    }
}

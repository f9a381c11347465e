//! Reads from engines what they have told by messages, for those that never arrived.
//!
//! For each account at the engine there is a cursor. A poll reads everything since a few minutes before
//! it, takes each message in as if it had been delivered, and moves the cursor on. What was taken in
//! before is recognised by the mark that it left; so messages and polls may meet in any order.
//!
//! | a message | counts as | the cursor |
//! |---|---|---|
//! | is taken in, now or before | `new`, `known` | passes it |
//! | speaks of nothing that is known here | `foreign` | passes it; it is read again for the few minutes of the overlap, and for a day or two while operations of the tenant are unfinished, which may make it known |
//! | cannot be taken in | `waiting` | stays before it, or goes back: the next poll tries again, and takes in what follows all the same |
//! | could not be taken in for a day | `given_up`, once, for an operator | passes it |
//!
//! So a message that can never be taken in holds up no other one, and what is read twice because of it is
//! at most the news of that day.

use std::collections::BTreeSet;
use std::time::Duration;

use super::operations::{chain, unable};
use super::{FlowError, Monetizer, Rejected, TakenIn};
use crate::clock::Timestamp;
use crate::cursor::{NewsCursor, Unmatched};
use crate::engine::{Engine, IdempotencyKey, NewsFeed};
use crate::ids::TenantId;
use crate::reference::Place;
use crate::store::{StoreExt, Stored};
use crate::tenant::{Publisher, Tenant};
use crate::text::ForeignId;

/// What a poll of an engine's news has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// Messages that had not arrived.
    pub new: u64,
    /// Messages that were taken in before.
    pub known: u64,
    /// Messages about what is not ours.
    pub foreign: u64,
    /// Messages that could not be taken in, and why; the next poll tries again.
    pub waiting: Vec<(ForeignId, String)>,
    /// Messages that could not be taken in for a day, and why; for an operator to look at. Told once, but for
    /// what is beyond the hundred of an account that are known one by one.
    pub given_up: Vec<(ForeignId, String)>,
    /// What the new ones contradict: as [`TakenIn::contradictions`].
    pub contradictions: Vec<String>,
    /// Reports that the new ones refuse: as [`TakenIn::rejected`].
    pub rejected: Rejected,
    /// Accounts whose news could not be read to their end, and why; `None` is the tenant's own.
    pub failed: Vec<(Option<ForeignId>, String)>,
}

/// How much before its cursor a poll begins: clocks differ, and a feed may tell something late.
const OVERLAP: Duration = Duration::from_secs(10 * 60);
/// How far back news are asked for at most: providers keep them for so long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// For how long a message that cannot be taken in holds its cursor.
const PATIENCE: Duration = Duration::from_secs(86_400);
/// Messages of one account that a cursor knows to fail one by one; further ones count as one.
const FAILING_MAX: usize = 100;
/// Since when a message fails that was given up, and told.
const GIVEN_UP: Timestamp = Timestamp::MAX;

/// Whose news are read.
struct Reading<'a> {
    tenant: TenantId,
    engine: &'a Engine,
    feed: &'a dyn NewsFeed,
    place: Place,
}

impl Monetizer {
    /// Reads what the tenant's engine has told since this was last called, about the tenant's own account
    /// and those of its publishers, and takes in what did not arrive. To be called every few minutes, by as
    /// many processes as there are.
    ///
    /// # Errors
    /// [`FlowError::Unable`] where the engine has no such feed; [`FlowError::Store`]. An account that cannot
    /// be read is in the answer and does not keep the others from being read.
    pub async fn catch_up(&self, tenant: TenantId) -> Result<CaughtUp, FlowError> {
        let (_, engine) = self.engine_of(tenant).await?;
        let feed = engine.feed.as_deref();
        let feed = feed.ok_or_else(|| unable(engine, "tell its news again"))?;
        let mut caught = CaughtUp::default();
        for account in self.accounts(tenant).await? {
            let reading = Reading {
                tenant,
                engine,
                feed,
                place: Place {
                    engine: engine.descriptor.id.clone(),
                    account,
                },
            };
            match self.read_news(&reading, &mut caught).await {
                Err(FlowError::Store(error)) => return Err(error.into()),
                Err(error) => caught.failed.push((reading.place.account, chain(&error))),
                Ok(()) => {}
            }
        }
        Ok(caught)
    }

    /// The tenant's own account, and those of its publishers, once each.
    async fn accounts(&self, tenant: TenantId) -> Result<BTreeSet<Option<ForeignId>>, FlowError> {
        let publishers = self.store.facts::<Publisher>(tenant).await?;
        let theirs = publishers.into_iter().map(|stored| stored.fact.account);
        Ok(theirs.chain([None]).collect())
    }

    /// Reads one account's news to their end, page by page.
    async fn read_news(
        &self,
        reading: &Reading<'_>,
        caught: &mut CaughtUp,
    ) -> Result<(), FlowError> {
        let mut cursor = self.cursor(reading).await?;
        // Asked before: what is finished meanwhile is read once more.
        let is_waiting = self.store.has_unfinished_intents(reading.tenant).await?;
        let oldest = self.now().saturating_sub(KEPT);
        let mut from = begin(&mut cursor.fact, self.now()).max(oldest);
        // Where the first page begins with a message that has to be waited for.
        let mut held_at = None;
        let (mut failing, mut has_unmatched) = (BTreeSet::new(), false);
        loop {
            let key = IdempotencyKey::new(format!("news:{}:{from}", cursor.fact.id));
            let account = reading.place.account.clone();
            let cx = self.context(reading.tenant, account, key);
            let page = reading.feed.since(&cx, from).await?;
            for message in page.messages {
                let id = message.id.clone();
                let taken = self.take_in_message(reading.engine, message, Some(reading.tenant));
                match taken.await {
                    Ok(taken) => caught.add(taken),
                    Err(FlowError::Unmatched { .. }) => {
                        caught.foreign = caught.foreign.saturating_add(1);
                        has_unmatched |= is_waiting;
                    }
                    Err(FlowError::Store(error)) => return Err(error.into()),
                    Err(error) => {
                        failing.insert(id.clone());
                        let problem = (id, chain(&error));
                        if caught.add_failing(&mut cursor.fact, problem, self.now()) {
                            held_at.get_or_insert(from);
                        }
                    }
                }
            }
            cursor.fact.until = match held_at {
                Some(held_at) => cursor.fact.until.min(held_at),
                None => cursor.fact.until.max(page.until),
            };
            if has_unmatched {
                cursor.fact.unmatched.get_or_insert(Unmatched {
                    from,
                    until: cursor.fact.until,
                    since: self.now(),
                });
            }
            let is_last = page.is_last || page.until <= from;
            from = page.until;
            if is_last {
                cursor.fact.settle(&failing, has_unmatched);
            }
            if !self.keep_cursor(&mut cursor).await? || is_last {
                return Ok(());
            }
        }
    }

    /// How far the news were read; from the tenant's beginning, where they never were.
    async fn cursor(&self, reading: &Reading<'_>) -> Result<Stored<NewsCursor>, FlowError> {
        let id = NewsCursor::identity(reading.tenant, &reading.place);
        if let Some(known) = self.store.fact::<NewsCursor>(reading.tenant, id).await? {
            return Ok(known);
        }
        let tenant = self.must::<Tenant>(reading.tenant, reading.tenant).await?;
        let begun_at = tenant.fact.created_at;
        let new = NewsCursor::new(reading.tenant, &reading.place, begun_at);
        Ok(Stored::new(new))
    }

    /// Writes how far the news were read; `false` where somebody else has done so meanwhile.
    async fn keep_cursor(&self, cursor: &mut Stored<NewsCursor>) -> Result<bool, FlowError> {
        let mut change = self.change();
        change.writes.push(cursor.write()?);
        cursor.version = cursor.version.saturating_add(1);
        self.apply(&change).await
    }
}

/// Where a poll begins. What was unmatched a day ago is given up, and what was seen since is not.
fn begin(cursor: &mut NewsCursor, now: Timestamp) -> Timestamp {
    let usual = cursor.until.saturating_sub(OVERLAP);
    let Some(unmatched) = cursor.unmatched else {
        return usual;
    };
    let is_over = now.saturating_since(unmatched.since) >= PATIENCE;
    if is_over {
        cursor.unmatched = None;
    }
    let later = unmatched.until.saturating_sub(OVERLAP);
    let from = if is_over { later } else { unmatched.from };
    from.min(usual)
}

impl NewsCursor {
    /// Forgets what fails no more, and what nobody waits for, when the news were read to their end.
    fn settle(&mut self, failing: &BTreeSet<ForeignId>, has_unmatched: bool) {
        self.failing.retain(|id, _| failing.contains(id));
        if failing.len() <= FAILING_MAX {
            self.overflowing_since = None;
        }
        if !has_unmatched {
            self.unmatched = None;
        }
    }
}

impl CaughtUp {
    fn add(&mut self, taken: TakenIn) {
        let counter = if taken.new {
            &mut self.new
        } else {
            &mut self.known
        };
        *counter = counter.saturating_add(1);
        self.contradictions.extend(taken.contradictions);
        self.rejected.count = self.rejected.count.saturating_add(taken.rejected.count);
        self.rejected.named = self.rejected.named.saturating_add(taken.rejected.named);
    }

    /// Notes a message that cannot be taken in; whether its cursor has to wait for it.
    fn add_failing(
        &mut self,
        cursor: &mut NewsCursor,
        (id, problem): (ForeignId, String),
        now: Timestamp,
    ) -> bool {
        let since = match cursor.failing.get(&id) {
            Some(since) => *since,
            None if cursor.failing.len() < FAILING_MAX => {
                *cursor.failing.entry(id.clone()).or_insert(now)
            }
            None => *cursor.overflowing_since.get_or_insert(now),
        };
        if since == GIVEN_UP {
            return false;
        }
        let waits = now.saturating_since(since) < PATIENCE;
        if waits {
            self.waiting.push((id, problem));
        } else {
            if let Some(since) = cursor.failing.get_mut(&id) {
                *since = GIVEN_UP;
            }
            self.given_up.push((id, problem));
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TypedId;

    /// Each waits for a day at least, and nothing is read again for ever.
    #[test]
    fn what_is_unmatched_is_read_again_for_a_day_after_it_was_seen_r_w6() {
        let at = |hours: u64| {
            Timestamp::EPOCH.saturating_add(Duration::from_secs(hours.saturating_mul(3_600)))
        };
        let place = Place {
            engine: "mock".parse().unwrap(),
            account: None,
        };
        let mut cursor = NewsCursor::new(TenantId::derived(&[b"t"]), &place, at(10));
        let usual = at(10).saturating_sub(OVERLAP);
        assert_eq!(begin(&mut cursor, at(10)), usual);
        cursor.unmatched = Some(Unmatched {
            from: at(2),
            until: at(4),
            since: at(5),
        });
        assert_eq!(begin(&mut cursor, at(28)), at(2));
        assert!(cursor.unmatched.is_some());
        assert_eq!(begin(&mut cursor, at(29)), at(4).saturating_sub(OVERLAP));
        assert_eq!(cursor.unmatched, None);
        assert_eq!(begin(&mut cursor, at(29)), usual);
    }
}

use std::collections::BTreeMap;

use monetization_core::ids::{BatchId, IntentId, TenantId};
use monetization_core::store::{
    Applied, Batch, BatchState, ChangeSet, Finished, Overturn, Overturned, Verdict,
};

use super::step::{Answer, Step};
use super::world::{World, keep_latest};
use crate::sample::{START, settled};
use crate::store::steps::CLAIM;

/// Who holds what, as far as that is certain.
#[derive(Debug, Default)]
pub(super) struct Claims {
    intents: Fences<IntentId>,
    claimed: Vec<(TenantId, IntentId)>,
    batches: Fences<BatchId>,
    verdicts: Vec<(BatchId, u64, Verdict)>,
    sent: Vec<Batch>,
}

#[derive(Debug)]
struct Fences<Id> {
    latest: BTreeMap<Id, u64>,
    held: Vec<(Id, u64)>,
    /// Taken by another since.
    lost: Vec<(Id, u64)>,
}

impl Claims {
    /// The end of an operation, more often than not under a claim that holds.
    pub(super) fn finished(&self, world: &World) -> Option<Finished> {
        let (intent, fence) = self.intents.any(world)?;
        let reason = world.rarely(3).then(|| "given up".to_owned());
        world.rarely(2).then_some(Finished {
            intent,
            fence,
            parked_because: reason,
        })
    }

    /// That a batch which was sent does not count after all.
    pub(super) fn overturned(&self, world: &World) -> Option<Overturned> {
        let batch = world.any(&self.sent).filter(|_| world.rarely(3))?;
        let reason = "found wrong".to_owned();
        let because = "taken back".to_owned();
        Some(Overturned {
            batch: batch.id,
            place: batch.place.clone(),
            realm: batch.realm.clone(),
            overturn: if world.rarely(3) {
                let tenant = batch.tenant;
                Overturn::WrittenOff { tenant, because }
            } else {
                Overturn::Rejected { reason }
            },
            sent_by: world.moment(),
        })
    }

    /// Resumes an operation that was claimed once, which may have been given up since.
    pub(super) fn resume(&self, world: &World) -> Step {
        match world.any(&self.claimed) {
            Some((tenant, intent)) => Step::ResumeIntent(*tenant, *intent, world.moment()),
            None => Step::ClaimIntents(world.moment(), CLAIM),
        }
    }

    pub(super) fn postpone(&self, world: &World) -> Step {
        match self.intents.any(world) {
            Some((intent, fence)) => Step::PostponeIntent(intent, fence, world.moment()),
            None => Step::ClaimIntents(world.moment(), CLAIM),
        }
    }

    pub(super) fn settle_batch(&self, world: &World) -> Step {
        if let (true, Some(said)) = (world.rarely(4), world.any(&self.verdicts)) {
            let (batch, fence, verdict) = said.clone();
            return Step::SettleBatch(batch, fence, verdict);
        }
        let Some((batch, fence)) = self.batches.any(world) else {
            return Step::ClaimBatches(world.subscriber().tenant, world.moment(), CLAIM);
        };
        let verdict = match world.sample.below(4) {
            0 => settled(BatchState::Confirmed),
            1 => settled(BatchState::Rejected {
                reason: "too large".to_owned(),
            }),
            _ => Verdict::Again {
                due_at: world.moment(),
                first_sent_at: Some(START).filter(|_| world.rarely(2)),
            },
        };
        Step::SettleBatch(batch, fence, verdict)
    }

    pub(super) fn learn(&mut self, step: &Step, answer: &Answer) {
        match (step, answer) {
            (_, Answer::Intents(claimed)) => {
                for (intent, fence) in claimed {
                    self.intents.take(intent.id, *fence);
                    self.claimed.push((intent.tenant, intent.id));
                }
            }
            (_, Answer::Batches(claimed)) => {
                for batch in claimed {
                    self.batches.take(batch.id, batch.fence);
                    self.sent.push(batch.clone());
                }
            }
            (Step::PostponeIntent(intent, ..), Answer::Held(true)) => self.intents.give_up(*intent),
            (Step::SettleBatch(batch, fence, verdict), Answer::Held(true)) => {
                self.batches.give_up(*batch);
                self.verdicts.push((*batch, *fence, verdict.clone()));
            }
            _ => {}
        }
    }

    pub(super) fn learn_of_change(&mut self, change: &ChangeSet, applied: &Applied) {
        if *applied == Applied::New {
            for finished in &change.finished {
                self.intents.give_up(finished.intent);
            }
        }
    }

    /// Keeps what is fresh, of what may come up again.
    pub(super) fn forget(&mut self) {
        keep_latest(&mut self.claimed);
        keep_latest(&mut self.verdicts);
        keep_latest(&mut self.sent);
        keep_latest(&mut self.intents.lost);
        keep_latest(&mut self.batches.lost);
    }

    pub(super) fn lapse(&mut self) {
        self.intents.held.clear();
        self.batches.held.clear();
    }
}

impl<Id: Copy + Ord> Fences<Id> {
    fn any(&self, world: &World) -> Option<(Id, u64)> {
        let from = if world.rarely(5) {
            &self.lost
        } else {
            &self.held
        };
        world.any(from).copied()
    }

    fn take(&mut self, id: Id, fence: u64) {
        let before = self.latest.insert(id, fence);
        self.lost.extend(before.map(|before| (id, before)));
        self.held.push((id, fence));
    }

    fn give_up(&mut self, id: Id) {
        self.held.retain(|(held, _)| *held != id);
    }
}

impl<Id> Default for Fences<Id> {
    fn default() -> Self {
        Self {
            latest: BTreeMap::new(),
            held: Vec::new(),
            lost: Vec::new(),
        }
    }
}

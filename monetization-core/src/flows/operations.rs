//! Carries out at the engine what has been written down.

use std::time::Duration;

use super::{FlowError, Monetizer};
use crate::clock::Timestamp;
use crate::engine::{
    CancelMode, ChangeMode, Engine, EngineContext, EngineErrorKind, IdempotencyKey,
};
use crate::entropy::Entropy;
use crate::ids::{IntentId, TenantId};
use crate::intent::{Intent, Operation};
use crate::reference::Place;
use crate::store::{Claim, Conflict, Finished};
use crate::subscription::Subscription;

/// What a run has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationsReport {
    /// Operations that were carried out.
    pub done: usize,
    /// Operations that have to be tried again.
    pub postponed: usize,
    /// Those of them that wait for an operator, and why: the engine does not accept the credentials, lacks
    /// a setting or is not there, or many tries have come to nothing.
    pub waiting: Vec<(IntentId, String)>,
    /// Operations that were given up: an operator has to look at them, and may
    /// [resume](Monetizer::resume_operation) them.
    pub parked: usize,
}

/// One operation in hand.
struct Task {
    tenant: TenantId,
    key: IdempotencyKey,
    finished: Finished,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    /// As far as it could be: an operator has to look at it.
    Parked,
}

impl End {
    fn of(finished: &Finished) -> Self {
        if finished.parked_because.is_some() {
            Self::Parked
        } else {
            Self::Done
        }
    }
}

const CLAIM: Claim = Claim {
    limit: 100,
    lease: Duration::from_secs(120),
};
/// After so many tries, hours of them, somebody should know of it. It goes on all the same.
const UNTOLD_MAX: u32 = 20;
/// Waiting for an operator begins with the wait after so many tries: about a minute.
const WAITING_MIN: u32 = 6;

mod carrying;
mod payments;
mod resuming;

/// That an operation which came to nothing is tried again.
struct Again {
    /// After so long.
    wait: Duration,
    /// Whether an operator should know of it.
    is_told: bool,
}

impl Monetizer {
    /// Carries out operations that are due, until none is left. Another process may do the same
    /// at the same time; a crash at any point is mended by the next run.
    ///
    /// # Errors
    /// [`FlowError::Store`]; errors of an engine are in the report.
    pub async fn carry_out_operations(&self) -> Result<OperationsReport, FlowError> {
        let mut report = OperationsReport::default();
        loop {
            let claimed = self.store.claim_intents(self.now(), CLAIM).await?;
            if claimed.is_empty() {
                return Ok(report);
            }
            for (intent, fence) in claimed {
                self.carry_out(&intent, fence, &mut report).await?;
            }
        }
    }

    async fn carry_out(
        &self,
        intent: &Intent,
        fence: u64,
        report: &mut OperationsReport,
    ) -> Result<(), FlowError> {
        let finished = |parked_because| Finished {
            intent: intent.id,
            fence,
            parked_because,
        };
        let error = match self.perform(intent, finished(None)).await {
            Ok(End::Done) => {
                report.done = report.done.saturating_add(1);
                return Ok(());
            }
            Ok(End::Parked) => {
                report.parked = report.parked.saturating_add(1);
                return Ok(());
            }
            // Somebody else has claimed it since: it is theirs now.
            Err(FlowError::Conflict(Conflict::Fenced { .. })) => return Ok(()),
            Err(FlowError::Store(error)) => return Err(error.into()),
            Err(error) => error,
        };
        let Some(again) = self.again(&error, intent.attempts) else {
            return self.park(finished(Some(chain(&error))), report).await;
        };
        self.store
            .postpone_intent(intent.id, fence, self.now().saturating_add(again.wait))
            .await?;
        report.postponed = report.postponed.saturating_add(1);
        if again.is_told {
            report.waiting.push((intent.id, chain(&error)));
        }
        Ok(())
    }

    /// Whether an operation is tried again after this error and so many tries, and when. `None` where that
    /// would be refused again. Outages end, and credentials and settings are mended, however long it takes:
    /// an engine does nothing twice, whenever it is asked again.
    fn again(&self, error: &FlowError, tries: u32) -> Option<Again> {
        let back_off = |tries| Jitter::drawn(&self.entropy).back_off(tries);
        let soon = |asked: Option<Duration>| Again {
            wait: asked.unwrap_or_else(|| back_off(tries)),
            is_told: tries >= UNTOLD_MAX,
        };
        let once_mended = || Again {
            wait: back_off(tries.max(WAITING_MIN)),
            is_told: true,
        };
        match error {
            FlowError::Contended => Some(soon(None)),
            FlowError::UnknownEngine(_) => Some(once_mended()),
            FlowError::Engine(error) => match error.kind() {
                EngineErrorKind::Retryable | EngineErrorKind::Ambiguous => Some(soon(error.wait())),
                EngineErrorKind::Unauthorized | EngineErrorKind::Misconfigured { .. } => {
                    Some(once_mended())
                }
                EngineErrorKind::Permanent
                | EngineErrorKind::Conflict
                | EngineErrorKind::NotFound => None,
            },
            _ => None,
        }
    }

    /// Gives an operation up.
    async fn park(
        &self,
        finished: Finished,
        report: &mut OperationsReport,
    ) -> Result<(), FlowError> {
        match self.finish(&finished).await {
            Ok(()) => report.parked = report.parked.saturating_add(1),
            Err(FlowError::Conflict(Conflict::Fenced { .. })) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// What the call of an operation carries.
    fn context_of(&self, task: &Task, place: &Place) -> EngineContext {
        let context = self.context(task.tenant, place.account.clone(), task.key.clone());
        EngineContext {
            repeated: task.finished.fence > 1,
            ..context
        }
    }

    async fn perform(&self, intent: &Intent, finished: Finished) -> Result<End, FlowError> {
        let task = Task {
            tenant: intent.tenant,
            key: IdempotencyKey::new(intent.operation.key()),
            finished,
        };
        let done: Result<(), FlowError> = match intent.operation {
            Operation::IssueInvoice { invoice } => return self.issue(&task, invoice).await,
            Operation::VoidInvoice { invoice } => self.void(&task, invoice).await,
            Operation::StartSubscription { subscription } => {
                return self.start(&task, subscription).await;
            }
            Operation::ChangeSubscription {
                subscription,
                version,
                number,
                at_period_end,
            } => {
                let mode = if at_period_end {
                    ChangeMode::AtPeriodEnd
                } else {
                    ChangeMode::Now
                };
                self.switch(&task, subscription, (version, number, mode))
                    .await
            }
            Operation::CancelSubscription {
                subscription,
                at_period_end: true,
            } => {
                self.stop(&task, subscription, CancelMode::AtPeriodEnd)
                    .await
            }
            Operation::CancelSubscription {
                subscription,
                at_period_end: false,
            } => self.stop(&task, subscription, CancelMode::Now).await,
            Operation::CreditInvoice { invoice, number } => {
                return self.credit(&task, (invoice, number)).await;
            }
            Operation::ChargeStored { customer, .. } => self.charge_stored(&task, customer).await,
        };
        done.map(|()| End::Done)
    }

    async fn finish(&self, finished: &Finished) -> Result<(), FlowError> {
        let mut change = self.change();
        change.finished.push(finished.clone());
        self.apply(&change).await.map(drop)
    }
}

/// How much of a wait is waited. What has failed together draws one, and so comes again together;
/// what others have failed with at the same time does not come again with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jitter(u32);

impl Jitter {
    /// At random: some of it, at most all.
    pub(super) fn drawn(entropy: &Entropy) -> Self {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        Self(u32::from_le_bytes(bytes))
    }

    /// How long to wait after so many tries: a share of what doubles from a second to an hour.
    pub(super) fn back_off(self, attempts: u32) -> Duration {
        let micros_max = 1_000_000_u64
            .saturating_mul(1 << attempts.min(12))
            .min(3_600_000_000);
        let share = u64::from(self.0).saturating_add(1);
        Duration::from_micros((micros_max.saturating_mul(share) >> u32::BITS).max(1))
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

pub(super) fn unable(engine: &Engine, ability: &'static str) -> FlowError {
    FlowError::Unable {
        engine: engine.descriptor.id.to_string(),
        ability,
    }
}

/// How an engine is told of an end that it may hear of late.
fn told_end(of: &Subscription, mode: CancelMode, now: Timestamp) -> CancelMode {
    let ended_at = of.timeline.ends_at.filter(|it| *it <= now);
    ended_at.map_or(mode, CancelMode::Since)
}

/// The instant just before `end`: the last that belongs to a stretch ending there.
pub(super) fn last_instant(end: Timestamp) -> Timestamp {
    end.saturating_sub(Duration::from_micros(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_an_hour_and_are_spread_over_all_of_it() {
        let entropy = Entropy::seeded(5);
        for attempts in [0, 1, 5, 11, 12, 40, u32::MAX] {
            let most = Duration::from_secs((1_u64 << attempts.min(12)).min(3_600));
            let drawn: Vec<Duration> = (0..1_000)
                .map(|_| Jitter::drawn(&entropy).back_off(attempts))
                .collect();
            assert!(drawn.iter().all(|wait| !wait.is_zero() && *wait <= most));
            for tenth in 0..10 {
                let bounds = (most * tenth / 10)..(most * (tenth + 1) / 10);
                let within = drawn.iter().filter(|wait| bounds.contains(wait)).count();
                assert!(
                    (50..200).contains(&within),
                    "{attempts}: {within} in {bounds:?}"
                );
            }
        }
        assert_eq!(Jitter(u32::MAX).back_off(0), Duration::from_secs(1));
        assert_eq!(Jitter(0).back_off(0), Duration::from_micros(1));
    }
}

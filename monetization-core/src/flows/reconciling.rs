//! Compares what was reported with what engines have counted, and brings batches that were held to
//! their end.
//!
//! An engine recognises a batch that is sent again for so long only. One whose answer was lost for
//! longer is unknown, and is not sent any more. Here the engine is asked what it has counted in the
//! billing period that the batch belongs to:
//!
//! | it has counted | then the unknown batches of that period and meter |
//! |---|---|
//! | what is confirmed, and all of them | have arrived: confirmed |
//! | what is confirmed | have not: sent again, unless the engine takes no use so old |
//! | more than all of that, the store was restored since, and nothing else is held | have arrived: confirmed; of the rest the records went with the restore |
//! | anything else | stay with the operator, and the difference is reported |
//!
//! Engines count some time after they have taken a batch ([`EngineLimits::counts_within`]). What was sent so
//! lately may be in the count or not: where the count fits with and without the unknown batches because
//! of it, nothing is decided and no difference is told, and the next run sees more.
//!
//! Nothing is decided while a batch of that period and meter is on its way, nothing where one has moved while the
//! engine counted, and nothing about what was reported to another engine, account or mode than the credentials open. Each decision is written
//! with its reason, under the state it was made for: whoever decides at the same time changes nothing.
//!
//! [`EngineLimits::counts_within`]: crate::engine::EngineLimits::counts_within

use std::collections::BTreeMap;

use super::operations::{chain, unable};
use super::publishing::{Known, SignedIn};
use super::{FlowError, Monetizer};
use crate::clock::{Span, Timestamp};
use crate::engine::{Engine, EngineContext, IdempotencyKey};
use crate::ids::{BatchId, MeterId, SubscriptionId, TenantId};
use crate::invoice::Invoicing;
use crate::money::Quantity;
use crate::product::Meter;
use crate::reference::Realm;
use crate::store::{Batch, BatchState, Decision, Fate, Held, Listing};
use crate::subscription::{Segment, Subscription};

/// What a run of reconciling has found and done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Periods and meters that were compared.
    pub compared: usize,
    /// Those in which the engine has counted something else than was reported to it.
    pub differing: Vec<Difference>,
    /// Batches that were decided about.
    pub decided: Vec<(BatchId, Fate)>,
    /// Subscriptions that could not be compared, and why.
    pub failed: Vec<(SubscriptionId, String)>,
}

/// A billing period of a subscription in which an engine has counted something else than was reported
/// to it.
///
/// Quantities are in the meter's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Whose use.
    pub subscription: SubscriptionId,
    /// What was counted.
    pub meter: MeterId,
    /// The billing period, UTC.
    pub period: Span,
    /// What the engine has confirmed to have.
    pub confirmed: Quantity,
    /// What it may have: batches whose answer was lost.
    pub perhaps: Quantity,
    /// What it says that it has.
    pub counted: Quantity,
}

/// What a run compares with.
struct Comparison<'a> {
    engine: &'a Engine,
    /// Once for all subscriptions, when the first has something to be compared.
    signed_in: Option<SignedIn>,
    since: Timestamp,
    /// When the store was last put back: reports may have been made before that nobody here knows of.
    restored_at: Option<Timestamp>,
}

/// What was reported, by the number of the billing period and the meter.
type AllReported = BTreeMap<(u32, MeterId), Reported>;

/// What was reported of one meter in one billing period.
#[derive(Default)]
struct Reported {
    /// All of it, as it was.
    batches: Vec<(BatchId, BatchState)>,
    confirmed: Quantity,
    /// What of it the engine may not have counted yet.
    fresh: Quantity,
    perhaps: Quantity,
    unknown: Vec<Batch>,
    /// Whether a batch is on its way, or may be and not be counted yet, or moved while the engine counted.
    moving: bool,
    /// Whether a batch is held for another reason than that nobody knows.
    held: bool,
}

impl Monetizer {
    /// Compares what was reported of use since `since` with what the tenant's engine has counted, and
    /// decides about batches of which nobody knew whether they had arrived.
    ///
    /// It may be run at any time, beside a run of publishing too. Whole billing periods are compared:
    /// the first is that in which `since` lies.
    ///
    /// # Errors
    /// [`FlowError::Store`]; what cannot be compared is in the report and does not keep the others
    /// from being compared.
    pub async fn reconcile(
        &self,
        tenant: TenantId,
        since: Timestamp,
    ) -> Result<ReconcileReport, FlowError> {
        let (of, engine) = self.engine_of(tenant).await?;
        let comparison = Comparison {
            engine,
            signed_in: None,
            since,
            restored_at: of.restored_at,
        };
        self.compare_all(tenant, comparison).await
    }

    async fn compare_all(
        &self,
        tenant: TenantId,
        mut comparison: Comparison<'_>,
    ) -> Result<ReconcileReport, FlowError> {
        let mut report = ReconcileReport::default();
        let mut after = None;
        while let Some(page) = self.subscriptions_after(tenant, &mut after).await? {
            let by_engine = page.iter().filter(|it| it.invoicing == Invoicing::ByEngine);
            for subscription in by_engine {
                let compared = self.compare(&mut comparison, subscription, &mut report);
                match compared.await {
                    Err(FlowError::Store(error)) => return Err(error.into()),
                    Err(error) => {
                        report.failed.push((subscription.id, chain(&error)));
                    }
                    Ok(()) => {}
                }
            }
        }
        Ok(report)
    }

    /// Decides what becomes of a batch that is held, in the name of whoever `because` names.
    ///
    /// One that the engine had taken and refused later is not sent again while the engine may know it by
    /// its id: it would answer that it has it. That is for twice as long as engines promise to know it:
    /// attempts go on for that long, and what they promise is the least.
    ///
    /// # Errors
    /// [`FlowError::NotFound`] where no such batch is held; [`FlowError::TooEarly`] where the engine may
    /// still know it; [`FlowError::Contended`] where somebody
    /// else has decided meanwhile; [`FlowError::Store`].
    pub async fn decide_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        decision: &Decision,
    ) -> Result<(), FlowError> {
        let found = self.store.batch(tenant, batch).await?;
        let Some((held, found)) = found.and_then(|found| Some((found.state.held()?, found))) else {
            let id = batch.to_string();
            return Err(FlowError::NotFound { id });
        };
        if decision.fate == Fate::SendAgain {
            self.check_forgotten(&found)?;
        }
        let decided = self.store.decide_batch(tenant, batch, held, decision);
        if decided.await? {
            Ok(())
        } else {
            Err(FlowError::Contended)
        }
    }

    /// Whether the engine takes a batch that it has refused for a new one.
    fn check_forgotten(&self, batch: &Batch) -> Result<(), FlowError> {
        let Ok(engine) = self.engines.choose(&batch.place.engine) else {
            return Ok(());
        };
        let was_sent = batch
            .first_sent_at
            .filter(|_| batch.state.held() == Some(Held::Rejected));
        let remembered = engine.descriptor.limits.deduplicates_for.saturating_mul(2);
        let from = was_sent.map(|sent| sent.saturating_add(remembered));
        match from.filter(|from| self.now() < *from) {
            Some(from) => Err(FlowError::TooEarly {
                batch: batch.id,
                from,
            }),
            None => Ok(()),
        }
    }

    /// Every batch that nobody sends until somebody decides about it, in the order they were sealed.
    pub(super) async fn held(&self, tenant: TenantId) -> Result<Vec<Batch>, FlowError> {
        let mut held = Vec::new();
        let mut after = None;
        loop {
            let limit = Listing::LIMIT_MAX;
            let page = self.store.held_batches(tenant, after, limit).await?;
            after = page.last().map(|last| last.id);
            let count = page.len();
            held.extend(page);
            if count < limit {
                return Ok(held);
            }
        }
    }

    async fn compare(
        &self,
        comparison: &mut Comparison<'_>,
        subscription: &Subscription,
        report: &mut ReconcileReport,
    ) -> Result<(), FlowError> {
        let (tenant, engine) = (subscription.tenant, comparison.engine);
        let batches = self.batches_since(subscription, comparison.since).await?;
        if batches.is_empty() {
            return Ok(());
        }
        let reporting = engine
            .usage
            .as_ref()
            .ok_or_else(|| unable(engine, "take use"))?;
        let SignedIn { credentials, realm } = match &mut comparison.signed_in {
            Some(signed_in) => signed_in.clone(),
            missing => missing.insert(self.sign_in(tenant, engine).await?).clone(),
        };
        let reported = self.reported_to(engine, &realm, batches)?;
        let known = self.known_at(tenant, engine, subscription.id).await?;
        for ((index, meter), mut of) in reported {
            let period = subscription.timeline.schedule.period(index);
            let (Some(period), Some(meter)) = (period, known.meter(meter)) else {
                continue;
            };
            let key = IdempotencyKey::new(format!("reconcile:{}:{index}", subscription.id));
            let cx = EngineContext {
                credentials: credentials.clone(),
                ..self.context(tenant, known.place.account.clone(), key)
            };
            let counted = reporting
                .summary(&cx, &known.subscription, meter, period)
                .await?;
            if !of.is_all(counted)? {
                let batches = self.batches_since(subscription, comparison.since).await?;
                let now = self.reported_to(engine, &realm, batches)?;
                let now = now.get(&(index, meter.id));
                of.moving |= now.is_none_or(|now| now.batches != of.batches);
            }
            self.decide_by_the_count(comparison, &mut of, counted, report)
                .await?;
            report.compared = report.compared.saturating_add(1);
            if !of.fits(counted, of.confirmed)? && !of.moving {
                report.differing.push(Difference {
                    subscription: subscription.id,
                    meter: meter.id,
                    period,
                    confirmed: of.confirmed,
                    perhaps: of.perhaps,
                    counted,
                });
            }
        }
        Ok(())
    }

    /// What of these batches the engine's count tells of: what was reported elsewhere is not in it.
    fn reported_to(
        &self,
        engine: &Engine,
        realm: &Realm,
        batches: Vec<(u32, Batch)>,
    ) -> Result<AllReported, FlowError> {
        let mut reported = AllReported::new();
        for (index, batch) in batches {
            if batch.place.engine == engine.descriptor.id && batch.realm == *realm {
                let is_fresh = self.is_fresh(engine, &batch);
                let of = reported.entry((index, batch.key.meter)).or_default();
                of.add(batch, is_fresh)?;
            }
        }
        Ok(reported)
    }

    /// Whether the engine may have taken a batch and not counted it yet.
    fn is_fresh(&self, engine: &Engine, batch: &Batch) -> bool {
        let sent_by = batch.settled_at.max(batch.first_sent_at);
        let counts_within = engine.descriptor.limits.counts_within;
        sent_by.is_some_and(|sent_by| self.now().saturating_since(sent_by) < counts_within)
    }

    /// What was reported, with the number of its period, from the period on in which `since` lies.
    async fn batches_since(
        &self,
        subscription: &Subscription,
        since: Timestamp,
    ) -> Result<Vec<(u32, Batch)>, FlowError> {
        let schedule = &subscription.timeline.schedule;
        let first = schedule.index_at(since).unwrap_or(0);
        let mut reported = Vec::new();
        for segment in segments_from(subscription, first, self.now()) {
            for batch in self.store.batches(subscription.tenant, segment.id).await? {
                let index = schedule.index_at(batch.used_at);
                reported.extend(index.filter(|it| *it >= first).map(|index| (index, batch)));
            }
        }
        Ok(reported)
    }

    /// Brings unknown batches to the end that the engine's count tells of.
    async fn decide_by_the_count(
        &self,
        comparison: &Comparison<'_>,
        of: &mut Reported,
        counted: Quantity,
        report: &mut ReconcileReport,
    ) -> Result<(), FlowError> {
        if of.moving || of.unknown.is_empty() {
            return Ok(());
        }
        let all = of.confirmed.checked_add(of.perhaps)?;
        let is_more_explained = !of.held && of.was_before(comparison.restored_at);
        let fate = match (of.fits(counted, all)?, of.fits(counted, of.confirmed)?) {
            (true, false) => Fate::Confirmed,
            (false, true) => Fate::SendAgain,
            (false, false) if counted > all && is_more_explained => Fate::Confirmed,
            (true, true) | (false, false) => return Ok(()),
        };
        let because = format!(
            "reconciled: the engine has counted {} in all",
            counted.scaled()
        );
        let decision = Decision::new(fate, because, self.now());
        for batch in std::mem::take(&mut of.unknown) {
            let age = self.now().saturating_since(batch.used_at);
            if fate == Fate::SendAgain && age >= comparison.engine.descriptor.limits.age_max {
                continue;
            }
            let decided = self
                .store
                .decide_batch(batch.tenant, batch.id, Held::Unknown, &decision);
            if decided.await? {
                report.decided.push((batch.id, fate));
                let quantity = batch.quantity()?;
                of.perhaps = of.perhaps.checked_sub(quantity)?;
                if fate == Fate::Confirmed {
                    of.confirmed = of.confirmed.checked_add(quantity)?;
                }
            }
        }
        Ok(())
    }
}

impl Reported {
    /// Whether the engine can have counted so much where it has taken `taken`.
    fn fits(&self, counted: Quantity, taken: Quantity) -> Result<bool, FlowError> {
        Ok(taken.checked_sub(self.fresh)? <= counted && counted <= taken)
    }

    /// Whether all that was reported is known to have arrived, and is what the engine has counted.
    fn is_all(&self, counted: Quantity) -> Result<bool, FlowError> {
        Ok(self.unknown.is_empty() && self.fits(counted, self.confirmed)?)
    }

    /// Whether all that is unknown was on its way, or could have been, when the store was put back.
    fn was_before(&self, restored_at: Option<Timestamp>) -> bool {
        let is_before = |batch: &Batch| batch.settled_at <= restored_at;
        restored_at.is_some() && self.unknown.iter().all(is_before)
    }

    fn add(&mut self, batch: Batch, is_fresh: bool) -> Result<(), FlowError> {
        let quantity = batch.quantity()?;
        self.batches.push((batch.id, batch.state.clone()));
        match batch.state {
            BatchState::Confirmed => {
                self.confirmed = self.confirmed.checked_add(quantity)?;
                if is_fresh {
                    self.fresh = self.fresh.checked_add(quantity)?;
                }
            }
            BatchState::Unknown { .. } if is_fresh => self.moving = true,
            BatchState::Unknown { .. } => {
                self.perhaps = self.perhaps.checked_add(quantity)?;
                self.unknown.push(batch);
            }
            BatchState::Sealed => self.moving = true,
            BatchState::Rejected { .. } | BatchState::Parked { .. } => self.held = true,
            BatchState::WrittenOff => {}
        }
        Ok(())
    }
}

impl Known {
    fn meter(&self, id: MeterId) -> Option<&Meter> {
        self.meters.iter().find(|meter| meter.id == id)
    }
}

/// The segments of a subscription from the one before this period on: late use of it may have been
/// summed under any of them.
pub(super) fn segments_from(
    subscription: &Subscription,
    first: u32,
    now: Timestamp,
) -> Vec<Segment> {
    let timeline = &subscription.timeline;
    let start = timeline.schedule.period(first.saturating_sub(1));
    let next = |before: &Segment| {
        let segment = subscription.segment_at(before.span.end)?;
        (segment.id != before.id && before.span.start <= now).then_some(segment)
    };
    let from = start.and_then(|period| subscription.segment_at(period.start));
    let mut segments: Vec<Segment> = std::iter::successors(from, next).collect();
    segments.extend(timeline.segments_beyond_end(subscription.id, subscription.invoicing));
    segments
}

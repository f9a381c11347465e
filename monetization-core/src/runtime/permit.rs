use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::channel::oneshot;
use http::HeaderMap;

use super::answer::AnswerReader;
use super::cells::GiveBack;
use super::committer::{Answer, Committed, Place};
use super::gate::{Gate, Identity, Stretch};
use super::shared;
use super::standing::Standings;
use crate::clock::Timestamp;
use crate::ids::{PlanVersionId, RecordId};
use crate::metering::{Measured, MeteredCall, charge, counted, counts};
use crate::plan::QuotaOf;
use crate::product::Source;
use crate::rates::RateTaken;
use crate::store::Refusal;
use crate::subscription::Subscription;
use crate::text::{Endpoint, Slug};
use crate::usage::{Ending, Outcome, Spent, UsageRecord};

/// The right to forward one call. It has taken its units and holds a place for its record.
///
/// Settle it once the call has ended, or abandon it if the call was never sent to the upstream.
/// A permit that is dropped settles itself as a call that the gateway failed to bring to its
/// end, so that no way out of the request path leaves a call unrecorded.
///
/// | it ends by | its record | what it has taken |
/// |---|---|---|
/// | [`settle`](Self::settle), billed | counts one | is spent |
/// | `settle`, not billed, the plan's policy gives back | counts nothing | its quota units go back, its rates stay taken |
/// | `settle`, not billed, the policy spends | counts nothing | is spent |
/// | [`abandon`](Self::abandon) | there is none | all of it goes back, rates included |
/// | being dropped | counts nothing, ended as `Failed` | as `settle`, not billed |
///
/// It fixes the time of use and the segment: what changes about the subscription while the call is
/// under way changes nothing about this call.
#[derive(Debug)]
pub struct Permit(Option<Box<Held>>);

/// What a permit holds until it is settled, and the committer's queue after that. In one piece of
/// memory, which is handed on and never moved.
#[derive(Debug)]
pub(super) struct Held {
    /// The record as it will be written, but for what is only known at the end of the call.
    pub(super) record: UsageRecord,
    pub(super) gate: Arc<Gate>,
    pub(super) stretch: Arc<Stretch>,
    pub(super) standings: Standings,
    /// What it has taken of rates that somebody else counts.
    pub(super) rates: Option<Box<RateTaken>>,
    pub(super) place: Place,
    pub(super) measured: Measured,
    /// Whether a meter may have missed what the answer says.
    pub(super) is_unread: bool,
    /// Who waits for the ledger's answer, if anybody does.
    pub(super) heard_by: Option<oneshot::Sender<Answer>>,
}

impl Permit {
    pub(super) fn new(held: Held) -> Self {
        Self(Some(Box::new(held)))
    }

    pub(super) fn held(&self) -> &Held {
        let held = self.0.as_ref();
        held.expect("whoever settles or abandons a permit has given it away")
    }

    /// How the plan's limits stand after this call.
    #[must_use]
    pub fn standings(&self) -> &Standings {
        &self.held().standings
    }

    /// What was bought, and by whom.
    #[must_use]
    pub fn subscription(&self) -> &Subscription {
        &self.held().stretch.terms.subscription
    }

    /// The plan version that the call is made under.
    #[must_use]
    pub fn version(&self) -> PlanVersionId {
        self.held().record.segment.version
    }

    /// Who calls, as headers for the upstream.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.held().stretch.terms.identity
    }

    /// The product, by the name it is called by in the caller's tenant.
    #[must_use]
    pub fn product(&self) -> &Slug {
        &self.held().stretch.product.slug
    }

    /// Where the product is served.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.held().stretch.product.endpoint
    }

    /// The operation that the call is, where the product declares its operations.
    #[must_use]
    pub fn resource(&self) -> Option<&Slug> {
        self.held().record.resource.as_ref()
    }

    /// The id that the call's record will have.
    #[must_use]
    pub fn record(&self) -> RecordId {
        self.held().record.id
    }

    /// Whether the answer's end has to wait for the ledger whatever the gateway's mode: the call
    /// spends from a strict quota.
    #[must_use]
    pub fn must_be_durable(&self) -> bool {
        let held = self.held();
        held.stretch.allowance.is_strict()
            && held.record.spent.iter().any(|spent| {
                spent.lease.is_some() || held.stretch.allowance.is_stopped_by(spent.quota)
            })
    }

    /// Takes note of what meters read from the head of the upstream's answer.
    pub fn heed(&mut self, headers: &HeaderMap) {
        if let Some(held) = &mut self.0 {
            let meters = &held.stretch.product.meters;
            held.measured.heed(meters, headers);
        }
    }

    /// Whether a meter of the product counts bytes, so that [`transferred`](Self::transferred) matters.
    #[must_use]
    pub fn counts_bytes(&self) -> bool {
        let mut meters = self.held().stretch.product.meters.iter();
        meters.any(|meter| {
            matches!(
                meter.source,
                Source::RequestBytes | Source::ResponseBytes | Source::Bytes
            )
        })
    }

    /// The bytes of bodies: of the request as announced or read, of the answer as the client has been sent
    /// it.
    pub fn transferred(&mut self, request_bytes: u64, response_bytes: u64) {
        if let Some(held) = &mut self.0 {
            held.measured.request_bytes = request_bytes;
            held.measured.response_bytes = response_bytes;
        }
    }

    /// Whether a meter may read fields of the answer's body, so that the upstream should be asked for one
    /// that can be read: whole, and not encoded.
    #[must_use]
    pub fn reads_answers(&self) -> bool {
        let mut meters = self.held().stretch.product.meters.iter();
        meters.any(|meter| {
            matches!(meter.source, Source::ResponseField(_)) && meter.filter.covers(self.resource())
        })
    }

    /// What reads the fields that meters count from the body of an answer with this head; `None` where none
    /// does, or none counts such an answer. Hand what it has found back with [`found`](Self::found).
    #[must_use]
    pub fn reader(&self, status: u16, headers: &HeaderMap) -> Option<AnswerReader> {
        let held = self.held();
        let Stretch { product, plan, .. } = &*held.stretch;
        let call = MeteredCall {
            outcome: Outcome {
                status: Some(status),
                ending: Ending::Complete,
            },
            resource: self.resource(),
            measured: &held.measured,
        };
        let meters = product.meters.iter();
        let counting = meters.filter(|meter| counts(meter, plan.metering(), &call));
        AnswerReader::new(counting, headers)
    }

    /// Takes note of what a reader has found in the answer's body.
    pub fn found(&mut self, reader: AnswerReader) {
        if let Some(held) = &mut self.0 {
            held.is_unread = reader.is_unread();
            held.measured.said.extend(reader.finish());
        }
    }

    /// The call has ended so; its record goes to the ledger.
    ///
    /// The record is on its way when this returns, whatever becomes of the [`Settlement`].
    pub fn settle(mut self, outcome: Outcome) -> Settlement {
        let (heard_by, hears) = oneshot::channel();
        self.commit(outcome, Some(heard_by));
        Settlement(hears)
    }

    /// The call has ended so, and nobody waits for its record. The record is written all the same;
    /// a crash before that loses it.
    pub fn settle_in_background(mut self, outcome: Outcome) {
        self.commit(outcome, None);
    }

    /// The call was never sent to the upstream: everything it has taken goes back, and nothing
    /// is recorded.
    pub fn abandon(mut self) {
        if let Some(mut held) = self.0.take() {
            let taken_at = held.record.occurred_at;
            held.give_back(Some(taken_at));
        }
    }

    /// Completes the record and puts it in its place, once.
    fn commit(&mut self, outcome: Outcome, heard_by: Option<oneshot::Sender<Answer>>) {
        let Some(mut held) = self.0.take() else {
            return;
        };
        let charge = charge(held.stretch.plan.metering(), outcome);
        if !charge.spends {
            held.give_back(None);
        }
        held.record.outcome = Some(outcome);
        // Of an answer that broke off nobody expects anything.
        held.is_unread &= matches!(outcome.ending, Ending::Complete | Ending::ClientGone);
        held.count(outcome);
        held.heard_by = heard_by;
        Place::fill(held);
    }
}

impl Held {
    /// What the call counts, and what that uses of quotas which are counted after calls.
    fn count(&mut self, outcome: Outcome) {
        let Stretch { product, plan, .. } = &*self.stretch;
        let resource = self.record.resource.as_ref();
        let call = MeteredCall {
            outcome,
            resource,
            measured: &self.measured,
        };
        self.record.counted = counted(&product.meters, plan.usage(), plan.metering(), &call);
        let counted = &self.record.counted;
        let cells = &self.gate.cells;
        self.record.spent.retain_mut(|spent| {
            let QuotaOf::Meter(meter) = spent.quota.of else {
                return true;
            };
            let used = counted.iter().find(|counted| counted.meter == meter);
            let used = used.map_or(0, |counted| counted.quantity.scaled());
            spent.units = u64::try_from(used).unwrap_or(0);
            cells.add(spent);
            spent.units > 0
        });
    }

    /// Gives the quota units back, and with the instant they were taken the rates too.
    fn give_back(&mut self, rates_at: Option<Timestamp>) {
        let back = GiveBack {
            quotas: true,
            rates_at: rates_at.filter(|_| self.rates.is_none()),
        };
        if let Some(taken) = self.rates.take()
            && rates_at.is_some()
        {
            shared::give_back(&self.gate, &self.stretch, &taken);
        }
        let counted_after = |spent: &Spent| matches!(spent.quota.of, QuotaOf::Meter(_));
        let all = std::mem::take(&mut self.record.spent);
        let (after, spent): (Vec<Spent>, Vec<Spent>) = all.into_iter().partition(counted_after);
        self.record.spent = after;
        let (gate, allowance) = (&self.gate, &self.stretch.allowance);
        let done = gate.cells.finish(allowance, &spent, back);
        self.place.settle_later(self.record.tenant, done);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.commit(
            Outcome {
                status: None,
                ending: Ending::Failed,
            },
            None,
        );
    }
}

/// The record of a call is on its way into the ledger, whether anybody waits for it or not.
///
/// As a future it is done once the record is durable; only then may the end of the answer be
/// sent. It fails with [`NotRecorded`] where the ledger refused the record or can no longer be
/// heard of: then the end of the answer must not be sent.
#[derive(Debug)]
#[must_use = "the end of the answer waits for it"]
pub struct Settlement(oneshot::Receiver<Answer>);

impl Settlement {
    /// Waits until the record is durable.
    ///
    /// There is no time-out of its own: while the store is away the record is appended again and again.
    ///
    /// # Errors
    /// [`NotRecorded`], as the future itself.
    pub async fn durable(self) -> Result<Committed, NotRecorded> {
        self.await
    }
}

impl Future for Settlement {
    type Output = Result<Committed, NotRecorded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|heard| match heard {
            Ok(answer) => answer,
            Err(oneshot::Canceled) => Err(NotRecorded::Stopped),
        })
    }
}

/// Why it cannot be said that a record is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRecorded {
    /// The ledger cannot take it.
    #[error("the ledger refused the record")]
    Refused(#[source] Refusal),
    /// The ledger finds it senseless; it is kept for somebody to look at.
    #[error("the record makes no sense to the ledger and was set aside")]
    SetAside,
    /// The committer has stopped.
    #[error("the committer has stopped")]
    Stopped,
}

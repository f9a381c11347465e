//! What must hold after every step; [`end`] is what must be so in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{BatchId, InvoiceId, MeterId, SegmentId, SubscriptionId};
use monetization_core::invoice::{Invoice, Invoicing, Line, Occasion};
use monetization_core::money::Money;
use monetization_core::plan::QuotaWindow;
use monetization_core::store::{Batch, BatchState, Index, Kind, Listing, RowKey, StoreExt, Stored};
use monetization_core::subscription::{Segment, Subscription, SubscriptionState};
use monetization_core::text::ForeignId;
use monetization_core::usage::{Sum, UsageRecord};

use crate::runner::block_on;
use crate::world::World;

#[path = "check/end.rs"]
mod end;

/// How far a node's clock may be off.
const SKEW_MAX: Duration = Duration::from_secs(120);
/// How long after a change every gate has heard of it.
const NEWS_WITHIN: Duration = Duration::from_secs(1);
const ROWS_MAX: usize = 10_000;

/// What was so once and has to stay so.
#[derive(Default)]
pub(crate) struct Checker {
    confirmed: BTreeSet<BatchId>,
    closed: BTreeMap<SegmentId, BTreeMap<MeterId, i64>>,
    invoices: BTreeMap<InvoiceId, (Vec<Line>, Money)>,
    states: BTreeMap<SubscriptionId, SubscriptionState>,
}

/// Why a world is not as it must be.
pub(crate) type Violation = String;
type Checked = Result<(), Violation>;

impl World {
    /// Looks at what is stored and at the provider.
    pub(crate) fn check(&mut self) -> Checked {
        self.seen()?;
        for stored in self.stored_subscriptions() {
            self.note_access(&stored);
            let subscription = stored.fact;
            self.check_state(&subscription)?;
            self.check_sums(&subscription)?;
            self.check_invoices(&subscription)?;
            self.check_quotas(&subscription)?;
            self.check_provider(&subscription)?;
        }
        self.check_access()
    }

    /// What those who were there have found wrong.
    fn seen(&self) -> Checked {
        match self.oracle.borrow().violations.first() {
            Some(violation) => Err(violation.clone()),
            None => Ok(()),
        }
    }

    /// Compares every record with what was seen outside.
    pub(crate) fn check_ledger(&self) -> Checked {
        let oracle = self.oracle.borrow();
        let mut found = BTreeMap::new();
        for subscription in self.subscriptions() {
            let mut spent: BTreeMap<Timestamp, u64> = BTreeMap::new();
            for segment in self.segments(&subscription) {
                let records = self.records(&segment);
                let sums = block_on(self.view.sums_of_origin(self.tenant(), segment.id));
                let sums: i64 = sums.unwrap().iter().map(|sum| sum.total.scaled()).sum();
                let counted: i64 = records.iter().map(counts).sum();
                if counted != sums {
                    return Err(format!("{}: records {counted}, sums {sums}", segment.id));
                }
                for record in records {
                    for spent_of in &record.spent {
                        *spent.entry(spent_of.window.start).or_default() += spent_of.units;
                    }
                    let name = match &record.event {
                        Some(event) => event.id.to_string(),
                        None => record.id.to_string(),
                    };
                    if found.insert(name.clone(), counts(&record)).is_some() {
                        return Err(format!("{name} is in the ledger twice"));
                    }
                    let known = record.event.is_some() || oracle.calls.contains_key(&record.id);
                    if !known && counts(&record) > 0 {
                        return Err(format!("{name} was billed and never served"));
                    }
                }
            }
            for (window, units) in spent {
                let max = self.market.quota_max;
                if units > max {
                    return Err(format!("{units} of {max} were spent from {window} on"));
                }
            }
        }
        for (id, call) in &oracle.calls {
            match found.get(&id.to_string()) {
                Some(counted) if call.answered && *counted != call.counts => {
                    return Err(format!("{id} counts {counted} instead of {}", call.counts));
                }
                None if call.answered => return Err(format!("{id} was answered, and is lost")),
                _ => {}
            }
        }
        for (name, event) in &oracle.events {
            match found.get(name) {
                Some(counted) if event.accepted && *counted != event.quantity => {
                    return Err(format!("{name} counts {counted} of {}", event.quantity));
                }
                None if event.accepted => return Err(format!("{name} was accepted, and is lost")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Every call that was served by a process that did not die has its record.
    pub(crate) fn check_nothing_lost(&self) -> Checked {
        let oracle = self.oracle.borrow();
        let subscriptions = self.subscriptions();
        let segments = subscriptions.iter().flat_map(|of| self.segments(of));
        let found: BTreeSet<_> = segments
            .flat_map(|segment| self.records(&segment))
            .map(|record| record.id)
            .collect();
        for (id, call) in &oracle.calls {
            if !oracle.deaths.contains(&call.by) && !found.contains(id) {
                return Err(format!("{id} was served, and there is no record of it"));
            }
        }
        Ok(())
    }

    fn tenant(&self) -> monetization_core::ids::TenantId {
        self.market.tenant.id
    }

    pub(crate) fn subscriptions(&self) -> Vec<Subscription> {
        let stored = self.stored_subscriptions().into_iter();
        stored.map(|stored| stored.fact).collect()
    }

    fn stored_subscriptions(&self) -> Vec<Stored<Subscription>> {
        let listing = Listing {
            kind: Kind::Subscription,
            key: None,
            after: None,
            limit: Listing::LIMIT_MAX,
        };
        let rows = block_on(self.view.rows(self.tenant(), &listing)).unwrap();
        let read = |row| Stored::<Subscription>::read(row).unwrap();
        rows.iter().map(read).collect()
    }

    /// The segments of a subscription so far, the next one, and the aftermath.
    pub(crate) fn segments(&self, of: &Subscription) -> Vec<Segment> {
        let mut segments = of.timeline.segments_beyond_end(of.id, of.invoicing);
        let mut at = of.timeline.schedule.anchor;
        while let Some(segment) = of.segment_at(at) {
            if segments.last().is_some_and(|last| last.id == segment.id) {
                break;
            }
            segments.push(segment);
            if segment.span.start > self.now().saturating_add(2 * SKEW_MAX) {
                break;
            }
            at = segment.span.end;
        }
        segments
    }

    fn sums(&self, segment: &Segment) -> Vec<Sum> {
        block_on(self.view.sums(self.tenant(), segment.id)).unwrap()
    }

    fn records(&self, segment: &Segment) -> Vec<UsageRecord> {
        let records = self.view.records(self.tenant(), segment.id, None, ROWS_MAX);
        block_on(records).unwrap()
    }

    pub(crate) fn invoices(&self, of: SubscriptionId) -> Vec<Invoice> {
        let key = RowKey::new(Index::InvoicesOfSubscription, of);
        let stored = block_on(self.view.facts_by::<Invoice>(self.tenant(), key)).unwrap();
        stored.into_iter().map(|stored| stored.fact).collect()
    }

    /// Keeps in mind since when nobody may be let in. What has changed twice since it was looked at last may
    /// have been open in between.
    fn note_access(&self, stored: &Stored<Subscription>) {
        let (subscription, version) = (&stored.fact, stored.version);
        let now = self.now();
        let over = |end: Timestamp| end.saturating_add(SKEW_MAX) <= now;
        let lives = match subscription.state {
            SubscriptionState::Active | SubscriptionState::Ending => {
                !subscription.timeline.ends_at.is_some_and(over)
            }
            _ => false,
        };
        let closed = &mut self.oracle.borrow_mut().closed_since;
        if lives && subscription.blocks.is_empty() {
            closed.remove(&subscription.id);
        } else {
            let known = closed.entry(subscription.id).or_insert((now, version));
            if version > known.1 + 1 {
                known.0 = now;
            }
            known.1 = version;
        }
    }

    /// Nobody was let in whose subscription has been closed for longer than it takes to hear of it.
    fn check_access(&mut self) -> Checked {
        let mut oracle = self.oracle.borrow_mut();
        for (id, arrived) in std::mem::take(&mut oracle.let_in) {
            if let Some((closed, _)) = oracle.closed_since.get(&id)
                && *closed < arrived.saturating_sub(NEWS_WITHIN)
            {
                return Err(format!(
                    "a call of {id} that arrived at {arrived} was let in, closed since {closed}"
                ));
            }
        }
        Ok(())
    }

    fn check_state(&mut self, subscription: &Subscription) -> Checked {
        let id = subscription.id;
        let state = subscription.state;
        if let Some(before) = self.checker.states.insert(id, state)
            && rank(state) < rank(before)
        {
            return Err(format!("{id} went from {before:?} back to {state:?}"));
        }
        Ok(())
    }

    fn check_sums(&mut self, subscription: &Subscription) -> Checked {
        for segment in self.segments(subscription) {
            let sums = self.sums(&segment);
            let batches = block_on(self.view.batches(self.tenant(), segment.id)).unwrap();
            for sum in &sums {
                let of_sum = batches.iter().filter(|batch| batch.key == sum.key);
                let tiled = of_sum.map(|batch| (batch.from.scaled(), batch.to.scaled()));
                let end = tile(tiled).map_err(|why| format!("{:?}: {why}", sum.key))?;
                if end != sum.sealed.scaled() || sum.sealed > sum.total {
                    return Err(format!("{sum:?}: batches end at {end}"));
                }
            }
            for batch in batches {
                self.check_batch(&batch)?;
            }
            self.check_closed(&segment, &sums)?;
        }
        Ok(())
    }

    fn check_batch(&mut self, batch: &Batch) -> Checked {
        let confirmed = batch.state == BatchState::Confirmed;
        if confirmed {
            self.checker.confirmed.insert(batch.id);
        } else if self.checker.confirmed.contains(&batch.id) {
            return Err(format!(
                "{} was confirmed, and is {:?}",
                batch.id, batch.state
            ));
        }
        Ok(())
    }

    /// The own sums of a segment that is closed do not change.
    fn check_closed(&mut self, segment: &Segment, sums: &[Sum]) -> Checked {
        let row = block_on(self.view.segment(self.tenant(), segment.id)).unwrap();
        if row.is_none_or(|row| row.successor.is_none()) {
            return Ok(());
        }
        let own = sums.iter().filter(|sum| sum.key.origin == segment.id);
        let own: BTreeMap<MeterId, i64> =
            own.map(|sum| (sum.key.meter, sum.total.scaled())).collect();
        let before = self.checker.closed.entry(segment.id).or_insert(own.clone());
        if *before != own {
            return Err(format!(
                "{} is closed at {before:?}, and has {own:?}",
                segment.id
            ));
        }
        Ok(())
    }

    fn check_invoices(&mut self, subscription: &Subscription) -> Checked {
        let mut occasions = BTreeMap::new();
        for invoice in self.invoices(subscription.id) {
            let id = invoice.id;
            let occasion = match invoice.occasion {
                Occasion::Start | Occasion::Bundle => None,
                Occasion::Period { index, .. } => Some(index),
            };
            if occasions.insert(occasion, id).is_some() {
                return Err(format!(
                    "two invoices of {} for {occasion:?}",
                    subscription.id
                ));
            }
            if invoice.invoicing == Invoicing::ByEngine {
                continue;
            }
            let total: i64 = invoice.lines.iter().map(|line| line.amount.minor()).sum();
            if total != invoice.total.minor() {
                return Err(format!(
                    "{id}: lines add up to {total}, total {}",
                    invoice.total
                ));
            }
            let said = (invoice.lines, invoice.total);
            let before = self.checker.invoices.entry(id).or_insert(said.clone());
            if *before != said {
                return Err(format!("{id} said {before:?}, and says {said:?}"));
            }
        }
        Ok(())
    }

    fn check_quotas(&self, subscription: &Subscription) -> Checked {
        for window in self.months(subscription) {
            let quota = self.view.quota(
                self.tenant(),
                subscription.id,
                QuotaWindow::Month.into(),
                window,
            );
            let counter = block_on(quota).unwrap();
            if counter.committed > counter.leased || counter.leased > self.market.quota_max {
                return Err(format!("{} in {window:?}: {counter:?}", subscription.id));
            }
        }
        Ok(())
    }

    /// Calendar months of a subscription's life so far.
    fn months(&self, subscription: &Subscription) -> Vec<Span> {
        let mut months = Vec::new();
        let mut start = month_of(subscription.created_at);
        while start <= self.now() {
            // Two days into the next month, whatever its length.
            let end = month_of(start.saturating_add(Duration::from_secs(33 * 86_400)));
            months.push(Span { start, end });
            start = end;
        }
        months
    }

    fn check_provider(&self, subscription: &Subscription) -> Checked {
        let id = subscription.id;
        let there = self.provider.subscriptions();
        let of: Vec<_> = there.iter().filter(|there| there.ours() == id).collect();
        if of.len() > 1 {
            return Err(format!(
                "{id} has {} subscriptions at the provider",
                of.len()
            ));
        }
        if let Some(there) = of.first() {
            self.check_reported(subscription, &there.id)?;
        }
        let issued = self.provider.invoices();
        let issued = issued.iter().filter_map(|invoice| invoice.issued.as_ref());
        let mut seen = BTreeSet::new();
        for invoice in issued {
            if !seen.insert(invoice.invoice) {
                return Err(format!("{} was issued twice", invoice.invoice));
            }
        }
        Ok(())
    }

    /// What the provider has counted lies between what is known to have arrived and what was
    /// sealed.
    fn check_reported(&self, subscription: &Subscription, there: &ForeignId) -> Checked {
        let counted = self.provider.usage(there, self.market.requests);
        let counted = counted.map_or(0, |quantity| quantity.scaled());
        let (mut confirmed, mut sealed) = (0, 0);
        for segment in self.segments(subscription) {
            for batch in block_on(self.view.batches(self.tenant(), segment.id)).unwrap() {
                let quantity = batch.quantity().unwrap().scaled();
                sealed += quantity;
                if batch.state == BatchState::Confirmed {
                    confirmed += quantity;
                }
            }
        }
        if counted < confirmed || counted > sealed {
            let id = subscription.id;
            return Err(format!(
                "{id}: {confirmed} confirmed, {sealed} sealed, and the provider has {counted}"
            ));
        }
        Ok(())
    }
}

fn counts(record: &UsageRecord) -> i64 {
    record.counted.iter().map(|of| of.quantity.scaled()).sum()
}

/// How far a subscription has come.
fn rank(state: SubscriptionState) -> u8 {
    match state {
        SubscriptionState::PendingApproval => 0,
        SubscriptionState::AwaitingPayment => 1,
        SubscriptionState::Active => 2,
        SubscriptionState::Ending => 3,
        SubscriptionState::Draining => 4,
        SubscriptionState::Ended | SubscriptionState::Rejected => 5,
    }
}

/// The first instant of a calendar month.
fn month_of(at: Timestamp) -> Timestamp {
    let text = at.to_string();
    format!("{}-01T00:00:00Z", &text[..7]).parse().unwrap()
}

/// Where pieces end that follow each other from 0 without gap or overlap.
fn tile(pieces: impl Iterator<Item = (i64, i64)>) -> Result<i64, String> {
    let mut end = 0;
    for (from, to) in pieces {
        if from != end || to <= from {
            return Err(format!("a piece from {from} to {to} follows {end}"));
        }
        end = to;
    }
    Ok(end)
}

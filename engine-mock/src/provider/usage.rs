//! Use that is reported.
//!
//! Each record stands for itself: it is taken, known, or rejected with a reason, whatever becomes
//! of its neighbours. What is taken can be invoiced: a record whose amount no invoice could hold
//! is rejected when it comes, not discovered at the end of the period, unless a fault wants it looked at
//! later: then it is taken and known, does not count, and a message says so. A meter that the plan does
//! not price is counted and costs nothing.

use monetization_core::clock::Timestamp;
use monetization_core::ids::BatchId;
use monetization_core::money::Quantity;
use monetization_core::product::Meter;
use monetization_core::text::ForeignId;
use serde::{Deserialize, Serialize};

use super::{
    Account, NoticeAbout, Provider, RecordVerdict, Refusal, Reply, SentRecord, Subscription,
    periods, rating,
};

/// The most one usage line may cost, in minor units: with the at most eight of a plan and its base
/// price an invoice still fits 64 bits.
const LINE_MAX: i64 = 100_000_000_000_000_000;

/// Why a record that was taken does not count.
const REFUSED_LATER: &str = "it was looked at after it was taken, and does not count";

/// A usage record as it is written for the provider: JSON, fields in this order, so that one report
/// is the same bytes each time it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageBody {
    /// Recognises it when it is sent again.
    pub identifier: BatchId,
    /// Whose use.
    pub subscription: ForeignId,
    /// Who pays.
    pub customer: ForeignId,
    /// What was counted.
    pub meter: Meter,
    /// How much, as a decimal number.
    pub quantity: String,
    /// When.
    pub used_at: Timestamp,
}

/// Use that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Recognises it.
    pub identifier: BatchId,
    /// What was counted.
    pub meter: Meter,
    /// How much, in the meter's scale.
    pub quantity: Quantity,
    /// When it was used.
    pub used_at: Timestamp,
    /// The number of the period that pays for it.
    pub period_index: u32,
}

impl Provider {
    /// Takes records, each by itself, and says of each what became of it, in order.
    pub(super) fn take_usage(
        &mut self,
        account: &Account,
        records: &[SentRecord],
    ) -> Result<Reply, Refusal> {
        if records.len() > self.rules.batch_max {
            return Err(Refusal::permanent(format!(
                "{} records are too many: allowed are {}",
                records.len(),
                self.rules.batch_max
            )));
        }
        let verdicts = records
            .iter()
            .map(|record| self.take_record(account, record));
        Ok(Reply::Verdicts(verdicts.collect()))
    }

    /// Takes one record unless it is known or wrong. A record that was rejected is not remembered,
    /// so that it can be sent again once what was wrong has changed.
    fn take_record(&mut self, account: &Account, sent: &SentRecord) -> RecordVerdict {
        let slot = (account.clone(), sent.identifier);
        if let Some(earlier) = self.records.recall(&slot) {
            return if *earlier == sent.body {
                RecordVerdict::Duplicate
            } else {
                let reason = "the identifier was used for another record".to_owned();
                RecordVerdict::Rejected { reason }
            };
        }
        match self.checked(account, sent) {
            Ok(_) if sent.refused_later => {
                let (identifier, reason) = (sent.identifier, REFUSED_LATER.to_owned());
                let about = NoticeAbout::UsageRejected { identifier, reason };
                self.tell(account.clone(), 1, about);
                self.records.keep(slot, sent.body.clone(), self.now);
                RecordVerdict::Accepted
            }
            Ok((subscription, record, sum)) => {
                if let Some(subscription) = self.subscriptions.get_mut(&subscription) {
                    subscription
                        .totals
                        .insert((record.period_index, record.meter.id), sum);
                    subscription.records.push(record);
                }
                self.records.keep(slot, sent.body.clone(), self.now);
                RecordVerdict::Accepted
            }
            Err(reason) => RecordVerdict::Rejected { reason },
        }
    }

    /// Takes a record out of what is counted. It stays known, so that it is not counted again.
    pub(super) fn withdraw_usage(&mut self, account: &Account, identifier: BatchId) -> Reply {
        let is_known = self
            .records
            .recall(&(account.clone(), identifier))
            .is_some();
        let of_account = self
            .subscriptions
            .values_mut()
            .filter(|subscription| subscription.account == *account);
        let mut in_time = is_known;
        for subscription in of_account {
            let mut records = subscription.records.iter();
            let Some(place) = records.position(|record| record.identifier == identifier) else {
                continue;
            };
            let period = subscription.records.get(place).map(|it| it.period_index);
            in_time &= period.is_some_and(|period| !subscription.closed.contains(&period));
            if in_time {
                let record = subscription.records.remove(place);
                let key = (record.period_index, record.meter.id);
                if let Some(sum) = subscription.totals.get_mut(&key) {
                    let left = sum.scaled().saturating_sub(record.quantity.scaled());
                    *sum = Quantity::from_scaled(left);
                }
            }
        }
        Reply::Withdrawn { in_time }
    }

    /// Whose use it is, the record, and the sum of its period with it; or why it is not taken.
    fn checked(
        &self,
        account: &Account,
        sent: &SentRecord,
    ) -> Result<(ForeignId, Record, Quantity), String> {
        let body: UsageBody = serde_json::from_str(&sent.body)
            .map_err(|error| format!("not a usage record: {error}"))?;
        if body.identifier != sent.identifier {
            return Err("the identifier is not that of the record".to_owned());
        }
        let subscription = self
            .subscription(account, &body.subscription)
            .map_err(|refusal| refusal.message)?;
        if subscription.start.customer != body.customer {
            return Err("the subscription belongs to another customer".to_owned());
        }
        self.check_time(body.used_at)?;
        let period_index = open_period(subscription, body.used_at)?;
        let quantity = body.meter.scale.parse(&body.quantity);
        let record = Record {
            identifier: body.identifier,
            quantity: quantity.map_err(|error| error.to_string())?,
            meter: body.meter,
            used_at: body.used_at,
            period_index,
        };
        let sum = self.sum_with(subscription, &record)?;
        Ok((body.subscription, record, sum))
    }

    /// Both ends of what is allowed are allowed.
    fn check_time(&self, used_at: Timestamp) -> Result<(), String> {
        if self.now.saturating_since(used_at) > self.rules.age_max {
            return Err("the time of use is too long ago".to_owned());
        }
        if used_at.saturating_since(self.now) > self.rules.ahead_max {
            return Err("the time of use lies too far ahead".to_owned());
        }
        Ok(())
    }

    /// The sum with the record, if it can be invoiced in the end.
    fn sum_with(&self, subscription: &Subscription, record: &Record) -> Result<Quantity, String> {
        let too_much = || "the amount is too large to be invoiced".to_owned();
        let before = subscription.used_in(record.period_index, record.meter.id);
        let sum = before.scaled().checked_add(record.quantity.scaled());
        let sum = Quantity::from_scaled(sum.ok_or_else(too_much)?);
        let plan = subscription.plan_at(record.period_index, record.used_at);
        let plan = self.plan_named(plan).map_err(|refusal| refusal.message)?;
        let terms = &plan.version.terms;
        let Some(price) = terms
            .usage()
            .iter()
            .find(|price| price.meter.id == record.meter.id)
        else {
            return Ok(sum);
        };
        if price.meter.scale != record.meter.scale {
            return Err("the meter has another scale".to_owned());
        }
        let line =
            rating::usage_line(price, sum, terms).filter(|line| line.amount.minor() <= LINE_MAX);
        line.map(|_| sum).ok_or_else(too_much)
    }
}

/// The period that pays for use at `used_at`, if its invoice is not final. Use at the very instant
/// of an end belongs to what comes after: the next period, or nobody.
fn open_period(subscription: &Subscription, used_at: Timestamp) -> Result<u32, String> {
    let Some(index) = periods::index_at(subscription.schedule(), used_at) else {
        return Err("the subscription had not begun".to_owned());
    };
    if subscription.ends_at.is_some_and(|end| end <= used_at) {
        return Err("the subscription was over".to_owned());
    }
    if subscription.closed.contains(&index) {
        return Err("the period is invoiced".to_owned());
    }
    Ok(index)
}

//! Use as meter events.
//!
//! An event is one request, and Stripe takes one at a time for each customer and meter: those of one
//! pair are sent one after the other, several pairs at once. Where an event was not taken or got no
//! answer, those after it are not sent.
//!
//! ```text
//! event_name=monetization_mtr_1&identifier=bat_1&payload[stripe_customer_id]=cus_1
//! &payload[subscription]=sub_1&payload[value]=7&timestamp=1769903999
//! ```
//!
//! These bytes are made once, when a batch is sealed, and sent as they are ever after. The identifier is
//! the batch's, by which Stripe recognises it for a day at least. The time is that of the use, in the
//! whole second in which it lies.
//!
//! | Stripe answers | receipt |
//! |---|---|
//! | success | `Accepted` |
//! | 400, an event exists with the identifier | `Duplicate` |
//! | any other refusal of an event that was never sent, or one that names a parameter other than `identifier` | `Rejected`, with Stripe's words |
//! | any other refusal | `Unknown` |
//! | nothing, or that nobody knows | `Unknown` |
//! | that it was too much, or it was not reached | `NotSent`, with its wait; so are events that had no turn |
//!
//! What is the same for all events is an error of the call.
//!
//! That an event exists Stripe says in words alone, without a code. Should it ever use other words, an
//! event that may have been sent is not taken for one that was refused.
//!
//! Each sending goes under a key that nothing else has: the identifier recognises the event, and a
//! refusal or a 500 that Stripe would tell again for a day does not hold it up.
//!
//! Stripe looks at events later than it answers: that a customer does not exist is told by a message.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use monetization_core::clock::Span;
use monetization_core::engine::{
    CurrentUsage, EngineContext, EngineError, EngineErrorKind, InvoiceReading, Receipt,
    SealedReport, UsageReport, UsageReporting, Withdrawal,
};
use monetization_core::money::{Quantity, Scale};
use monetization_core::product::Meter;
use monetization_core::reference::Realm;
use monetization_core::text::ForeignId;
use stripe_billing::billing_meter_event::CreateBillingMeterEvent;
use stripe_billing::billing_meter_event_summary::ListIdBillingMeterEventSummary;
use stripe_client_core::StripeRequest;

use super::lateness::{Event, Known, Timely};
use super::{Client, foreign, permanent};
use crate::answer::{Account, Summary};
use crate::error::Failure;
use crate::form;
use crate::names;
use crate::session::{Session, page};
use crate::time::seconds;
use crate::transport::{Outbound, mode_of};

/// Pairs of customer and meter whose events are sent at once.
const PAIRS_AT_ONCE: usize = 8;
/// Stripe sums up by whole minutes.
const MINUTE: i64 = 60;

#[async_trait]
impl UsageReporting for Client {
    fn serialise(&self, report: &UsageReport) -> Result<Vec<u8>, EngineError> {
        let value = report.meter.scale.render(report.quantity);
        let checked = report.meter.scale.parse(&value);
        checked.map_err(|error| permanent("the quantity cannot be reported").because(error))?;
        let payload = [
            (names::CUSTOMER_IN_EVENT, report.customer.to_string()),
            (
                names::SUBSCRIPTION_IN_EVENT,
                report.subscription.to_string(),
            ),
            (names::VALUE_IN_EVENT, value),
        ];
        let payload = payload.map(|(key, value)| (key.to_owned(), value));
        let event = CreateBillingMeterEvent::new(names::event_name(report.meter.id), payload)
            .identifier(report.batch.to_string())
            .timestamp(seconds(report.used_at));
        let form = event.build().body.unwrap_or_default();
        Ok(form::in_order(&form).into_bytes())
    }

    async fn publish(
        &self,
        cx: &EngineContext,
        reports: &[SealedReport],
    ) -> Result<Vec<Receipt>, EngineError> {
        let session = self.session(cx);
        let mut queues: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, report) in reports.iter().enumerate() {
            queues.entry(pair(&report.body)).or_default().push(place);
        }
        let sent = queues
            .into_values()
            .map(|queue| session.send_in_order(reports, queue));
        let sent = stream::iter(sent.collect::<Vec<_>>());
        let mut sent: Vec<_> = sent.buffer_unordered(PAIRS_AT_ONCE).concat().await;
        sent.sort_unstable_by_key(|(place, _)| *place);
        receipts(sent.into_iter().map(|(_, verdict)| verdict).collect())
    }

    async fn withdraw(
        &self,
        cx: &EngineContext,
        report: &SealedReport,
    ) -> Result<Withdrawal, EngineError> {
        self.session(cx).cancel_event(report).await
    }

    async fn realm(&self, cx: &EngineContext) -> Result<Realm, EngineError> {
        let credentials = self.transport.credentials(cx)?;
        // The generated crates have it among all that Connect can do, which is not built for one request.
        let account: Account = self.session(cx).ask_own("/account").await?;
        Ok(Realm {
            account: foreign(&account.id)?,
            mode: mode_of(credentials),
        })
    }

    async fn current(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<CurrentUsage, EngineError> {
        let preview = self.preview(cx, subscription).await?;
        let period = preview.period;
        Ok(CurrentUsage {
            period: period.ok_or_else(|| permanent("the preview names no period"))?,
            preview,
        })
    }

    async fn summary(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        meter: &Meter,
        span: Span,
    ) -> Result<Quantity, EngineError> {
        let session = self.session(cx);
        let missing = |what: &str| EngineError::new(EngineErrorKind::NotFound, what);
        let known = session.known_subscription(subscription).await?;
        let known = known.ok_or_else(|| missing("there is no such subscription"))?;
        let counter = session.known_meter(&names::event_name(meter.id)).await?;
        let counter = counter.ok_or_else(|| missing("there is no such meter"))?;
        let of = Counted {
            meter: &counter.id,
            customer: known.customer.id(),
            scale: meter.scale,
        };
        session.counted(of, span).await
    }
}

/// What is summed up.
#[derive(Clone, Copy)]
struct Counted<'a> {
    meter: &'a str,
    customer: &'a str,
    scale: Scale,
}

/// What became of a report; `None` where it was not sent.
type Verdict = Option<Result<Receipt, EngineError>>;

impl Session<'_> {
    /// Sends the reports at these places, until one of them gets no answer.
    async fn send_in_order(
        &self,
        reports: &[SealedReport],
        queue: Vec<usize>,
    ) -> Vec<(usize, Verdict)> {
        let mut verdicts = Vec::with_capacity(queue.len());
        let mut is_lost = false;
        let mut known = Known::new();
        for place in queue {
            let verdict = match reports.get(place) {
                Some(report) if !is_lost => Some(self.report(report, &mut known).await),
                _ => None,
            };
            is_lost |= verdict.as_ref().is_some_and(Result::is_err);
            verdicts.push((place, verdict));
        }
        verdicts
    }

    /// Sends what would be billed. What would not be any more is sent only where it may have been sent
    /// before: Stripe then says whether it came in time. That is asked once, because the question is an
    /// event itself: where it gets no answer, a second one would be told of the first.
    ///
    /// # Errors
    /// That of a request to which there was no answer; a refusal is a receipt.
    async fn report(
        &self,
        report: &SealedReport,
        known: &mut Known,
    ) -> Result<Receipt, EngineError> {
        let Some(event) = Event::read(&report.body) else {
            let reason = "it is no meter event".to_owned();
            return Ok(Receipt::Rejected { reason });
        };
        match self.timely(&event, known).await? {
            Timely::Yes => self.send_event(report).await,
            Timely::Never(reason) => Ok(Receipt::Rejected { reason }),
            Timely::No(reason) if !self.cx.repeated => Ok(Receipt::Rejected { reason }),
            Timely::No(reason) => match self.send_event(report).await {
                Ok(Receipt::Accepted) => Ok(Receipt::Rejected { reason }),
                Err(error) if error.may_have_taken_effect() => Ok(Receipt::Rejected {
                    reason: format!("{reason}, and whether it came before nobody can tell"),
                }),
                other => other,
            },
        }
    }

    /// Sends one event, byte for byte.
    ///
    /// # Errors
    /// That of a request to which there was no answer; a refusal is a receipt.
    async fn send_event(&self, report: &SealedReport) -> Result<Receipt, EngineError> {
        let outbound = Outbound::event(&report.body);
        let key = self.fresh_key().step(report.batch);
        match self.order_under::<MeterEvent>(&key, outbound).await {
            Ok(_) => Ok(Receipt::Accepted),
            Err(failure) => refused(failure, self.cx.repeated),
        }
    }

    /// How much was counted, where whole minutes can tell.
    ///
    /// # Errors
    /// `Permanent` where whole minutes cannot tell; else that of the request that failed.
    async fn counted(&self, of: Counted<'_>, span: Span) -> Result<Quantity, EngineError> {
        let (start, end) = (seconds(span.start), seconds(span.end));
        let (before, last) = (down(start), down(end));
        let (first, after) = (up(start), up(end));
        let outer = self.sum(of, (before, after)).await?;
        if (before, last) == (first, after) {
            return Ok(outer);
        }
        let inner = self.sum(of, (first, last)).await?;
        if inner == outer {
            return Ok(outer);
        }
        Err(permanent(format!(
            "Stripe sums up by whole minutes, and there was use in the minutes in which the stretch from {} to {} begins and ends",
            span.start, span.end
        )))
    }

    /// What Stripe has counted between two whole minutes.
    ///
    /// # Errors
    /// `Permanent` for a sum that does not fit; else that of the request that failed.
    async fn sum(
        &self,
        of: Counted<'_>,
        (start, end): (i64, i64),
    ) -> Result<Quantity, EngineError> {
        if start >= end {
            return Ok(Quantity::ZERO);
        }
        let summaries: Vec<Summary> = self
            .all(|after| {
                let list = ListIdBillingMeterEventSummary::new(of.meter, of.customer, end, start);
                page!(list, after)
            })
            .await?;
        let mut sum = Quantity::ZERO;
        for summary in summaries {
            let part = quantity(&summary.aggregated_value.to_string(), of.scale)?;
            let added = sum.checked_add(part);
            sum = added.map_err(|error| permanent("the sum does not fit").because(error))?;
        }
        Ok(sum)
    }
}

/// What an event is answered with; nothing of it is read.
type MeterEvent = BTreeMap<String, serde_json::Value>;

/// Whose events and of which meter, as it stands in the form.
fn pair(body: &[u8]) -> String {
    let form = std::str::from_utf8(body).unwrap_or_default();
    let part = |name| form::value(form, name).unwrap_or_default();
    let customer = format!("payload[{}]", names::CUSTOMER_IN_EVENT);
    format!("{}&{}", part("event_name"), part(&customer))
}

/// A refusal is a receipt; that nobody knows is an error.
///
/// # Errors
/// That of a request that was not refused, and of a key that was.
fn refused(failure: Failure, repeated: bool) -> Result<Receipt, EngineError> {
    if failure.is_counted_already() {
        return Ok(Receipt::Duplicate);
    }
    let is_about_the_key = failure.error.kind() == &EngineErrorKind::Unauthorized;
    if failure.is_refusal && !is_about_the_key {
        let reason = failure.error.to_string();
        let may_be_known = !failure.names_a_parameter() || failure.is_about("identifier");
        return Ok(if repeated && may_be_known {
            Receipt::Unknown { reason }
        } else {
            Receipt::Rejected { reason }
        });
    }
    Err(failure.error)
}

/// One receipt for each report, or the error where all of them came to the same nothing.
///
/// # Errors
/// That of a request, where every event may have been taken, or none has.
fn receipts(verdicts: Vec<Verdict>) -> Result<Vec<Receipt>, EngineError> {
    let is_open = |verdict: &Verdict| match verdict {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(error.may_have_taken_effect()),
        None => Some(false),
    };
    let first = verdicts.first().and_then(is_open);
    if first.is_some() && verdicts.iter().all(|verdict| is_open(verdict) == first) {
        let mut errors = verdicts.into_iter().flatten().filter_map(Result::err);
        let error = errors.next();
        return Err(error.unwrap_or_else(|| permanent("nothing was sent")));
    }
    let receipt = |verdict: Verdict| match verdict {
        Some(Ok(receipt)) => receipt,
        Some(Err(error)) if error.may_have_taken_effect() => Receipt::Unknown {
            reason: error.to_string(),
        },
        Some(Err(error)) => Receipt::NotSent {
            reason: error.to_string(),
            retry_after: error.wait(),
        },
        None => Receipt::NotSent {
            reason: "one before it was not taken or got no answer".to_owned(),
            retry_after: None,
        },
    };
    Ok(verdicts.into_iter().map(receipt).collect())
}

/// A number of Stripe's as a quantity: nothing is rounded.
///
/// # Errors
/// `Permanent` for a number that the meter could not have counted.
fn quantity(number: &str, scale: Scale) -> Result<Quantity, EngineError> {
    let text = number.strip_suffix(".0").unwrap_or(number);
    let message = || format!("Stripe's sum {number} is no quantity of the meter");
    scale
        .parse(text)
        .map_err(|error| permanent(message()).because(error))
}

/// The minute in which a second lies.
fn down(second: i64) -> i64 {
    second.saturating_sub(second.rem_euclid(MINUTE))
}

/// The first minute that does not begin before a second.
fn up(second: i64) -> i64 {
    down(second.saturating_add(MINUTE.saturating_sub(1)))
}

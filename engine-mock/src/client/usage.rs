//! Reports of use.
//!
//! What a report says is written once, when it is sealed, and sent as those bytes ever after. The
//! bytes carry the identifier, the meter with its scale and the quantity as a decimal number, so
//! that the provider needs to be told of a meter no other way. A quantity that the provider's
//! grammar does not know (negative, or of more than 15 digits) is not written at all.

use async_trait::async_trait;
use monetization_core::clock::Span;
use monetization_core::engine::{
    CurrentUsage, EngineContext, EngineError, EngineErrorKind, InvoiceReading, Receipt,
    SealedReport, UsageReport, UsageReporting, Withdrawal,
};
use monetization_core::money::Quantity;
use monetization_core::product::Meter;
use monetization_core::reference::Realm;
use monetization_core::text::ForeignId;

use super::{Client, unexpected};
use crate::provider::{Order, Query, RecordVerdict, Reply, SentRecord, UsageBody};

#[async_trait]
impl UsageReporting for Client {
    fn serialise(&self, report: &UsageReport) -> Result<Vec<u8>, EngineError> {
        let refuse = |message: &str| EngineError::new(EngineErrorKind::Permanent, message);
        let scale = report.meter.scale;
        let quantity = scale.render(report.quantity);
        scale
            .parse(&quantity)
            .map_err(|error| refuse("the quantity cannot be reported").because(error))?;
        let body = UsageBody {
            identifier: report.batch,
            subscription: report.subscription.clone(),
            customer: report.customer.clone(),
            meter: report.meter.clone(),
            quantity,
            used_at: report.used_at,
        };
        serde_json::to_vec(&body)
            .map_err(|error| refuse("the report cannot be written").because(error))
    }

    async fn publish(
        &self,
        cx: &EngineContext,
        reports: &[SealedReport],
    ) -> Result<Vec<Receipt>, EngineError> {
        let records = reports.iter().map(|report| SentRecord {
            identifier: report.batch,
            // What is not text is not a record either: the provider rejects it by itself.
            body: String::from_utf8_lossy(&report.body).into_owned(),
            refused_later: false,
        });
        let records = records.collect();
        match self.order(cx, Order::TakeUsage { records }).await? {
            Reply::Verdicts(verdicts) => Ok(verdicts.into_iter().map(receipt).collect()),
            other => Err(unexpected(&other)),
        }
    }

    async fn withdraw(
        &self,
        cx: &EngineContext,
        report: &SealedReport,
    ) -> Result<Withdrawal, EngineError> {
        let identifier = report.batch;
        match self.order(cx, Order::WithdrawUsage { identifier }).await? {
            Reply::Withdrawn { in_time: true } => Ok(Withdrawal::Withdrawn),
            Reply::Withdrawn { in_time: false } => Ok(Withdrawal::TooLate {
                reason: "it is forgotten, or invoiced".to_owned(),
            }),
            other => Err(unexpected(&other)),
        }
    }

    async fn realm(&self, cx: &EngineContext) -> Result<Realm, EngineError> {
        match self.ask(cx, Query::Realm).await? {
            Reply::Realm(realm) => Ok(realm),
            other => Err(unexpected(&other)),
        }
    }

    async fn current(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<CurrentUsage, EngineError> {
        let preview = self.preview(cx, subscription).await?;
        let missing =
            || EngineError::new(EngineErrorKind::Permanent, "the preview names no period");
        Ok(CurrentUsage {
            period: preview.period.ok_or_else(missing)?,
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
        let query = Query::Usage {
            subscription: subscription.clone(),
            meter: meter.id,
            span,
        };
        match self.ask(cx, query).await? {
            Reply::Total(total) => Ok(total),
            other => Err(unexpected(&other)),
        }
    }
}

fn receipt(verdict: RecordVerdict) -> Receipt {
    match verdict {
        RecordVerdict::Accepted => Receipt::Accepted,
        RecordVerdict::Duplicate => Receipt::Duplicate,
        RecordVerdict::Rejected { reason } => Receipt::Rejected { reason },
        RecordVerdict::Unknown { reason } => Receipt::Unknown { reason },
        RecordVerdict::NotSent {
            reason,
            retry_after,
        } => Receipt::NotSent {
            reason,
            retry_after,
        },
    }
}

use async_trait::async_trait;
use monetization_core::clock::Span;
use monetization_core::engine::{
    CurrentUsage, EngineContext, EngineError, Receipt, SealedReport, UsageReport, UsageReporting,
    Withdrawal,
};
use monetization_core::ids::{BatchId, TypedId};
use monetization_core::money::Quantity;
use monetization_core::product::Meter;
use monetization_core::reference::Realm;
use monetization_core::text::ForeignId;

use super::{Broken, Flaw};

#[async_trait]
impl UsageReporting for Broken {
    fn serialise(&self, report: &UsageReport) -> Result<Vec<u8>, EngineError> {
        self.reporting().serialise(report)
    }

    async fn publish(
        &self,
        cx: &EngineContext,
        reports: &[SealedReport],
    ) -> Result<Vec<Receipt>, EngineError> {
        let mut receipts = Vec::new();
        let mut reports = reports.to_vec();
        if self.has(Flaw::DatesUseLate) {
            let now = self
                .reporting()
                .current(cx, &subscription_of(&reports[0]))
                .await?
                .period
                .start;
            reports = reports
                .iter()
                .map(|report| rewritten(report, "used_at", &now.to_string()))
                .collect();
        }
        if self.has(Flaw::CountsDuplicates) {
            reports = reports.iter().map(|report| self.renamed(report)).collect();
        }
        if !self.has(Flaw::StopsAtABadRecord) {
            return self.answer(self.reporting().publish(&self.cx(cx), &reports).await);
        }
        for report in &reports {
            if receipts
                .iter()
                .any(|receipt| matches!(receipt, Receipt::Rejected { .. }))
            {
                receipts.push(Receipt::NotSent {
                    reason: "one before it is bad".to_owned(),
                    retry_after: None,
                });
                continue;
            }
            receipts.extend(
                self.reporting()
                    .publish(cx, std::slice::from_ref(report))
                    .await?,
            );
        }
        Ok(receipts)
    }

    async fn withdraw(
        &self,
        cx: &EngineContext,
        report: &SealedReport,
    ) -> Result<Withdrawal, EngineError> {
        self.reporting().withdraw(cx, report).await
    }

    async fn realm(&self, cx: &EngineContext) -> Result<Realm, EngineError> {
        self.reporting().realm(cx).await
    }

    async fn current(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<CurrentUsage, EngineError> {
        self.reporting().current(&self.cx(cx), subscription).await
    }

    async fn summary(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        meter: &Meter,
        span: Span,
    ) -> Result<Quantity, EngineError> {
        self.reporting()
            .summary(&self.cx(cx), subscription, meter, span)
            .await
    }
}

impl Broken {
    fn renamed(&self, report: &SealedReport) -> SealedReport {
        let batch = BatchId::derived(&[&self.call().to_be_bytes()]);
        let report = rewritten(report, "identifier", &batch.to_string());
        SealedReport {
            batch,
            body: report.body,
        }
    }
}

fn subscription_of(report: &SealedReport) -> ForeignId {
    let body: serde_json::Value = serde_json::from_slice(&report.body).unwrap();
    body["subscription"].as_str().unwrap().parse().unwrap()
}

fn rewritten(report: &SealedReport, field: &str, text: &str) -> SealedReport {
    let mut body: serde_json::Value = serde_json::from_slice(&report.body).unwrap();
    body[field] = text.into();
    SealedReport {
        batch: report.batch,
        body: serde_json::to_vec(&body).unwrap(),
    }
}

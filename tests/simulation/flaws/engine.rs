//! Mistakes in how an engine is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use monetization_core::clock::Span;
use monetization_core::engine::{
    CurrentUsage, Engine, EngineContext, EngineError, IdempotencyKey, InvoiceIssuing, Issued,
    Receipt, Removal, SealedReport, UsageReport, UsageReporting, Withdrawal,
};
use monetization_core::ids::{BatchId, TypedId};
use monetization_core::invoice::{Credit, Invoice};
use monetization_core::money::Quantity;
use monetization_core::product::Meter;
use monetization_core::reference::Realm;
use monetization_core::text::ForeignId;

use crate::dice::Dice;

/// Makes a new identifier for each attempt.
pub(super) struct OtherIdentifiers {
    inner: Arc<dyn UsageReporting>,
    dice: Dice,
}

impl OtherIdentifiers {
    pub(super) fn around(mut engine: Engine, dice: Dice) -> Engine {
        engine.usage = engine
            .usage
            .map(|inner| Arc::new(Self { inner, dice }) as Arc<dyn UsageReporting>);
        engine
    }
}

impl std::fmt::Debug for OtherIdentifiers {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(out)
    }
}

#[async_trait]
impl UsageReporting for OtherIdentifiers {
    fn serialise(&self, report: &UsageReport) -> Result<Vec<u8>, EngineError> {
        self.inner.serialise(report)
    }

    async fn publish(
        &self,
        cx: &EngineContext,
        reports: &[SealedReport],
    ) -> Result<Vec<Receipt>, EngineError> {
        let other = |report: &SealedReport| {
            let batch = BatchId::derived(&[&self.dice.below(u64::MAX).to_be_bytes()]);
            let body = String::from_utf8(report.body.clone()).unwrap();
            let body = body.replace(&report.batch.to_string(), &batch.to_string());
            SealedReport {
                batch,
                body: body.into_bytes(),
            }
        };
        let reports: Vec<SealedReport> = reports.iter().map(other).collect();
        self.inner.publish(cx, &reports).await
    }

    async fn withdraw(
        &self,
        cx: &EngineContext,
        report: &SealedReport,
    ) -> Result<Withdrawal, EngineError> {
        self.inner.withdraw(cx, report).await
    }

    async fn realm(&self, cx: &EngineContext) -> Result<Realm, EngineError> {
        self.inner.realm(cx).await
    }

    async fn current(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<CurrentUsage, EngineError> {
        self.inner.current(cx, subscription).await
    }

    async fn summary(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        meter: &Meter,
        span: Span,
    ) -> Result<Quantity, EngineError> {
        self.inner.summary(cx, subscription, meter, span).await
    }
}

/// Numbers its calls, from 1 in each life of a process.
#[derive(Debug)]
pub(super) struct CountedKeys {
    inner: Arc<dyn InvoiceIssuing>,
    calls: AtomicU64,
}

impl CountedKeys {
    pub(super) fn around(mut engine: Engine) -> Engine {
        let counted = |inner| {
            let calls = AtomicU64::new(0);
            Arc::new(Self { inner, calls }) as Arc<dyn InvoiceIssuing>
        };
        engine.invoices = engine.invoices.map(counted);
        engine
    }

    fn counted(&self, cx: &EngineContext) -> EngineContext {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        EngineContext {
            key: IdempotencyKey::new(format!("call:{number}")),
            ..cx.clone()
        }
    }
}

#[async_trait]
impl InvoiceIssuing for CountedKeys {
    async fn issue(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
        invoice: &Invoice,
    ) -> Result<Issued, EngineError> {
        self.inner.issue(&self.counted(cx), customer, invoice).await
    }

    async fn void(&self, cx: &EngineContext, invoice: &ForeignId) -> Result<Removal, EngineError> {
        self.inner.void(&self.counted(cx), invoice).await
    }

    async fn payment_url(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
    ) -> Result<Option<String>, EngineError> {
        self.inner.payment_url(cx, invoice).await
    }

    async fn credit(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
        credit: &Credit,
    ) -> Result<ForeignId, EngineError> {
        let cx = self.counted(cx);
        self.inner.credit(&cx, invoice, credit).await
    }
}

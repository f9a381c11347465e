use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::HeaderMap;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::consumer::Consumer;
use monetization_core::engine::{
    BillingEngine, CancelMode, CurrentUsage, Enabled, Engine, EngineContext, EngineError,
    EngineErrorKind, EngineEvent, IdempotencyKey, InvoiceIssuing, Issued, NewSubscription, Receipt,
    Removal, SealedReport, SubscriptionSnapshot, SubscriptionStart, UsageReport, UsageReporting,
    VerifiedEvent, WebhookError, Webhooks,
};
use monetization_core::ids::{BatchId, InvoiceId, PlanVersionId, ProductId, TypedId};
use monetization_core::invoice::Invoice;
use monetization_core::money::{Money, Quantity};
use monetization_core::plan::PlanVersion;
use monetization_core::product::{Meter, Product};
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;

/// What is wrong with an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// Each call is a new one to the provider, whatever its key and its object.
    ForgetsKeys,
    /// Demands a cent less than the invoice says.
    LosesACent,
    /// Prices go through a binary fraction.
    PricesAsFloats,
    /// Prices have at most two decimals.
    PricesInCents,
    /// Every message is believed.
    BelievesEverySignature,
    /// A message is as fresh as it says itself.
    IgnoresAge,
    /// Only the first of several secrets is tried.
    TriesOneSecret,
    /// A record that is sent again is another record to the provider.
    CountsDuplicates,
    /// The first bad record ends the report.
    StopsAtABadRecord,
    /// Use is dated when the provider is told of it.
    DatesUseLate,
    /// The old plan goes before the new one comes.
    DeletesFirst,
    /// A lost reply is reported as a refusal.
    TakesLostForRefused,
    /// What is not there cannot be ended.
    CannotEndTheMissing,
    /// Enabling says that everything is new.
    EnablesAnew,
    /// Everything happens in the platform's own account.
    IgnoresAccounts,
    /// Whatever is asked, it says that an invoice was taken back.
    VoidsWithWords,
    /// `Debug` prints what it was called with.
    Talkative,
}

/// An engine with one flaw.
pub(crate) struct Broken {
    inner: Engine,
    flaw: Flaw,
    calls: AtomicU32,
    heard: Mutex<String>,
}

impl Broken {
    /// Around every part of an engine.
    pub(crate) fn around(inner: Engine, flaw: Flaw) -> Engine {
        let descriptor = inner.descriptor.clone();
        let statements = inner.statements.clone();
        let broken = Arc::new(Self {
            inner,
            flaw,
            calls: AtomicU32::new(0),
            heard: Mutex::default(),
        });
        Engine {
            descriptor,
            billing: broken.clone(),
            usage: Some(broken.clone()),
            invoices: Some(broken.clone()),
            statements,
            webhooks: Some(broken),
        }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn call(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    fn cx(&self, cx: &EngineContext) -> EngineContext {
        let mut cx = cx.clone();
        if self.has(Flaw::Talkative) {
            let credentials = cx
                .credentials
                .as_ref()
                .map(Secret::reveal)
                .unwrap_or_default();
            self.heard.lock().unwrap().push_str(credentials);
        }
        if self.has(Flaw::ForgetsKeys) {
            cx.key = IdempotencyKey::new(format!("call {}", self.call()));
        }
        if self.has(Flaw::IgnoresAccounts) {
            cx.account = None;
        }
        cx
    }

    fn answer<T>(&self, answer: Result<T, EngineError>) -> Result<T, EngineError> {
        match answer {
            Err(error) if self.has(Flaw::TakesLostForRefused) && error.may_have_taken_effect() => {
                Err(EngineError::new(EngineErrorKind::Permanent, "refused"))
            }
            answer => answer,
        }
    }

    fn priced(&self, plan: &PlanVersion) -> PlanVersion {
        let price = |exact: &str| match self.flaw {
            Flaw::PricesAsFloats => exact.parse::<f32>().unwrap().to_string(),
            Flaw::PricesInCents => {
                let (whole, decimals) = exact.split_once('.').unwrap_or((exact, ""));
                format!(
                    "{whole}.{:0<2}",
                    decimals.chars().take(2).collect::<String>()
                )
            }
            _ => exact.to_owned(),
        };
        let mut json = serde_json::to_value(plan).unwrap();
        for usage in json["terms"]["usage"].as_array_mut().unwrap() {
            usage["unit_price"] = price(usage["unit_price"].as_str().unwrap()).into();
        }
        serde_json::from_value(json).unwrap()
    }

    fn reporting(&self) -> &dyn UsageReporting {
        self.inner.usage.as_deref().unwrap()
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "Broken({:?}, {})",
            self.flaw,
            self.heard.lock().unwrap()
        )
    }
}

#[async_trait]
impl BillingEngine for Broken {
    async fn create_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        let plan = self.priced(plan);
        self.answer(
            self.inner
                .billing
                .create_billing_plan(&self.cx(cx), &plan)
                .await,
        )
    }

    async fn update_billing_plan(
        &self,
        cx: &EngineContext,
        before: &ForeignId,
        next: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        let billing = &self.inner.billing;
        if self.has(Flaw::DeletesFirst) {
            let first = EngineContext {
                key: cx.key.step("delete"),
                ..cx.clone()
            };
            billing.delete_billing_plan(&first, before).await?;
            return billing.create_billing_plan(cx, next).await;
        }
        self.answer(
            billing
                .update_billing_plan(&self.cx(cx), before, next)
                .await,
        )
    }

    async fn delete_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &ForeignId,
    ) -> Result<Removal, EngineError> {
        self.answer(
            self.inner
                .billing
                .delete_billing_plan(&self.cx(cx), plan)
                .await,
        )
    }

    async fn enable_monetization(
        &self,
        cx: &EngineContext,
        product: &Product,
        plans: &[PlanVersion],
    ) -> Result<BTreeMap<PlanVersionId, Enabled>, EngineError> {
        let enabled = self
            .inner
            .billing
            .enable_monetization(&self.cx(cx), product, plans)
            .await?;
        let said = enabled.into_iter().map(|(plan, outcome)| match outcome {
            Enabled::Existing(there) if self.has(Flaw::EnablesAnew) => {
                (plan, Enabled::Created(there))
            }
            outcome => (plan, outcome),
        });
        Ok(said.collect())
    }

    async fn disable_monetization(
        &self,
        cx: &EngineContext,
        product: ProductId,
        plans: &[ForeignId],
    ) -> Result<Removal, EngineError> {
        self.answer(
            self.inner
                .billing
                .disable_monetization(&self.cx(cx), product, plans)
                .await,
        )
    }

    async fn plan_mapping(
        &self,
        cx: &EngineContext,
        product: ProductId,
    ) -> Result<BTreeMap<PlanVersionId, ForeignId>, EngineError> {
        self.inner.billing.plan_mapping(&self.cx(cx), product).await
    }

    async fn ensure_customer(
        &self,
        cx: &EngineContext,
        consumer: &Consumer,
    ) -> Result<ForeignId, EngineError> {
        self.answer(
            self.inner
                .billing
                .ensure_customer(&self.cx(cx), consumer)
                .await,
        )
    }

    async fn create_subscription(
        &self,
        cx: &EngineContext,
        new: &NewSubscription,
    ) -> Result<SubscriptionStart, EngineError> {
        self.answer(
            self.inner
                .billing
                .create_subscription(&self.cx(cx), new)
                .await,
        )
    }

    async fn change_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        plan: &ForeignId,
    ) -> Result<(), EngineError> {
        self.answer(
            self.inner
                .billing
                .change_subscription(&self.cx(cx), subscription, plan)
                .await,
        )
    }

    async fn cancel_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        mode: CancelMode,
    ) -> Result<Removal, EngineError> {
        match self
            .inner
            .billing
            .cancel_subscription(&self.cx(cx), subscription, mode)
            .await
        {
            Ok(Removal::AlreadyGone) if self.has(Flaw::CannotEndTheMissing) => Err(
                EngineError::new(EngineErrorKind::NotFound, "no such subscription"),
            ),
            answer => self.answer(answer),
        }
    }

    async fn subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<Option<SubscriptionSnapshot>, EngineError> {
        self.inner
            .billing
            .subscription(&self.cx(cx), subscription)
            .await
    }
}

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
                receipts.push(Receipt::Unknown {
                    reason: "not sent".to_owned(),
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

#[async_trait]
impl InvoiceIssuing for Broken {
    async fn issue(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
        invoice: &Invoice,
    ) -> Result<Issued, EngineError> {
        let mut invoice = invoice.clone();
        if self.has(Flaw::ForgetsKeys) {
            invoice.id = InvoiceId::derived(&[&self.call().to_be_bytes()]);
        }
        if self.has(Flaw::LosesACent) {
            let less = |amount: Money| Money::new(amount.minor() - 1, amount.currency());
            invoice.total = less(invoice.total);
            invoice.lines[0].amount = less(invoice.lines[0].amount);
        }
        let issuing = self.inner.invoices.as_ref().unwrap();
        self.answer(issuing.issue(&self.cx(cx), customer, &invoice).await)
    }

    async fn void(&self, cx: &EngineContext, invoice: &ForeignId) -> Result<Removal, EngineError> {
        if self.has(Flaw::VoidsWithWords) {
            return Ok(Removal::Archived);
        }
        self.answer(
            self.inner
                .invoices
                .as_ref()
                .unwrap()
                .void(&self.cx(cx), invoice)
                .await,
        )
    }
}

impl Webhooks for Broken {
    fn verify(
        &self,
        body: &[u8],
        headers: &HeaderMap,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<VerifiedEvent, WebhookError> {
        if self.has(Flaw::BelievesEverySignature) {
            return Ok(VerifiedEvent {
                id: "evt_1".parse().unwrap(),
                body: body.to_vec(),
            });
        }
        let secrets = if self.has(Flaw::TriesOneSecret) {
            &secrets[..1]
        } else {
            secrets
        };
        let sent = headers
            .get("webhook-timestamp")
            .and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let now = match sent.filter(|_| self.has(Flaw::IgnoresAge)) {
            Some(seconds) => Timestamp::from_secs(seconds),
            None => now,
        };
        self.inner
            .webhooks
            .as_ref()
            .unwrap()
            .verify(body, headers, secrets, now)
    }

    fn interpret(&self, event: &VerifiedEvent) -> Result<Vec<EngineEvent>, WebhookError> {
        self.inner.webhooks.as_ref().unwrap().interpret(event)
    }
}

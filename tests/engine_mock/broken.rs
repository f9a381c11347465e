use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::HeaderMap;
use monetization_core::clock::Timestamp;
use monetization_core::engine::{
    Engine, EngineContext, EngineError, EngineErrorKind, EngineEvent, IdempotencyKey,
    InvoiceIssuing, Issued, Removal, UsageReporting, VerifiedEvent, WebhookError, Webhooks,
};
use monetization_core::ids::{InvoiceId, TypedId};
use monetization_core::invoice::{Credit, Invoice};
use monetization_core::money::Money;
use monetization_core::plan::PlanVersion;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;

mod billing;
mod reporting;

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
    /// A credit that is given again is another one.
    CreditsAnew,
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
        let (statements, portal) = (inner.statements.clone(), inner.portal.clone());
        let feed = inner.feed.clone();
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
            portal,
            webhooks: Some(broken),
            feed,
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

    async fn credit(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
        credit: &Credit,
    ) -> Result<ForeignId, EngineError> {
        let mut credit = credit.clone();
        if self.has(Flaw::CreditsAnew) {
            credit.number = self.call();
        }
        let issuing = self.inner.invoices.as_ref().unwrap();
        let cx = self.cx(cx);
        self.answer(issuing.credit(&cx, invoice, &credit).await)
    }

    async fn payment_url(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
    ) -> Result<Option<String>, EngineError> {
        let issuing = self.inner.invoices.as_ref().unwrap();
        issuing.payment_url(&self.cx(cx), invoice).await
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

//! The engine ports over a transport. The client keeps nothing and makes one attempt a call.
//!
//! | of the port | calls of the provider |
//! |---|---|
//! | `create_billing_plan` | `EnsurePlan` |
//! | `update_billing_plan` | `EnsurePlan` with the key's step `next`, then `RetirePlan` with `before` |
//! | `delete_billing_plan` | `RetirePlan` |
//! | `enable_monetization` | `EnsureProduct`, `Plans`, and `EnsurePlan` for each plan that is not there |
//! | `disable_monetization` | `RetirePlan` for each plan, `RetireProduct` |
//! | `plan_mapping` | `Plans` |
//! | `ensure_customer` | `EnsureCustomer` |
//! | `create_`, `change_`, `cancel_subscription` | `StartSubscription`, `ChangePlan`, `EndSubscription` |
//! | `subscription` | `Subscription` |
//! | `publish` | `TakeUsage`; the records' identifiers recognise them, not the key |
//! | `withdraw` | `WithdrawUsage` |
//! | `realm` | `Realm` |
//! | `since` | `News` |
//! | `current`, `preview`, `list`, `summary` | `Preview`, `Preview`, `Invoices`, `Usage` |
//! | `issue`, `void`, `credit` | `IssueInvoice`, `VoidInvoice`, `CreditInvoice` |
//! | `page_url`, `charge_stored` | `Page`, `ChargeStored` |

use std::sync::Arc;

use monetization_core::engine::{EngineContext, EngineError, EngineErrorKind, EngineInvoice};

use crate::provider::{Order, Query, Refusal, RefusalKind, Reply, StatedInvoice};
use crate::transport::{Call, Request, Transport, TransportError};

mod billing;
mod feed;
mod invoices;
mod portal;
mod usage;

/// Speaks to a provider for core: one type for all of the engine's ports, because each is a matter
/// of putting a question into the provider's words and its answer into core's.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) transport: Arc<dyn Transport>,
    /// What stands before the token of a payment link.
    pub(crate) payment_url_base: Arc<str>,
}

impl Client {
    async fn order(&self, cx: &EngineContext, order: Order) -> Result<Reply, EngineError> {
        self.send(cx, Request::Do(order)).await
    }

    async fn ask(&self, cx: &EngineContext, query: Query) -> Result<Reply, EngineError> {
        self.send(cx, Request::Ask(query)).await
    }

    /// Makes one call of the provider.
    async fn send(&self, cx: &EngineContext, request: Request) -> Result<Reply, EngineError> {
        let call = Call {
            account: cx.account.clone(),
            credentials: cx.credentials.clone(),
            key: cx.key.as_str().to_owned(),
            timeout: cx.timeout,
            request,
            breaks: None,
        };
        match self.transport.send(call).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(refusal)) => Err(refused(refusal)),
            Err(error) => Err(no_answer(error)),
        }
    }

    /// The address of the page behind a link.
    fn payment_url(&self, link: Option<&String>) -> Option<String> {
        link.map(|token| format!("{}{token}", self.payment_url_base))
    }

    fn engine_invoice(&self, stated: StatedInvoice) -> EngineInvoice {
        let payment_url = self.payment_url(stated.link.as_ref());
        engine_invoice(stated, payment_url)
    }
}

/// The invoice as core knows it. Core asks for no names of lines, only for their text and amount.
pub(crate) fn engine_invoice(stated: StatedInvoice, payment_url: Option<String>) -> EngineInvoice {
    EngineInvoice {
        external: stated.invoice,
        period: stated.period,
        lines: stated
            .lines
            .into_iter()
            .map(|line| (line.text, line.amount))
            .collect(),
        total: stated.total,
        state: stated.state,
        payment_url,
        issued_at: stated.issued_at,
        due_at: stated.due_at,
    }
}

/// What core makes of a refusal. A failure within, or in front, leaves open whether the order was
/// carried out.
fn refused(refusal: Refusal) -> EngineError {
    let (kind, wait) = match refusal.kind {
        RefusalKind::Throttled { retry_after } => (EngineErrorKind::Retryable, retry_after),
        RefusalKind::Unavailable | RefusalKind::Broken | RefusalKind::InProgress => {
            (EngineErrorKind::Ambiguous, None)
        }
        RefusalKind::Permanent => (EngineErrorKind::Permanent, None),
        RefusalKind::Conflict => (EngineErrorKind::Conflict, None),
        RefusalKind::NotFound => (EngineErrorKind::NotFound, None),
        RefusalKind::Unauthorized => (EngineErrorKind::Unauthorized, None),
    };
    let error = EngineError::new(kind, refusal.message);
    match wait {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// What core makes of silence: whether the call has left decides whether it may have worked.
fn no_answer(error: TransportError) -> EngineError {
    let kind = match error {
        TransportError::NotSent { .. } => EngineErrorKind::Retryable,
        TransportError::NoAnswer { .. } => EngineErrorKind::Ambiguous,
    };
    EngineError::new(kind, "the mock provider cannot be reached").because(error)
}

/// An answer to another question: it says nothing of what was done.
fn unexpected(reply: &Reply) -> EngineError {
    let message = format!("the mock provider answered something else: {reply:?}");
    EngineError::new(EngineErrorKind::Ambiguous, message)
}

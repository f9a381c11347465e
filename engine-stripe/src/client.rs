//! The engine ports over the way to Stripe. Nothing is kept between calls.
//!
//! | of the port | module |
//! |---|---|
//! | `create_billing_plan`, `update_billing_plan`, `delete_billing_plan` | [`plans`] |
//! | `enable_monetization`, `disable_monetization`, `plan_mapping` | [`billing`], over [`plans`] |
//! | `ensure_customer` | [`customers`] |
//! | `create_subscription` | [`starting`], [`trying`] |
//! | `change_subscription`, `subscription` | [`changing`], [`scheduling`] |
//! | `cancel_subscription` | [`ending`] |
//! | `serialise`, `publish`, `realm`, `current`, `summary` | [`usage`], [`lateness`] |
//! | `withdraw` | [`withdrawing`] |
//! | `issue`, `void`, `payment_url` | [`issuing`], [`charging`] |
//! | `credit` | [`crediting`] |
//! | `page_url`, `charge_stored` | [`portal`], [`charging`] |
//! | `list`, `preview` | [`reading`] |
//! | `since` | [`feed`] |

use std::sync::Arc;

use monetization_core::engine::{EngineContext, EngineError, EngineErrorKind};
use monetization_core::text::ForeignId;
use rust_decimal::Decimal;

use crate::error::Failure;
use crate::session::Session;
use crate::transport::Transport;

mod billing;
mod changing;
mod charging;
mod crediting;
mod customers;
mod ending;
mod feed;
mod issuing;
mod lateness;
mod plans;
mod portal;
mod reading;
mod scheduling;
mod starting;
mod trying;
mod usage;
mod withdrawing;

/// Speaks to Stripe for core.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// The way to Stripe.
    pub(crate) transport: Arc<Transport>,
    /// Days until an invoice that Stripe makes is due.
    pub(crate) days_until_due: u32,
    /// Of a hundred; `None` where the platform keeps nothing.
    pub(crate) application_fee_percent: Option<Decimal>,
}

impl Client {
    /// What one call of the engine does, in the time it has.
    fn session<'a>(&'a self, cx: &'a EngineContext) -> Session<'a> {
        Session::new(&self.transport, cx)
    }

    /// The fee of calls for a connected account: the platform's own has none.
    fn fee_percent(&self, cx: &EngineContext) -> Option<Decimal> {
        cx.account.as_ref().and(self.application_fee_percent)
    }
}

/// Of a thing that may be missing: missing is an answer.
///
/// # Errors
/// Any other failure, as it is.
fn missing_is_none<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.is_not_found() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// What Stripe calls an object, as core keeps it.
///
/// # Errors
/// `Permanent` for an id that is no name: Stripe makes none.
fn foreign(id: &str) -> Result<ForeignId, EngineError> {
    id.parse().map_err(|error| {
        EngineError::new(EngineErrorKind::Permanent, "Stripe's id is no name").because(error)
    })
}

/// For what will not be done however often it is asked.
fn permanent(message: impl Into<String>) -> EngineError {
    EngineError::new(EngineErrorKind::Permanent, message)
}

#[cfg(test)]
mod tests;

use crate::clock::Timestamp;
use crate::engine::{EngineError, WebhookError};
use crate::field::FieldError;
use crate::ids::BatchId;
use crate::invoice::InvoiceError;
use crate::money::MoneyError;
use crate::product::IllegalMove;
use crate::store::{Conflict, StoreError};

use super::UnknownEngine;

/// Why a flow came to nothing. Whatever it had written before is whole, and running it again
/// goes on from there.
///
/// | variant | who can mend it |
/// |---|---|
/// | `Field`, `NotFound`, `Illegal`, `InUse`, `Conflict` | whoever asked, by asking for something else |
/// | `Contended`, `TooEarly` | whoever asked, by asking again |
/// | `Store`, `Engine` | time, or an operator: its source says which |
/// | `UnknownEngine`, `Unable` | whoever runs the program |
/// | `Money`, `Invoice` | an operator: an amount that cannot be made is never made smaller |
/// | `Webhook` | nobody: the message is not taken in |
/// | `Unmatched` | the engine, by sending the message again later |
///
/// Its text is of this layer only; the source has the details:
///
/// ```
/// use monetization_core::field::FieldError;
/// use monetization_core::flows::FlowError;
///
/// let error = FlowError::from(FieldError::new("included", "allowed are digits"));
/// assert_eq!(error.to_string(), "the input is not valid");
/// let source = std::error::Error::source(&error).map(ToString::to_string);
/// assert_eq!(source.as_deref(), Some("included: allowed are digits"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// What was asked for makes no sense.
    #[error("the input is not valid")]
    Field(#[from] FieldError),
    /// There is no such thing, or it belongs to somebody else.
    #[error("{id} does not exist")]
    NotFound {
        /// Which thing.
        id: String,
    },
    /// It cannot happen in this state.
    #[error("the state does not allow it")]
    Illegal(#[from] IllegalMove),
    /// It would break what others rely on.
    #[error("{problem}")]
    InUse {
        /// Who relies on it and what to do.
        problem: String,
    },
    /// It clashes with what is stored.
    #[error("it clashes with what is stored")]
    Conflict(#[from] Conflict),
    /// Others changed the same thing too often meanwhile.
    #[error("too many changes of the same thing at once, try again")]
    Contended,
    /// An engine would not know what is sent from what it has had before.
    #[error(
        "{batch} can be sent again from {from} on: until then the engine may take it for the one it has refused"
    )]
    TooEarly {
        /// Which batch.
        batch: BatchId,
        /// When to ask again, UTC.
        from: Timestamp,
    },
    /// An amount cannot be made.
    #[error("an amount cannot be made")]
    Money(#[from] MoneyError),
    /// An invoice does not add up.
    #[error("an invoice does not add up")]
    Invoice(#[from] InvoiceError),
    /// The store cannot, or does not know.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The engine did not do it, or we do not know.
    #[error("the engine failed")]
    Engine(#[from] EngineError),
    /// The tenant's engine is not there.
    #[error("the engine is not there")]
    UnknownEngine(#[from] UnknownEngine),
    /// The engine cannot do what is asked of it.
    #[error("engine {engine} cannot {ability}")]
    Unable {
        /// Which engine.
        engine: String,
        /// What it cannot do.
        ability: &'static str,
    },
    /// A message is not the engine's, or makes no sense.
    #[error("the message was refused")]
    Webhook(#[from] WebhookError),
    /// A message speaks of something that is not known here, or not yet.
    #[error("the message speaks of {external}, which is not known here")]
    Unmatched {
        /// What the engine calls it.
        external: String,
    },
}

use std::error::Error;
use std::fmt;

/// That a store cannot, or does not know.
///
/// ```
/// use monetization_core::store::{StoreError, StoreErrorKind};
///
/// let error = StoreError::new(StoreErrorKind::Unknown, "append records").because("connection reset");
/// assert_eq!(error.kind(), StoreErrorKind::Unknown);
/// assert_eq!(error.to_string(), "failed to append records: the store's reply was lost");
/// ```
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    doing: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a caller can make of a [`StoreError`].
///
/// | kind | was it written? | what helps |
/// |---|---|---|
/// | `Unavailable` | no | time |
/// | `Full` | no | room |
/// | `Unknown` | perhaps | the same write again: it is recognised by its id |
/// | `Broken` | no | an operator |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Out of reach or busy; nothing was written. Trying again may help.
    Unavailable,
    /// No room is left; nothing was written. Somebody has to make room.
    Full,
    /// It may have been written and may not: repeat the same write, which is recognised.
    Unknown,
    /// What is stored does not make sense, or the store was asked for something senseless.
    Broken,
}

impl StoreError {
    /// Failed while `doing` this.
    #[must_use]
    pub fn new(kind: StoreErrorKind, doing: &'static str) -> Self {
        Self {
            kind,
            doing,
            source: None,
        }
    }

    /// With its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What a caller can make of it.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.kind {
            StoreErrorKind::Unavailable => "the store is out of reach",
            StoreErrorKind::Full => "the store is full",
            StoreErrorKind::Unknown => "the store's reply was lost",
            StoreErrorKind::Broken => "the store's content makes no sense",
        };
        write!(out, "failed to {}: {state}", self.doing)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}

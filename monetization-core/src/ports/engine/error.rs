use std::error::Error;
use std::fmt;
use std::time::Duration;

/// That an engine did not do what it was asked, or that we do not know whether it did.
///
/// ```
/// use std::time::Duration;
/// use monetization_core::engine::{EngineError, EngineErrorKind};
///
/// let throttled = EngineError::new(EngineErrorKind::Retryable, "429 Too Many Requests")
///     .retry_after(Duration::from_secs(7));
/// assert!(throttled.is_temporary() && !throttled.may_have_taken_effect());
/// assert_eq!(throttled.wait(), Some(Duration::from_secs(7)));
///
/// let lost = EngineError::new(EngineErrorKind::Ambiguous, "time-out").because("connection reset");
/// assert!(lost.is_temporary() && lost.may_have_taken_effect());
/// assert_eq!(lost.to_string(), "the engine's reply was lost: time-out");
/// assert_eq!(std::error::Error::source(&lost).map(ToString::to_string).as_deref(),
///     Some("connection reset"));
/// ```
#[derive(Debug)]
pub struct EngineError {
    kind: EngineErrorKind,
    message: String,
    retry_after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a flow makes of an [`EngineError`].
///
/// | kind | had an effect | what a flow does |
/// |---|---|---|
/// | `Retryable` | no | the same again later, with the same key |
/// | `Ambiguous` | perhaps | the same again later, with the same key |
/// | `NotFound`, when cancelling | no | as good as done |
/// | `Misconfigured`, `Unauthorized` | no | an operation waits for an operator, and is tried again at long intervals; a batch is parked |
/// | every other | no | parks the operation or the batch, for an operator |
///
/// A batch that may have been sent before is unknown instead of parked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "flows must decide about every kind"
)]
pub enum EngineErrorKind {
    /// Nothing was done, and asking again later may help: throttled, not connected.
    Retryable,
    /// It may have been done: ask again with the same key, then look it up.
    Ambiguous,
    /// It was not done and will not be, however often it is asked.
    Permanent,
    /// The key was used for something else.
    Conflict,
    /// The object does not exist there.
    NotFound,
    /// The engine lacks something it needs to know.
    Misconfigured {
        /// The attribute's name.
        attribute: String,
    },
    /// The credentials are not good.
    Unauthorized,
}

impl EngineError {
    /// Of this kind; the message says what the provider said, without secrets.
    pub fn new(kind: EngineErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retry_after: None,
            source: None,
        }
    }

    /// With its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// With how long the provider asked to wait.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What a flow makes of it.
    #[must_use]
    pub fn kind(&self) -> &EngineErrorKind {
        &self.kind
    }

    /// How long the provider asked to wait.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether what was asked may have been done.
    #[must_use]
    pub fn may_have_taken_effect(&self) -> bool {
        self.kind == EngineErrorKind::Ambiguous
    }

    /// Whether asking the same again may help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.kind,
            EngineErrorKind::Retryable | EngineErrorKind::Ambiguous
        )
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.kind {
            EngineErrorKind::Retryable => "the engine is out of reach",
            EngineErrorKind::Ambiguous => "the engine's reply was lost",
            EngineErrorKind::Permanent => "the engine refused",
            EngineErrorKind::Conflict => "the engine has had the key for something else",
            EngineErrorKind::NotFound => "the engine does not have it",
            EngineErrorKind::Misconfigured { attribute } => {
                return write!(
                    out,
                    "the engine needs the attribute {attribute}: {}",
                    self.message
                );
            }
            EngineErrorKind::Unauthorized => "the engine does not accept the credentials",
        };
        write!(out, "{what}: {}", self.message)
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}

//! What came of a call.

use monetization_rate_limiter::Decision;

use crate::Away;

/// What came of a call.
///
/// ```
/// use monetization_rate_limiter_redis::{Away, Outcome};
///
/// /// The status of an HTTP answer.
/// fn status(outcome: &Outcome) -> u16 {
///     match outcome {
///         Outcome::Decided { decision, .. } if decision.is_allowed() => 200,
///         Outcome::Decided { .. } => 429,
///         Outcome::Refused(_) => 503,
///     }
/// }
/// assert_eq!(status(&Outcome::Refused(Away::Slow)), 503);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[expect(
    clippy::large_enum_variant,
    reason = "a decision is the rule; in a box it would cost every call"
)]
#[must_use = "an outcome that nobody reads refuses nobody"]
pub enum Outcome {
    /// It was decided, in the words of the limiter in process.
    Decided {
        /// Whether it passes, and how each limit stands.
        decision: Decision,
        /// Who decided.
        by: By,
    },
    /// It was not decided, and the caller wants such calls refused: [`WhenAway::Refuse`](crate::WhenAway::Refuse).
    Refused(Away),
}

impl Outcome {
    /// Whether the call passes: it was decided, and no limit speaks against it.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        match self {
            Self::Decided { decision, .. } => decision.is_allowed(),
            Self::Refused(_) => false,
        }
    }

    /// The decision, if there is one: how each limit stands, and when to come again.
    #[must_use]
    pub const fn decision(&self) -> Option<&Decision> {
        match self {
            Self::Decided { decision, .. } => Some(decision),
            Self::Refused(_) => None,
        }
    }
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum By {
    /// The server, asked for this call.
    Server,
    /// This node, from units that it had from the server. What others have taken since then does not show in what is left;
    /// the least that is left does. Also where there are no limits, so that nobody needs to be asked.
    Block,
    /// This node by its own share, since the server was away. The maxima that the decision tells are those of the share.
    Share {
        /// Among how many nodes the limits were shared out.
        nodes: u32,
        /// Why the server was not asked.
        away: Away,
    },
}

//! What of a call is billed.
//!
//! A call that was let through is recorded whatever becomes of it. What its plan's policy decides
//! is whether it counts as one or as nothing, and whether it keeps the unit of quota it has taken.
//!
//! ```
//! use monetization_core::metering::charge;
//! use monetization_core::plan::MeteringPolicy;
//! use monetization_core::usage::{Ending, Outcome};
//!
//! let answered = |status| Outcome { status: Some(status), ending: Ending::Complete };
//! let policy = MeteringPolicy::default();
//! assert!(charge(policy, answered(200)).billed);
//! let failed = charge(policy, answered(503));
//! assert!(!failed.billed && !failed.spends, "recorded as nothing, and its unit goes back");
//!
//! let spending: MeteringPolicy =
//!     serde_json::from_str(r#"{"bill": "attempt", "unbilled": "spends"}"#)?;
//! assert!(charge(spending, answered(503)).billed);
//! # Ok::<(), serde_json::Error>(())
//! ```

use crate::plan::{Billable, MeteringPolicy, UnbilledCall};
use crate::usage::{Ending, Outcome};

/// What a call that was let through counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Whether it is billed; otherwise it is recorded with a quantity of zero.
    pub billed: bool,
    /// Whether it keeps the unit of quota it has taken.
    pub spends: bool,
}

/// What a call counts for under this policy.
///
/// | the upstream | `attempt` | `success` | `non_5xx` |
/// |---|---|---|---|
/// | answered 2xx, completely or until the client left | billed | billed | billed |
/// | answered 1xx, 3xx or 4xx, likewise | billed | not | billed |
/// | answered 5xx | billed | not | not |
/// | broke off within its answer, whatever its status | billed | not | not |
/// | gave no answer | billed | not | not |
///
/// What the gateway itself failed to do is never billed.
#[must_use]
pub fn charge(policy: MeteringPolicy, outcome: Outcome) -> Charge {
    let answered = match outcome.ending {
        Ending::Complete | Ending::ClientGone => outcome.status,
        Ending::UpstreamBroke | Ending::NoAnswer | Ending::Failed => None,
    };
    let billed = match policy.bill {
        Billable::Attempt => outcome.ending != Ending::Failed,
        Billable::Success => answered.is_some_and(|status| (200..300).contains(&status)),
        Billable::Non5xx => answered.is_some_and(|status| status < 500),
    };
    Charge {
        billed,
        spends: billed || policy.unbilled == UnbilledCall::Spends,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R-M6: every ending and status under every policy, as the table in the documentation says.
    #[test]
    fn what_is_billed_is_what_the_policy_says() {
        let answers = [
            Some(204),
            Some(200),
            Some(302),
            Some(404),
            Some(429),
            Some(500),
            Some(503),
            None,
        ];
        for ending in Ending::ALL {
            for status in answers {
                let whole = matches!(ending, Ending::Complete | Ending::ClientGone);
                let expected = match status.filter(|_| whole) {
                    Some(200..=299) => [true, true, true],
                    Some(300..=499) => [true, false, true],
                    _ => [true, false, false],
                };
                let expected = if ending == Ending::Failed {
                    [false; 3]
                } else {
                    expected
                };
                let policies = [Billable::Attempt, Billable::Success, Billable::Non5xx];
                for (bill, expected) in policies.into_iter().zip(expected) {
                    for unbilled in [UnbilledCall::GivesBack, UnbilledCall::Spends] {
                        let charge = charge(
                            MeteringPolicy { bill, unbilled },
                            Outcome { status, ending },
                        );
                        assert_eq!(charge.billed, expected, "{bill:?} {status:?} {ending:?}");
                        assert_eq!(charge.spends, expected || unbilled == UnbilledCall::Spends);
                    }
                }
            }
        }
    }
}

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

use http::{HeaderMap, HeaderValue};

use crate::field::FieldError;
use crate::ids::MeterId;
use crate::money::{MoneyError, Quantity};
use crate::plan::{Billable, MeteringPolicy, Percentage, Price, UnbilledCall, UsagePrice};
use crate::product::{Aggregation, CallFilter, Meter, Source};
use crate::text::Slug;
use crate::usage::{Counted, Ending, Outcome, Tally};

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
    let answered = answered(outcome);
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

/// What a gateway has seen of a call besides how it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Measured {
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// What the answer says for meters that read it, by meter.
    pub said: Vec<(MeterId, String)>,
}

impl Measured {
    /// Takes note of what `meters` read from the head of an answer.
    pub fn heed(&mut self, meters: &[Meter], headers: &HeaderMap) {
        for meter in meters {
            if let Source::ResponseHeader(header) = &meter.source
                && let Some(Ok(said)) = headers.get(header.name()).map(HeaderValue::to_str)
            {
                self.said.push((meter.id, said.trim().to_owned()));
            }
        }
    }
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct MeteredCall<'a> {
    /// How.
    pub outcome: Outcome,
    /// The operation it was.
    pub resource: Option<&'a Slug>,
    /// What was seen of it.
    pub measured: &'a Measured,
}

/// What a call counts on these meters of calls, and what that comes to under prices of single
/// transactions.
///
/// The meter [`requests`](Meter::REQUESTS) is always among it, with a quantity of zero for a call that
/// is not billed. Others are where there is something: a quantity that is missing in the answer, or
/// is none of the meter's scale, counts nothing; bytes count at most [`Quantity::SINGLE_MAX`].
#[must_use]
pub fn counted(
    meters: &[Meter],
    prices: &[UsagePrice],
    policy: MeteringPolicy,
    call: &MeteredCall<'_>,
) -> Vec<Counted> {
    let billed = charge(policy, call.outcome).billed;
    let mut all = Vec::with_capacity(meters.len());
    for meter in meters {
        let counts = is_counted(&meter.filter, billed, call);
        if counts && let Some(counted) = of_call(meter, call.measured) {
            // An amount whose price cannot be expressed is no amount of the meter.
            if let Ok(charged) = transaction(prices, &counted) {
                all.push(counted);
                all.extend(charged);
            }
        } else if meter.name.as_str() == Meter::REQUESTS {
            all.push(Counted::new(meter.id, Quantity::ZERO));
        }
    }
    all
}

/// What a reported event counts, and what that comes to under prices of single transactions.
///
/// `quantity` may be left out where every event counts as one, and `key` says which value it is for a
/// meter that counts different ones.
///
/// # Errors
/// A [`FieldError`] for a quantity that is missing or none of the meter's scale, a missing key, and a
/// meter that counts calls.
pub fn reported(
    meter: &Meter,
    prices: &[UsagePrice],
    (quantity, key): (Option<&str>, Option<&str>),
) -> Result<Vec<Counted>, FieldError> {
    if meter.source != Source::Reports && meter.name.as_str() != Meter::REQUESTS {
        let problem = format!(
            "{} counts calls through the gateway: it takes no reports",
            meter.name
        );
        return Err(FieldError::new("meter", problem));
    }
    let quantity = match quantity {
        Some(text) => meter
            .scale
            .parse(text)
            .map_err(|error| FieldError::new("quantity", error))?,
        None if is_one(meter.aggregation) => Quantity::from_scaled(1),
        None => {
            return Err(FieldError::new(
                "quantity",
                "it is missing: allowed is a number",
            ));
        }
    };
    let key = match (meter.aggregation, key) {
        (Aggregation::Unique, None) => {
            let problem =
                "it is missing: the meter counts different values, and this says which it is";
            return Err(FieldError::new("key", problem));
        }
        (_, key) => key.unwrap_or_default(),
    };
    let counted = tallied(meter, quantity, key.as_bytes());
    let charged = transaction(prices, &counted)
        .map_err(|error| FieldError::new("quantity", format!("its price: {error}")))?;
    Ok([counted].into_iter().chain(charged).collect())
}

fn is_one(aggregation: Aggregation) -> bool {
    matches!(aggregation, Aggregation::Count | Aggregation::Unique)
}

/// Whether a meter counts a call that has ended so.
pub(crate) fn counts(meter: &Meter, policy: MeteringPolicy, call: &MeteredCall<'_>) -> bool {
    is_counted(&meter.filter, charge(policy, call.outcome).billed, call)
}

fn is_counted(filter: &CallFilter, billed: bool, call: &MeteredCall<'_>) -> bool {
    let by_status = match answered(call.outcome) {
        _ if filter.status.is_empty() => billed,
        Some(status) => filter.status.iter().any(|it| it.matches(status)),
        None => false,
    };
    by_status && filter.covers(call.resource)
}

fn of_call(meter: &Meter, measured: &Measured) -> Option<Counted> {
    let said = || {
        let mut said = measured.said.iter();
        said.find(|(id, _)| *id == meter.id)
            .map(|(_, said)| said.as_str())
    };
    // More than any meter counts of one call is no reason to count nothing.
    let bytes = |bytes| Some(meter.scale.whole(bytes).unwrap_or(Quantity::SINGLE_MAX));
    let quantity = match &meter.source {
        Source::Calls => Some(Quantity::from_scaled(1)),
        Source::RequestBytes => bytes(measured.request_bytes),
        Source::ResponseBytes => bytes(measured.response_bytes),
        Source::Bytes => bytes(
            measured
                .request_bytes
                .saturating_add(measured.response_bytes),
        ),
        Source::ResponseHeader(_) | Source::ResponseField(_) if is_one(meter.aggregation) => {
            said().map(|_| Quantity::from_scaled(1))
        }
        Source::ResponseHeader(_) | Source::ResponseField(_) => {
            said().and_then(|said| meter.scale.parse(said).ok())
        }
        Source::Reports => None,
    };
    quantity.map(|quantity| tallied(meter, quantity, said().unwrap_or_default().as_bytes()))
}

/// How a quantity, and the value it was found with, are added up on this meter.
fn tallied(meter: &Meter, quantity: Quantity, value: &[u8]) -> Counted {
    let one = Quantity::from_scaled(1);
    let (quantity, tally) = match meter.aggregation {
        Aggregation::Sum => (quantity, Tally::Add),
        Aggregation::Count => (one, Tally::Add),
        Aggregation::Max => (quantity, Tally::Max),
        Aggregation::Last => (quantity, Tally::Last),
        Aggregation::Unique => (one, Tally::once(value)),
    };
    Counted {
        meter: meter.id,
        quantity,
        tally,
    }
}

/// What one transaction costs, where it is priced by itself.
fn transaction(prices: &[UsagePrice], amount: &Counted) -> Result<Option<Counted>, MoneyError> {
    let mut prices = prices.iter();
    let price = prices.find(|price| price.meter.id == amount.meter);
    let Some((price, Price::Percentage(percentage))) = price.map(|it| (it, &it.price)) else {
        return Ok(None);
    };
    Ok(Some(Counted {
        meter: Percentage::charges(amount.meter),
        quantity: percentage.charge(price.meter.scale, amount.quantity)?,
        tally: Tally::After(percentage.free_events),
    }))
}

/// The status, where the answer came whole.
fn answered(outcome: Outcome) -> Option<u16> {
    match outcome.ending {
        Ending::Complete | Ending::ClientGone => outcome.status,
        Ending::UpstreamBroke | Ending::NoAnswer | Ending::Failed => None,
    }
}

#[cfg(test)]
mod tests;

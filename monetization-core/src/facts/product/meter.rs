//! What a product counts: of which calls or events, what of them, and how it is added up.

use serde::{Deserialize, Serialize};

use crate::field::FieldError;
use crate::ids::MeterId;
use crate::money::Scale;
use crate::text::Slug;

pub use draft::MeterDraft;
pub use filter::{CallFilter, StatusPattern};
pub use source::{HeaderText, Pointer, Source};
pub use unit::Unit;

mod draft;
mod filter;
mod source;
mod unit;

/// A thing a product counts. It never changes once made: sums are kept in its scale.
///
/// Every product has the meter [`requests`](Self::REQUESTS), which counts one for each billed call.
/// Others are made from a [`MeterDraft`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// Its id.
    pub id: MeterId,
    /// Its name, unique in the product.
    pub name: Slug,
    /// What one of it is.
    pub unit: Unit,
    /// Decimals of its quantities.
    pub scale: Scale,
    /// What it counts.
    pub source: Source,
    /// How what it counts is added up over a billing period.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// Which calls it counts.
    #[serde(default)]
    pub filter: CallFilter,
}

impl Meter {
    /// The name of the meter that every product has: it counts calls through the gateway.
    pub const REQUESTS: &'static str = "requests";

    /// The one of `meters` with this name, which stands at `field`.
    ///
    /// # Errors
    /// A [`FieldError`] with those there are.
    pub(crate) fn named<'a>(
        meters: &'a [Self],
        name: &Slug,
        field: &str,
    ) -> Result<&'a Self, FieldError> {
        let found = meters.iter().find(|meter| meter.name == *name);
        found.ok_or_else(|| {
            let known: Vec<&str> = meters.iter().map(|meter| meter.name.as_str()).collect();
            let problem = format!(
                "{name:?} is no meter of the product: allowed are {}",
                known.join(", ")
            );
            FieldError::new(field, problem)
        })
    }

    /// Whether it keeps what was last. That may become less, so no engine is told of it: nothing that was
    /// sealed is taken back.
    #[must_use]
    pub fn keeps_last(&self) -> bool {
        self.aggregation == Aggregation::Last
    }

    /// The meter of calls.
    ///
    /// # Errors
    /// Never in fact: the name is one.
    pub fn requests(id: MeterId) -> Result<Self, crate::text::TextError> {
        Ok(Self {
            id,
            name: Self::REQUESTS.parse()?,
            unit: Unit::Requests,
            scale: Scale::WHOLE,
            source: Source::Calls,
            aggregation: Aggregation::Sum,
            filter: CallFilter::default(),
        })
    }
}

/// How what a meter counts is added up over a billing period of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new aggregation changes every match on purpose"
)]
pub enum Aggregation {
    /// All quantities together.
    #[default]
    Sum,
    /// How many there were, whatever their quantities.
    Count,
    /// The greatest.
    Max,
    /// The one that was used last, by the time of use. Where the plan changes within a period, the
    /// greater of what was last under each plan counts.
    Last,
    /// How many different values there were: texts of a header or field, keys of reported events.
    Unique,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_named_one_by_one_or_by_the_hundred() {
        let not_found: StatusPattern = "404".parse().unwrap();
        assert!(not_found.matches(404) && !not_found.matches(405));
        let success: StatusPattern = "2xx".parse().unwrap();
        assert!(success.matches(204) && !success.matches(304));
        for text in [
            "600", "99", "0xx", "6xx", "2x", "2xxx", "-200", "+200", "", "abc",
        ] {
            assert!(text.parse::<StatusPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn meters_that_make_no_sense_are_refused_by_field() {
        let table = [
            (
                r#"{"name":"m","decimals":2,"aggregation":"unique"}"#,
                "decimals",
            ),
            (r#"{"name":"m","decimals":2,"source":"calls"}"#, "decimals"),
            (r#"{"name":"m","filter":{"status":["2xx"]}}"#, "filter"),
            (
                r#"{"name":"m","source":"bytes","aggregation":"unique"}"#,
                "aggregation",
            ),
            (
                r#"{"name":"m","source":"calls","aggregation":"max"}"#,
                "aggregation",
            ),
        ];
        for (json, field) in table {
            let draft: MeterDraft = serde_json::from_str(json).unwrap();
            let error = draft
                .check(crate::ids::TypedId::derived(&[b"m"]))
                .unwrap_err();
            assert_eq!(error.field(), field, "{json}");
        }
        for json in [
            r#"{"name":"m","source":{"response_header":"no header"}}"#,
            r#"{"name":"m","source":{"response_field":"usage"}}"#,
            r#"{"name":"m","filter":{"status":["teapot"]}}"#,
            r#"{"name":"m","sort":"last"}"#,
        ] {
            assert!(serde_json::from_str::<MeterDraft>(json).is_err(), "{json}");
        }
    }
}

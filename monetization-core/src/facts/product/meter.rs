//! What a product counts: of which calls or events, what of them, and how it is added up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::field::FieldError;
use crate::ids::MeterId;
use crate::money::Scale;
use crate::product::{Product, Resource};
use crate::text::Slug;

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

/// What one of a meter is, for people, invoices and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Calls through the gateway.
    Requests,
    /// Bytes of bodies.
    Bytes,
    /// Things that happened.
    Events,
    /// Tokens of a language model.
    Tokens,
    /// Money in major units of the plan's currency, such as what a marketplace's sales come to.
    Amount,
}

impl Unit {
    /// Its name in JSON and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::Events => "events",
            Self::Tokens => "tokens",
            Self::Amount => "amount",
        }
    }
}

/// What a meter counts.
///
/// In JSON its name, or its name with what it needs to know: `"calls"`, `"response_bytes"`,
/// `{"response_header": "x-tokens"}`, `{"response_field": "/usage/total_tokens"}`, `"reports"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// One for each call.
    Calls,
    /// The bytes of requests' bodies: as many as were announced, else as many as were read.
    RequestBytes,
    /// The bytes of answers' bodies, as far as the client has been sent them.
    ResponseBytes,
    /// Both.
    Bytes,
    /// What the upstream says of each call in this header of its answer, in lower case. An answer
    /// without it, or with anything but a quantity, counts nothing.
    ResponseHeader(HeaderText),
    /// What the upstream says in this field of a JSON answer, or of the last event of a stream of
    /// events that has it: a JSON pointer (RFC 6901). An answer without it counts nothing.
    ///
    /// The upstream is asked for answers that are neither encoded nor a part of something
    /// (`Accept-Encoding: identity`, no `Range`), whatever the client asks for. One that comes encoded all the
    /// same, or as anything but JSON or events (`application/json`, `+json`, `text/event-stream`), or that is
    /// no whole document, counts nothing and is
    /// [counted as such](crate::runtime::Committer::answers_unread); so does a text or number of more than
    /// 2,048 bytes.
    ResponseField(Pointer),
    /// What the publisher reports as usage events.
    #[default]
    Reports,
}

impl Source {
    /// Whether calls through the gateway are counted by it.
    #[must_use]
    pub fn is_of_calls(&self) -> bool {
        *self != Self::Reports
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

/// Which calls a meter counts.
///
/// Where it names statuses, those alone are counted, whatever the plan's metering policy says; else
/// the calls that the policy bills are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallFilter {
    /// Statuses of the upstream, such as `404` or `2xx`; empty for those that are billed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<StatusPattern>,
    /// Operations of the product, by their identifiers; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Slug>,
}

impl CallFilter {
    /// Whether calls of this operation are counted, as far as operations go.
    pub(crate) fn covers(&self, resource: Option<&Slug>) -> bool {
        self.resources.is_empty()
            || resource.is_some_and(|resource| self.resources.contains(resource))
    }

    /// Whether it names operations of a product that has these.
    ///
    /// # Errors
    /// A [`FieldError`] for one that is none of them, with those there are.
    pub(crate) fn check(&self, resources: &[Resource]) -> Result<(), FieldError> {
        let mut named = self.resources.iter().enumerate();
        named.try_for_each(|(place, named)| {
            Resource::known(resources, named, &format!("filter.resources[{place}]"))
        })
    }
}

/// A status, or all of its hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum StatusPattern {
    /// This one.
    Exactly(u16),
    /// All that begin with this digit.
    Class(u16),
}

impl StatusPattern {
    /// Whether `status` is meant.
    #[must_use]
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Exactly(this) => status == this,
            Self::Class(digit) => status / 100 == digit,
        }
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(status) => write!(out, "{status}"),
            Self::Class(digit) => write!(out, "{digit}xx"),
        }
    }
}

impl FromStr for StatusPattern {
    type Err = FieldError;

    /// # Errors
    /// A [`FieldError`] for anything but a status from 100 to 599, or `1xx` to `5xx`.
    fn from_str(text: &str) -> Result<Self, FieldError> {
        let digit = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
        let class = digit.filter(|digit| (1..=5).contains(digit) && text.len() == 3);
        let status = text.parse().ok().filter(|_| text.len() == 3);
        let exactly = status.filter(|status| (100..600).contains(status));
        class
            .map(Self::Class)
            .or(exactly.map(Self::Exactly))
            .ok_or_else(|| {
                let text: String = text.chars().take(16).collect();
                let problem =
                    format!("{text:?} is no status: allowed are 100 to 599 and 1xx to 5xx");
                FieldError::new("status", problem)
            })
    }
}

impl Serialize for StatusPattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusPattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let parsed: Result<Self, FieldError> = text.parse();
        parsed.map_err(|error| serde::de::Error::custom(error.problem()))
    }
}

/// The name of a header, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderText(http::HeaderName);

impl HeaderText {
    /// As the header it is the name of.
    #[must_use]
    pub fn name(&self) -> &http::HeaderName {
        &self.0
    }
}

impl TryFrom<String> for HeaderText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = http::HeaderName::from_bytes(text.as_bytes());
        let short = name.ok().filter(|name| name.as_str().len() <= 64);
        short.map(Self).ok_or_else(|| {
            let text: String = text.chars().take(32).collect();
            format!("{text:?} is no name of a header: allowed are up to 64 letters, digits and -")
        })
    }
}

impl From<HeaderText> for String {
    fn from(header: HeaderText) -> Self {
        header.0.as_str().to_owned()
    }
}

/// Where in a JSON document a value stands: a pointer as of RFC 6901, such as `/usage/total_tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer(String);

impl Pointer {
    /// The pointer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of fields and places in arrays on its way, as they are and not as they are written.
    pub fn steps(&self) -> impl Iterator<Item = String> {
        let steps = self.0.split('/').skip(1);
        steps.map(|step| step.replace("~1", "/").replace("~0", "~"))
    }
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') && text.len() <= 256 {
            return Ok(Self(text));
        }
        let text: String = text.chars().take(32).collect();
        Err(format!(
            "{text:?} is no JSON pointer: allowed is / with the name of a field, at most 256 bytes"
        ))
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.0
    }
}

/// A meter as somebody writes it: what is left out is the default.
///
/// Unknown fields are refused.
///
/// ```
/// use monetization_core::product::{Aggregation, MeterDraft, Source, Unit};
///
/// let tokens: MeterDraft = serde_json::from_str(
///     r#"{"name": "tokens", "unit": "tokens", "source": {"response_header": "x-tokens"}}"#,
/// )?;
/// assert_eq!((tokens.unit, tokens.aggregation), (Unit::Tokens, Aggregation::Sum));
/// let seats: MeterDraft = serde_json::from_str(r#"{"name": "seats", "aggregation": "max"}"#)?;
/// assert_eq!(seats.source, Source::Reports);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeterDraft {
    /// Its name, unique in the product.
    pub name: Slug,
    /// What one of it is: `requests`, `bytes`, `events` (if nothing is said), `tokens` or `amount`.
    #[serde(default = "events")]
    pub unit: Unit,
    /// Decimals of its quantities, 0 to 6.
    #[serde(default)]
    pub decimals: Scale,
    /// What it counts; what is reported if nothing is said.
    #[serde(default)]
    pub source: Source,
    /// How it is added up.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// Which calls it counts.
    #[serde(default)]
    pub filter: CallFilter,
}

fn events() -> Unit {
    Unit::Events
}

impl MeterDraft {
    /// A meter of reported events.
    #[must_use]
    pub fn new(name: Slug) -> Self {
        Self {
            name,
            unit: Unit::Events,
            decimals: Scale::WHOLE,
            source: Source::Reports,
            aggregation: Aggregation::Sum,
            filter: CallFilter::default(),
        }
    }

    /// The meters of a product: that of calls and those that are drafted, each under an id of its own. The
    /// drafts stand at `meters`.
    ///
    /// # Errors
    /// A [`FieldError`] for the first draft that makes no sense, and for too many.
    pub fn check_all(
        drafts: Vec<Self>,
        resources: &[Resource],
        mut id: impl FnMut(&str) -> MeterId,
    ) -> Result<Vec<Meter>, FieldError> {
        if drafts.len() >= Product::METERS_MAX {
            let problem = format!("too many: allowed are {}", Product::METERS_MAX - 1);
            return Err(FieldError::new("meters", problem));
        }
        let requests = Meter::requests(id(Meter::REQUESTS));
        let mut meters = vec![requests.map_err(|error| FieldError::new("meters", error))?];
        for (place, draft) in drafts.into_iter().enumerate() {
            let id = id(draft.name.as_str());
            let meter = draft.check_beside(&meters, Some(resources), id);
            meters.push(meter.map_err(|error| error.within(&format!("meters[{place}]")))?);
        }
        Ok(meters)
    }

    /// The meter, checked, under this id, beside those that its product has already. Operations are looked at
    /// where the product's are known.
    pub(crate) fn check_beside(
        self,
        meters: &[Meter],
        resources: Option<&[Resource]>,
        id: MeterId,
    ) -> Result<Meter, FieldError> {
        if meters.iter().any(|meter| meter.name == self.name) {
            let problem = format!(
                "{:?} is there already: allowed is a name of its own",
                self.name
            );
            return Err(FieldError::new("name", problem));
        }
        if let Some(resources) = resources {
            self.filter.check(resources)?;
        }
        self.check(id)
    }

    /// The meter, checked, under this id.
    ///
    /// # Errors
    /// A [`FieldError`] for what cannot go together.
    pub fn check(self, id: MeterId) -> Result<Meter, FieldError> {
        let refuse = |field: &str, problem: &str| Err(FieldError::new(field, problem));
        let counts_ones = matches!(self.source, Source::Calls)
            || matches!(self.aggregation, Aggregation::Count | Aggregation::Unique);
        if counts_ones && self.decimals != Scale::WHOLE {
            return refuse(
                "decimals",
                "what is counted one by one has none: leave it out",
            );
        }
        if self.source == Source::Reports && self.filter != CallFilter::default() {
            let problem = "only calls have a status and a resource: leave it out, or count calls";
            return refuse("filter", problem);
        }
        let has_text = matches!(
            self.source,
            Source::ResponseHeader(_) | Source::ResponseField(_) | Source::Reports
        );
        match self.aggregation {
            Aggregation::Unique if !has_text => refuse(
                "aggregation",
                "unique needs values: count reports, a response_header or a response_field",
            ),
            Aggregation::Max | Aggregation::Last if self.source == Source::Calls => refuse(
                "aggregation",
                "every call is one: allowed are sum and count",
            ),
            _ => Ok(Meter {
                id,
                name: self.name,
                unit: self.unit,
                scale: self.decimals,
                source: self.source,
                aggregation: self.aggregation,
                filter: self.filter,
            }),
        }
    }
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

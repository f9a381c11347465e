//! A meter as somebody writes it, and what makes it right.

use serde::{Deserialize, Serialize};

use super::{Aggregation, CallFilter, Meter, Source, Unit};
use crate::field::FieldError;
use crate::ids::MeterId;
use crate::money::Scale;
use crate::product::{Product, Resource};
use crate::text::Slug;

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

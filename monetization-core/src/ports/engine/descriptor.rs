use std::collections::BTreeMap;
use std::time::Duration;

use crate::field::FieldError;
use crate::money::Quantity;
use crate::period::Alignment;
use crate::plan::{Commitment, PlanTerms, Price, UsagePrice};
use crate::text::Slug;

/// What an engine is and what it needs, as data: flows obey it without asking which engine it is.
///
/// ```
/// use std::collections::BTreeMap;
/// use monetization_core::engine::Attribute;
///
/// let mut descriptor = monetization_core::engine::none().descriptor;
/// descriptor.attributes.push(Attribute {
///     name: "tax_code".to_owned(),
///     label: "Tax code".to_owned(),
///     required: true,
///     description: "what the provider taxes it as".to_owned(),
///     default: None,
/// });
/// let error = descriptor.check_attributes(&BTreeMap::new()).unwrap_err();
/// assert_eq!(error.field(), "attributes.tax_code");
///
/// let given = BTreeMap::from([("tax_code".to_owned(), "txcd_1".to_owned())]);
/// assert_eq!(descriptor.check_attributes(&given)?, given);
/// # Ok::<(), monetization_core::field::FieldError>(())
/// ```
#[derive(Debug, Clone)]
pub struct EngineDescriptor {
    /// Its id, by which a configuration chooses it: `mock`, `stripe`, `none`.
    pub id: Slug,
    /// The version of the provider's interface it speaks, for people.
    pub api_version: String,
    /// What it has to know of a product that is sold through it.
    pub attributes: Vec<Attribute>,
    /// What it can take.
    pub limits: EngineLimits,
    /// Which prices it can invoice by itself.
    pub shapes: PriceShapes,
}

impl EngineDescriptor {
    /// Checks what was given against what it needs, and fills in defaults.
    ///
    /// # Errors
    /// A [`FieldError`] naming the attribute that is missing, or one it does not know.
    pub fn check_attributes(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, FieldError> {
        let known = |name: &str| {
            self.attributes
                .iter()
                .any(|attribute| attribute.name == name)
        };
        if let Some(unknown) = given.keys().find(|name| !known(name)) {
            let names: Vec<&str> = self
                .attributes
                .iter()
                .map(|known| known.name.as_str())
                .collect();
            let problem = match names.as_slice() {
                [] => format!("engine {} takes no attributes", self.id),
                names => format!(
                    "engine {} does not know it: allowed are {}",
                    self.id,
                    names.join(", ")
                ),
            };
            return Err(FieldError::new(format!("attributes.{unknown}"), problem));
        }
        let mut checked = BTreeMap::new();
        for attribute in &self.attributes {
            let value = given.get(&attribute.name).or(attribute.default.as_ref());
            match value.filter(|value| !value.is_empty()) {
                Some(value) => {
                    checked.insert(attribute.name.clone(), value.clone());
                }
                None if attribute.required => {
                    let problem = format!("engine {} needs it: {}", self.id, attribute.description);
                    return Err(FieldError::new(
                        format!("attributes.{}", attribute.name),
                        problem,
                    ));
                }
                None => {}
            }
        }
        Ok(checked)
    }
}

/// One thing an engine has to know of a product (WSO2's `additional_attributes`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Attribute {
    /// Its name in JSON.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// Whether a product cannot be sold without it.
    pub required: bool,
    /// What it is, for people.
    pub description: String,
    /// What holds where it is left out.
    pub default: Option<String>,
}

/// What an engine can take.
///
/// Publishing sends no batch again that was first sent longer ago than `deduplicates_for` less an
/// hour, and none whose time of use is older than `age_max`: the first becomes unknown, the second
/// is parked, unless it may have been sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineLimits {
    /// For how long it recognises a usage record that it has had before.
    pub deduplicates_for: Duration,
    /// For how long after it was sent a usage record can be taken back; `None` where it cannot. Flows go by
    /// whether it can, and leave it to the engine to say that it is too late; the engine suite holds it to
    /// the time.
    pub withdraws_for: Option<Duration>,
    /// How long after it took a usage record its summaries may still leave it out.
    pub counts_within: Duration,
    /// How old the time of use may be.
    pub age_max: Duration,
    /// How far ahead the time of use may be.
    pub ahead_max: Duration,
    /// Usage records of one call.
    pub batch_max: usize,
    /// How long after a period's end it still takes use of that period.
    pub grace: Duration,
}

/// Which prices an engine can invoice by itself.
///
/// They are asked where the engine invoices; what core invoices is a list of lines and amounts,
/// which every engine that issues invoices can take.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a promise of its own"
)]
pub struct PriceShapes {
    /// A base price each period.
    pub base: bool,
    /// A fee once.
    pub setup: bool,
    /// A price for each unit.
    pub per_unit: bool,
    /// Units each period that cost nothing.
    pub included: bool,
    /// Each unit at the price of its tier.
    pub graduated: bool,
    /// All units at the price of the last one's tier.
    pub volume: bool,
    /// One price for the step of the last unit.
    pub stairstep: bool,
    /// One price for each package, in tiers too.
    pub package: bool,
    /// What use costs at least and at most.
    pub commitment: bool,
    /// A time at the beginning for which nothing is charged.
    pub trial: bool,
    /// Periods that begin with days of the calendar or of a time zone, and a share of the base price for
    /// a first one that is short.
    pub calendar: bool,
    /// What none of these words says: amounts, bounds and ways of rounding that it lacks, and what does
    /// not go together. It is asked last, and names the part as [`check`](Self::check) does.
    pub further: fn(&PlanTerms) -> Result<(), FieldError>,
}

impl PriceShapes {
    /// Checks that the engine can invoice these terms by itself.
    ///
    /// # Errors
    /// A [`FieldError`] naming the part of the terms it cannot express.
    pub fn check(&self, terms: &PlanTerms) -> Result<(), FieldError> {
        let any = |wanted: fn(&UsagePrice) -> bool| terms.usage().iter().any(wanted);
        let is = |model: &str| {
            terms
                .usage()
                .iter()
                .any(|usage| usage.price.model() == model)
        };
        let commitment = terms.commitment() != Commitment::default()
            || any(|usage| usage.commitment != Commitment::default());
        let included = any(|usage| usage.included != Quantity::ZERO);
        let demands = [
            ("base_price", !terms.base_price().is_zero(), self.base),
            ("setup_fee", !terms.setup_fee().is_zero(), self.setup),
            ("trial", terms.trial().is_some(), self.trial),
            ("usage.unit_price", is("per_unit"), self.per_unit),
            ("usage.included", included, self.included),
            ("usage.graduated", is("graduated"), self.graduated),
            ("usage.volume", is("volume"), self.volume),
            ("usage.stairstep", is("stairstep"), self.stairstep),
            ("usage.package", any(sells_packages), self.package),
            ("commitment", commitment, self.commitment),
            // Sums that engines are told grow by what was used; these do not.
            ("usage.percentage", is("percentage"), false),
            ("usage.meter", any(|usage| usage.meter.keeps_last()), false),
            (
                "alignment",
                terms.alignment() != Alignment::Start,
                self.calendar,
            ),
        ];
        match demands
            .into_iter()
            .find(|(_, demanded, offered)| *demanded && !offered)
        {
            Some((field, ..)) => {
                let problem = "the engine cannot invoice this by itself: leave it out, or let core make the invoices";
                Err(FieldError::new(field, problem))
            }
            None => (self.further)(terms),
        }
    }
}

fn sells_packages(usage: &UsagePrice) -> bool {
    match &usage.price {
        Price::Package { .. } => true,
        Price::Graduated { tiers } | Price::Volume { tiers } => {
            tiers.iter().any(|tier| tier.package.is_some())
        }
        Price::PerUnit { .. } | Price::Stairstep { .. } | Price::Percentage(_) => false,
    }
}

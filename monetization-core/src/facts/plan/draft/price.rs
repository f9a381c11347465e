//! The price of a meter as somebody writes it, and what makes it right.

use serde::{Deserialize, Serialize};

use super::PercentageDraft;
use crate::field::FieldError;
use crate::money::{Currency, Money, Quantity, Scale, UnitPrice};
use crate::plan::{
    Commitment, Overage, PartialPackage, Price, ShortPeriod, Step, Tier, UsagePrice, ZeroUse,
};
use crate::product::Meter;
use crate::text::Slug;

/// What the use of one meter costs, as somebody writes it. Exactly one of the prices is given:
/// `unit_price`, `graduated`, `volume`, `stairstep`, `package` or `percentage`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageDraft {
    /// Name of the product's meter.
    pub meter: Slug,
    /// The price of one unit, in major units, such as `"0.0001"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<UnitPrice>,
    /// Each unit costs what its tier costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graduated: Option<Vec<TierDraft>>,
    /// All units cost what the tier of the last one costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Vec<TierDraft>>,
    /// One price for the step of the last unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stairstep: Option<Vec<StepDraft>>,
    /// One price for each package of units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageDraft>,
    /// A share of what each transaction comes to; of meters in the unit `amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentage: Option<PercentageDraft>,
    /// Units of each period that the base price pays for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included: Option<String>,
    /// What happens beyond them: loose if nothing is said, strict only where there are any.
    #[serde(default = "loose")]
    pub overage: Overage,
    /// Whether the flat fee of the first tier is due without use.
    #[serde(default)]
    pub zero_use: ZeroUse,
    /// What the use of a period costs at least and at most.
    #[serde(default)]
    pub commitment: CommitmentDraft,
}

/// Units up to a bound and what they cost, as somebody writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierDraft {
    /// The last quantity that belongs to it; left out in the last tier, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<String>,
    /// What one unit costs, or one package, in major units; nothing where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<UnitPrice>,
    /// What entering it costs, in major units; nothing where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flat: Option<UnitPrice>,
    /// Units of a package, each begun one charged whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

/// Units up to a bound and what they cost together, as somebody writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDraft {
    /// The last quantity that belongs to it; left out in the last step, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<String>,
    /// What any quantity of it costs, in major units.
    pub price: UnitPrice,
}

/// Units that are sold together, as somebody writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageDraft {
    /// How many units; more than none.
    pub size: String,
    /// What they cost, in major units.
    pub price: UnitPrice,
    /// What becomes of a package that is not full.
    #[serde(default)]
    pub partial: PartialPackage,
}

/// What use costs at least and at most, as somebody writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommitmentDraft {
    /// What is paid even for less use, in major units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<String>,
    /// What is paid even for more use, in major units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<String>,
    /// What becomes of both where the period ends early.
    pub short_period: ShortPeriod,
}

fn loose() -> Overage {
    Overage::Loose
}

impl UsageDraft {
    /// Tiers or steps that a price may have.
    pub const TIERS_MAX: usize = 100;

    /// Each unit of this meter at this price, none included.
    #[must_use]
    pub fn per_unit(meter: Slug, unit_price: UnitPrice) -> Self {
        Self {
            meter,
            unit_price: Some(unit_price),
            graduated: None,
            volume: None,
            stairstep: None,
            package: None,
            percentage: None,
            included: None,
            overage: loose(),
            zero_use: ZeroUse::default(),
            commitment: CommitmentDraft::default(),
        }
    }

    /// The price, checked; `path` is where it stands in what was written.
    pub(super) fn check(
        &self,
        path: &str,
        meter: &Meter,
        currency: Currency,
    ) -> Result<UsagePrice, FieldError> {
        let included = match &self.included {
            Some(text) => quantity(&format!("{path}.included"), text, meter.scale)?,
            None => Quantity::ZERO,
        };
        if self.overage == Overage::Strict && included == Quantity::ZERO {
            let problem =
                "without included units it would refuse every call: leave it out, or say included";
            return Err(FieldError::new(format!("{path}.overage"), problem));
        }
        let commitment = self
            .commitment
            .check(&format!("{path}.commitment"), currency)?;
        Ok(UsagePrice {
            meter: meter.clone(),
            price: self.price(path, meter, included)?,
            included,
            overage: self.overage,
            zero_use: self.zero_use,
            commitment,
        })
    }

    fn price(&self, path: &str, meter: &Meter, included: Quantity) -> Result<Price, FieldError> {
        let scale = meter.scale;
        let per_unit = self
            .unit_price
            .map(|unit_price| Ok(Price::PerUnit { unit_price }));
        let tiers = |name: &str, drafts: &[TierDraft]| {
            let path = format!("{path}.{name}");
            let bounds = drafts.iter().map(|draft| draft.up_to.as_deref());
            let bounds = bounds_of(&path, bounds.collect(), scale)?;
            let tiers = drafts.iter().zip(bounds).enumerate();
            tiers
                .map(|(place, (draft, up_to))| {
                    draft.check(&format!("{path}[{place}]"), up_to, scale)
                })
                .collect::<Result<Vec<Tier>, FieldError>>()
        };
        let graduated = self
            .graduated
            .as_ref()
            .map(|drafts| tiers("graduated", drafts).map(|tiers| Price::Graduated { tiers }));
        let volume = self
            .volume
            .as_ref()
            .map(|drafts| tiers("volume", drafts).map(|tiers| Price::Volume { tiers }));
        let stairstep = self.stairstep.as_ref().map(|drafts| {
            let bounds = drafts.iter().map(|draft| draft.up_to.as_deref());
            let bounds = bounds_of(&format!("{path}.stairstep"), bounds.collect(), scale)?;
            let steps = drafts.iter().zip(bounds).map(|(draft, up_to)| Step {
                up_to,
                price: draft.price,
            });
            Ok(Price::Stairstep {
                steps: steps.collect(),
            })
        });
        let package = self.package.as_ref().map(|draft| {
            Ok(Price::Package {
                size: size(&format!("{path}.package.size"), &draft.size, scale)?,
                price: draft.price,
                partial: draft.partial,
            })
        });
        let percentage = self.percentage.as_ref().map(|draft| {
            if included > Quantity::ZERO {
                let problem = "of a percentage transactions are free, not amounts: leave it out, and say free_events";
                return Err(FieldError::new(format!("{path}.included"), problem));
            }
            let percentage = draft.check(&format!("{path}.percentage"), meter)?;
            Ok(Price::Percentage(percentage))
        });
        let mut given = [per_unit, graduated, volume, stairstep, package, percentage]
            .into_iter()
            .flatten();
        match (given.next(), given.next()) {
            (Some(price), None) => price,
            (first, _) => {
                let count = if first.is_some() {
                    "two prices"
                } else {
                    "no price"
                };
                let problem = format!(
                    "there are {count}: allowed is one of unit_price, graduated, volume, stairstep, package, percentage"
                );
                Err(FieldError::new(path, problem))
            }
        }
    }
}

/// As somebody would write it.
impl From<&UsagePrice> for UsageDraft {
    fn from(usage: &UsagePrice) -> Self {
        let scale = usage.meter.scale;
        let bound = |up_to: Option<Quantity>| up_to.map(|up_to| scale.render(up_to));
        let tiers = |tiers: &[Tier]| {
            let tiers = tiers.iter().map(|tier| TierDraft {
                up_to: bound(tier.up_to),
                unit_price: Some(tier.unit_price),
                flat: Some(tier.flat),
                package: tier.package.map(|size| scale.render(size)),
            });
            Some(tiers.collect())
        };
        let mut draft = Self {
            unit_price: None,
            included: Some(scale.render(usage.included)),
            overage: usage.overage,
            zero_use: usage.zero_use,
            commitment: CommitmentDraft::from(&usage.commitment),
            ..Self::per_unit(usage.meter.name.clone(), UnitPrice::ZERO)
        };
        match &usage.price {
            Price::PerUnit { unit_price } => draft.unit_price = Some(*unit_price),
            Price::Graduated { tiers: all } => draft.graduated = tiers(all),
            Price::Volume { tiers: all } => draft.volume = tiers(all),
            Price::Stairstep { steps } => {
                let steps = steps.iter().map(|step| StepDraft {
                    up_to: bound(step.up_to),
                    price: step.price,
                });
                draft.stairstep = Some(steps.collect());
            }
            Price::Package {
                size,
                price,
                partial,
            } => {
                draft.package = Some(PackageDraft {
                    size: scale.render(*size),
                    price: *price,
                    partial: *partial,
                });
            }
            Price::Percentage(percentage) => {
                draft.percentage = Some(PercentageDraft {
                    rate: percentage.rate,
                    fee: Some(percentage.fee),
                    minimum: percentage.minimum,
                    maximum: percentage.maximum,
                    free_events: percentage.free_events,
                });
            }
        }
        draft
    }
}

impl From<&Commitment> for CommitmentDraft {
    fn from(commitment: &Commitment) -> Self {
        Self {
            minimum: commitment.minimum.map(Money::amount),
            maximum: commitment.maximum.map(Money::amount),
            short_period: commitment.short_period,
        }
    }
}

impl TierDraft {
    fn check(&self, path: &str, up_to: Option<Quantity>, scale: Scale) -> Result<Tier, FieldError> {
        if self.unit_price.is_none() && self.flat.is_none() {
            let problem = "the tier has no price: allowed are unit_price, flat or both; a tier that is free has unit_price \"0\"";
            return Err(FieldError::new(path, problem));
        }
        let package = match &self.package {
            Some(text) => Some(size(&format!("{path}.package"), text, scale)?),
            None => None,
        };
        Ok(Tier {
            up_to,
            unit_price: self.unit_price.unwrap_or(UnitPrice::ZERO),
            flat: self.flat.unwrap_or(UnitPrice::ZERO),
            package,
        })
    }
}

impl CommitmentDraft {
    pub(super) fn check(&self, path: &str, currency: Currency) -> Result<Commitment, FieldError> {
        let amount = |name: &str, text: &Option<String>| {
            let parsed = text.as_ref().map(|text| Money::parse(text, currency));
            let parsed = parsed.transpose();
            parsed.map_err(|error| FieldError::new(format!("{path}.{name}"), error))
        };
        let minimum = amount("minimum", &self.minimum)?;
        let maximum = amount("maximum", &self.maximum)?;
        if let (Some(minimum), Some(maximum)) = (minimum, maximum)
            && maximum.minor() < minimum.minor()
        {
            let problem =
                format!("{maximum} is less than the minimum: allowed is {minimum} or more");
            return Err(FieldError::new(format!("{path}.maximum"), problem));
        }
        Ok(Commitment {
            minimum,
            maximum,
            short_period: self.short_period,
        })
    }
}

/// The bounds of tiers: each above the one before it, and none in the last.
fn bounds_of(
    path: &str,
    texts: Vec<Option<&str>>,
    scale: Scale,
) -> Result<Vec<Option<Quantity>>, FieldError> {
    let count = texts.len();
    if count == 0 || count > UsageDraft::TIERS_MAX {
        let problem = format!(
            "{count} are given: allowed are 1 to {}",
            UsageDraft::TIERS_MAX
        );
        return Err(FieldError::new(path, problem));
    }
    let mut bounds = Vec::with_capacity(count);
    let mut floor = Quantity::ZERO;
    for (place, text) in texts.into_iter().enumerate() {
        let field = format!("{path}[{place}].up_to");
        let is_last = place.saturating_add(1) == count;
        let bound = match (text, is_last) {
            (Some(text), false) => Some(quantity(&field, text, scale)?),
            (None, true) => None,
            (Some(_), true) => {
                let problem =
                    "the last one has no bound, so that every quantity has a price: leave it out";
                return Err(FieldError::new(field, problem));
            }
            (None, false) => {
                let problem = "a bound is missing: only the last one has none";
                return Err(FieldError::new(field, problem));
            }
        };
        if let Some(bound) = bound {
            if bound <= floor {
                let problem = format!(
                    "{} is not above {}: bounds rise from one to the next",
                    scale.render(bound),
                    scale.render(floor)
                );
                return Err(FieldError::new(field, problem));
            }
            floor = bound;
        }
        bounds.push(bound);
    }
    Ok(bounds)
}

fn quantity(field: &str, text: &str, scale: Scale) -> Result<Quantity, FieldError> {
    scale
        .parse(text)
        .map_err(|error| FieldError::new(field, error))
}

/// How many units a package has.
fn size(field: &str, text: &str, scale: Scale) -> Result<Quantity, FieldError> {
    match quantity(field, text, scale)? {
        Quantity::ZERO => {
            let problem = "a package of nothing cannot be sold: allowed is more than 0";
            Err(FieldError::new(field, problem))
        }
        size => Ok(size),
    }
}

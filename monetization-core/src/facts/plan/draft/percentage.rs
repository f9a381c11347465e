//! A percentage of amounts as somebody writes it, and what makes it right.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::field::FieldError;
use crate::money::UnitPrice;
use crate::plan::Percentage;
use crate::product::{Aggregation, Meter, Unit};

/// A share of what each transaction comes to, as somebody writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PercentageDraft {
    /// Of a hundred, such as `"2.9"`; at most 10 decimals.
    pub rate: UnitPrice,
    /// What each transaction costs besides, in major units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<UnitPrice>,
    /// What each transaction costs at least, its fee counted, in major units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<UnitPrice>,
    /// What each transaction costs at most, its fee counted, in major units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<UnitPrice>,
    /// How many transactions of each period cost nothing: those that are recorded first.
    #[serde(default)]
    pub free_events: u32,
}

impl PercentageDraft {
    pub(super) fn check(&self, path: &str, meter: &Meter) -> Result<Percentage, FieldError> {
        let refuse =
            |field: &str, problem: String| Err(FieldError::new(format!("{path}.{field}"), problem));
        if meter.unit != Unit::Amount || meter.aggregation != Aggregation::Sum {
            let problem = "a percentage is of amounts: allowed are meters in the unit amount that are summed up";
            return Err(FieldError::new(path, problem));
        }
        let most = Decimal::from(Percentage::RATE_MAX);
        if self.rate.decimal() > most {
            let problem = format!("{} is too much: allowed is {most}", self.rate);
            return refuse("rate", problem);
        }
        let finest = u32::from(Percentage::SCALE.decimals());
        // Of a hundred, of an amount with decimals of its own.
        let of_amount = u32::from(meter.scale.decimals()).saturating_add(2);
        let bounds = [
            ("rate", Some(self.rate), finest.saturating_sub(of_amount)),
            ("fee", self.fee, finest),
            ("minimum", self.minimum, finest),
            ("maximum", self.maximum, finest),
        ];
        for (field, price, allowed) in bounds {
            if price.is_some_and(|price| price.decimal().normalize().scale() > allowed) {
                let problem = format!(
                    "it has too many decimals: allowed are {allowed}, for amounts with {}",
                    meter.scale.decimals()
                );
                return refuse(field, problem);
            }
        }
        if let (Some(minimum), Some(maximum)) = (self.minimum, self.maximum)
            && maximum.decimal() < minimum.decimal()
        {
            let problem =
                format!("{maximum} is less than the minimum: allowed is {minimum} or more");
            return refuse("maximum", problem);
        }
        Ok(Percentage {
            rate: self.rate,
            fee: self.fee.unwrap_or(UnitPrice::ZERO),
            minimum: self.minimum,
            maximum: self.maximum,
            free_events: self.free_events,
        })
    }
}

//! Quantities on the command line.

use std::num::NonZeroU64;

use monetization_core::estimate::{Asked, Range, Usage};
use monetization_core::field::FieldError;
use monetization_core::money::{Quantity, Scale};
use monetization_core::product::{Meter, Unit};

/// Reads `METER=QUANTITY` or `METER=AMOUNT/TRANSACTIONS`, as often as it is given.
pub(super) fn used(texts: &[String], meters: &[Meter]) -> Result<Usage, FieldError> {
    let mut used = Usage::new();
    for text in texts {
        let (meter, quantity) = assigned("--usage", text, meters, "METER=QUANTITY")?;
        let (quantity, count) = match quantity.split_once('/') {
            Some((amount, count)) => (amount, Some(count)),
            None => (quantity, None),
        };
        let asked = Asked {
            quantity: parsed("--usage", quantity, meter)?,
            transactions: count
                .map(|count| transactions("--usage", count, meter))
                .transpose()?,
        };
        if used.insert(meter.id, asked).is_some() {
            let problem = format!("{} is given twice: allowed is once", meter.name);
            return Err(FieldError::new("--usage", problem));
        }
    }
    Ok(used)
}

/// Reads `METER=FROM..TO`.
pub(super) fn range<'a>(text: &str, meters: &'a [Meter]) -> Result<(&'a Meter, Range), FieldError> {
    let form = "METER=FROM..TO";
    let (meter, quantities) = assigned("--range", text, meters, form)?;
    let Some((from, to)) = quantities.split_once("..") else {
        return Err(no_such_form("--range", text, form));
    };
    let range = Range {
        meter: meter.id,
        from: parsed("--range", from, meter)?,
        to: parsed("--range", to, meter)?,
    };
    Ok((meter, range))
}

fn assigned<'a, 't>(
    option: &str,
    text: &'t str,
    meters: &'a [Meter],
    form: &str,
) -> Result<(&'a Meter, &'t str), FieldError> {
    let Some((name, quantity)) = text.split_once('=') else {
        return Err(no_such_form(option, text, form));
    };
    Ok((meter(option, name, meters)?, quantity))
}

/// The meter of this name.
pub(crate) fn meter<'a>(
    field: &str,
    name: &str,
    meters: &'a [Meter],
) -> Result<&'a Meter, FieldError> {
    let found = meters.iter().find(|meter| meter.name.as_str() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = meters.iter().map(|meter| meter.name.as_str()).collect();
        let name: String = name.chars().take(64).collect();
        let problem = format!("{name:?} is no meter: allowed are {}", names.join(", "));
        FieldError::new(field, problem)
    })
}

/// A quantity of a meter.
pub(crate) fn parsed(field: &str, text: &str, meter: &Meter) -> Result<Quantity, FieldError> {
    let quantity = meter.scale.parse(text);
    quantity.map_err(|error| FieldError::new(field, format!("{}: {error}", meter.name)))
}

/// In how many transactions an amount is made.
pub(crate) fn transactions(
    field: &str,
    text: &str,
    meter: &Meter,
) -> Result<NonZeroU64, FieldError> {
    if meter.unit != Unit::Amount {
        let problem = format!(
            "{}: only amounts are made in transactions: allowed is a quantity alone",
            meter.name
        );
        return Err(FieldError::new(field, problem));
    }
    let whole = Scale::WHOLE.parse(text).ok();
    let count = whole.and_then(|count| u64::try_from(count.scaled()).ok());
    count.and_then(NonZeroU64::new).ok_or_else(|| {
        let text: String = text.chars().take(64).collect();
        let problem = format!(
            "{}: {text:?} is no number of transactions: allowed is 1 to {}",
            meter.name,
            Quantity::REPORTED_MAX.scaled()
        );
        FieldError::new(field, problem)
    })
}

fn no_such_form(option: &str, text: &str, form: &str) -> FieldError {
    let text: String = text.chars().take(64).collect();
    FieldError::new(
        option,
        format!("{text:?} is not understood: allowed is {form}"),
    )
}

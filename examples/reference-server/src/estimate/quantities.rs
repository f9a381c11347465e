//! Quantities on the command line.

use monetization_core::estimate::Range;
use monetization_core::field::FieldError;
use monetization_core::money::Quantity;
use monetization_core::product::Meter;
use monetization_core::rating::Used;

/// Reads `METER=QUANTITY`, as often as it is given.
pub(super) fn used(texts: &[String], meters: &[Meter]) -> Result<Used, FieldError> {
    let mut used = Used::new();
    for text in texts {
        let (meter, quantity) = assigned("--usage", text, meters, "METER=QUANTITY")?;
        let quantity = parsed("--usage", quantity, meter)?;
        if used.insert(meter.id, quantity).is_some() {
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

fn no_such_form(option: &str, text: &str, form: &str) -> FieldError {
    let text: String = text.chars().take(64).collect();
    FieldError::new(
        option,
        format!("{text:?} is not understood: allowed is {form}"),
    )
}

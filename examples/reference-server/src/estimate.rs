//! The command `estimate`: what use would cost under a plan of a file, and why.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use monetization_core::clock::{Span, Timestamp};
use monetization_core::estimate::{
    EstimateError, Question, Range, compare as compare_terms, estimate as estimate_terms,
};
use monetization_core::field::FieldError;
use monetization_core::money::Currency;
use monetization_core::plan::{PlanTerms, UsagePrice};
use monetization_core::plan_file::{FilePlan, PlanFile};
use monetization_core::product::Meter;

use crate::cli::EstimateArgs;
use crate::plan_choice::{PlanChoice, PlanChoiceError};
use comparison::Compared;

pub(crate) use document::{Estimated, document};
pub(crate) use quantities::{meter, parsed, transactions};

mod comparison;
mod document;
mod quantities;
mod table;

#[cfg(test)]
mod tests;

/// Why nothing could be estimated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EstimateCommandError {
    /// There is no such plan.
    #[error(transparent)]
    Plan(#[from] PlanChoiceError),
    /// An option makes no sense.
    #[error(transparent)]
    Option(#[from] FieldError),
    /// An amount does not fit, or the plans cannot be compared.
    #[error(transparent)]
    Estimate(#[from] EstimateError),
    /// The chart cannot be written.
    #[error("failed to write {}", path.display())]
    Chart {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nothing can be printed.
    #[error("failed to talk to the operating system")]
    System(#[from] io::Error),
}

/// Estimates what is asked, and tells `out`.
///
/// # Errors
/// [`EstimateCommandError`].
pub fn estimate(args: &EstimateArgs, mut out: impl Write) -> Result<(), EstimateCommandError> {
    if let Some(path) = &args.svg {
        may_write(path).map_err(|source| chart_failed(path, source))?;
    }
    let currency = args.currency.as_deref().map(parse_currency).transpose()?;
    let choice = PlanChoice::new(&args.plan);
    let file = choice.file()?;
    let plan = choice.plan(&file, currency)?;
    match &args.compare {
        None => {
            let used = quantities::used(&args.usage, file.meters())?;
            let span = span("--", args.from.as_deref(), args.to.as_deref())?;
            let question = Question {
                terms: &plan.terms,
                used: &used,
                span,
            };
            let estimate = estimate_terms(&question).map_err(told)?;
            let estimated = Estimated {
                name: Some(&plan.draft.name),
                terms: &plan.terms,
                meters: file.meters(),
                used: &used,
                span,
                estimate: &estimate,
            };
            if args.json {
                writeln!(out, "{}", document(&estimated))?;
            } else {
                table::tell(&estimated, &mut out)?;
            }
            Ok(())
        }
        Some(other) => {
            let choice = PlanChoice::new(other);
            let other_file = choice.file()?;
            let other = choice.plan(&other_file, currency)?;
            let meters = all_meters(&file, &other_file)?;
            compare(args, (plan, other), &meters, out)
        }
    }
}

fn compare(
    args: &EstimateArgs,
    (first, second): (&FilePlan, &FilePlan),
    meters: &[Meter],
    mut out: impl Write,
) -> Result<(), EstimateCommandError> {
    let used = quantities::used(&args.usage, meters)?;
    let pair = (&first.terms, &second.terms);
    let (meter, range) = match &args.range {
        Some(text) => quantities::range(text, meters)?,
        None => {
            let meter = ranged(pair, meters)?;
            (
                meter,
                Range::of_interest(pair, &used, meter.id).map_err(told)?,
            )
        }
    };
    if used.contains_key(&meter.id) {
        let problem = format!(
            "{} is what the range runs over: leave it out, or say --range {}=FROM..TO",
            meter.name, meter.name
        );
        return Err(FieldError::new("--usage", problem).into());
    }
    let comparison = compare_terms(pair, &used, range).map_err(told)?;
    let compared = Compared {
        names: (first.draft.name.as_str(), second.draft.name.as_str()),
        terms: pair,
        meter,
        comparison: &comparison,
    };
    if let Some(path) = &args.svg {
        let written = fs::write(path, compared.chart().svg());
        written.map_err(|source| chart_failed(path, source))?;
    }
    if args.json {
        writeln!(out, "{}", compared.document())?;
    } else {
        compared.tell(&mut out)?;
    }
    Ok(())
}

/// Whether a file can be written: it stays as it is until there is a chart.
fn may_write(path: &Path) -> io::Result<()> {
    let is_there = path.try_exists()?;
    File::options().append(true).create(true).open(path)?;
    if is_there {
        return Ok(());
    }
    fs::remove_file(path)
}

fn chart_failed(path: &Path, source: io::Error) -> EstimateCommandError {
    EstimateCommandError::Chart {
        path: path.to_owned(),
        source,
    }
}

/// An error of core by the option that it is about.
fn told(error: EstimateError) -> EstimateCommandError {
    match error {
        EstimateError::Question(error) => {
            FieldError::new(format!("--{}", error.field()), error.problem()).into()
        }
        EstimateError::Transactions { ref meter } => {
            let problem = format!("{error}: allowed is {meter}=AMOUNT/TRANSACTIONS");
            FieldError::new("--usage", problem).into()
        }
        EstimateError::Money(error) => EstimateError::from(error).into(),
    }
}

/// The meters of both files; those of one name have to count alike.
fn all_meters(first: &PlanFile, second: &PlanFile) -> Result<Vec<Meter>, FieldError> {
    let mut meters = first.meters().to_vec();
    for meter in second.meters() {
        match meters.iter().find(|known| known.name == meter.name) {
            None => meters.push(meter.clone()),
            Some(known) if known.scale == meter.scale => {}
            Some(known) => {
                let problem = format!(
                    "the meter {} has {} decimals in one file and {} in the other: allowed are the same",
                    meter.name,
                    known.scale.decimals(),
                    meter.scale.decimals()
                );
                return Err(FieldError::new("--compare", problem));
            }
        }
    }
    Ok(meters)
}

/// The meter that two plans are compared over if nothing is said: the first that either prices.
fn ranged<'a>(
    (first, second): (&PlanTerms, &PlanTerms),
    meters: &'a [Meter],
) -> Result<&'a Meter, FieldError> {
    let is_priced = |meter: &&Meter| {
        let price = first.price_of(meter.id).or(second.price_of(meter.id));
        price.is_some()
    };
    // What transactions cost cannot be compared by their amount.
    let is_of_transactions = |meter: &&Meter| {
        let prices = [first, second].map(|terms| terms.price_of(meter.id));
        let mut prices = prices.into_iter().flatten();
        prices.any(UsagePrice::is_of_each_transaction)
    };
    let priced: Vec<&Meter> = meters.iter().filter(is_priced).collect();
    let mut alone = priced.iter().filter(|meter| !is_of_transactions(meter));
    let found = alone.next().or(priced.first());
    found.copied().ok_or_else(|| {
        let problem = "neither plan prices any use: what they cost does not depend on it";
        FieldError::new("--compare", problem)
    })
}

fn parse_currency(text: &str) -> Result<Currency, FieldError> {
    text.parse()
        .map_err(|error| FieldError::new("--currency", error))
}

/// From when until when, where that is said, in fields that begin with `prefix`.
pub(crate) fn span(
    prefix: &str,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<Option<Span>, FieldError> {
    let (from_field, to_field) = (format!("{prefix}from"), format!("{prefix}to"));
    let missing = |field: &str, given: &str| {
        let problem = format!("it is missing: {given} needs it");
        Err(FieldError::new(field, problem))
    };
    match (from, to) {
        (None, None) => Ok(None),
        (Some(from), Some(to)) => Ok(Some(Span {
            start: instant(&from_field, from)?,
            end: instant(&to_field, to)?,
        })),
        (Some(_), None) => missing(&to_field, &from_field),
        (None, Some(_)) => missing(&from_field, &to_field),
    }
}

/// An instant, or a date for its first one in UTC.
fn instant(field: &str, text: &str) -> Result<Timestamp, FieldError> {
    let is_date = text.len() == 10;
    let whole = if is_date {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    whole.parse().map_err(|_| {
        let text: String = text.chars().take(64).collect();
        let problem =
            format!("{text:?} is no instant: allowed are 2026-01-31 and 2026-01-31T10:00:00Z");
        FieldError::new(field, problem)
    })
}

//! What a replay comes to, for programs and people.

use std::collections::BTreeMap;

use monetization_core::clock::Timestamp;
use monetization_core::money::{Currency, Money, MoneyError, Scale};
use serde::Serialize;

use super::bill::Bill;
use super::drive::{Driven, Person};
use super::intake::Read;
use super::tally::Tally;

/// What a log would have cost and earned under one plan, or under two of them.
///
/// Amounts are texts in major units of `currency`; a difference is the second plan's less the first's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What was read.
    pub log: LogReport,
    /// By what consumers are told from each other.
    pub consumer_by: String,
    /// The currency of all amounts.
    pub currency: Currency,
    /// Each plan, the one that is compared with last.
    pub plans: Vec<PlanReport>,
    /// What the second plan earns more than the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// Everybody, who pays most first.
    pub consumers: Vec<ConsumerReport>,
    /// Calls and refusals over time.
    pub course: CourseReport,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LogReport {
    /// The files, in the order in which they were named.
    pub files: Vec<String>,
    /// Lines, without empty ones.
    pub lines: u64,
    /// Those that are calls.
    pub calls: u64,
    /// The instants of the first and the last call; `None` where there is none.
    pub first_at: Option<Timestamp>,
    /// See `first_at`.
    pub last_at: Option<Timestamp>,
    /// Calls that lie more than five minutes behind a later one of their log, and were made five minutes
    /// behind the latest.
    pub late: u64,
    /// Calls that lie less behind, but were made behind an earlier line: more calls lay within five minutes
    /// than are held back.
    pub crowded: u64,
    /// Lines that are left out, by the reason.
    pub left_out: Vec<LeftOutReport>,
    /// Files that could not be read to their end, and why.
    pub broken_off: Vec<BrokenOff>,
}

/// Lines that are left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftOutReport {
    /// A word for it.
    pub code: &'static str,
    /// What is wrong with them.
    pub reason: String,
    /// How many there are.
    pub lines: u64,
    /// The first of them.
    pub first: Vec<Place>,
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Place {
    /// In which file.
    pub file: String,
    /// Its number there, from 1.
    pub line: u64,
}

/// A file that could not be read to its end. What was read of it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BrokenOff {
    /// Which file.
    pub file: String,
    /// Why.
    pub because: String,
}

/// What all calls come to under one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlanReport {
    /// Its name.
    pub name: String,
    /// What it costs.
    pub price: String,
    /// Consumers of whom a call was refused.
    pub refused_consumers: usize,
    /// All consumers together.
    #[serde(flatten)]
    pub sum: Figures,
}

/// What one consumer pays, and what they would have got for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConsumerReport {
    /// What the log tells them by.
    pub name: String,
    /// Calls in the log.
    pub calls: u64,
    /// Under each plan, in their order.
    pub plans: Vec<Figures>,
    /// What they pay more under the second plan than under the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
}

/// Calls and amounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// Calls that were let through.
    pub granted: u64,
    /// Calls that count as used.
    pub billed: String,
    /// Calls that were refused, by the code that clients are told.
    pub refused: BTreeMap<&'static str, u64>,
    /// Invoices.
    pub invoices: u64,
    /// Setup fees and base prices.
    pub fixed: String,
    /// What use costs, with commitments.
    pub usage: String,
    /// All of it.
    pub total: String,
    #[serde(skip)]
    pub(super) total_minor: i64,
}

/// Calls over time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CourseReport {
    /// Seconds of a step.
    pub step_seconds: u64,
    /// The steps, from the first call on; the last may be short.
    pub steps: Vec<StepReport>,
}

/// The calls of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StepReport {
    /// When it begins.
    pub from: Timestamp,
    /// Calls in the log.
    pub calls: u64,
    /// Calls that each plan refuses, by the code that clients are told.
    pub refused: Vec<BTreeMap<&'static str, u64>>,
}

/// What a report is made from.
pub(super) struct Parts {
    pub(super) files: Vec<String>,
    pub(super) consumer_by: String,
    pub(super) currency: Currency,
    pub(super) read: Read,
    /// Each plan by its name.
    pub(super) driven: Vec<(String, Driven)>,
}

impl Report {
    pub(super) fn new(parts: Parts) -> Result<Self, MoneyError> {
        let Parts {
            files,
            consumer_by,
            currency,
            read,
            driven,
        } = parts;
        let mut plans = Vec::with_capacity(driven.len());
        let mut totals = Vec::with_capacity(driven.len());
        for (name, plan) in &driven {
            let (report, total) = plan_report(name, plan, currency)?;
            plans.push(report);
            totals.push(total);
        }
        let stretch = driven.first().map(|(_, plan)| (plan.first, plan.last));
        let driven: Vec<Driven> = driven.into_iter().map(|(_, plan)| plan).collect();
        Ok(Self {
            log: log_report(files, read, stretch),
            consumer_by,
            currency,
            plans,
            difference: difference(&totals)?,
            consumers: consumers(&driven)?,
            course: course(&driven),
        })
    }

    /// Whether there was anything to replay, all of it was read, and at least half of it was made at its
    /// own time.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let log = &self.log;
        let lost = log.left_out.iter().map(|reason| reason.lines);
        let lost = lost.fold(log.late, u64::saturating_add);
        log.calls > 0 && log.broken_off.is_empty() && lost <= log.lines.saturating_sub(lost)
    }
}

impl Figures {
    fn new(tally: &Tally, bill: &Bill) -> Self {
        Self {
            granted: tally.granted,
            billed: Scale::WHOLE.render(bill.billed),
            refused: tally.refused.clone(),
            invoices: bill.invoices,
            fixed: bill.fixed.amount(),
            usage: bill.usage.amount(),
            total: bill.total.amount(),
            total_minor: bill.total.minor(),
        }
    }

    /// Calls that were refused, for whatever reason.
    pub(super) fn refused_calls(&self) -> u64 {
        self.refused.values().copied().fold(0, u64::saturating_add)
    }

    /// The reason for which most were refused, of those the first by its name; `None` where none was.
    pub(super) fn refused_mostly(&self) -> Option<&'static str> {
        let reasons = self.refused.iter().rev();
        reasons
            .max_by_key(|(_, count)| **count)
            .map(|(reason, _)| *reason)
    }
}

fn log_report(
    files: Vec<String>,
    read: Read,
    stretch: Option<(Timestamp, Timestamp)>,
) -> LogReport {
    let name = |file: usize| files.get(file).cloned().unwrap_or_default();
    let left_out = read.left_out.into_iter().map(|(why, lost)| LeftOutReport {
        code: why.code(),
        reason: why.to_string(),
        lines: lost.lines,
        first: lost
            .first
            .into_iter()
            .map(|(file, line)| Place {
                file: name(file),
                line,
            })
            .collect(),
    });
    let mut left_out: Vec<LeftOutReport> = left_out.collect();
    left_out.sort_by_key(|reason| std::cmp::Reverse(reason.lines));
    let broken_off = read
        .broken_off
        .into_iter()
        .map(|(file, because)| BrokenOff {
            file: name(file),
            because,
        });
    LogReport {
        lines: read.lines,
        calls: read.calls,
        first_at: stretch.map(|(first, _)| first),
        last_at: stretch.map(|(_, last)| last),
        late: read.late,
        crowded: read.crowded,
        left_out,
        broken_off: broken_off.collect(),
        files,
    }
}

fn plan_report(
    name: &str,
    plan: &Driven,
    currency: Currency,
) -> Result<(PlanReport, Money), MoneyError> {
    let (mut tally, mut bill) = (Tally::default(), Bill::nothing(currency));
    for person in &plan.people {
        tally.add(&person.tally);
        bill.add(&person.bill)?;
    }
    let refused = |person: &&Person| person.tally.refused() > 0;
    let report = PlanReport {
        name: name.to_owned(),
        price: plan.label.clone(),
        refused_consumers: plan.people.iter().filter(refused).count(),
        sum: Figures::new(&tally, &bill),
    };
    Ok((report, bill.total))
}

fn consumers(driven: &[Driven]) -> Result<Vec<ConsumerReport>, MoneyError> {
    let mut consumers = Vec::new();
    for (index, first) in driven
        .first()
        .into_iter()
        .flat_map(|plan| plan.people.iter().enumerate())
    {
        let of_all: Vec<&Person> = driven
            .iter()
            .filter_map(|plan| plan.people.get(index))
            .collect();
        let totals: Vec<Money> = of_all.iter().map(|person| person.bill.total).collect();
        let figures = of_all
            .iter()
            .map(|person| Figures::new(&person.tally, &person.bill));
        consumers.push(ConsumerReport {
            name: first.name.to_string(),
            calls: first.tally.calls,
            plans: figures.collect(),
            difference: difference(&totals)?,
        });
    }
    consumers.sort_by(|one, other| {
        let pays = |consumer: &ConsumerReport| consumer.plans.first().map(|of| of.total_minor);
        let key = |consumer: &ConsumerReport| (pays(consumer), consumer.calls);
        key(other)
            .cmp(&key(one))
            .then_with(|| one.name.cmp(&other.name))
    });
    Ok(consumers)
}

fn difference(totals: &[Money]) -> Result<Option<String>, MoneyError> {
    match totals {
        [first, second] => Ok(Some(second.checked_sub(*first)?.amount())),
        _ => Ok(None),
    }
}

fn course(driven: &[Driven]) -> CourseReport {
    let Some(first) = driven.first() else {
        return CourseReport::default();
    };
    let of = |index: usize| {
        let of_all = driven.iter().map(|plan| plan.course.steps().nth(index));
        of_all
            .map(|step| {
                step.map(|(_, tally)| tally.refused.clone())
                    .unwrap_or_default()
            })
            .collect()
    };
    let steps = first.course.steps().enumerate();
    CourseReport {
        step_seconds: first.course.length().as_secs(),
        steps: steps
            .map(|(index, (from, tally))| StepReport {
                from,
                calls: tally.calls,
                refused: of(index),
            })
            .collect(),
    }
}

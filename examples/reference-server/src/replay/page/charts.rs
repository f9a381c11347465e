use monetization_core::clock::Timestamp;

use super::many;
use crate::chart::{Axis, BarChart, Bars};
use crate::replay::report::{ConsumerReport, CourseReport, Report, StepReport};
use crate::replay::tell::visible;

/// Consumers in a chart.
const CHARTED_MAX: usize = 20;

/// The charts of a report.
pub(super) fn charts(report: &Report) -> Vec<BarChart> {
    let mut charts = vec![calls_over_time(&report.course)];
    if report.plans.iter().any(|plan| plan.refused_consumers > 0) {
        charts.push(refusals_over_time(report));
    }
    let pays = |consumer: &&ConsumerReport| consumer.plans.iter().any(|of| of.total_minor != 0);
    let paying: Vec<&ConsumerReport> = report.consumers.iter().filter(pays).collect();
    if !paying.is_empty() {
        charts.push(revenue(report, &paying));
    }
    charts.extend(differences(report));
    charts
}

fn calls_over_time(course: &CourseReport) -> BarChart {
    let calls = course.steps.iter().map(|step| signed(step.calls));
    BarChart {
        title: "Calls".to_owned(),
        y: Axis::new(each(course), 0),
        names: moments(course),
        bars: vec![Bars {
            name: "calls".to_owned(),
            values: calls.collect(),
        }],
    }
}

fn refusals_over_time(report: &Report) -> BarChart {
    let course = &report.course;
    let of = |name: String, count: &dyn Fn(&StepReport) -> u64| Bars {
        name,
        values: course
            .steps
            .iter()
            .map(|step| signed(count(step)))
            .collect(),
    };
    let bars: Vec<Bars> = match report.plans.as_slice() {
        // Of one plan by the reason, of two by the plan.
        [plan] => {
            let reasons = plan.sum.refused.keys();
            let count = |step: &StepReport, reason| {
                let refused = step.refused.first().and_then(|of| of.get(reason));
                refused.copied().unwrap_or_default()
            };
            reasons
                .map(|reason| of((*reason).to_owned(), &|step| count(step, reason)))
                .collect()
        }
        plans => plans
            .iter()
            .enumerate()
            .map(|(plan, report)| {
                of(visible(&report.name), &|step| {
                    let refused = step.refused.get(plan).into_iter();
                    let refused = refused.flat_map(|of| of.values().copied());
                    refused.fold(0, u64::saturating_add)
                })
            })
            .collect(),
    };
    // A single bar has no legend.
    let title = match bars.as_slice() {
        [bar] => format!("Refused calls: {}", bar.name),
        _ => "Refused calls".to_owned(),
    };
    BarChart {
        title,
        y: Axis::new(each(course), 0),
        names: moments(course),
        bars,
    }
}

fn revenue(report: &Report, paying: &[&ConsumerReport]) -> BarChart {
    let shown = || paying.iter().take(CHARTED_MAX);
    let rest = paying.len().saturating_sub(CHARTED_MAX);
    let title = match rest {
        0 => "What consumers pay".to_owned(),
        rest => format!(
            "What consumers pay: the first {CHARTED_MAX}, and {} more",
            many(rest)
        ),
    };
    let of = |plan: usize| {
        move |consumer: &&ConsumerReport| consumer.plans.get(plan).map_or(0, |of| of.total_minor)
    };
    let bars = report.plans.iter().enumerate().map(|(plan, named)| Bars {
        name: visible(&named.name),
        values: shown().map(of(plan)).collect(),
    });
    BarChart {
        title,
        y: Axis::new(report.currency.code(), report.currency.exponent()),
        names: shown().map(|consumer| visible(&consumer.name)).collect(),
        bars: bars.collect(),
    }
}

/// Who would pay most more, and who most less; `None` where there is one plan, or no difference.
fn differences(report: &Report) -> Option<BarChart> {
    let difference = |consumer: &ConsumerReport| match consumer.plans.as_slice() {
        [first, second] => second.total_minor.saturating_sub(first.total_minor),
        _ => 0,
    };
    let all = report.consumers.iter();
    let mut all: Vec<(i64, &ConsumerReport)> = all
        .map(|consumer| (difference(consumer), consumer))
        .filter(|(more, _)| *more != 0)
        .collect();
    if all.is_empty() {
        return None;
    }
    // The sort keeps the order of the report among equals.
    all.sort_by_key(|(more, _)| std::cmp::Reverse(*more));
    let each = CHARTED_MAX / 2;
    let fall = all.partition_point(|(more, _)| *more > 0);
    let last = all.len().saturating_sub(each);
    let mut place = 0..all.len();
    all.retain(|_| {
        let place = place.next().unwrap_or_default();
        if place < fall {
            place < each
        } else {
            place >= last
        }
    });
    Some(BarChart {
        title: format!("Who would pay more, and who less: up to {each} of each"),
        y: Axis::new(report.currency.code(), report.currency.exponent()),
        names: all
            .iter()
            .map(|(_, consumer)| visible(&consumer.name))
            .collect(),
        bars: vec![Bars {
            name: "difference".to_owned(),
            values: all.iter().map(|(more, _)| *more).collect(),
        }],
    })
}

/// What is counted over time.
fn each(course: &CourseReport) -> String {
    let (number, unit) = match course.step_seconds {
        seconds if seconds.is_multiple_of(86_400) => (seconds / 86_400, "days"),
        seconds if seconds.is_multiple_of(3_600) => (seconds / 3_600, "hours"),
        seconds if seconds.is_multiple_of(60) => (seconds / 60, "minutes"),
        seconds => (seconds, "seconds"),
    };
    match number {
        1 => format!("calls each {}", unit.trim_end_matches('s')),
        number => format!("calls each {number} {unit}"),
    }
}

/// When each step begins, as short as its length allows.
fn moments(course: &CourseReport) -> Vec<String> {
    let moment = |at: Timestamp| {
        let text = at.to_string();
        let part = match course.step_seconds {
            86_400.. => text.get(..10),
            60.. => text.get(5..16),
            _ => text.get(11..19),
        };
        part.map(|part| part.replace('T', " ")).unwrap_or_default()
    };
    course.steps.iter().map(|step| moment(step.from)).collect()
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

//! Days and periods of time zones.

use std::time::Duration;

use chrono::Datelike;
use monetization_core::clock::Timestamp;
use monetization_core::period::{
    Alignment, CalendarDuration, Cycle, CycleUnit, Schedule, TimeZone,
};
use serde_json::Value;

use super::case::{Case, Checked, agree, instant, text};
use super::periods::{cycle, shown};

const NOON: Duration = Duration::from_secs(43_200);

pub(super) fn run(case: &Case) -> Option<Checked> {
    let zone = |name: &str| text(&case.config[name]).parse::<TimeZone>().unwrap();
    Some(match case.model.as_str() {
        "billing_day_window_in_customer_timezone" => window(case, zone("timezone")),
        "customer_timezone_changed_mid_subscription" => {
            moved(case, zone("previous_timezone"), zone("new_timezone"))
        }
        "local_calendar_days_between" => {
            let span = monetization_core::clock::Span {
                start: instant(case.input("start")),
                end: instant(case.input("end")),
            };
            let days = zone("timezone").days(span).to_string();
            agree(case, [("days", days.into())])
        }
        "monthly_boundaries_in_timezone" => {
            let zone = zone("timezone");
            let noon = instant(text(&case.config["anchor_local"])).saturating_add(NOON);
            let schedule = Schedule {
                time_zone: zone,
                ..Schedule::new(zone.day(noon).unwrap().start, Cycle::MONTH)
            };
            let count = case.input("n").parse().unwrap();
            let starts = (0..count).map(|index| shown(schedule.period(index).unwrap().start));
            agree(case, [("starts_utc", starts.collect())])
        }
        "advance_local_days" => {
            let days = CalendarDuration::days(case.input("days").parse().unwrap());
            let result = days.after(instant(case.input("start")), zone("timezone"));
            agree(case, [("result", shown(result.unwrap()))])
        }
        "bill_cycle_day_in_account_timezone" => {
            let day = zone("timezone").date(instant(case.input("start"))).day();
            agree(case, [("bcd", day.to_string().into())])
        }
        _ => return None,
    })
}

/// The local day on which a period is billed: the one that the next period begins in.
fn window(case: &Case, time_zone: TimeZone) -> Checked {
    let begins = instant(case.input("subscribed_at"));
    let cycle = cycle(case);
    let date = time_zone.date(begins);
    let alignment = match (text(&case.config["cycle"]), cycle.unit()) {
        (name, _) if name.contains("calendar") => Alignment::Calendar,
        (_, CycleUnit::Week) => Alignment::Weekday(date.weekday()),
        (_, CycleUnit::Month | CycleUnit::Year) => Alignment::Day(date.day().try_into().unwrap()),
        (_, CycleUnit::Day) => Alignment::Start,
    };
    let schedule = Schedule {
        alignment,
        time_zone,
        ..Schedule::new(begins, cycle)
    };
    let billed_on = case.input("billing_date_local");
    let starts = (1..).map(|index| schedule.period(index).unwrap().start);
    let mut starts =
        starts.skip_while(|start| time_zone.date(*start).to_string().as_str() < billed_on);
    let window = time_zone.day(starts.next().unwrap()).unwrap();
    let inside = |name: &str, wanted: bool| -> Value {
        let clocks = case.input[name].as_array().into_iter().flatten();
        let at = clocks.map(|clock| instant(text(clock)));
        at.map(|at| (window.start <= at && at < window.end) == wanted)
            .collect()
    };
    agree(
        case,
        [
            (
                "window_utc",
                [window.start, window.end].map(shown).into_iter().collect(),
            ),
            ("not_billed_before", inside("clock_not_before", false)),
            ("billed_at", inside("clock_billing", true)),
            ("not_billed_after", inside("clock_after", false)),
        ],
    )
}

/// A month of the calendar within which the time zone is changed.
fn moved(case: &Case, before: TimeZone, after: TimeZone) -> Checked {
    let month = instant(&format!("{}-15", case.input("month")));
    let begins = month.saturating_sub(Duration::from_secs(100 * 86_400));
    let schedule = Schedule {
        alignment: Alignment::Calendar,
        time_zone: before,
        ..Schedule::new(begins, Cycle::MONTH)
    };
    let period = schedule
        .moved(after, month)
        .unwrap()
        .period_at(month)
        .unwrap();
    let last = Timestamp::from_micros(period.end.as_micros() - 1_000_000);
    agree(
        case,
        [
            ("charges_from_utc", shown(period.start)),
            ("charges_to_utc_inclusive", shown(last)),
        ],
    )
}

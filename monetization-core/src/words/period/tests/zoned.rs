//! Time zones, by days on which clocks are changed and by a search minute by minute.

use std::time::Duration;

use chrono::{Days, NaiveDateTime, NaiveTime, Offset, TimeZone as _};
use proptest::prelude::*;

use super::super::*;
use super::aligned::alignments;
use super::at;
use crate::clock::{Span, Timestamp};

/// Zones whose clocks are changed at midnight, by half an hour, or by a whole day, and others.
const ZONES: [&str; 16] = [
    "UTC",
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/Havana",
    "America/St_Johns",
    "Africa/Cairo",
    "Asia/Beirut",
    "Asia/Kolkata",
    "Asia/Tehran",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
];

fn zone(name: &str) -> TimeZone {
    name.parse().unwrap()
}

#[test]
fn a_period_begins_at_local_midnight_when_clocks_are_changed_b9() {
    let table = [
        // The hour from midnight on is left out.
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"),
        ("Asia/Beirut", "2022-03-27", "2022-03-26T22:00:00Z"),
        // Midnight comes twice.
        ("America/Havana", "2022-11-06", "2022-11-06T04:00:00Z"),
        // An hour later in the day.
        ("Europe/Berlin", "2024-03-31", "2024-03-30T23:00:00Z"),
        ("Europe/Berlin", "2024-04-01", "2024-03-31T22:00:00Z"),
        ("America/New_York", "2024-11-03", "2024-11-03T04:00:00Z"),
        // The whole day is left out.
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
    ];
    for (name, date, expected) in table {
        let midnight: NaiveDateTime = format!("{date}T00:00:00").parse().unwrap();
        assert_eq!(
            zone(name).instant(midnight),
            Some(at(expected)),
            "{name}, {date}"
        );
    }
}

#[test]
fn a_local_time_that_is_skipped_is_the_end_of_the_gap_and_one_that_comes_twice_the_first_b9() {
    let table = [
        (
            "Europe/Berlin",
            "2024-03-31T02:30:00",
            "2024-03-31T01:00:00Z",
        ),
        (
            "Europe/Berlin",
            "2024-10-27T02:30:00",
            "2024-10-27T00:30:00Z",
        ),
        (
            "America/New_York",
            "2024-03-10T02:00:00",
            "2024-03-10T07:00:00Z",
        ),
        (
            "America/New_York",
            "2024-11-03T01:59:59",
            "2024-11-03T05:59:59Z",
        ),
        (
            "Australia/Lord_Howe",
            "2024-10-06T02:15:00",
            "2024-10-05T15:30:00Z",
        ),
        (
            "Pacific/Apia",
            "2011-12-30T12:00:00",
            "2011-12-30T10:00:00Z",
        ),
    ];
    for (name, local, expected) in table {
        let instant = zone(name).instant(local.parse().unwrap());
        assert_eq!(instant, Some(at(expected)), "{name}, {local}");
    }
}

#[test]
fn what_begins_at_ten_is_billed_at_ten_in_summer_and_winter_b9() {
    let schedule = Schedule {
        time_zone: zone("Europe/Berlin"),
        ..Schedule::new(at("2024-01-31T09:00:00Z"), Cycle::MONTH)
    };
    let starts = (0..4).map(|index| schedule.period(index).unwrap().start.to_string());
    let expected = [
        "2024-01-31T09",
        "2024-02-29T09",
        "2024-03-31T08",
        "2024-04-30T08",
    ];
    assert_eq!(
        starts
            .map(|start| start[..13].to_owned())
            .collect::<Vec<_>>(),
        expected
    );
    // A day on which clocks are changed has 23 or 25 hours.
    let hours = |date: &str| {
        let day = zone("Europe/Berlin").day(at(date)).unwrap();
        day.end.saturating_since(day.start).as_secs() / 3_600
    };
    assert_eq!(
        [hours("2024-03-31T12:00:00Z"), hours("2024-10-27T12:00:00Z")],
        [23, 25]
    );
}

#[test]
fn a_period_that_begins_by_the_old_zone_ends_by_the_new_one_b9() {
    let schedule = Schedule {
        alignment: Alignment::Calendar,
        time_zone: zone("Asia/Tokyo"),
        ..Schedule::new(at("2022-01-10T00:00:00Z"), Cycle::MONTH)
    };
    let moved = schedule
        .moved(zone("America/Los_Angeles"), at("2022-02-10T00:00:00Z"))
        .unwrap();
    assert_eq!(moved.period(0), schedule.period(0));
    let february = Span {
        start: at("2022-01-31T15:00:00Z"),
        end: at("2022-03-01T08:00:00Z"),
    };
    assert_eq!(moved.period(1), Some(february));
    assert_eq!(moved.period(2).unwrap().start, february.end);
    assert_eq!(moved.date(february.start).to_string(), "2022-02-01");
    assert_eq!(moved.date(february.end).to_string(), "2022-03-01");
    assert_eq!(moved.zone(), zone("America/Los_Angeles"));
    // One that has not come so far is taken back.
    let back = moved.moved(zone("Asia/Tokyo"), at("2022-02-10T00:00:00Z"));
    assert_eq!(back, Some(schedule));
}

#[test]
fn a_move_waits_for_a_boundary_that_is_still_to_come_b9() {
    let schedule = |zone: &str, cycle: Cycle| Schedule {
        alignment: Alignment::Calendar,
        time_zone: self::zone(zone),
        ..Schedule::new(at("2022-02-01T12:00:00Z"), cycle)
    };
    let month = schedule("Pacific/Honolulu", Cycle::MONTH);
    let ends = |after: &str| {
        let moved = month.moved(zone("America/Los_Angeles"), at(after)).unwrap();
        [0, 1].map(|index| moved.period(index).unwrap().end.to_string())
    };
    let before = ["2022-03-01T08:00:00Z", "2022-04-01T07:00:00Z"];
    assert_eq!(ends("2022-03-01T07:59:59.999999Z"), before);
    let late = ["2022-03-01T10:00:00Z", "2022-04-01T07:00:00Z"];
    assert_eq!(ends("2022-03-01T08:00:00Z"), late);
    // Midnight comes 25 hours sooner there, and days are never that long.
    let day = schedule("Pacific/Pago_Pago", Cycle::DAY);
    let after = at("2022-02-10T12:30:00Z");
    assert_eq!(day.moved(zone("Pacific/Kiritimati"), after), None);
    // From Honolulu it is 24 hours: a day would be empty.
    let day_there = schedule("Pacific/Honolulu", Cycle::DAY);
    assert_eq!(day_there.moved(zone("Pacific/Kiritimati"), after), None);
    let later = day.moved(zone("Pacific/Fiji"), after).unwrap();
    assert_eq!(
        later.period_at(after).unwrap().end,
        at("2022-02-11T11:00:00Z")
    );
    let days = schedule(
        "Pacific/Pago_Pago",
        Cycle::every(2, CycleUnit::Day).unwrap(),
    );
    assert!(days.moved(zone("Pacific/Kiritimati"), after).is_some());
}

#[test]
fn names_that_are_no_time_zone_are_refused_with_what_is_allowed_b9() {
    for text in [
        "",
        "Berlin",
        "europe/berlin",
        "UTC+1",
        "+01:00",
        "Europe/Berlin ",
    ] {
        let error = text.parse::<TimeZone>().unwrap_err().to_string();
        assert!(error.contains("such as Europe/Berlin or UTC"), "{error}");
    }
}

#[test]
fn a_duration_is_added_by_the_calendar_and_what_is_left_by_the_clock_b9() {
    for (duration, start, zone_name, end) in [
        ("P1M", "2025-01-31T10:00:00Z", "UTC", "2025-02-28T10:00:00Z"),
        ("P1Y", "2024-02-29T00:00:00Z", "UTC", "2025-02-28T00:00:00Z"),
        (
            "P5D",
            "2026-03-05T05:00:00Z",
            "America/New_York",
            "2026-03-10T04:00:00Z",
        ),
        (
            "PT36H",
            "2026-03-07T05:00:00Z",
            "America/New_York",
            "2026-03-08T17:00:00Z",
        ),
        // From the second half past two of a night that has two.
        (
            "PT1H",
            "2026-10-25T01:30:00Z",
            "Europe/Berlin",
            "2026-10-25T02:30:00Z",
        ),
        (
            "P1DT1H",
            "2026-03-07T05:00:00Z",
            "America/New_York",
            "2026-03-08T06:00:00Z",
        ),
    ] {
        let added: CalendarDuration = duration.parse().unwrap();
        assert_eq!(
            added.after(at(start), zone(zone_name)),
            Some(at(end)),
            "{duration}"
        );
    }
    let month = CalendarDuration::months(1);
    assert_eq!(month.after(Timestamp::MAX, TimeZone::UTC), None);
    assert_eq!(month.times(3), Some(CalendarDuration::months(3)));
    assert_eq!(
        CalendarDuration::days(7).times(2),
        Some(CalendarDuration::days(14))
    );
    assert_eq!(month.times(u32::MAX).and_then(|it| it.times(2)), None);
}

#[test]
fn durations_are_read_and_written_and_others_refused_b9() {
    for text in ["P1M", "P2Y", "P1Y2M10DT5H30M45S", "PT36H", "P5D", "P0D"] {
        assert_eq!(text.parse::<CalendarDuration>().unwrap().to_string(), text);
    }
    assert_eq!("P2W".parse(), Ok(CalendarDuration::days(14)));
    for text in [
        "",
        "P",
        "PT",
        "P1",
        "1M",
        "P1DT",
        "P1M1Y",
        "P-1D",
        "P1.5D",
        "P+1D",
        "P1H",
        "PT1D",
        "P99999999999D",
        "p1m",
    ] {
        let error = text.parse::<CalendarDuration>().unwrap_err().to_string();
        assert!(error.contains("such as P1M"), "{text}: {error}");
    }
    for (text, cycle) in [
        ("P1M", "month"),
        ("p2w", "2 weeks"),
        ("P10D", "10 days"),
        ("P1Y", "year"),
    ] {
        assert_eq!(text.parse::<Cycle>().unwrap().to_string(), cycle);
    }
    for text in ["P", "P1", "P1M1D", "PT1H", "P0D", "P-1D", "P367D"] {
        assert!(text.parse::<Cycle>().is_err(), "{text}");
    }
}

/// The first minute at which clocks show this time or a later one, found by looking at each of four
/// days. In these years no clock differs from UTC by a part of a minute.
fn found(zone: TimeZone, local: NaiveDateTime) -> Timestamp {
    let tz: chrono_tz::Tz = zone.name().parse().unwrap();
    let minutes =
        (0..4 * 1_440).map(|minute| local - Days::new(2) + chrono::TimeDelta::minutes(minute));
    let mut shown = minutes.map(|utc| (utc, utc + tz.offset_from_utc_datetime(&utc).fix()));
    let (utc, _) = shown.find(|(_, shown)| *shown >= local).unwrap();
    Timestamp::from_secs(utc.and_utc().timestamp())
}

fn zones() -> impl Strategy<Value = TimeZone> {
    (0..ZONES.len()).prop_map(|place| zone(ZONES[place]))
}

fn all_alignments() -> impl Strategy<Value = (Alignment, Cycle)> {
    let start = (0_usize..4, 1_u16..=24).prop_map(|(unit, count)| {
        (
            Alignment::Start,
            Cycle::every(count, CycleUnit::ALL[unit]).unwrap(),
        )
    });
    prop_oneof![start, alignments()]
}

/// Seconds from 1990 to 2030.
const YEARS: std::ops::Range<i64> = 631_152_000..1_893_456_000;

proptest! {
    #[test]
    fn a_local_time_is_where_a_search_minute_by_minute_finds_it(zone in zones(), at in YEARS) {
        let local = zone.local(Timestamp::from_secs(at)).date();
        let midnight = local.and_time(NaiveTime::MIN);
        prop_assert_eq!(zone.instant(midnight), Some(found(zone, midnight)));
        let minute = midnight + chrono::TimeDelta::minutes(at % 1_440);
        prop_assert_eq!(zone.instant(minute), Some(found(zone, minute)));
    }

    #[test]
    fn aligned_boundaries_are_local_midnights_of_the_dates_in_utc_r_t2(
        zone in zones(), (alignment, cycle) in alignments(), anchor in YEARS, later in 0_u32..4,
    ) {
        let anchor = Timestamp::from_secs(anchor);
        let zoned = Schedule { alignment, time_zone: zone, ..Schedule::new(anchor, cycle) };
        // The same wall clock in UTC has the same dates.
        let wall = Timestamp::try_from(zone.local(anchor).and_utc()).unwrap();
        let plain = Schedule { alignment, ..Schedule::new(wall, cycle) };
        let date = TimeZone::UTC.date(plain.period(later).unwrap().end);
        let boundary = zoned.period(later).unwrap().end;
        prop_assert_eq!(boundary, found(zone, date.and_time(NaiveTime::MIN)));
    }

    #[test]
    fn periods_partition_time_in_every_zone_r_t2(
        (zones, moves) in (prop::collection::vec(zones(), 4), prop::collection::vec(0_i64..400 * 86_400, 3)),
        (alignment, cycle) in all_alignments(), anchor in YEARS, offset in 0_u64..10 * 366 * 86_400,
    ) {
        let anchor = Timestamp::from_secs(anchor);
        let mut schedule = Schedule { alignment, time_zone: zones[0], ..Schedule::new(anchor, cycle) };
        let mut after = anchor;
        for (zone, later) in zones.iter().skip(1).zip(moves) {
            after = after.saturating_add(Duration::from_secs(later.try_into().unwrap()));
            let before = schedule.clone();
            schedule = schedule.moved(*zone, after).unwrap();
            let running = before.index_at(after).unwrap();
            for index in running.saturating_sub(3)..=running {
                prop_assert_eq!(before.period(index).unwrap().start, schedule.period(index).unwrap().start);
            }
            prop_assert!(schedule.period(running).unwrap().end > after);
        }
        let instant = anchor.saturating_add(Duration::from_secs(offset));
        for instant in [anchor, instant, after] {
            let index = schedule.index_at(instant).unwrap();
            let period = schedule.period(index).unwrap();
            prop_assert!(period.start <= instant && instant < period.end);
            for index in index.saturating_sub(5)..index + 5 {
                let (this, next) = (schedule.period(index).unwrap(), schedule.period(index + 1).unwrap());
                prop_assert_eq!(this.end, next.start);
                // Only a day that a time zone leaves out is empty.
                let is_short = schedule.cycle == Cycle::DAY && zones.iter().any(|zone| zone.name() == "Pacific/Apia");
                prop_assert!(this.start < this.end || is_short && this.start == this.end, "{:?}", this);
            }
        }
    }
}

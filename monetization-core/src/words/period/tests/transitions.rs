//! Every change of clocks in every time zone there is.

use chrono::{DateTime, Offset, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::super::*;
use crate::clock::{Span, Timestamp};

const DAY: i64 = 86_400;

/// Every second day from 2000 to 2037, as seconds.
fn days() -> impl Iterator<Item = i64> {
    (946_684_800..2_145_916_800).step_by(2 * 86_400)
}

/// How far clocks are ahead of UTC, in seconds.
fn ahead(zone: Tz, at: i64) -> i64 {
    let utc = DateTime::from_timestamp(at, 0).unwrap().naive_utc();
    zone.offset_from_utc_datetime(&utc)
        .fix()
        .local_minus_utc()
        .into()
}

/// The first second at which clocks are changed, where they are between two instants.
fn change(zone: Tz, (mut before, mut after): (i64, i64)) -> Option<i64> {
    let old = ahead(zone, before);
    if ahead(zone, after) == old {
        return None;
    }
    while before + 1 < after {
        let between = before.midpoint(after);
        if ahead(zone, between) == old {
            before = between;
        } else {
            after = between;
        }
    }
    Some(after)
}

#[test]
fn no_change_of_clocks_leaves_a_gap_or_an_overlap_r_t3() {
    let mut changes = 0;
    for tz in TZ_VARIANTS {
        let zone: TimeZone = tz.name().parse().unwrap();
        for day in days() {
            let Some(at) = change(tz, (day, day + 2 * DAY)) else {
                continue;
            };
            changes += 1;
            let skipped = ahead(tz, at) - ahead(tz, at - 1);
            // Begun at the local time that is skipped or comes twice, and by local midnights.
            let anchor = at - 2 * DAY + skipped / 2;
            for (alignment, anchor) in [
                (Alignment::Start, anchor),
                (Alignment::Calendar, at - 2 * DAY),
            ] {
                let schedule = Schedule {
                    alignment,
                    time_zone: zone,
                    ..Schedule::new(Timestamp::from_secs(anchor), Cycle::DAY)
                };
                check(&schedule, at, skipped);
            }
        }
    }
    assert!(changes > 15_000, "{changes}");
}

/// Days around a change of clocks: they follow each other, each local date has one, and an instant is
/// in the one that it is counted in.
fn check(schedule: &Schedule, at: i64, skipped: i64) {
    let name = schedule.time_zone;
    let periods: Vec<Span> = (0..5)
        .map(|index| schedule.period(index).unwrap())
        .collect();
    for (this, next) in periods.iter().zip(&periods[1..]) {
        assert_eq!(this.end, next.start, "{name} {at}");
        let seconds = (this.end.as_micros() - this.start.as_micros()) / 1_000_000;
        // A first day of the calendar has begun before.
        let is_a_day = (seconds - DAY).abs() <= skipped.abs();
        assert!(
            is_a_day || this.start == schedule.anchor,
            "{name} {at}: {seconds}"
        );
    }
    for at in [at - 1, at, at + 1] {
        let at = Timestamp::from_secs(at);
        let index = usize::try_from(schedule.index_at(at).unwrap()).unwrap();
        assert!(periods[index].contains(at), "{name} {at}");
    }
}

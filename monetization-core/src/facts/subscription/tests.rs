use proptest::prelude::*;

use super::*;
use crate::ids::{PlanVersionId, TypedId};
use crate::period::{Cycle, Schedule};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn version(number: u8) -> PlanVersionId {
    PlanVersionId::derived(&[&[number]])
}

fn timeline() -> Timeline {
    let schedule = Schedule::new(at("2026-01-01T00:00:00Z"), Cycle::MONTH);
    Timeline::starting(schedule, version(1))
}

fn segment(timeline: &Timeline, instant: &str) -> Segment {
    let subscription = SubscriptionId::derived(&[b"s"]);
    timeline
        .segment_at(subscription, Invoicing::ByCore, at(instant))
        .unwrap()
}

#[test]
fn a_plan_change_splits_the_period_and_keeps_the_first_segments_id() {
    let mut timeline = timeline();
    let before = segment(&timeline, "2026-01-10T00:00:00Z");
    timeline.changes.push(PlanChange {
        at: at("2026-01-15T00:00:00Z"),
        version: version(2),
        prorated: false,
    });
    let first = segment(&timeline, "2026-01-14T23:59:59.999999Z");
    let second = segment(&timeline, "2026-01-15T00:00:00Z");
    assert_eq!(first.id, before.id);
    assert_eq!((first.version, second.version), (version(1), version(2)));
    assert_eq!(first.span.end, second.span.start);
    assert_eq!(second.span.end, at("2026-02-01T00:00:00Z"));
    assert_eq!((first.period_index, second.period_index), (0, 0));
}

#[test]
fn after_the_end_there_is_one_aftermath() {
    let mut timeline = timeline();
    timeline.ends_at = Some(at("2026-01-20T00:00:00Z"));
    assert_eq!(
        segment(&timeline, "2026-01-19T23:59:59Z").span.end,
        at("2026-01-20T00:00:00Z")
    );
    let after = segment(&timeline, "2026-01-20T00:00:00Z");
    assert_eq!(after.period_index, u32::MAX);
    assert_eq!(segment(&timeline, "2027-01-20T00:00:00Z"), after);
}

#[test]
fn cancelling_what_is_over_or_being_cancelled_changes_nothing() {
    for state in [
        SubscriptionState::Draining,
        SubscriptionState::Ended,
        SubscriptionState::Rejected,
    ] {
        for event in [
            SubscriptionEvent::CancelNow,
            SubscriptionEvent::CancelAtPeriodEnd,
        ] {
            assert_eq!(state.on(event), Ok(state));
        }
    }
}

#[test]
fn nothing_leaves_a_final_state() {
    use SubscriptionEvent::*;
    let events = [
        ApprovedUnpaid,
        ApprovedPaid,
        FirstPaid,
        EndReached,
        PaymentLapsed,
        Drained,
    ];
    for state in SubscriptionState::ALL
        .into_iter()
        .filter(|state| state.is_final())
    {
        for event in events {
            assert!(state.on(event).is_err(), "{state:?} {event:?}");
        }
    }
}

proptest! {
    #[test]
    fn segments_partition_time(
        changes in prop::collection::btree_set(1_i64..300 * 86_400, 0..8),
        offset in 0_i64..400 * 86_400,
        end in prop::option::of(1_i64..300 * 86_400),
        (alignment, zone) in (0..4_usize, 0..3_usize),
    ) {
        let mut timeline = timeline();
        timeline.schedule.alignment = ["start", "calendar", "day 1", "day 31"][alignment].parse().unwrap();
        timeline.schedule.time_zone = ["UTC", "America/Sao_Paulo", "Asia/Tokyo"][zone].parse().unwrap();
        let instant = |seconds: i64| {
            Timestamp::from_micros(timeline.schedule.anchor.as_micros() + seconds * 1_000_000)
        };
        let end = end.map(instant);
        let moment = instant(offset);
        timeline.changes = changes
            .iter()
            .zip(2..)
            .map(|(seconds, number)| PlanChange {
                at: instant(*seconds),
                version: version(number),
                prorated: false,
            })
            .collect();
        timeline.ends_at = end;
        let subscription = SubscriptionId::derived(&[b"s"]);
        let of = |at| timeline.segment_at(subscription, Invoicing::ByCore, at).unwrap();
        let segment = of(moment);
        prop_assert!(segment.span.start <= moment && moment < segment.span.end);
        prop_assert_eq!(of(segment.span.start), segment);
        if segment.span.end < Timestamp::MAX {
            prop_assert_eq!(of(segment.span.end).span.start, segment.span.end);
            let last = Timestamp::from_micros(segment.span.end.as_micros() - 1);
            prop_assert_eq!(of(last), segment);
            prop_assert_eq!(timeline.version_at(last), segment.version);
        }
    }
}

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use monetization_core::clock::Timestamp;

/// How far lines may lie behind: a line is written when its call ends, so it stands behind later ones.
pub(super) const BEHIND_MAX: Duration = Duration::from_secs(5 * 60);
/// Calls that are held back to be put in order. Where more lie within [`BEHIND_MAX`], the earliest
/// go first all the same.
pub(super) const HELD_MAX: usize = 1_000_000;

/// One line of a log that is a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Call {
    /// When it is made. First, since calls are put in order by their fields.
    pub(super) at: Timestamp,
    /// The file it stands in, from 0.
    pub(super) file: u32,
    /// Its line there, from 1.
    pub(super) line: u64,
    /// Whose it is, from 0.
    pub(super) consumer: u32,
    /// The status of the answer.
    pub(super) status: u16,
    /// Bytes of the answer, and of the request.
    pub(super) sent_bytes: u64,
    pub(super) received_bytes: u64,
    /// What it asks for, where that matters.
    pub(super) asked: Option<Box<Asked>>,
}

/// What a call asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    pub(super) method: String,
    /// In its canonical form.
    pub(super) path: String,
}

/// How a call was put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    /// At its own time.
    InTime,
    /// It lies further behind the latest than [`BEHIND_MAX`], and is made so much behind it.
    Late,
    /// It lies no further behind, but behind one that had to be let go because too many were held;
    /// it is made as soon as that.
    Crowded,
}

/// Puts calls of one log in the order of their times; those of one instant stay in the order of their
/// lines. Time never goes back.
#[derive(Debug)]
pub(super) struct Order {
    held_max: usize,
    held: BinaryHeap<Reverse<Call>>,
    latest: Timestamp,
    /// The time of the last call that was let go.
    reached: Timestamp,
}

impl Order {
    /// Holds at most so many calls back.
    pub(super) fn holding(held_max: usize) -> Self {
        Self {
            held_max,
            held: BinaryHeap::new(),
            latest: Timestamp::MIN,
            reached: Timestamp::MIN,
        }
    }

    /// Takes a call.
    pub(super) fn put(&mut self, mut call: Call) -> Placed {
        self.latest = self.latest.max(call.at);
        let placed = if call.at < self.horizon() {
            Placed::Late
        } else if call.at < self.reached {
            Placed::Crowded
        } else {
            Placed::InTime
        };
        call.at = call.at.max(self.horizon()).max(self.reached);
        self.held.push(Reverse(call));
        placed
    }

    /// The next call that none can come before any more.
    pub(super) fn next(&mut self) -> Option<Call> {
        let Reverse(earliest) = self.held.peek()?;
        let ready = earliest.at < self.horizon() || self.held.len() > self.held_max;
        if ready { self.rest() } else { None }
    }

    /// The next call, once there are no more lines.
    pub(super) fn rest(&mut self) -> Option<Call> {
        let Reverse(call) = self.held.pop()?;
        self.reached = call.at;
        Some(call)
    }

    fn horizon(&self) -> Timestamp {
        self.latest.saturating_sub(BEHIND_MAX)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: [u64; 0] = [];

    pub(in crate::replay) fn call(line: u64, second: i64) -> Call {
        Call {
            at: Timestamp::from_secs(second),
            file: 0,
            line,
            consumer: 0,
            status: 200,
            sent_bytes: 0,
            received_bytes: 0,
            asked: None,
        }
    }

    /// The lines in the order in which they are made, with the seconds of that, and those that are late.
    fn ordered(seconds: impl IntoIterator<Item = i64>) -> (Vec<(u64, i64)>, Vec<u64>) {
        let (made, late, crowded) = ordered_holding(HELD_MAX, seconds);
        assert_eq!(crowded, NONE);
        (made, late)
    }

    fn ordered_holding(
        held_max: usize,
        seconds: impl IntoIterator<Item = i64>,
    ) -> (Vec<(u64, i64)>, Vec<u64>, Vec<u64>) {
        let mut order = Order::holding(held_max);
        let (mut late, mut crowded, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for (line, second) in (1..).zip(seconds) {
            match order.put(call(line, second)) {
                Placed::InTime => {}
                Placed::Late => late.push(line),
                Placed::Crowded => crowded.push(line),
            }
            calls.extend(std::iter::from_fn(|| order.next()));
        }
        calls.extend(std::iter::from_fn(|| order.rest()));
        let made = calls
            .iter()
            .map(|call| (call.line, call.at.as_micros() / 1_000_000))
            .collect();
        (made, late, crowded)
    }

    #[test]
    fn lines_within_five_minutes_are_made_in_the_order_of_their_times() {
        let (made, late) = ordered([1_000, 700, 1_000, 900, 2_000]);
        let expected = [(2, 700), (4, 900), (1, 1_000), (3, 1_000), (5, 2_000)];
        assert_eq!(made, expected);
        assert_eq!(late, NONE);
    }

    #[test]
    fn what_lies_further_behind_is_made_five_minutes_behind_the_latest() {
        let (made, late) = ordered([1_000, 699, 10, 1_100, 900]);
        let expected = [(2, 700), (3, 700), (5, 900), (1, 1_000), (4, 1_100)];
        assert_eq!(made, expected);
        assert_eq!(late, [2, 3]);
    }

    #[test]
    fn where_too_many_lie_close_the_earliest_go_first_and_time_does_not_go_back() {
        let (made, late, crowded) = ordered_holding(2, [350, 340, 330, 335, 310, 49, 360]);
        let expected = [
            (3, 330),
            (4, 335),
            (5, 335),
            (6, 335),
            (2, 340),
            (1, 350),
            (7, 360),
        ];
        assert_eq!(made, expected);
        assert_eq!((late, crowded), (vec![6], vec![5]));
    }

    proptest! {
        #[test]
        fn time_never_goes_back_and_no_line_is_lost(seconds in proptest::collection::vec(0_i64..2_000, 0..300)) {
            let (made, late) = ordered(seconds.clone());
            prop_assert!(made.is_sorted_by_key(|(_, second)| *second));
            // By hand: the time of each, moved up to what can still be waited for, and a stable sort.
            let mut latest = 0;
            let mut by_hand: Vec<(u64, i64)> = Vec::new();
            let mut behind = Vec::new();
            for (line, second) in (1..).zip(seconds) {
                latest = second.max(latest);
                let earliest = latest.saturating_sub(300);
                behind.extend((second < earliest).then_some(line));
                by_hand.push((line, second.max(earliest)));
            }
            by_hand.sort_by_key(|(_, second)| *second);
            prop_assert_eq!(made, by_hand);
            prop_assert_eq!(late, behind);
        }
    }
}

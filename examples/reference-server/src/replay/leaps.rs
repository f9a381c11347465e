use std::collections::VecDeque;
use std::time::Duration;

use monetization_core::clock::Timestamp;

use super::order::Call;

/// Tells lines whose times are wrong more likely than not from the leaps that the time of a log makes.
///
/// The first line of a log, and each that is more than a day later than all before it, is held until the
/// next ones are there. What most of them contradict is odd: it would take all that follow along,
/// or let everything begin ages ago.
#[derive(Debug, Default)]
pub(super) struct Leaps {
    held: VecDeque<Call>,
    /// The latest of the lines that are not odd.
    latest: Option<Timestamp>,
}

/// A line this much later than all before it is looked at, and one that lies so much behind another
/// contradicts it.
const DOUBTED: Duration = Duration::from_secs(86_400);
/// A line this much later than another contradicts it, unless there is a log of its own in between.
const LEAP_MAX: Duration = Duration::from_secs(366 * 86_400);
/// The next lines that are asked.
const ASKED: usize = 8;

impl Leaps {
    /// Takes the next line of a log.
    pub(super) fn put(&mut self, call: Call) {
        self.held.push_back(call);
    }

    /// The next line of which it is known what to think; an odd one as an error.
    pub(super) fn next(&mut self, is_end: bool) -> Option<Result<Call, Call>> {
        let at = self.held.front()?.at;
        let doubted = |latest| at.saturating_since(latest) > DOUBTED;
        if self.latest.is_none_or(doubted) {
            if self.held.len() <= ASKED && !is_end {
                return None;
            }
            if self.is_odd(at) {
                return self.held.pop_front().map(Err);
            }
        }
        self.latest = self.latest.max(Some(at));
        self.held.pop_front().map(Ok)
    }

    /// Whether more than three quarters of the lines around it contradict a line of this time. Of the first
    /// two lines of a log nobody knows which is right.
    fn is_odd(&self, at: Timestamp) -> bool {
        let next = || self.held.iter().skip(1).take(ASKED);
        let contradicts = |call: &&Call| {
            at.saturating_since(call.at) > DOUBTED || call.at.saturating_since(at) > LEAP_MAX
        };
        let follow = next().filter(contradicts).count();
        let agree = next().count().saturating_sub(follow);
        let leaps = |latest| at.saturating_since(latest) > LEAP_MAX;
        let against = follow.saturating_add(usize::from(self.latest.is_some_and(leaps)));
        against > agree.saturating_mul(3) && (against > 1 || self.latest.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::order::tests::call;

    const DAY: i64 = 86_400;
    const YEAR: i64 = 365 * DAY;
    const NONE: [u64; 0] = [];

    /// The numbers of the lines that are odd, of lines at these seconds.
    fn odd(seconds: &[i64]) -> Vec<u64> {
        let mut leaps = Leaps::default();
        let (mut odd, mut good) = (Vec::new(), Vec::new());
        for (line, second) in (1..).zip(seconds) {
            leaps.put(call(line, *second));
            while let Some(known) = leaps.next(false) {
                known.map_or_else(|call| odd.push(call.line), |call| good.push(call.line));
            }
        }
        while let Some(known) = leaps.next(true) {
            known.map_or_else(|call| odd.push(call.line), |call| good.push(call.line));
        }
        assert!(good.is_sorted(), "{good:?}");
        assert_eq!([&odd[..], &good].concat().len(), seconds.len());
        odd
    }

    /// So many lines of a second each.
    fn lines(from: i64, count: i64) -> Vec<i64> {
        (from..).take(usize::try_from(count).unwrap()).collect()
    }

    #[test]
    fn a_lone_line_far_from_all_others_is_odd_wherever_it_stands() {
        let good = 45 * YEAR;
        for wrong in [0, good + 2 * DAY, 60 * YEAR] {
            for line in [1, 2, 8, 20, 21] {
                let mut seconds = lines(good, 20);
                seconds.insert(usize::try_from(line).unwrap() - 1, wrong);
                // What lies behind is late, and of a last line that is days ahead nobody knows.
                let is_late = wrong == 0 && line > 1;
                let is_last = line == 21 && wrong < 60 * YEAR;
                let expected = if is_late || is_last {
                    vec![]
                } else {
                    vec![line]
                };
                assert_eq!(odd(&seconds), expected, "{wrong} in line {line}");
            }
        }
        let twice = [vec![0, 1], lines(good, 20)].concat();
        assert_eq!(odd(&twice), [1, 2]);
        let twice = [lines(60 * YEAR, 2), lines(good, 20)].concat();
        assert_eq!(odd(&twice), [1, 2]);
    }

    #[test]
    fn a_leap_stands_where_the_next_lines_agree_with_it() {
        for count in [2, 3, 100] {
            let seconds = [lines(0, count), lines(2 * YEAR, count)].concat();
            assert_eq!(odd(&seconds), NONE, "{count}");
        }
        let quiet: Vec<i64> = (0..50).map(|week| week * 7 * DAY).collect();
        assert_eq!(odd(&quiet), NONE);
        assert_eq!(odd(&[0, 2 * YEAR]), [2], "one alone does not stand");
        assert_eq!(odd(&[]), NONE);
    }
}

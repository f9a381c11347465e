//! Units that this node has from the server, to be spent here.

use std::time::Duration;

use monetization_rate_limiter::{Bucket, Count, Decision, LimitKind, Timestamp};

use crate::SharedLimits;
use crate::moment::Moment;
use crate::numbers::bytes;
use crate::question::Question;
use crate::reply::Reply;

/// Units of several limits, taken together, that only this node may spend.
///
/// Of a calendar window they are a number, and are over with the window. Of a GCRA they are the stretch of time that they
/// occupy, from where the arrival time stood to where it now is. A unit may be spent only before its part of that
/// stretch begins: then the calls of all nodes lie in parts that do not overlap, none later than the burst allows when
/// it is spent, so that over any stretch of time no more than the rate and one burst pass. What is not spent in time
/// drains as if nobody had had it.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) limits: SharedLimits,
    /// As the counters were, and as if only this node had taken since.
    replica: Bucket,
    /// Units of calendar windows that are not spent.
    left: u64,
    /// Time of a GCRA that is not spent.
    rate: Option<Stretch>,
    /// When windows end, by kind; what stands there for a GCRA is not looked at.
    ends: Vec<(LimitKind, Timestamp)>,
    /// The first instant at which nothing of it may be spent any more.
    until: Timestamp,
    moment: Moment,
    /// When the counters began that it was taken from: others know nothing of it.
    born: i64,
}

/// A stretch of time in nanoseconds since the epoch, of which each unit occupies an interval.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// Where the part of the next unit begins, at the earliest.
    from: i128,
    /// Where the part of the last unit ends: where the arrival time stood when it was had.
    end: i128,
    interval: i128,
}

impl Block {
    /// What was granted beyond the weight; `None` when that is nothing.
    pub(crate) fn of(
        question: &Question,
        reply: &Reply,
        sent: Duration,
        life: Duration,
    ) -> Option<Self> {
        let wanted = question.wanted;
        let left = reply
            .granted
            .checked_sub(wanted.weight)
            .filter(|left| *left > 0)?;
        let limits = question.limits.limits();
        let mut replica = reply.before.clone();
        if !replica.take(limits, reply.now, wanted.weight).is_allowed() {
            return None;
        }
        let mut until = reply.now.saturating_add(life);
        let mut rate = None;
        let mut ends = Vec::with_capacity(limits.len());
        for (limit, count) in limits.into_iter().zip(&reply.counts) {
            match limit.rate() {
                Some(gcra) => {
                    let interval = nanos(gcra.interval());
                    rate = Some(Stretch::granted(
                        *count,
                        interval,
                        [wanted.weight, reply.reach],
                    ));
                }
                None => until = until.min(count.until),
            }
            ends.push((limit.kind(), count.until));
        }
        Some(Self {
            limits: question.limits.clone(),
            replica,
            left,
            rate,
            ends,
            until,
            moment: Moment {
                server: reply.now,
                sent,
            },
            born: reply.born,
        })
    }

    /// Spends units, if there are so many that can still be spent. The time is the latest that it can be at the server, so
    /// that no window is over there that seems to last here.
    pub(crate) fn spend(&mut self, weight: u64, uptime: Duration) -> Option<Decision> {
        let now = self.moment.latest(uptime);
        if now >= self.until || weight > self.left {
            return None;
        }
        let rate = match self.rate {
            Some(stretch) => Some(stretch.spent(weight, now)?),
            None => None,
        };
        let decision = self.replica.take(self.limits.limits(), now, weight);
        if decision.is_allowed() {
            self.left = self.left.saturating_sub(weight);
            self.rate = rate;
        }
        decision.is_allowed().then_some(decision)
    }

    /// Whether nothing more is to be spent from it.
    pub(crate) fn is_over(&self, uptime: Duration) -> bool {
        self.left == 0 || self.moment.latest(uptime) >= self.until
    }

    /// Whether time has run out for units that are left.
    pub(crate) fn has_drained(&self, uptime: Duration) -> bool {
        let now = self.moment.latest(uptime);
        let drained = |stretch: &Stretch| stretch.spent(1, now).is_none();
        self.left > 0 && now < self.until && self.rate.as_ref().is_some_and(drained)
    }

    /// What is handed back, as it is sent; empty when that is nothing.
    pub(crate) fn remains(&self, uptime: Duration) -> Vec<u8> {
        if self.left == 0 {
            return Vec::new();
        }
        let now = self.moment.latest(uptime);
        let mut remains = vec![self.born];
        for (kind, end) in &self.ends {
            remains.push(i64::from(kind.code()));
            remains.extend(match (kind, self.rate) {
                (LimitKind::Gcra, Some(stretch)) => stretch.remains(now),
                _ => [
                    end.as_micros(),
                    0,
                    i64::try_from(self.left).unwrap_or(i64::MAX),
                    0,
                ],
            });
        }
        let numbers = remains
            .into_iter()
            .map(|number| u64::try_from(number).unwrap_or(0));
        bytes(&numbers.collect::<Vec<_>>())
    }
}

impl Stretch {
    /// What the units from the first number to the second occupy.
    fn granted(before: Count, interval: i128, [from, to]: [u64; 2]) -> Self {
        let start = micros(before.until).saturating_add(i128::from(before.rest));
        let after = |units: u64| start.saturating_add(interval.saturating_mul(i128::from(units)));
        Self {
            from: after(from),
            end: after(to),
            interval,
        }
    }

    /// With so many units spent now; `None` when their time has come.
    fn spent(self, weight: u64, now: Timestamp) -> Option<Self> {
        let taken = self.interval.saturating_mul(i128::from(weight));
        let from = self.from.max(micros(now)).saturating_add(taken);
        (weight == 0 || from <= self.end).then_some(Self { from, ..self })
    }

    /// Where the arrival time must stand and where it goes back to, in microseconds and nanoseconds below.
    fn remains(self, now: Timestamp) -> [i64; 4] {
        let [till, tail] = split(self.end);
        let [value, below] = split(self.from.max(micros(now)).min(self.end));
        [till, tail, value, below]
    }
}

fn nanos(length: Duration) -> i128 {
    i128::try_from(length.as_nanos()).unwrap_or(i128::MAX)
}

fn micros(at: Timestamp) -> i128 {
    i128::from(at.as_micros()).saturating_mul(NANOS_PER_MICRO)
}

fn split(at: i128) -> [i64; 2] {
    [
        at.div_euclid(NANOS_PER_MICRO),
        at.rem_euclid(NANOS_PER_MICRO),
    ]
    .map(|number| i64::try_from(number).unwrap_or(i64::MAX))
}

const NANOS_PER_MICRO: i128 = 1_000;

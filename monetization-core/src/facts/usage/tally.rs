//! How much a sum grows by where that is not all that was counted.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Counted, UsageRecord};
use crate::clock::Timestamp;
use crate::ids::{MeterId, SubscriptionId, TenantId};
use crate::money::Quantity;

/// How much a sum grows by when something is counted, given what was counted before in the billing
/// period of the subscription.
///
/// Sums stay plain sums: of the greatest quantity each record adds what it exceeds all before it by,
/// of different values each adds one where it is the first of its kind. Stores remember what is
/// needed for that in [`Tallied`] rows, in the transaction that adds.
///
/// ```
/// use monetization_core::money::Quantity;
/// use monetization_core::usage::Tally;
///
/// let at = "2026-01-01T00:00:00Z".parse()?;
/// let of = Quantity::from_scaled;
/// let (first, kept) = Tally::Max.count(None, of(5), at, false);
/// let (second, kept) = Tally::Max.count(Some(kept), of(3), at, false);
/// let (third, _) = Tally::Max.count(Some(kept), of(8), at, false);
/// assert_eq!([first, second, third], [of(5), of(0), of(3)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new tally changes every match on purpose"
)]
pub enum Tally {
    /// By all of it.
    #[default]
    Add,
    /// By what it exceeds the greatest before it by.
    Max,
    /// To it, if it was used after what the sum holds; use that comes late makes nothing less.
    Last,
    /// By all of it the first time that there is this value.
    Once(ValueDigest),
    /// By all of it once there were so many before it.
    After(u32),
}

/// A value that is counted once: as much of its SHA-256 as keeps values apart.
pub type ValueDigest = [u8; 16];

/// What a store remembers of a tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tallied {
    /// The greatest or last quantity in the meter's scale, or how many there were.
    pub value: Quantity,
    /// When what is remembered was used.
    pub at: Timestamp,
}

/// Under what a store remembers a [`Tallied`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyKey {
    /// The marketplace.
    pub tenant: TenantId,
    /// Whose use.
    pub subscription: SubscriptionId,
    /// The start of the billing period, or of the segment for what was last.
    pub since: Timestamp,
    /// What is counted.
    pub meter: MeterId,
    /// The value that is counted once; zeros otherwise.
    pub value: ValueDigest,
}

impl TallyKey {
    /// What has to be known to count this; `None` where nothing has.
    #[must_use]
    pub fn of(record: &UsageRecord, counted: &Counted) -> Option<Self> {
        let segment = &record.segment;
        let (since, value) = match counted.tally {
            Tally::Add => return None,
            Tally::Last => (segment.span.start, ValueDigest::default()),
            Tally::Max | Tally::After(_) => (segment.period.start, ValueDigest::default()),
            Tally::Once(value) => (segment.period.start, value),
        };
        Some(Self {
            tenant: record.tenant,
            subscription: segment.subscription,
            since,
            meter: counted.meter,
            value,
        })
    }
}

impl Tally {
    /// The first time that there is this value.
    #[must_use]
    pub fn once(value: &[u8]) -> Self {
        let mut digest = ValueDigest::default();
        let all: [u8; 32] = Sha256::digest(value).into();
        for (kept, byte) in digest.iter_mut().zip(all) {
            *kept = byte;
        }
        Self::Once(digest)
    }

    /// Whether nothing has to be known.
    #[must_use]
    pub fn is_add(&self) -> bool {
        *self == Self::Add
    }

    /// Whether a sum may become less by it: no engine is told of such a sum.
    #[must_use]
    pub fn may_shrink(self) -> bool {
        self == Self::Last
    }

    /// By how much `quantity`, used `at`, makes the sum grow, and what is to be remembered from then on.
    /// `is_late` is for use whose segment was closed before it came.
    #[must_use]
    pub fn count(
        self,
        kept: Option<Tallied>,
        quantity: Quantity,
        at: Timestamp,
        is_late: bool,
    ) -> (Quantity, Tallied) {
        let now = Tallied {
            value: quantity,
            at,
        };
        let one = Quantity::from_scaled(1);
        match (self, kept) {
            (Self::Add, _) | (Self::Max | Self::Last | Self::Once(_), None) => (quantity, now),
            (Self::Once(_), Some(kept)) => (Quantity::ZERO, kept),
            (Self::Max, Some(kept)) => (
                quantity.above(kept.value),
                if quantity > kept.value { now } else { kept },
            ),
            (Self::Last, Some(kept)) if at < kept.at || (is_late && quantity < kept.value) => {
                (Quantity::ZERO, kept)
            }
            (Self::Last, Some(kept)) => {
                let difference = quantity.scaled().saturating_sub(kept.value.scaled());
                (Quantity::from_scaled(difference), now)
            }
            (Self::After(free), kept) => {
                let seen = kept.map_or(Quantity::ZERO, |kept| kept.value);
                let is_free = seen.scaled() < i64::from(free);
                let value = seen.checked_add(one).unwrap_or(seen);
                let grown = if is_free { Quantity::ZERO } else { quantity };
                (grown, Tallied { value, at })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sums hold after each of these was counted, at its second of the minute.
    fn sums(tally: fn(i64) -> Tally, counted: &[(i64, i64)]) -> Vec<i64> {
        let (mut kept, mut sum) = (std::collections::BTreeMap::new(), 0);
        let grown = counted.iter().map(|(quantity, second)| {
            let tally = tally(*quantity);
            let value = match tally {
                Tally::Once(value) => value,
                _ => ValueDigest::default(),
            };
            let at = Timestamp::from_micros(second * 1_000_000);
            let quantity = Quantity::from_scaled(*quantity);
            let (added, now) = tally.count(kept.get(&value).copied(), quantity, at, false);
            kept.insert(value, now);
            sum += added.scaled();
            sum
        });
        grown.collect()
    }

    #[test]
    fn sums_are_what_their_aggregation_says() {
        let counted = [(5, 10), (3, 20), (8, 15), (8, 30), (2, 30)];
        assert_eq!(sums(|_| Tally::Add, &counted), [5, 8, 16, 24, 26]);
        assert_eq!(sums(|_| Tally::Max, &counted), [5, 5, 8, 8, 8]);
        // The third was used before the second.
        assert_eq!(sums(|_| Tally::Last, &counted), [5, 3, 3, 8, 2]);
        assert_eq!(sums(|_| Tally::After(2), &counted), [0, 0, 8, 16, 18]);
        let once = |quantity: i64| Tally::once(&quantity.to_be_bytes());
        assert_eq!(sums(once, &counted), [5, 8, 16, 16, 18]);
    }

    #[test]
    fn what_is_remembered_stands_under_the_period_the_stretch_or_the_value() {
        use crate::ids::{RecordId, SegmentId, TypedId};
        use crate::invoice::Invoicing;
        use crate::subscription::Segment;

        let at = Timestamp::from_micros;
        let span = |start, end| crate::clock::Span {
            start: at(start),
            end: at(end),
        };
        let (tenant, meter) = (TenantId::derived(&[b"t"]), MeterId::derived(&[b"m"]));
        let subscription = SubscriptionId::derived(&[b"s"]);
        let segment = Segment {
            id: SegmentId::derived(&[b"segment"]),
            subscription,
            version: TypedId::derived(&[b"v"]),
            invoicing: Invoicing::ByCore,
            period_index: 0,
            period: span(0, 10),
            span: span(4, 10),
        };
        let record = UsageRecord {
            id: RecordId::derived(&[b"r"]),
            tenant,
            segment,
            occurred_at: at(5),
            recorded_at: at(6),
            resource: None,
            outcome: None,
            counted: Vec::new(),
            spent: Vec::new(),
            event: None,
        };
        let key = |tally| {
            let quantity = Quantity::from_scaled(1);
            TallyKey::of(
                &record,
                &Counted {
                    meter,
                    quantity,
                    tally,
                },
            )
        };
        let stands = |since, value| {
            let since = at(since);
            Some(TallyKey {
                tenant,
                subscription,
                since,
                meter,
                value,
            })
        };
        let none = ValueDigest::default();
        assert_eq!(key(Tally::Add), None);
        assert_eq!(key(Tally::Max), stands(0, none));
        assert_eq!(key(Tally::After(3)), stands(0, none));
        assert_eq!(key(Tally::Last), stands(4, none));
        let Tally::Once(value) = Tally::once(b"value") else {
            unreachable!("once is once");
        };
        assert_ne!(value, none);
        assert_eq!(key(Tally::Once(value)), stands(0, value));
    }

    #[test]
    fn only_what_is_added_needs_nothing_known_and_only_the_last_may_shrink() {
        let others = [Tally::Max, Tally::once(b"v"), Tally::After(0)];
        for (tally, is_add, may_shrink) in [(Tally::Add, true, false), (Tally::Last, false, true)]
            .into_iter()
            .chain(others.map(|tally| (tally, false, false)))
        {
            assert_eq!(
                (tally.is_add(), tally.may_shrink()),
                (is_add, may_shrink),
                "{tally:?}"
            );
        }
    }

    #[test]
    fn of_equal_quantities_the_greatest_is_the_first_and_the_last_is_the_latest() {
        let at = Timestamp::from_micros;
        let value = Quantity::from_scaled(5);
        let kept = Tallied { value, at: at(1) };
        let remembered = |tally: Tally, is_late| {
            let (added, now) = tally.count(Some(kept), value, at(2), is_late);
            assert_eq!(added, Quantity::ZERO);
            now.at
        };
        assert_eq!(remembered(Tally::Max, false), at(1));
        assert_eq!(remembered(Tally::Last, false), at(2));
        assert_eq!(remembered(Tally::Last, true), at(2));
    }

    #[test]
    fn transactions_are_counted_on_beyond_the_free_ones() {
        let free = |seconds: i64| Tally::After(if seconds < 3 { 1 } else { 4 });
        let counted = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)];
        // The plan changes with the third: of four free ones, two were there before.
        assert_eq!(sums(free, &counted), [0, 2, 2, 2, 7]);
    }

    #[test]
    fn what_comes_late_takes_nothing_away() {
        let at = Timestamp::from_micros(1);
        let kept = Tallied {
            value: Quantity::from_scaled(5),
            at,
        };
        let late = |quantity| {
            let quantity = Quantity::from_scaled(quantity);
            Tally::Last.count(Some(kept), quantity, at, true).0.scaled()
        };
        assert_eq!([late(3), late(5), late(9)], [0, 0, 4]);
    }
}

//! Several limits that hold together.

use thiserror::Error;

use crate::{Limit, LimitKind};

/// The most limits in one set: one of each kind.
pub const LIMITS_MAX: usize = LimitKind::COUNT;

/// Limits that hold together: a call passes all of them or takes from none. At most one of each [kind](LimitKind), in
/// the order given; an empty set admits everything.
///
/// The order decides in which order a [`Decision`](crate::Decision) lists the limits, and nothing else.
///
/// ```
/// use monetization_rate_limiter::{Limit, Limits, Window};
///
/// let minute = Limit::calendar(Window::Minute, 20);
/// let limits = Limits::new([Limit::calendar(Window::Month, 1000), minute])?;
/// assert_eq!(limits.len(), 2);
/// assert!(Limits::new([minute, Limit::calendar(Window::Minute, 30)]).is_err());
/// # Ok::<(), monetization_rate_limiter::DuplicateLimit>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Limits {
    limits: Box<[Limit]>,
    ranks: [u8; LIMITS_MAX],
}

impl Limits {
    /// Puts limits together in the given order.
    ///
    /// # Errors
    /// When two are of one kind, because they would share a counter.
    pub fn new(limits: impl IntoIterator<Item = Limit>) -> Result<Self, DuplicateLimit> {
        let mut list: Vec<Limit> = Vec::new();
        for limit in limits {
            let kind = limit.kind();
            if list.iter().any(|other| other.kind() == kind) {
                return Err(DuplicateLimit { kind });
            }
            list.push(limit);
        }
        let mut ranks = [0; LIMITS_MAX];
        for (rank, limit) in ranks.iter_mut().zip(&list) {
            let length = (limit.longest(), limit.kind());
            *rank = list
                .iter()
                .filter(|other| (other.longest(), other.kind()) < length)
                .fold(0_u8, |shorter, _| shorter.saturating_add(1));
        }
        Ok(Self {
            limits: list.into_boxed_slice(),
            ranks,
        })
    }

    /// The limits in the order given.
    #[must_use]
    pub fn as_slice(&self) -> &[Limit] {
        &self.limits
    }

    /// How many limits there are, at most [`LIMITS_MAX`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.limits.len()
    }

    /// Whether there are none, so that everything passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    /// The limits, each with its rank by length: 0 for the shortest.
    #[inline]
    pub(crate) fn ranked(&self) -> impl Iterator<Item = (&Limit, u8)> {
        self.limits.iter().zip(self.ranks)
    }
}

impl<'a> IntoIterator for &'a Limits {
    type Item = &'a Limit;
    type IntoIter = std::slice::Iter<'a, Limit>;

    fn into_iter(self) -> Self::IntoIter {
        self.limits.iter()
    }
}

/// Two limits of one set are of the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("limits name {kind} twice, each kind may be there once")]
pub struct DuplicateLimit {
    kind: LimitKind,
}

impl DuplicateLimit {
    /// The kind that came twice.
    #[must_use]
    pub const fn kind(self) -> LimitKind {
        self.kind
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;
    use crate::{Gcra, Window};

    /// `count` per `secs` with a `burst`.
    pub(crate) fn rate(count: u32, secs: u64, burst: u32) -> Gcra {
        let number = |number| NonZeroU32::new(number).unwrap();
        Gcra::new(number(count), Duration::from_secs(secs), number(burst)).unwrap()
    }

    #[test]
    fn two_limits_of_one_kind_are_refused() {
        let minute = Limit::calendar(Window::Minute, 1);
        let error = Limits::new([minute, Limit::calendar(Window::Minute, 2)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "limits name minute twice, each kind may be there once"
        );
        let smooth = Limit::gcra(rate(1, 1, 1));
        assert_eq!(
            Limits::new([smooth, minute, smooth]).unwrap_err().kind(),
            LimitKind::Gcra
        );
    }

    #[test]
    fn one_of_each_kind_fits_and_keeps_its_place() {
        let mut list: Vec<Limit> = Window::ALL
            .map(|window| Limit::calendar(window, 1))
            .to_vec();
        list.insert(3, Limit::gcra(rate(1, 1, 1)));
        let limits = Limits::new(list.clone()).unwrap();
        assert_eq!(limits.as_slice(), list);
        assert_eq!(limits.len(), LIMITS_MAX);
        assert!(Limits::default().is_empty());
    }

    #[test]
    fn ranks_follow_length_and_not_place() {
        let limits = Limits::new([
            Limit::calendar(Window::Month, 1),
            Limit::gcra(rate(1, 120, 1)),
            Limit::calendar(Window::Minute, 1),
        ])
        .unwrap();
        assert_eq!(
            limits.ranked().map(|(_, rank)| rank).collect::<Vec<_>>(),
            [2, 1, 0]
        );
    }
}

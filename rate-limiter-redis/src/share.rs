//! What one node lets through by itself.

use std::num::NonZeroU32;

use monetization_rate_limiter::{Gcra, Limit, Limits};

/// Each limit divided by the number of nodes, rounded up, so that who may have anything may have something everywhere. What
/// admits nothing still does.
pub(crate) fn share_of(limits: &Limits, nodes: NonZeroU32) -> Limits {
    let shares = limits.into_iter().map(|limit| match limit.rate() {
        Some(rate) => Limit::gcra(rate_share(rate, nodes)),
        None => match limit.window() {
            Some(window) => Limit::calendar(window, limit.max().div_ceil(u64::from(nodes.get()))),
            None => *limit,
        },
    });
    Limits::new(shares).unwrap_or_else(|_| limits.clone())
}

fn rate_share(rate: Gcra, nodes: NonZeroU32) -> Gcra {
    let part = |whole: NonZeroU32| whole.div_ceil(nodes);
    let count = part(rate.count());
    // The burst of a share may take longer to come back than is allowed; then it is a single unit.
    Gcra::new(count, rate.period(), part(rate.burst()))
        .or_else(|_| Gcra::new(count, rate.period(), NonZeroU32::MIN))
        .unwrap_or(rate)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use monetization_rate_limiter::Window;

    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn a_share_is_rounded_up_and_nothing_stays_nothing() {
        let rate = Gcra::new(number(100), Duration::from_secs(60), number(5)).unwrap();
        let limits = Limits::new([
            Limit::calendar(Window::Minute, 10),
            Limit::calendar(Window::Hour, 0),
            Limit::calendar(Window::Day, 1),
            Limit::gcra(rate),
        ])
        .unwrap();
        let share = share_of(&limits, number(3));
        let maxima: Vec<u64> = share.into_iter().map(Limit::max).collect();
        assert_eq!(maxima, [4, 0, 1, 2]);
        assert_eq!(share.as_slice()[3].rate().unwrap().count(), number(34));
        assert_eq!(share_of(&limits, number(1)), limits);
    }

    #[test]
    fn a_share_of_the_slowest_rate_is_a_rate() {
        let slowest = Gcra::new(number(1), Gcra::PERIOD_MAX, number(182)).unwrap();
        let share = rate_share(slowest, number(181));
        assert!(share.burst() <= number(2));
    }
}

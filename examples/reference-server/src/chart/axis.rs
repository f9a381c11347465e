//! Values on an axis: round numbers, and where they stand.

use crate::table::thousands;

/// What an axis shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Axis {
    /// What the values are, with their unit.
    pub label: String,
    /// How many of a value's last digits are decimals.
    pub decimals: u32,
}

impl Axis {
    /// An axis of values with so many decimals.
    pub fn new(label: impl Into<String>, decimals: u32) -> Self {
        Self {
            label: label.into(),
            decimals,
        }
    }

    /// A value with commas between thousands; decimals that are all 0 are left out.
    #[must_use]
    pub fn show(&self, value: i64) -> String {
        let one = 10_u64.checked_pow(self.decimals).unwrap_or(u64::MAX);
        let size = value.unsigned_abs();
        let (whole, rest) = (size.checked_div(one), size.checked_rem(one));
        let sign = if value < 0 { "-" } else { "" };
        let whole = thousands(&whole.unwrap_or_default().to_string());
        match rest.unwrap_or_default() {
            0 => format!("{sign}{whole}"),
            rest => {
                let width = usize::try_from(self.decimals).unwrap_or_default();
                format!("{sign}{whole}.{rest:0>width$}")
            }
        }
    }
}

/// Round numbers over a range of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticks {
    first: i128,
    last: i128,
    step: i128,
}

impl Ticks {
    /// Some round numbers, `many` or a few more, from no more than the least value to no less than the
    /// greatest.
    pub(super) fn over(values: impl IntoIterator<Item = i64>, many: i128) -> Self {
        let (mut least, mut greatest) = (i128::MAX, i128::MIN);
        for value in values {
            least = least.min(value.into());
            greatest = greatest.max(value.into());
        }
        if least >= greatest {
            // No value, or one value: something to stand on and something above.
            let only = if least > greatest { 0 } else { least };
            (least, greatest) = (only.min(0), only.max(least.min(0).saturating_add(1)).max(1));
        }
        let rough = greatest
            .saturating_sub(least)
            .checked_div(many.max(1))
            .unwrap_or(1);
        let step = round(rough);
        let first = least.div_euclid(step).saturating_mul(step);
        let above = greatest
            .saturating_sub(first)
            .saturating_add(step.saturating_sub(1));
        let last = first.saturating_add(above.div_euclid(step).saturating_mul(step));
        Self { first, last, step }
    }

    /// The round numbers.
    pub(super) fn all(self) -> impl Iterator<Item = i64> {
        let next = move |at: &i128| at.checked_add(self.step);
        std::iter::successors(Some(self.first), next)
            .take_while(move |at| *at <= self.last)
            .filter_map(|at| i64::try_from(at).ok())
    }

    /// Where `value` stands between `start` and `end`, which the first and the last number have.
    pub(super) fn place(self, value: i64, (start, end): (i64, i64)) -> i64 {
        let length = i128::from(end).saturating_sub(start.into());
        let way = i128::from(value).saturating_sub(self.first);
        let whole = self.last.saturating_sub(self.first).max(1);
        let offset = way.saturating_mul(length).checked_div(whole).unwrap_or(0);
        i64::try_from(i128::from(start).saturating_add(offset)).unwrap_or(start)
    }
}

/// The least of 1, 2, 5, 10, 20 and so on that is no less than `rough`.
fn round(rough: i128) -> i128 {
    let mut power = 1_i128;
    loop {
        for factor in [1, 2, 5] {
            match power.checked_mul(factor) {
                Some(step) if step >= rough => return step,
                Some(_) => {}
                None => return rough.max(1),
            }
        }
        match power.checked_mul(10) {
            Some(next) => power = next,
            None => return rough.max(1),
        }
    }
}

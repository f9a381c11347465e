//! Whole numbers as their decimal digits, the lowest first: `[5, 2, 1]` is 125. Leading zeros (at
//! the end) mean nothing.

use monetization_core::money::Rounding;

const TEN: u32 = 10;

/// The digits of a number in text; `None` where it is none.
pub(super) fn read(text: &str) -> Option<Vec<u32>> {
    text.chars()
        .rev()
        .map(|digit| digit.to_digit(TEN))
        .collect()
}

/// The number in text.
pub(super) fn show(digits: &[u32]) -> String {
    let text: String = digits
        .iter()
        .rev()
        .filter_map(|digit| char::from_digit(*digit, TEN))
        .collect();
    match text.trim_start_matches('0') {
        "" => "0".to_owned(),
        trimmed => trimmed.to_owned(),
    }
}

/// The product, row by row as on paper.
pub(super) fn multiply(left: &[u32], right: &[u32]) -> Option<Vec<u32>> {
    let mut columns = vec![0_u32; left.len().checked_add(right.len())?];
    for (place, digit) in left.iter().enumerate() {
        for (column, other) in columns.iter_mut().skip(place).zip(right) {
            *column = column.checked_add(digit.checked_mul(*other)?)?;
        }
    }
    carry(columns)
}

/// The sum, column by column.
pub(super) fn add(left: &[u32], right: &[u32]) -> Option<Vec<u32>> {
    let places = left.len().max(right.len()).checked_add(1)?;
    let digit = |digits: &[u32], place| digits.get(place).copied().unwrap_or(0);
    let columns = (0..places)
        .map(|place| digit(left, place).checked_add(digit(right, place)))
        .collect::<Option<Vec<u32>>>()?;
    carry(columns)
}

/// The number without its lowest `places` digits, rounded by looking at them.
pub(super) fn cut(digits: &[u32], places: usize, rounding: Rounding) -> Option<Vec<u32>> {
    let (lost, kept) = digits.split_at(places.min(digits.len()));
    let lost_in_full: Vec<u32> = lost
        .iter()
        .copied()
        .chain(std::iter::repeat(0))
        .take(places)
        .collect();
    let highest = lost_in_full.last().copied().unwrap_or(0);
    let below = lost_in_full.iter().rev().skip(1).any(|digit| *digit != 0);
    let odd = matches!(kept.first(), Some(1 | 3 | 5 | 7 | 9));
    let away = match rounding {
        Rounding::HalfAwayFromZero => highest >= 5,
        Rounding::HalfEven => highest > 5 || (highest == 5 && (below || odd)),
        Rounding::Up => highest > 0 || below,
        Rounding::Down => false,
    };
    let mut columns = kept.to_vec();
    columns.push(0);
    if away {
        let lowest = columns.first_mut()?;
        *lowest = lowest.checked_add(1)?;
    }
    carry(columns)
}

/// The number with `places` zeros after it.
pub(super) fn extend(digits: &[u32], places: u32) -> Vec<u32> {
    let zeros = (0..places).map(|_| 0);
    zeros.chain(digits.iter().copied()).collect()
}

/// Carries what is above nine into the next column; `None` where there is none left.
fn carry(mut columns: Vec<u32>) -> Option<Vec<u32>> {
    let mut carried = 0_u32;
    for column in &mut columns {
        let sum = column.checked_add(carried)?;
        *column = sum.checked_rem(TEN)?;
        carried = sum.checked_div(TEN)?;
    }
    (carried == 0).then_some(columns)
}

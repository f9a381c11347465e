//! The one grammar for decimal numbers that come from outside.
//!
//! Digits, at most one point with digits on both sides, no sign, no exponent, no separators, no
//! white space, ASCII only. Numbers are read from text, never from a binary fraction, because
//! `0.1` has none; and not by the decimal library's own parser, which rounds what is too long
//! to zero and takes `1_000`.
//!
//! | text | answer |
//! |---|---|
//! | `0`, `007`, `12.50` | a number |
//! | `.5`, `5.`, `+1`, `-1`, `1e3`, `1_000`, `1,000` | [`DecimalError::Grammar`] |
//! | more digits than the value can hold | [`DecimalError::TooLong`], never rounded |
//!
//! The types of [`money`](crate::money) say how many digits each of them takes.

/// How many digits a number may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) integer_digits_max: usize,
    pub(crate) decimals_max: usize,
    pub(crate) digits_max: usize,
}

/// A number as its digits without the point, and how many of them are decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digits {
    pub(crate) mantissa: i128,
    pub(crate) rest: i64,
    pub(crate) decimals: u32,
}

impl Digits {
    /// The number times ten to the power of its decimals.
    /// `None` where that needs more than 127 bits.
    pub(crate) fn scaled(self) -> Option<i128> {
        let factor = 10_i128.checked_pow(self.decimals)?;
        self.mantissa
            .checked_mul(factor)?
            .checked_add(i128::from(self.rest))
    }
}

/// Why a text is not a number of the wanted kind.
///
/// Zeros before the first other digit do not count as digits; those after the point do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// Not digits with at most one point between them.
    #[error(
        "{value:?} is not a number: allowed are the digits 0 to 9 with at most one point between them"
    )]
    Grammar {
        /// The text, cut to 64 characters.
        value: String,
    },
    /// More digits than can be kept exactly.
    #[error(
        "{value:?} has too many digits: allowed are {integer_digits_max} before the point, {decimals_max} after it and {digits_max} in all"
    )]
    TooLong {
        /// The text, cut to 64 characters.
        value: String,
        /// Digits allowed before the point.
        integer_digits_max: usize,
        /// Digits allowed after the point.
        decimals_max: usize,
        /// Digits allowed in all.
        digits_max: usize,
    },
}

pub(crate) fn parse(text: &str, shape: Shape) -> Result<Digits, DecimalError> {
    let shown = || text.chars().take(64).collect::<String>();
    let grammar = || DecimalError::Grammar { value: shown() };
    let (integer, decimals) = match text.split_once('.') {
        Some((_, "")) => return Err(grammar()),
        Some((integer, decimals)) => (integer, decimals),
        None => (text, ""),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if integer.is_empty() || !all_digits(integer) || !all_digits(decimals) {
        return Err(grammar());
    }
    let significant = integer.trim_start_matches('0').len();
    let too_long = significant > shape.integer_digits_max
        || decimals.len() > shape.decimals_max
        || significant.saturating_add(decimals.len()) > shape.digits_max
        || integer.len() > 64;
    if too_long {
        let Shape {
            integer_digits_max,
            decimals_max,
            digits_max,
        } = shape;
        return Err(DecimalError::TooLong {
            value: shown(),
            integer_digits_max,
            decimals_max,
            digits_max,
        });
    }
    Ok(Digits {
        mantissa: integer.parse().map_err(|_| grammar())?,
        rest: if decimals.is_empty() {
            0
        } else {
            decimals.parse().map_err(|_| grammar())?
        },
        decimals: u32::try_from(decimals.len()).map_err(|_| grammar())?,
    })
}

/// Writes `scaled / 10^decimals` with all its decimals.
pub(crate) fn render(scaled: impl Into<i128>, decimals: u32) -> String {
    let scaled: i128 = scaled.into();
    let width = usize::try_from(decimals).unwrap_or(usize::MAX);
    let least = width.saturating_add(1);
    let mut text = format!("{:0least$}", scaled.unsigned_abs());
    if width > 0 {
        text.insert(text.len().saturating_sub(width), '.');
    }
    if scaled < 0 {
        text.insert(0, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: Shape = Shape {
        integer_digits_max: 9,
        decimals_max: 6,
        digits_max: 15,
    };

    #[test]
    fn nasty_texts_are_refused() {
        let nasty = [
            "", " ", "1 ", " 1", "+1", "-1", "1_000", "1,000", "1e3", "1E3", "0x10", "NaN", "inf",
            ".5", "5.", "1.2.3", "١", "1²", "½", "1\u{a0}", "1\0", "--1", "1.-1", "Infinity",
            "1e999",
        ];
        for text in nasty {
            assert!(
                matches!(parse(text, ANY), Err(DecimalError::Grammar { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn too_many_digits_are_refused_never_rounded() {
        for text in [
            "1234567890",
            "0.0000001",
            "123456789.1234567",
            "99999999999999999999999999",
        ] {
            assert!(
                matches!(parse(text, ANY), Err(DecimalError::TooLong { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn zeros_in_front_are_no_digits_but_there_are_64_at_most_in_all() {
        let zeros = |count| format!("{}7", "0".repeat(count));
        assert_eq!(parse(&zeros(63), ANY).unwrap().mantissa, 7);
        for count in [64, 100] {
            let error = parse(&zeros(count), ANY);
            assert!(
                matches!(error, Err(DecimalError::TooLong { .. })),
                "{count}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_back(integer in 0_i64..=999_999_999, rest in 0_i64..=999_999) {
            let text = format!("{integer}.{rest:06}");
            let digits = parse(&text, ANY).unwrap();
            let scaled = i64::try_from(digits.scaled().unwrap()).unwrap();
            prop_assert_eq!(render(scaled, digits.decimals), text);
        }

        #[test]
        fn any_text_is_answered_without_panic(text in ".{0,40}") {
            if let Ok(digits) = parse(&text, ANY) {
                prop_assert!(digits.scaled().is_some());
            }
        }
    }
}

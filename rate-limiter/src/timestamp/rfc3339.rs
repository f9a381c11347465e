//! The text form of an instant.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use thiserror::Error;

use super::Timestamp;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = DateTime::<Utc>::from(*self);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        )?;
        let mut fraction = at.timestamp_subsec_micros();
        if fraction > 0 {
            let mut digits = 6_usize;
            while fraction % 10 == 0 {
                fraction /= 10;
                digits = digits.saturating_sub(1);
            }
            write!(f, ".{fraction:0digits$}")?;
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

/// Reads `YYYY-MM-DDTHH:MM:SSZ`, optionally with a fraction of one to six digits. Only UTC, written `Z`, is accepted;
/// so are neither leap seconds nor a finer fraction, because neither could be kept.
impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        let mut reader = Reader {
            rest: text.as_bytes(),
        };
        let date = reader.date()?;
        reader.mark(b'T', ParseTimestampError::Form)?;
        let seconds = reader.time_of_day()?;
        let micros = reader.fraction()?;
        reader.mark(b'Z', ParseTimestampError::Zone)?;
        if !reader.rest.is_empty() {
            return Err(ParseTimestampError::Form);
        }
        let whole = date
            .and_hms_opt(0, 0, 0)
            .ok_or(ParseTimestampError::Value)?
            .and_utc()
            .timestamp()
            .saturating_add(seconds);
        Ok(Self::from_micros(
            whole.saturating_mul(1_000_000).saturating_add(micros),
        ))
    }
}

/// Why a text is not a [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseTimestampError {
    /// The text is not laid out as RFC 3339.
    #[error("instant does not read like 2026-01-31T12:00:00Z")]
    Form,
    /// A month, day, hour, minute or second does not exist.
    #[error("instant names a date or time of day that does not exist")]
    Value,
    /// The fraction is empty or finer than a microsecond.
    #[error("fraction of a second must have 1 to 6 digits")]
    Fraction,
    /// The time zone is not written `Z`.
    #[error("instant must be in UTC, written with a final Z")]
    Zone,
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn date(&mut self) -> Result<NaiveDate, ParseTimestampError> {
        let year = self.number(4)?;
        self.mark(b'-', ParseTimestampError::Form)?;
        let month = self.number(2)?;
        self.mark(b'-', ParseTimestampError::Form)?;
        let day = self.number(2)?;
        let year = i32::try_from(year).map_err(|_| ParseTimestampError::Value)?;
        NaiveDate::from_ymd_opt(year, month, day).ok_or(ParseTimestampError::Value)
    }

    fn time_of_day(&mut self) -> Result<i64, ParseTimestampError> {
        let hour = self.number(2)?;
        self.mark(b':', ParseTimestampError::Form)?;
        let minute = self.number(2)?;
        self.mark(b':', ParseTimestampError::Form)?;
        let second = self.number(2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return Err(ParseTimestampError::Value);
        }
        let hours = i64::from(hour).saturating_mul(3600);
        let minutes = i64::from(minute).saturating_mul(60);
        Ok(hours
            .saturating_add(minutes)
            .saturating_add(i64::from(second)))
    }

    fn fraction(&mut self) -> Result<i64, ParseTimestampError> {
        let Some(rest) = self.rest.strip_prefix(b".") else {
            return Ok(0);
        };
        self.rest = rest;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=6).contains(&digits) {
            return Err(ParseTimestampError::Fraction);
        }
        let mut micros = i64::from(self.number(digits)?);
        for _ in digits..6 {
            micros = micros.saturating_mul(10);
        }
        Ok(micros)
    }

    fn number(&mut self, digits: usize) -> Result<u32, ParseTimestampError> {
        let (head, rest) = self
            .rest
            .split_at_checked(digits)
            .ok_or(ParseTimestampError::Form)?;
        self.rest = rest;
        head.iter().try_fold(0_u32, |number, byte| {
            let digit = char::from(*byte)
                .to_digit(10)
                .ok_or(ParseTimestampError::Form)?;
            Ok(number.saturating_mul(10).saturating_add(digit))
        })
    }

    fn mark(&mut self, mark: u8, error: ParseTimestampError) -> Result<(), ParseTimestampError> {
        self.rest = self.rest.strip_prefix(&[mark]).ok_or(error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Timestamp, ParseTimestampError> {
        text.parse()
    }

    #[test]
    fn the_fraction_is_written_only_when_it_is_not_zero() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2024-02-29T23:59:59.999999Z",
            "2026-11-20T08:05:03.5Z",
            "2026-11-20T08:05:03.000001Z",
            "1969-12-31T23:59:59.9Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            parse("2026-01-01T00:00:00.500Z").unwrap().to_string(),
            "2026-01-01T00:00:00.5Z"
        );
    }

    #[test]
    fn what_could_not_be_kept_is_refused() {
        use ParseTimestampError::{Form, Fraction, Value, Zone};
        for (text, error) in [
            ("", Form),
            ("2026-01-01", Form),
            ("2026-01-01 00:00:00Z", Form),
            ("2026-01-01T00:00:00Z ", Form),
            ("+026-01-01T00:00:00Z", Form),
            ("2026-02-29T00:00:00Z", Value),
            ("2026-13-01T00:00:00Z", Value),
            ("2026-01-01T24:00:00Z", Value),
            ("2026-01-01T00:00:60Z", Value),
            ("2026-01-01T00:00:00.Z", Fraction),
            ("2026-01-01T00:00:00.1234567Z", Fraction),
            ("2026-01-01T00:00:00+00:00", Zone),
            ("2026-01-01T00:00:00z", Zone),
            ("2026-01-01T00:00:00", Zone),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}

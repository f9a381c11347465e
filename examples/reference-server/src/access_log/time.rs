use chrono::{DateTime, NaiveDate, Utc};
use monetization_core::clock::Timestamp;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// `17/May/2015:10:05:03 +0000`, as Apache and nginx write it.
pub(super) fn apache(text: &[u8]) -> Option<Timestamp> {
    let (date, rest) = text.split_at_checked(11)?;
    let (time, zone) = rest.split_at_checked(9)?;
    let [d1, d2, b'/', month @ .., b'/', y1, y2, y3, y4] = date else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = u32::try_from(month).ok()?.checked_add(1)?;
    let year = number(&[*y1, *y2, *y3, *y4])?;
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, number(&[*d1, *d2])?)?;
    let [b':', h1, h2, b':', m1, m2, b':', s1, s2] = time else {
        return None;
    };
    let (hour, minute) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    let at = date.and_hms_opt(hour, minute, number(&[*s1, *s2])?)?;
    let local = at.and_utc().timestamp();
    Some(Timestamp::from_secs(local.checked_sub(offset(zone)?)?))
}

/// Any of the times of JSON logs: RFC 3339, also with an offset without its colon; Apache's, with or
/// without brackets; or seconds since 1970.
pub(super) fn json(text: &str) -> Option<Timestamp> {
    if let Some(at) = seconds(text) {
        return Some(at);
    }
    let within = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Some(at) = apache(within.unwrap_or(text).as_bytes()) {
        return Some(at);
    }
    let at = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    Timestamp::try_from(at.ok()?.with_timezone(&Utc)).ok()
}

/// `1431857103` or `1431857103.123`; what is below a microsecond is cut off.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Up to the year 2286; what is longer counts in milliseconds or something else.
    if !digits(whole) || !digits(fraction) || whole.len() > 10 {
        return None;
    }
    let micros = fraction.bytes().chain(*b"000000").take(6);
    let micros: String = micros.map(char::from).collect();
    let seconds: i64 = whole.parse().ok()?;
    let whole = seconds.checked_mul(1_000_000)?;
    Some(Timestamp::from_micros(
        whole.checked_add(micros.parse().ok()?)?,
    ))
}

/// Seconds that local time is ahead: ` +0200`.
fn offset(zone: &[u8]) -> Option<i64> {
    let [b' ', sign, h1, h2, m1, m2] = zone else {
        return None;
    };
    let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours.checked_mul(60)?.checked_add(minutes)?).checked_mul(60)?;
    match sign {
        b'+' => Some(seconds),
        b'-' => seconds.checked_neg(),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn each_habit_of_writing_a_time_is_read() {
        let table = [
            ("17/May/2015:12:05:03 +0200", "2015-05-17T10:05:03Z"),
            ("17/May/2015:00:05:03 -0930", "2015-05-17T09:35:03Z"),
            ("[17/May/2015:12:05:03 +0200]", "2015-05-17T10:05:03Z"),
            ("2015-05-17T12:05:03+02:00", "2015-05-17T10:05:03Z"),
            ("2015-05-17T12:05:03+0200", "2015-05-17T10:05:03Z"),
            ("2015-05-17T12:05:03.25+0200", "2015-05-17T10:05:03.25Z"),
            ("2015-05-17T10:05:03.123Z", "2015-05-17T10:05:03.123Z"),
            (
                "2015-05-17T10:05:03.123456789Z",
                "2015-05-17T10:05:03.123456Z",
            ),
            ("1431857103", "2015-05-17T10:05:03Z"),
            ("1431857103.1234567", "2015-05-17T10:05:03.123456Z"),
        ];
        for (text, expected) in table {
            assert_eq!(json(text), Some(at(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "32/May/2015:10:05:03 +0000",
            "29/Feb/2015:10:05:03 +0000",
            "17/may/2015:10:05:03 +0000",
            "17/May/2015:24:05:03 +0000",
            "17/May/2015:10:05:60 +0000",
            "17/May/2015:10:05:03 +2400",
            "17/May/2015:10:05:03 0000",
            "17/May/2015:10:05:03",
            "17/May/2015:10:05:03 +0000 ",
            "[17/May/2015:10:05:03 +0000",
            "17/May/2015:10:05:03 +0000]",
            "2015-05-17T12:05:03",
            "2015-05-17T12:05:03+02000",
            "1431857103123",
            "-1",
            "1.",
            ".5",
            "2015-05-17",
            "1e9",
        ] {
            assert_eq!(json(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn apaches_time_agrees_with_the_calendar(seconds in 0_i64..4_000_000_000, minutes in -1_439_i32..1_440) {
            let offset = minutes.checked_mul(60).unwrap();
            let zone = chrono::FixedOffset::east_opt(offset).unwrap();
            let written = DateTime::<Utc>::from(Timestamp::from_secs(seconds)).with_timezone(&zone);
            let text = written.format("%d/%b/%Y:%H:%M:%S %z").to_string();
            prop_assert_eq!(apache(text.as_bytes()), Some(Timestamp::from_secs(seconds)));
        }

        #[test]
        fn any_text_is_a_time_or_none(text in ".{0,40}") {
            let _ = json(&text);
        }
    }
}

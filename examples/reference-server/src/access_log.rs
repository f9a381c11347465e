//! Reads access logs of Apache and nginx: the common and the combined format.
//!
//! Only what a call needs is read: address, time, request, status and size. What follows the size
//! (referrer and agent of the combined format) is not looked at, so that a line that was cut off
//! there still counts.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use http::Method;
use monetization_core::clock::Timestamp;

/// A log that was read.
#[derive(Debug, Clone, Default)]
pub struct AccessLog {
    /// Its calls, in the order of its lines.
    pub calls: Vec<LoggedCall>,
    /// The client addresses, in the order of their first calls.
    pub addresses: Vec<Arc<str>>,
    /// Lines that are none of a log: their numbers, from 1, and what is wrong with them.
    pub malformed: Vec<(usize, LineError)>,
    /// Lines, without empty ones.
    pub lines: usize,
}

/// One call as a log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedCall {
    /// The client's address, as it is written.
    pub address: Arc<str>,
    /// When it was, in UTC.
    pub at: Timestamp,
    /// Its method.
    pub method: Method,
    /// What was asked for, as it was sent.
    pub target: String,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the answer's body.
    pub size: u64,
}

/// Bytes a line may have.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

impl AccessLog {
    /// Reads a log to its end. Lines that are none are kept by number, not fatal.
    ///
    /// # Errors
    /// Whatever reading `from` fails with.
    pub fn read(mut from: impl BufRead) -> io::Result<Self> {
        let mut log = Self::default();
        let mut addresses: BTreeMap<Arc<str>, ()> = BTreeMap::new();
        let mut number = 0_usize;
        let mut line = Vec::new();
        while next_line(&mut from, &mut line)? {
            number = number.saturating_add(1);
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                continue;
            }
            log.lines = log.lines.saturating_add(1);
            match parse(text) {
                Ok(mut call) => {
                    match addresses.get_key_value(&call.address) {
                        Some((known, ())) => call.address = Arc::clone(known),
                        None => {
                            addresses.insert(Arc::clone(&call.address), ());
                            log.addresses.push(Arc::clone(&call.address));
                        }
                    }
                    log.calls.push(call);
                }
                Err(error) => log.malformed.push((number, error)),
            }
        }
        Ok(log)
    }
}

/// Why a line is none of an access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is longer than [`LINE_BYTES_MAX`].
    #[error("the line is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// It does not begin with an address.
    #[error("the address is missing")]
    Address,
    /// Its time is missing or none.
    #[error("the time is not like [17/May/2015:10:05:03 +0000]")]
    Time,
    /// Its request is missing, is not closed, or is not method and target.
    #[error("the request is not like \"GET /path HTTP/1.1\"")]
    Request,
    /// Its status is missing or no final status of HTTP.
    #[error("the status is not a number from 200 to 599")]
    Status,
    /// Its size is missing or neither a number nor a dash.
    #[error("the size is neither a number nor -")]
    Size,
}

/// Reads one line.
///
/// # Errors
/// [`LineError`], the first thing from the left that is wrong.
pub fn parse(line: &str) -> Result<LoggedCall, LineError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineError::TooLong);
    }
    let (address, rest) = line.split_once(' ').ok_or(LineError::Address)?;
    if address.is_empty() {
        return Err(LineError::Address);
    }
    // Between address and time stand two names, of which the second may have blanks in it.
    let (_, rest) = rest.split_once('[').ok_or(LineError::Time)?;
    let (time, rest) = rest.split_once(']').ok_or(LineError::Time)?;
    let at = parse_time(time).ok_or(LineError::Time)?;
    let rest = rest.strip_prefix(" \"").ok_or(LineError::Request)?;
    let (request, rest) = quoted(rest).ok_or(LineError::Request)?;
    let (method, target) = parse_request(&request).ok_or(LineError::Request)?;
    let mut fields = rest.trim_start().splitn(3, ' ');
    let status = fields.next().filter(|status| status.len() == 3);
    let status = status
        .and_then(|status| status.parse().ok())
        .filter(|status| (200..600).contains(status))
        .ok_or(LineError::Status)?;
    let size = match fields.next() {
        Some("-") => 0,
        Some(size) if size.bytes().all(|byte| byte.is_ascii_digit()) => {
            size.parse().map_err(|_| LineError::Size)?
        }
        _ => return Err(LineError::Size),
    };
    Ok(LoggedCall {
        address: address.into(),
        at,
        method,
        target,
        status,
        size,
    })
}

fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    // One byte more than is allowed shows that the line is too long; the rest is passed over.
    let at_most = u64::try_from(LINE_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(2);
    from.by_ref().take(at_most).read_until(b'\n', line)?;
    if !line.is_empty() && !line.ends_with(b"\n") && line.len() > LINE_BYTES_MAX {
        from.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}

fn parse_time(text: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_str(text, "%d/%b/%Y:%H:%M:%S %z").ok()?;
    Timestamp::try_from(at.with_timezone(&Utc)).ok()
}

/// The text up to the closing quotation mark, without its escapes, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut plain = String::new();
    let mut rest = text;
    loop {
        let special = rest.find(['"', '\\'])?;
        let (before, from) = rest.split_at(special);
        plain.push_str(before);
        if let Some(after) = from.strip_prefix('"') {
            return Some((plain, after));
        }
        let escape = from.strip_prefix('\\')?;
        let hex = escape
            .strip_prefix('x')
            .and_then(|digits| digits.get(..2))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = if let Some(byte) = hex {
            plain.push(char::from(byte));
            escape.get(3..)?
        } else {
            let mut letters = escape.chars();
            plain.push(letters.next()?);
            letters.as_str()
        };
    }
}

fn parse_request(request: &str) -> Option<(Method, String)> {
    let (method, rest) = request.split_once(' ')?;
    let target = match rest.rsplit_once(' ') {
        Some((target, version)) if version.starts_with("HTTP/") => target,
        // HTTP/0.9 names no version.
        _ => rest,
    };
    let named = !target.is_empty() && !method.is_empty();
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    named.then(|| (method, target.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str =
        r#"192.0.2.7 - bob [17/May/2015:12:05:03 +0200] "GET /a?b=c HTTP/1.1" 200 203023"#;

    fn call() -> LoggedCall {
        LoggedCall {
            address: "192.0.2.7".into(),
            at: "2015-05-17T10:05:03Z".parse().unwrap(),
            method: Method::GET,
            target: "/a?b=c".to_owned(),
            status: 200,
            size: 203_023,
        }
    }

    #[test]
    fn common_and_combined_lines_are_read_alike() {
        let combined = format!("{LINE} \"http://example.com/\" \"agent \\\" 1.0\"");
        assert_eq!(parse(LINE), Ok(call()));
        assert_eq!(parse(&combined), Ok(call()));
    }

    #[test]
    fn a_line_that_is_cut_off_after_its_size_still_counts() {
        let cut = format!("{LINE} \"-\" \"Mozilla/5.0 (compatible; +http://");
        assert_eq!(parse(&cut), Ok(call()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let table = [
            ("", LineError::Address),
            (" - - [", LineError::Address),
            ("192.0.2.7 - - no time", LineError::Time),
            (
                "a - - [32/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1",
                LineError::Time,
            ),
            (
                "a - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1",
                LineError::Request,
            ),
            (
                "a - - [17/May/2015:10:05:03 +0000] \"-\" 408 -",
                LineError::Request,
            ),
            (
                "a - - [17/May/2015:10:05:03 +0000] \"\\x16\\x03\" 400 0",
                LineError::Request,
            ),
            (
                "a - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 2000 1",
                LineError::Status,
            ),
            (
                "a - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 101 1",
                LineError::Status,
            ),
            (
                "a - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200",
                LineError::Size,
            ),
            (
                "a - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 +1",
                LineError::Size,
            ),
        ];
        for (line, error) in table {
            assert_eq!(parse(line), Err(error), "{line}");
        }
        let long = format!("{LINE}{}", " ".repeat(LINE_BYTES_MAX));
        assert_eq!(parse(&long), Err(LineError::TooLong));
    }

    #[test]
    fn escapes_and_blanks_within_a_request_are_what_was_sent() {
        let line = LINE.replace("/a?b=c", r#"/a\"b\\c\x41 d"#);
        assert_eq!(parse(&line).unwrap().target, r#"/a"b\cA d"#);
        let old = LINE.replace(" HTTP/1.1", "");
        assert_eq!(parse(&old).unwrap().target, "/a?b=c");
    }

    #[test]
    fn a_log_keeps_the_numbers_of_malformed_lines_and_every_address_once() {
        let other = LINE.replace("192.0.2.7", "2001:db8::1");
        let long = "x".repeat(3 * LINE_BYTES_MAX);
        let text = format!("{LINE}\r\n\nnonsense\n{other}\n{long}\n{LINE}");
        let log = AccessLog::read(text.as_bytes()).unwrap();
        assert_eq!(log.lines, 5);
        assert_eq!(log.calls.len(), 3);
        assert_eq!(
            log.malformed,
            [(3, LineError::Address), (5, LineError::TooLong)]
        );
        let addresses: Vec<&str> = log.addresses.iter().map(AsRef::as_ref).collect();
        assert_eq!(addresses, ["192.0.2.7", "2001:db8::1"]);
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_panic(text in "(a - - \\[17/May/2015:10:05:03 \\+0000\\] \")?.{0,80}") {
            drop(parse(&text));
            drop(AccessLog::read(text.as_bytes()));
        }

        #[test]
        fn what_is_written_reads_back(
            seconds in 0_i64..4_000_000_000,
            target in "/[ -~]{0,40}",
            status in 200_u16..600,
            size in any::<u64>(),
        ) {
            let at = Timestamp::from_secs(seconds);
            let time = DateTime::<Utc>::from(at).format("%d/%b/%Y:%H:%M:%S %z");
            let escaped = target.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("h - - [{time}] \"GET {escaped} HTTP/1.1\" {status} {size} \"-\" \"-\"");
            let read = parse(&line).unwrap();
            prop_assert_eq!(read, LoggedCall { address: "h".into(), at, target, status, size, method: Method::GET });
        }
    }
}

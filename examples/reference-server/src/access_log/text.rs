//! The common and the combined format.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{REFERER, USER_AGENT};

use super::entry::{ConsumerBy, Entry, LineError, client, request, said, size, status};
use super::time;

/// Reads one line.
pub(super) fn parse<'a>(line: &'a [u8], by: &ConsumerBy) -> Result<Entry<'a>, LineError> {
    let (first, rest) = split(line, b' ').ok_or(LineError::Address)?;
    if first.is_empty() {
        return Err(LineError::Address);
    }
    let (names, rest) = split(rest, b'[').ok_or(LineError::Time)?;
    let (address, user) = who(first, names).ok_or(LineError::Address)?;
    let (at, rest) = split(rest, b']').ok_or(LineError::Time)?;
    let at = time::apache(at).ok_or(LineError::Time)?;
    let rest = rest.strip_prefix(b" \"").ok_or(LineError::Request)?;
    let (quoted, rest) = quoted(rest).ok_or(LineError::Request)?;
    let (method, target) = match utf8(quoted).ok_or(LineError::Request)? {
        Cow::Borrowed(line) => {
            let (method, target) = request(line).ok_or(LineError::Request)?;
            (method, Cow::Borrowed(target))
        }
        Cow::Owned(line) => {
            let (method, target) = request(&line).ok_or(LineError::Request)?;
            (method, Cow::Owned(target.to_owned()))
        }
    };
    let mut fields = rest.trim_ascii_start().splitn(3, |byte| *byte == b' ');
    let mut field = || fields.next().and_then(|field| str::from_utf8(field).ok());
    let status = field().and_then(status).ok_or(LineError::Status)?;
    let sent_bytes = field().and_then(size).ok_or(LineError::Size)?;
    let consumer = match by {
        ConsumerBy::Address => {
            said(client(String::from_utf8_lossy(address)).ok_or(LineError::Address)?)
        }
        ConsumerBy::User => said(String::from_utf8_lossy(user)),
        ConsumerBy::Header(REFERER) => header(fields.next(), 0),
        ConsumerBy::Header(USER_AGENT) => header(fields.next(), 1),
        ConsumerBy::Header(_) => None,
    };
    Ok(Entry {
        consumer,
        at,
        method,
        target,
        status,
        sent_bytes,
        received_bytes: 0,
    })
}

/// The client and the user of `CLIENT IDENTITY USER`, of which the user may have blanks in it, by its first
/// word and the others. The client may be a list of addresses, and a virtual host may stand before it.
fn who<'a>(first: &'a [u8], names: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut address = first;
    let (mut identity, mut user) = split(names.trim_ascii_end(), b' ')?;
    if identity != b"-" {
        let is_host = !address.ends_with(b",") && !is_address(address);
        if is_host && is_address(listed(identity)) {
            address = identity;
            (identity, user) = split(user, b' ')?;
        }
    }
    let mut last = address;
    while last.ends_with(b",") {
        last = identity;
        (identity, user) = split(user, b' ')?;
        if !is_address(listed(last)) {
            return None;
        }
    }
    // Anything else between them would be taken for a part of the user, or of the identity.
    let is_one = !user.contains(&b' ');
    let is_user = is_one || identity == b"-" && !user.starts_with(b"- ");
    is_user.then_some((address, user))
}

/// An address of a list, without what parts it from the next.
fn listed(word: &[u8]) -> &[u8] {
    word.strip_suffix(b",").unwrap_or(word)
}

fn is_address(word: &[u8]) -> bool {
    let word = str::from_utf8(word);
    word.is_ok_and(|word| word.parse::<IpAddr>().is_ok())
}

/// One of the texts in quotation marks that follow the size.
fn header(rest: Option<&[u8]>, index: usize) -> Option<Cow<'_, str>> {
    let mut rest = rest?;
    for skipped in 0..=index {
        let (value, after) = quoted(rest.trim_ascii_start().strip_prefix(b"\"")?)?;
        if skipped == index {
            return said(lossy(value));
        }
        rest = after;
    }
    None
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let index = text.iter().position(|byte| *byte == at)?;
    let (before, rest) = text.split_at(index);
    Some((before, rest.get(1..)?))
}

/// The text up to the closing quotation mark, without its escapes, and what follows it.
fn quoted(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\');
    let end = text.iter().position(special)?;
    let (before, rest) = text.split_at(end);
    if let Some(after) = rest.strip_prefix(b"\"") {
        return Some((Cow::Borrowed(before), after));
    }
    let mut plain = before.to_vec();
    let mut rest = rest;
    loop {
        match rest {
            [b'"', after @ ..] => return Some((Cow::Owned(plain), after)),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                plain.push(hex(*high).checked_mul(16)?.checked_add(hex(*low))?);
                rest = after;
            }
            [b'\\', letter, after @ ..] => {
                plain.push(escaped(*letter));
                rest = after;
            }
            [byte, after @ ..] => {
                plain.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

/// What Apache writes a control character as, or the character that a backslash protects.
fn escaped(letter: u8) -> u8 {
    match letter {
        b'b' => 0x08,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 0x0b,
        b'f' => 0x0c,
        b'r' => b'\r',
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    let digit = char::from(digit).to_digit(16).unwrap_or(0);
    u8::try_from(digit).unwrap_or(0)
}

fn utf8(text: Cow<'_, [u8]>) -> Option<Cow<'_, str>> {
    match text {
        Cow::Borrowed(text) => str::from_utf8(text).ok().map(Cow::Borrowed),
        Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
    }
}

fn lossy(text: Cow<'_, [u8]>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => String::from_utf8_lossy(text),
        Cow::Owned(text) => Cow::Owned(String::from_utf8_lossy(&text).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use http::Method;
    use monetization_core::clock::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::access_log::LINE_BYTES_MAX;

    const LINE: &str =
        r#"192.0.2.7 - bob [17/May/2015:12:05:03 +0200] "GET /a?b=c HTTP/1.1" 200 203023"#;

    fn read(line: &str) -> Result<Entry<'_>, LineError> {
        Entry::parse(line.as_bytes(), &ConsumerBy::Address)
    }

    fn consumer(line: &str, by: &str) -> Option<String> {
        let entry = Entry::parse(line.as_bytes(), &by.parse().unwrap()).unwrap();
        entry.consumer.map(Cow::into_owned)
    }

    fn call() -> Entry<'static> {
        Entry {
            consumer: Some("192.0.2.7".into()),
            at: "2015-05-17T10:05:03Z".parse().unwrap(),
            method: Method::GET,
            target: "/a?b=c".into(),
            status: 200,
            sent_bytes: 203_023,
            received_bytes: 0,
        }
    }

    #[test]
    fn common_and_combined_lines_are_read_alike() {
        let combined = format!("{LINE} \"http://example.com/\" \"agent \\\" 1.0\"");
        assert_eq!(read(LINE), Ok(call()));
        assert_eq!(read(&combined), Ok(call()));
    }

    #[test]
    fn a_line_that_is_cut_off_after_its_size_still_counts() {
        let cut = format!("{LINE} \"-\" \"Mozilla/5.0 (compatible; +http://");
        assert_eq!(read(&cut), Ok(call()));
        assert_eq!(consumer(&cut, "header:User-Agent"), None);
    }

    #[test]
    fn a_consumer_is_told_by_address_user_or_header() {
        let combined = format!("{LINE} \"-\" \"agent \\\" 1.0\"");
        assert_eq!(consumer(LINE, "address").unwrap(), "192.0.2.7");
        assert_eq!(consumer(&LINE.replace("192.0.2.7", "-"), "address"), None);
        assert_eq!(consumer(LINE, "user").unwrap(), "bob");
        let named = LINE.replace(" bob ", " bob the builder ");
        assert_eq!(consumer(&named, "user").unwrap(), "bob the builder");
        assert_eq!(consumer(&LINE.replace("bob", "-"), "user"), None);
        let agent = consumer(&combined, "header:user-agent").unwrap();
        assert_eq!(agent, "agent \" 1.0");
        assert_eq!(consumer(&combined, "header:referer"), None);
        assert_eq!(consumer(&combined, "header:x-api-key"), None);
        assert!("cookie".parse::<ConsumerBy>().is_err());
        assert!("header:a b".parse::<ConsumerBy>().is_err());
    }

    /// Debian's format for virtual hosts, and what proxies write, made one consumer of everybody.
    #[test]
    fn a_client_stands_behind_its_virtual_host_and_first_in_a_list() {
        let table = [
            ("www.example.com:80 192.0.2.7 - -", "192.0.2.7"),
            ("www.example.com 2001:db8::1 - bob", "2001:db8::1"),
            ("10.0.0.1:443 192.0.2.7 - bob the builder", "192.0.2.7"),
            ("www.example.com:80 192.0.2.7, 10.0.0.1 - -", "192.0.2.7"),
            ("192.0.2.7, 10.0.0.1 - -", "192.0.2.7"),
            ("192.0.2.7, 10.0.0.1, 2001:db8::1 - bob", "192.0.2.7"),
            ("192.0.2.7,10.0.0.1 - -", "192.0.2.7"),
            ("192.0.2.7:1234, 10.0.0.1 - -", "192.0.2.7"),
            ("192.0.2.7:1234 - -", "192.0.2.7"),
            ("client.example.com identity bob", "client.example.com"),
        ];
        for (names, client) in table {
            let line = LINE.replace("192.0.2.7 - bob", names);
            assert_eq!(
                consumer(&line, "address").as_deref(),
                Some(client),
                "{names}"
            );
            let user = names
                .split_once(" bob")
                .map(|(_, rest)| format!("bob{rest}"));
            assert_eq!(consumer(&line, "user"), user, "{names}");
        }
        for names in [
            "www.example.com:80 client.example.com - -",
            "www.example.com:80 192.0.2.7 -",
            "10.0.0.1 192.0.2.7 - -",
            "unknown, 192.0.2.7 - -",
            "192.0.2.7, unknown - -",
            "unknown,192.0.2.7 - -",
            "192.0.2.7, 10.0.0.1",
            "192.0.2.7 - - bob",
            "192.0.2.7 -",
        ] {
            let line = LINE.replace("192.0.2.7 - bob", names);
            assert_eq!(read(&line), Err(LineError::Address), "{names}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let behind = |rest: &str| format!("a - - [17/May/2015:10:05:03 +0000] {rest}");
        let table = [
            (String::new(), LineError::Address),
            (" - - [".to_owned(), LineError::Address),
            ("192.0.2.7 - - no time".to_owned(), LineError::Time),
            (LINE.replace("17/May", "32/May"), LineError::Time),
            (behind("\"GET / HTTP/1.1"), LineError::Request),
            (behind("\"GET /\" 200 1"), LineError::Request),
            (behind("\"GET /a b HTTP/1.1\" 200 1"), LineError::Request),
            (behind("\"GET / HTTP/\" 200 1"), LineError::Request),
            (behind("\"-\" 408 -"), LineError::Request),
            (behind("\"\\x16\\x03\" 400 0"), LineError::Request),
            (behind("\"GET /\\xff HTTP/1.1\" 400 0"), LineError::Request),
            (behind("\"GET / HTTP/1.1\" 2000 1"), LineError::Status),
            (behind("\"GET / HTTP/1.1\" +20 1"), LineError::Status),
            (behind("\"GET / HTTP/1.1\" 101 1"), LineError::Status),
            (behind("\"GET / HTTP/1.1\" 200"), LineError::Size),
            (behind("\"GET / HTTP/1.1\" 200 +1"), LineError::Size),
        ];
        for (line, error) in table {
            assert_eq!(read(&line), Err(error), "{line}");
        }
        let long = format!("{LINE}{}", " ".repeat(LINE_BYTES_MAX));
        assert_eq!(read(&long), Err(LineError::TooLong));
    }

    #[test]
    fn escapes_within_a_request_are_what_was_sent() {
        let line = LINE.replace("/a?b=c", r#"/a\"b\\c\x41\xc3\xa9"#);
        assert_eq!(read(&line).unwrap().target, r#"/a"b\cAé"#);
        let dashes = LINE.replace("203023", "-");
        assert_eq!(read(&dashes).unwrap().sent_bytes, 0);
    }

    #[test]
    fn bytes_that_are_no_text_stand_where_they_do_no_harm() {
        let line = [LINE.as_bytes(), b" \"\xff\xfe\" \"\xc0\x80\""].concat();
        assert!(Entry::parse(&line, &ConsumerBy::Address).is_ok());
        let line = [b"\xff\xfe".as_slice(), LINE.as_bytes()].concat();
        let entry = Entry::parse(&line, &ConsumerBy::Address).unwrap();
        assert_eq!(entry.consumer.unwrap(), "\u{fffd}\u{fffd}192.0.2.7");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            seconds in 0_i64..4_000_000_000,
            target in "/[!-~]{0,40}",
            status in 200_u16..600,
            size in any::<u64>(),
        ) {
            let at = Timestamp::from_secs(seconds);
            let time = DateTime::<Utc>::from(at).format("%d/%b/%Y:%H:%M:%S %z");
            let escaped = target.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("h - - [{time}] \"GET {escaped} HTTP/1.1\" {status} {size} \"-\" \"-\"");
            let expected = Entry {
                consumer: Some("h".into()), at, target: target.into(), status, sent_bytes: size, ..call()
            };
            prop_assert_eq!(read(&line).unwrap(), expected);
        }
    }
}

//! Reads access logs of web servers and proxies: the common and the combined format of Apache and
//! nginx, and JSON lines as Apache, nginx, Caddy and Traefik write them.
//!
//! Only what a call needs is read. What follows the size in a line of the combined format is looked at
//! only where the consumer is told by it, so that a line that was cut off there still counts. The
//! formats may change from line to line.
//!
//! | what | text | JSON: the first that is there |
//! |---|---|---|
//! | address | the first word; behind a virtual host the second; of a list of addresses the first | `remote_addr`, `client_ip`, `remote_ip`, `ClientHost`, `ClientAddr`, `request.client_ip`, `request.remote_ip` |
//! | user | the third field | `remote_user`, `user_id`, `user`, `ClientUsername` |
//! | time | `[17/May/2015:10:05:03 +0000]` | `time_iso8601`, `StartUTC`, `msec`, `time_local`, `ts`, `time`, `timestamp`, `@timestamp` |
//! | method and target | `"GET /path HTTP/1.1"` | `request`; `request_method` and `request_uri`, `RequestMethod` and `RequestPath`, `method` and `uri` or `path`, also within `request` |
//! | status | the number behind the request | `status`, `DownstreamStatus` |
//! | bytes of the answer | the number behind the status | `body_bytes_sent`, `bytes_sent`, `DownstreamContentSize`, `size`, `bytes` |
//! | bytes of the request | | `request_length`, `RequestContentSize`, `bytes_read` |
//! | a header `X-Name` | `Referer` and `User-Agent` of the combined format | `http_x_name`, `request_X-Name`, `request.headers.X-Name` |
//!
//! Times of JSON lines are RFC 3339, as Apache writes them with or without brackets, or seconds since 1970
//! with or without a fraction; numbers may stand in quotation marks.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::sync::Arc;

use http::Method;
use monetization_core::clock::Timestamp;

pub use entry::{ConsumerBy, Entry, LineError};
pub use lines::{LINE_BYTES_MAX, Line, Lines};
pub use source::{Opened, open};

mod entry;
mod json;
mod lines;
mod source;
mod text;
mod time;

/// A log that was read.
#[derive(Debug, Clone, Default)]
pub struct AccessLog {
    /// Its calls, in the order of its lines.
    pub calls: Vec<LoggedCall>,
    /// The client addresses, in the order of their first calls.
    pub addresses: Vec<Arc<str>>,
    /// Lines that are none of a log: their numbers, from 1, and what is wrong with them.
    pub malformed: Vec<(u64, LineError)>,
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

impl AccessLog {
    /// Reads a log to its end. Lines that are none are kept by number, not fatal.
    ///
    /// # Errors
    /// Whatever reading `from` fails with.
    pub fn read(from: impl BufRead) -> io::Result<Self> {
        let mut log = Self::default();
        let mut addresses: BTreeMap<Arc<str>, ()> = BTreeMap::new();
        let mut lines = Lines::new(from);
        while let Some(line) = lines.next()? {
            log.lines = log.lines.saturating_add(1);
            match line.entry(&ConsumerBy::Address) {
                Ok(entry) => log.add(&entry, &mut addresses),
                Err(error) => log.malformed.push((line.number, error)),
            }
        }
        Ok(log)
    }

    fn add(&mut self, entry: &Entry<'_>, addresses: &mut BTreeMap<Arc<str>, ()>) {
        let written = entry.consumer.as_deref().unwrap_or("-");
        let address = match addresses.get_key_value(written) {
            Some((known, ())) => Arc::clone(known),
            None => {
                let address: Arc<str> = written.into();
                addresses.insert(Arc::clone(&address), ());
                self.addresses.push(Arc::clone(&address));
                address
            }
        };
        self.calls.push(LoggedCall {
            address,
            at: entry.at,
            method: entry.method.clone(),
            target: entry.target.clone().into_owned(),
            status: entry.status,
            size: entry.sent_bytes,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_the_numbers_of_malformed_lines_and_every_address_once() {
        let line =
            r#"192.0.2.7 - bob [17/May/2015:12:05:03 +0200] "GET /a?b=c HTTP/1.1" 200 203023"#;
        let other = line.replace("192.0.2.7", "2001:db8::1");
        let long = "x".repeat(3 * LINE_BYTES_MAX);
        let text = format!("{line}\r\n\nnonsense\n{other}\n{long}\n{line}");
        let log = AccessLog::read(text.as_bytes()).unwrap();
        assert_eq!(log.lines, 5);
        assert_eq!(log.calls.len(), 3);
        assert_eq!(
            log.malformed,
            [(3, LineError::Address), (5, LineError::TooLong)]
        );
        let addresses: Vec<&str> = log.addresses.iter().map(AsRef::as_ref).collect();
        assert_eq!(addresses, ["192.0.2.7", "2001:db8::1"]);
        assert_eq!(log.calls[0].target, "/a?b=c");
    }
}

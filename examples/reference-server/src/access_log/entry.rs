use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::{HeaderName, Method};
use monetization_core::clock::Timestamp;

use super::lines::LINE_BYTES_MAX;
use super::{json, text};

/// What a log says of one call. What stands in the line as it was sent is borrowed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// Who called, by what was asked for; `None` where the line does not say it.
    pub consumer: Option<Cow<'a, str>>,
    /// When it was, in UTC.
    pub at: Timestamp,
    /// The method.
    pub method: Method,
    /// What was asked for, as it was sent.
    pub target: Cow<'a, str>,
    /// The status of the answer, 200 to 599.
    pub status: u16,
    /// Bytes of the answer's body; 0 where nothing is said.
    pub sent_bytes: u64,
    /// Bytes of the request; 0 where nothing is said.
    pub received_bytes: u64,
}

/// By what a consumer is told from others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "each is read from each format")]
pub enum ConsumerBy {
    /// By the client's address.
    #[default]
    Address,
    /// By the name that the client has signed in with.
    User,
    /// By a header of the request.
    Header(HeaderName),
}

impl FromStr for ConsumerBy {
    type Err = String;

    /// Reads `address`, `user` or `header:NAME`.
    ///
    /// # Errors
    /// What is allowed, for any other text.
    fn from_str(text: &str) -> Result<Self, String> {
        let header = text.strip_prefix("header:").map(str::parse);
        match (text, header) {
            ("address", _) => Ok(Self::Address),
            ("user", _) => Ok(Self::User),
            (_, Some(Ok(name))) => Ok(Self::Header(name)),
            _ => Err(format!(
                "{text:?} tells no consumers: allowed are address, user and header:NAME"
            )),
        }
    }
}

impl std::fmt::Display for ConsumerBy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address => out.write_str("address"),
            Self::User => out.write_str("user"),
            Self::Header(name) => write!(out, "header:{name}"),
        }
    }
}

/// Why a line is none of an access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// It is longer than [`LINE_BYTES_MAX`].
    #[error("the line is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// It begins like a JSON object and is none.
    #[error("the line is not one JSON object")]
    Json,
    /// It does not begin with an address, an identity and a user, or its address is a list of something
    /// else.
    #[error(
        "the address is missing, or more stands before the time than address, identity and user"
    )]
    Address,
    /// Its time is missing or none.
    #[error(
        "the time is missing or not like [17/May/2015:10:05:03 +0000], or in JSON 2015-05-17T10:05:03+00:00 or 1431857103.123"
    )]
    Time,
    /// Its request is missing, is not closed, or is not method, target and version.
    #[error("the request is not like \"GET /path HTTP/1.1\"")]
    Request,
    /// Its status is missing or no final status of HTTP.
    #[error("the status is not a number from 200 to 599")]
    Status,
    /// Its size is missing or neither a number nor a dash.
    #[error("the size is neither a number nor -")]
    Size,
}

impl<'a> Entry<'a> {
    /// Reads one line of any of the formats, without its end.
    ///
    /// # Errors
    /// [`LineError`], the first thing that is wrong.
    pub fn parse(line: &'a [u8], by: &ConsumerBy) -> Result<Self, LineError> {
        if line.len() > LINE_BYTES_MAX {
            Err(LineError::TooLong)
        } else if line.trim_ascii_start().starts_with(b"{") {
            json::parse(line, by)
        } else {
            text::parse(line, by)
        }
    }
}

/// A status that an answer may end with.
pub(super) fn status(digits: &str) -> Option<u16> {
    let three = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let status = three.then(|| digits.parse().ok()).flatten();
    status.filter(|status| (200..600).contains(status))
}

/// A number of bytes, or a dash for none.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "-" => Some(0),
        _ if digits => text.parse().ok(),
        _ => None,
    }
}

/// Method and target of `GET /path HTTP/1.1`.
pub(super) fn request(line: &str) -> Option<(Method, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let (target, version) = rest.split_once(' ')?;
    let version = version.strip_prefix("HTTP/")?;
    let is_version = !version.is_empty()
        && version.len() <= 3
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    (is_version && !target.is_empty()).then_some((method, target))
}

/// Who called, of an address, with or without the port of its connection, or a list of addresses of
/// which each proxy adds one: its first. `None` for a list that does not begin with an address.
pub(super) fn client(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if let Some((first, _)) = text.split_once(',') {
        return Some(Cow::Owned(address(first.trim())?));
    }
    // Without a look at it first, each line would pay for what few have.
    let socket = text.contains(':').then(|| text.parse::<SocketAddr>());
    match socket {
        Some(Ok(socket)) => Some(Cow::Owned(socket.ip().to_string())),
        _ => Some(text),
    }
}

fn address(text: &str) -> Option<String> {
    let socket = || text.parse::<SocketAddr>().map(|socket| socket.ip());
    let address = text.parse::<IpAddr>().or_else(|_| socket()).ok()?;
    Some(address.to_string())
}

/// What a text says, if it says anything: `-` and nothing say that there is nothing.
pub(super) fn said(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!text.is_empty() && text != "-").then_some(text)
}

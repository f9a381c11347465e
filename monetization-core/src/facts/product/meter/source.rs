//! What a meter counts of calls, and where it stands.

use serde::{Deserialize, Serialize};

/// What a meter counts.
///
/// In JSON its name, or its name with what it needs to know: `"calls"`, `"response_bytes"`,
/// `{"response_header": "x-tokens"}`, `{"response_field": "/usage/total_tokens"}`, `"reports"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// One for each call.
    Calls,
    /// The bytes of requests' bodies: as many as were announced, else as many as were read.
    RequestBytes,
    /// The bytes of answers' bodies, as far as the client has been sent them.
    ResponseBytes,
    /// Both.
    Bytes,
    /// What the upstream says of each call in this header of its answer, in lower case. An answer
    /// without it, or with anything but a quantity, counts nothing.
    ResponseHeader(HeaderText),
    /// What the upstream says in this field of a JSON answer, or of the last event of a stream of
    /// events that has it: a JSON pointer (RFC 6901). An answer without it counts nothing.
    ///
    /// The upstream is asked for answers that are neither encoded nor a part of something
    /// (`Accept-Encoding: identity`, no `Range`), whatever the client asks for. One that comes encoded all the
    /// same, or as anything but JSON or events (`application/json`, `+json`, `text/event-stream`), or that is
    /// no whole document, counts nothing and is
    /// [counted as such](crate::runtime::Committer::answers_unread); so does a text or number of more than
    /// 2,048 bytes.
    ResponseField(Pointer),
    /// What the publisher reports as usage events.
    #[default]
    Reports,
}

impl Source {
    /// Whether calls through the gateway are counted by it.
    #[must_use]
    pub fn is_of_calls(&self) -> bool {
        *self != Self::Reports
    }
}

/// The name of a header, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderText(http::HeaderName);

impl HeaderText {
    /// As the header it is the name of.
    #[must_use]
    pub fn name(&self) -> &http::HeaderName {
        &self.0
    }
}

impl TryFrom<String> for HeaderText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = http::HeaderName::from_bytes(text.as_bytes());
        let short = name.ok().filter(|name| name.as_str().len() <= 64);
        short.map(Self).ok_or_else(|| {
            let text: String = text.chars().take(32).collect();
            format!("{text:?} is no name of a header: allowed are up to 64 letters, digits and -")
        })
    }
}

impl From<HeaderText> for String {
    fn from(header: HeaderText) -> Self {
        header.0.as_str().to_owned()
    }
}

/// Where in a JSON document a value stands: a pointer as of RFC 6901, such as `/usage/total_tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer(String);

impl Pointer {
    /// The pointer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of fields and places in arrays on its way, as they are and not as they are written.
    pub fn steps(&self) -> impl Iterator<Item = String> {
        let steps = self.0.split('/').skip(1);
        steps.map(|step| step.replace("~1", "/").replace("~0", "~"))
    }
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') && text.len() <= 256 {
            return Ok(Self(text));
        }
        let text: String = text.chars().take(32).collect();
        Err(format!(
            "{text:?} is no JSON pointer: allowed is / with the name of a field, at most 256 bytes"
        ))
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.0
    }
}

//! What meters read from the bodies of answers.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::ids::MeterId;
use crate::product::{Meter, Source};
use scanner::Scanner;

mod scanner;

/// Reads fields from an answer's body while it passes: a whole JSON document, or the events of a
/// stream, of which the last one that has a field counts.
///
/// It holds nothing of the body but the name or value that it is reading, so an answer may have any
/// length. What it cannot read are answers that are encoded, or are neither JSON nor events.
///
/// ```
/// # use std::error::Error;
/// # fn main() -> Result<(), Box<dyn Error>> {
/// use http::{HeaderMap, HeaderValue};
/// use monetization_core::ids::{MeterId, TypedId};
/// use monetization_core::product::MeterDraft;
/// use monetization_core::runtime::AnswerReader;
///
/// let draft: MeterDraft = serde_json::from_str(
///     r#"{"name": "tokens", "unit": "tokens", "source": {"response_field": "/usage/total_tokens"}}"#,
/// )?;
/// let meters = [draft.check(MeterId::derived(&[b"tokens"]))?];
/// let mut headers = HeaderMap::new();
/// headers.insert("content-type", HeaderValue::from_static("application/json"));
/// let mut reader = AnswerReader::new(&meters, &headers).ok_or("nothing to read")?;
/// reader.read(br#"{"usage": {"total_"#);
/// reader.read(br#"tokens": 358}}"#);
/// assert!(!reader.is_unread());
/// assert_eq!(reader.finish(), [(meters[0].id, "358".to_owned())]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AnswerReader {
    form: Form,
    scanner: Scanner,
    is_cut_off: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Document,
    Events(Line),
    /// It is encoded, or something else.
    Unreadable,
}

/// Where in a line of a stream of events the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// So many bytes of [`DATA`] have come.
    Begun(usize),
    /// After it.
    Data,
    /// In a line that begins otherwise.
    Other,
}

/// What a line begins with that has a part of an event's document.
const DATA: &[u8] = b"data:";

impl AnswerReader {
    /// For answers with this head; `None` where none of `meters` counts a field of their body.
    #[must_use]
    pub fn new<'a>(
        meters: impl IntoIterator<Item = &'a Meter>,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let fields = meters.into_iter().filter_map(|meter| match &meter.source {
            Source::ResponseField(pointer) => Some((meter.id, pointer)),
            _ => None,
        });
        let mut fields = fields.peekable();
        fields.peek()?;
        Some(Self {
            form: Form::of(headers),
            scanner: Scanner::new(fields),
            is_cut_off: false,
        })
    }

    /// Reads the next bytes.
    pub fn read(&mut self, data: &[u8]) {
        match &mut self.form {
            Form::Document => data.iter().for_each(|byte| self.scanner.read(*byte)),
            Form::Events(line) => {
                for byte in data {
                    *line = line.after(*byte, &mut self.scanner);
                }
            }
            Form::Unreadable => {}
        }
    }

    /// Whether what is left of the body can tell it anything.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        match self.form {
            Form::Document => !self.scanner.is_over(),
            Form::Events(_) => true,
            Form::Unreadable => false,
        }
    }

    /// Nothing more comes, though the body has not ended.
    pub fn cut_off(&mut self) {
        self.is_cut_off = true;
    }

    /// Whether it may have missed something, once there is no more to read: the answer is encoded, neither
    /// JSON nor events, no whole document, or [cut off](Self::cut_off), and a field was not found.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        let is_whole = match self.form {
            Form::Document => self.scanner.is_whole() || self.scanner.is_empty(),
            Form::Events(_) => true,
            Form::Unreadable => false,
        };
        (!is_whole || self.is_cut_off) && !self.scanner.has_all()
    }

    /// What it has found once there is no more to read.
    #[must_use]
    pub fn finish(self) -> Vec<(MeterId, String)> {
        self.scanner.into_found().collect()
    }
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let is_plain = !headers.contains_key(CONTENT_ENCODING)
            || text(CONTENT_ENCODING).is_some_and(|it| it.eq_ignore_ascii_case("identity"));
        let media = text(CONTENT_TYPE).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        let media = media.to_ascii_lowercase();
        if !is_plain {
            Self::Unreadable
        } else if media == "text/event-stream" {
            Self::Events(Line::Begun(0))
        } else if media == "application/json" || media.ends_with("+json") {
            Self::Document
        } else {
            Self::Unreadable
        }
    }
}

impl Line {
    /// An event ends with an empty line; lines of data before that belong to one document.
    fn after(self, byte: u8, scanner: &mut Scanner) -> Self {
        match (self, byte) {
            (Self::Begun(0), b'\n') => {
                scanner.begin();
                self
            }
            (Self::Begun(0), b'\r') => self,
            (Self::Begun(count), byte) if DATA.get(count) == Some(&byte) => {
                let count = count.saturating_add(1);
                if count < DATA.len() {
                    return Self::Begun(count);
                }
                if scanner.is_over() {
                    scanner.begin();
                }
                Self::Data
            }
            (Self::Data, byte) => {
                scanner.read(byte);
                if byte == b'\n' { Self::Begun(0) } else { self }
            }
            (_, b'\n') => Self::Begun(0),
            (Self::Begun(_) | Self::Other, _) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests;

//! What meters read from the bodies of answers.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;

use crate::ids::MeterId;
use crate::metering::Measured;
use crate::product::{Meter, Pointer, Source};

/// Reads fields from an answer's body while it passes: a whole JSON document, or the events of a
/// stream, of which the last one that has a field counts.
///
/// It holds at most [`DOCUMENT_MAX`](Self::DOCUMENT_MAX) bytes; of what is larger nothing is read, nor
/// of compressed answers.
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
/// assert_eq!(reader.finish(), [(meters[0].id, "358".to_owned())]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AnswerReader {
    fields: Vec<(MeterId, Pointer)>,
    form: Form,
    /// The document so far, or the line of an event.
    held: Vec<u8>,
    /// What is held is not all of it.
    is_too_long: bool,
    found: Vec<(MeterId, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Document,
    Events,
}

impl AnswerReader {
    /// Bytes of a document, or of a line of an event, that are held at most.
    pub const DOCUMENT_MAX: usize = 1 << 20;

    /// For answers with this head; `None` where no meter counts a field of their body.
    #[must_use]
    pub fn new(meters: &[Meter], headers: &HeaderMap) -> Option<Self> {
        let fields: Vec<(MeterId, Pointer)> = meters
            .iter()
            .filter_map(|meter| match &meter.source {
                Source::ResponseField(pointer) => Some((meter.id, pointer.clone())),
                _ => None,
            })
            .collect();
        if fields.is_empty() || headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        let media = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let media = media.split(';').next().unwrap_or_default().trim();
        let media = media.to_ascii_lowercase();
        let form = if media == "text/event-stream" {
            Form::Events
        } else if media == "application/json" || media.ends_with("+json") {
            Form::Document
        } else {
            return None;
        };
        Some(Self {
            fields,
            form,
            held: Vec::new(),
            is_too_long: false,
            found: Vec::new(),
        })
    }

    /// Reads the next bytes.
    pub fn read(&mut self, data: &[u8]) {
        match self.form {
            Form::Document => self.hold(data),
            Form::Events => {
                for piece in data.split_inclusive(|byte| *byte == b'\n') {
                    self.hold(piece);
                    if piece.ends_with(b"\n") {
                        self.end_line();
                    }
                }
            }
        }
    }

    /// Whether what is left of the body can tell it anything.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.form == Form::Events || !self.is_too_long
    }

    /// What it has found once there is no more to read.
    #[must_use]
    pub fn finish(mut self) -> Vec<(MeterId, String)> {
        match self.form {
            Form::Events => self.end_line(),
            Form::Document if self.is_too_long => {}
            Form::Document => {
                let document = std::mem::take(&mut self.held);
                self.look_into(&document);
            }
        }
        self.found
    }

    pub(super) fn tell(self, measured: &mut Measured) {
        measured.said.extend(self.finish());
    }

    fn hold(&mut self, data: &[u8]) {
        if self.is_too_long || self.held.len().saturating_add(data.len()) > Self::DOCUMENT_MAX {
            self.is_too_long = true;
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(data);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.held);
        if !std::mem::take(&mut self.is_too_long)
            && let Some(data) = line.strip_prefix(b"data:")
        {
            self.look_into(data);
        }
    }

    fn look_into(&mut self, document: &[u8]) {
        let Ok(document) = serde_json::from_slice::<Value>(document) else {
            return;
        };
        for (meter, pointer) in &self.fields {
            let said = match document.pointer(pointer.as_str()) {
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::String(text)) => text.clone(),
                _ => continue,
            };
            self.found.retain(|(other, _)| other != meter);
            self.found.push((*meter, said));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::ids::TypedId;
    use crate::product::MeterDraft;

    fn found(media: &'static str, pieces: &[&[u8]]) -> Option<String> {
        let draft = r#"{"name": "tokens", "source": {"response_field": "/usage/total_tokens"}}"#;
        let draft: MeterDraft = serde_json::from_str(draft).unwrap();
        let meters = [draft.check(MeterId::derived(&[b"tokens"])).unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        let mut reader = AnswerReader::new(&meters, &headers)?;
        for piece in pieces {
            reader.read(piece);
        }
        reader.finish().pop().map(|(_, said)| said)
    }

    #[test]
    fn the_last_event_that_has_the_field_counts() {
        let pieces: [&[u8]; 4] = [
            b"data: {\"usage\": null}\n\nda",
            b"ta: {\"usage\":{\"total_tokens\": 3}}\r\n",
            b"data: {\"usage\":{\"total_tokens\"",
            b": 358}}\n\ndata: [DONE]\n\n",
        ];
        let said = found("text/event-stream; charset=utf-8", &pieces);
        assert_eq!(said.as_deref(), Some("358"));
    }

    #[test]
    fn what_cannot_be_read_counts_nothing() {
        let whole: &[u8] = br#"{"usage": {"total_tokens": 5}}"#;
        assert_eq!(found("application/json", &[whole]).as_deref(), Some("5"));
        assert_eq!(
            found("application/problem+json", &[whole]).as_deref(),
            Some("5")
        );
        assert_eq!(found("text/plain", &[whole]), None);
        assert_eq!(found("application/json", &[&whole[..12]]), None);
        assert_eq!(found("application/json", &[br#"{"usage": [5]}"#]), None);
        let much = vec![b' '; AnswerReader::DOCUMENT_MAX];
        assert_eq!(found("application/json", &[&much, whole]), None);
    }
}

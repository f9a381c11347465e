//! How long the body of a request was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue};
use monetization_core::money::Scale;

/// The bytes of a request's body, where a meter of the product counts them: an extension of the
/// request that the inner service gets.
///
/// A length that the head announces is taken as it is; one of more than 15 digits was refused. Of a body without one the layer sees nothing:
/// the service that reads it says how much, by [`add`](Self::add). What nobody says counts nothing.
#[derive(Debug, Clone)]
pub struct RequestBytes {
    announced: Option<u64>,
    read: Arc<AtomicU64>,
}

/// Whether more is announced than can be counted of one call. Who reads no body would not notice, so it
/// has to be refused before it is believed.
pub(crate) fn announces_too_much(headers: &HeaderMap) -> bool {
    let lengths = headers.get_all(CONTENT_LENGTH).into_iter();
    lengths.filter_map(digits).any(|digits| {
        let bytes = digits.parse().ok();
        bytes.and_then(|bytes| Scale::WHOLE.whole(bytes)).is_none()
    })
}

fn digits(length: &HeaderValue) -> Option<&str> {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let text = length.to_str().ok()?;
    (!text.is_empty() && text.bytes().all(is_digit)).then_some(text)
}

impl RequestBytes {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let announced = headers.get(CONTENT_LENGTH).and_then(digits);
        Self {
            announced: announced.and_then(|digits| digits.parse().ok()),
            read: Arc::default(),
        }
    }

    /// So many more bytes were read.
    pub fn add(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> u64 {
        self.announced
            .unwrap_or_else(|| self.read.load(Ordering::Relaxed))
    }
}

//! How long the body of a request was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

/// The bytes of a request's body, where a meter of the product counts them: an extension of the
/// request that the inner service gets.
///
/// A length that the head announces is taken as it is. Of a body without one the layer sees nothing:
/// the service that reads it says how much, by [`add`](Self::add). What nobody says counts nothing.
#[derive(Debug, Clone)]
pub struct RequestBytes {
    announced: Option<u64>,
    read: Arc<AtomicU64>,
}

impl RequestBytes {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let length = headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok());
        Self {
            announced: length.and_then(|length| length.parse().ok()),
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

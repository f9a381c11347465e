//! Text that must not be shown.

use std::fmt;

use serde::Deserialize;

/// A secret: credentials, webhook secrets, peppers. It can be read from configuration but is
/// never serialised, and `Debug` shows dots.
///
/// ```compile_fail
/// let secret = monetization_core::secret::Secret::new("hush");
/// serde_json::to_string(&secret).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for the one place that must send or compare it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_it() {
        assert!(!format!("{:?}", Secret::new("canary")).contains("canary"));
    }
}

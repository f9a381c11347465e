//! Text that must not be shown.

use std::fmt;

use serde::Deserialize;

/// A secret: credentials, webhook secrets, peppers. It can be read from configuration but is
/// never serialised, and `Debug` shows dots.
///
/// ```
/// use monetization_core::secret::Secret;
///
/// let secret: Secret = serde_json::from_str("\"hush\"")?;
/// assert_eq!(secret.reveal(), "hush");
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// That it cannot be written is the compiler's to say:
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
    /// The text is kept as it is; nothing about it is checked.
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

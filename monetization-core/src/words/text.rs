//! Short texts that come from people: checked once, then right for good.
//!
//! | type | characters | what it is for |
//! |---|---|---|
//! | [`Name`] | 1 to 100 | shown to people |
//! | [`Prose`] | 0 to 2,000 | shown to people, line breaks allowed |
//! | [`Slug`] | 1 to 64 of `a-z 0-9 - _` | paths, keys, configuration |
//! | [`ForeignId`] | 1 to 255 visible ASCII | ids that somebody else made |
//! | [`Endpoint`] | an absolute `http` or `https` URL | where an API is served |
//! | [`PageUrl`] | the same, with a query if need be | where people are sent |
//!
//! They are read by `parse`, which refuses and never repairs, and are plain strings in JSON, where
//! reading checks them too.
//!
//! ```
//! use monetization_core::text::{Endpoint, Name, Slug};
//!
//! let slug: Slug = "weather-v2".parse()?;
//! assert_eq!(slug.as_str(), "weather-v2");
//! let error = "Weather".parse::<Slug>().unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "\"Weather\" begins with another character: \
//!      allowed is 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit",
//! );
//!
//! assert!("https://api.example.com/v1".parse::<Endpoint>().is_ok());
//! let error = "https://api.example.com/?key=1".parse::<Endpoint>().unwrap_err();
//! assert!(error.to_string().contains("has a query or a fragment"));
//! assert!(serde_json::from_str::<Name>("\" Acme\"").is_err());
//! # Ok::<(), monetization_core::text::TextError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text was not taken.
///
/// It shows at most 64 characters of the text, what is wrong with it and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} {problem}: allowed is {allowed}")]
pub struct TextError {
    value: String,
    problem: &'static str,
    allowed: &'static str,
}

impl TextError {
    fn new(value: &str, problem: &'static str, allowed: &'static str) -> Self {
        // A wrong text may be long: enough of it to recognise is kept.
        Self {
            value: value.chars().take(64).collect(),
            problem,
            allowed,
        }
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $allowed:literal, $check:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                match check(text) {
                    Ok(()) => Ok(Self(text.to_owned())),
                    Err(problem) => Err(TextError::new(text, problem, $allowed)),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, out)
            }
        }
    )+};
}

texts! {
    /// A name shown to people: 1 to 100 characters, no control characters, no white space at
    /// either end.
    Name, "1 to 100 characters without control characters or white space at either end", |text| {
        let length = text.chars().count();
        if length == 0 {
            Err("is empty")
        } else if length > 100 {
            Err("is too long")
        } else if text.chars().any(char::is_control) {
            Err("holds a control character")
        } else if text.trim() != text {
            Err("begins or ends with white space")
        } else {
            Ok(())
        }
    };
    /// A longer text shown to people: up to 2,000 characters, line breaks allowed.
    Prose, "up to 2,000 characters without control characters other than line breaks", |text| {
        if text.chars().count() > 2_000 {
            Err("is too long")
        } else if text.chars().any(|c| c.is_control() && c != '\n') {
            Err("holds a control character")
        } else {
            Ok(())
        }
    };
    /// A name for machines: 1 to 64 of lower-case letters, digits, `-` and `_`, beginning with a
    /// letter or digit. It stands in paths, headers and keys as it is.
    Slug, "1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit", |text| {
        let first = text.bytes().next();
        if first.is_none() {
            Err("is empty")
        } else if text.len() > 64 {
            Err("is too long")
        } else if !first.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            Err("begins with another character")
        } else if text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_') {
            Ok(())
        } else {
            Err("holds another character")
        }
    };
    /// A name somebody else gave to a thing: an event's id, an object at an engine, a user. 1 to
    /// 255 visible ASCII characters, so that it can stand in a header.
    ForeignId, "1 to 255 visible ASCII characters", |text| {
        if text.is_empty() {
            Err("is empty")
        } else if text.len() > 255 {
            Err("is too long")
        } else if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(())
        } else {
            Err("holds another character")
        }
    };
    /// Where an API is served: an absolute `http` or `https` URL without user, query or fragment.
    Endpoint, "an absolute http or https URL without user, query or fragment", |text| {
        let uri = absolute(text)?;
        if uri.query().is_some() || text.contains('#') {
            Err("has a query or a fragment")
        } else {
            Ok(())
        }
    };
    /// Where a page is that people are sent to: an absolute `http` or `https` URL without user.
    PageUrl, "an absolute http or https URL without user", |text| absolute(text).map(drop);
}

/// A URL with a scheme of the web and a host, and without user.
fn absolute(text: &str) -> Result<http::Uri, &'static str> {
    let Ok(uri) = text.parse::<http::Uri>() else {
        return Err("is not a URL");
    };
    let authority = uri.authority().map(http::uri::Authority::as_str);
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        Err("has no scheme http or https")
    } else if authority.is_none_or(|authority| authority.contains('@')) {
        Err("names a user or no host")
    } else {
        Ok(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_an_absolute_http_url() {
        for text in [
            "http://127.0.0.1:9000",
            "https://api.example.com/v1/",
            "http://[::1]:80/a",
        ] {
            assert!(text.parse::<Endpoint>().is_ok(), "{text}");
        }
        let wrong = [
            "",
            "/v1",
            "api.example.com",
            "ftp://example.com",
            "http://user@example.com",
            "http://",
            "http://example.com/?a=1",
            "http://example.com/#top",
            "http://example .com",
        ];
        for text in wrong {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        let page = "https://shop.example.com/account?tab=keys";
        assert!(page.parse::<PageUrl>().is_ok());
        assert!("javascript:alert(1)".parse::<PageUrl>().is_err());
    }

    #[test]
    fn a_slug_can_stand_in_a_path() {
        for text in ["weather", "a", "0-9_z", "weather-v2"] {
            assert!(text.parse::<Slug>().is_ok(), "{text}");
        }
        for text in [
            "",
            "-a",
            "_a",
            "A",
            "a/b",
            "a.b",
            "ä",
            "a b",
            &"a".repeat(65),
        ] {
            assert!(text.parse::<Slug>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_error_says_what_is_wrong_and_what_is_allowed() {
        let error = " x".parse::<Name>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\" x\" begins or ends with white space: allowed is 1 to 100 characters without \
             control characters or white space at either end"
        );
    }
}

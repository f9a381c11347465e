//! What of a client's headers never reaches the upstream.
//!
//! | header | why it is taken off |
//! |---|---|
//! | `X-Consumer-*`, `X-Credential-*`, `X-Anonymous-Consumer` | the upstream believes them, because only we send them |
//! | `Connection` and all it lists, `Keep-Alive`, `Proxy-*`, `Transfer-Encoding`, `Upgrade`, `HTTP2-Settings` | they speak of the client's connection to us |
//! | `TE` without `trailers` | likewise |
//! | `X-HTTP-Method-Override` and its kin, `X-Original-URL`, `X-Rewrite-URL` | what is served would not be what was priced |
//! | `Proxy` | some servers take it for an environment variable |
//! | `Forwarded`, `X-Forwarded-*`, `X-Real-IP`, unless trusted | anybody can write them |
//! | `Authorization`, `X-API-Key`, private cookies | our credentials are no business of the upstream's |
//! | `Accept-Encoding`, `Range`, where a meter reads the answer | it could read neither an encoded answer nor a part of one |
//!
//! Names are compared as careless servers read them: any case, and any separator for `-`, since
//! `X_Consumer_ID` and `X-Consumer-ID` are one variable to whoever hands headers on as such.

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, COOKIE, RANGE, TE};
use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::runtime::{API_KEY, Identity};

use crate::options::LayerOptions;

const CONSUMER_ID: HeaderName = HeaderName::from_static("x-consumer-id");
const CONSUMER_CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");
const CONSUMER_USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");

/// Names, and families of names, that only we may send or that end at this hop, by the letter that
/// they begin with: every call has many names, and most of them begin with none of these.
const fn known(first: u8) -> (&'static [&'static str], &'static [&'static str]) {
    match first {
        b'c' => (&["connection"], &[]),
        b'h' => (&["http2-settings"], &[]),
        b'k' => (&["keep-alive"], &[]),
        b'p' => (&["proxy"], &["proxy-"]),
        b't' => (&["transfer-encoding"], &[]),
        b'u' => (&["upgrade"], &[]),
        b'x' => (
            &[
                "x-anonymous-consumer",
                // These let a client have another operation served than the one it was charged for.
                "x-http-method-override",
                "x-http-method",
                "x-method-override",
                "x-original-url",
                "x-original-uri",
                "x-rewrite-url",
            ],
            &["x-consumer-", "x-credential-"],
        ),
        _ => (&[], &[]),
    }
}

/// What tells where a call came from, if whoever says so can be believed.
const FORWARDING_FAMILY: &str = "x-forwarded-";
const FORWARDING_NAMES: [&str; 2] = ["forwarded", "x-real-ip"];

/// Takes off what a client must not send. Before our own headers are added, so that nothing a
/// client lists in `Connection` can take those off.
pub(crate) fn clean(headers: &mut HeaderMap, options: &LayerOptions) {
    let (mut has_connection, mut has_te) = (false, false);
    let mut unwanted = Vec::new();
    for name in headers.keys() {
        has_connection |= *name == CONNECTION;
        has_te |= *name == TE;
        if is_unwanted(name, options.trusts_forwarded) {
            unwanted.push(name.clone());
        }
    }
    if has_connection {
        remove_listed(headers);
    }
    for name in unwanted {
        headers.remove(name);
    }
    if has_te {
        let is_trailers = |token: &[u8]| token.eq_ignore_ascii_case(b"trailers");
        let mut values = headers.get_all(TE).into_iter();
        let trailers = values.any(|value| tokens(value).any(is_trailers));
        headers.remove(TE);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// Takes the key off, once it was read, and the cookies that are not the upstream's business.
pub(crate) fn take_credentials(headers: &mut HeaderMap, options: &LayerOptions) {
    headers.remove(AUTHORIZATION);
    headers.remove(API_KEY);
    if !options.private_cookies.is_empty() && headers.contains_key(COOKIE) {
        let kept: Vec<HeaderValue> = headers
            .get_all(COOKIE)
            .into_iter()
            .filter_map(|value| without_private(value, &options.private_cookies))
            .collect();
        headers.remove(COOKIE);
        for value in kept {
            headers.append(COOKIE, value);
        }
    }
}

/// Says who is calling, in the place of whatever else says so.
pub(crate) fn introduce(headers: &mut HeaderMap, identity: &Identity) {
    headers.insert(CONSUMER_ID, identity.consumer_id.clone());
    headers.insert(CONSUMER_CUSTOM_ID, identity.custom_id.clone());
    headers.insert(CONSUMER_USERNAME, identity.username.clone());
}

/// Asks for an answer that meters can read, in the place of whatever the client asks for: not encoded,
/// and no part of one. Otherwise it would be the client's choice whether its answers are counted.
pub(crate) fn ask_for_all(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(RANGE);
}

/// Takes off `Connection` and everything it lists.
pub(crate) fn remove_listed(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let values = headers.get_all(CONNECTION).into_iter();
    let listed: Vec<HeaderName> = values
        .flat_map(tokens)
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .collect();
    headers.remove(CONNECTION);
    for name in listed {
        headers.remove(name);
    }
}

/// Whether a cookie of this header pair `name=value` is private.
pub(crate) fn is_private(pair: &[u8], private: &[String]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or(pair);
    private
        .iter()
        .any(|private| private.as_bytes() == name.trim_ascii())
}

/// A cookie header without its private pairs; `None` where nothing is left.
fn without_private(value: &HeaderValue, private: &[String]) -> Option<HeaderValue> {
    let pairs = value.as_bytes().split(|byte| *byte == b';');
    let kept: Vec<&[u8]> = pairs
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty() && !is_private(pair, private))
        .collect();
    if kept.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok()
}

/// The tokens of a list, without white space around them.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let tokens = value.as_bytes().split(|byte| *byte == b',');
    tokens.map(<[u8]>::trim_ascii)
}

/// Whether a client may not send a header of this name.
fn is_unwanted(name: &HeaderName, trusts_forwarded: bool) -> bool {
    let text = name.as_str().as_bytes();
    let first = text.first().copied().unwrap_or_default();
    let (names, families) = known(first);
    let forwarding = !trusts_forwarded
        && matches!(first, b'f' | b'x')
        && (begins(text, FORWARDING_FAMILY)
            || FORWARDING_NAMES.iter().any(|known| is(text, known)));
    forwarding
        || families.iter().any(|family| begins(text, family))
        || names.iter().any(|known| is(text, known))
        || (is(text, API_KEY.as_str()) && *name != API_KEY)
}

/// Whether servers that read any separator of a header's name as the same one take it for this.
fn is(name: &[u8], known: &str) -> bool {
    name.len() == known.len() && begins(name, known)
}

/// Whether servers that read any separator as the same one find this family in the name.
fn begins(name: &[u8], family: &str) -> bool {
    let family = family.as_bytes();
    name.len() >= family.len()
        && name.iter().zip(family).all(|(byte, known)| {
            byte.eq_ignore_ascii_case(known) || (*known == b'-' && !byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_cookies_are_taken_out_of_the_line_and_others_stay() {
        let private = ["__Host-session".to_owned()];
        let line = |text| HeaderValue::from_static(text);
        let table = [
            ("a=1; __Host-session=secret; b=2", Some("a=1; b=2")),
            ("__Host-session=secret", None),
            (" __Host-session = secret ;a=1", Some("a=1")),
            ("x__Host-session=1", Some("x__Host-session=1")),
        ];
        for (given, expected) in table {
            let kept = without_private(&line(given), &private);
            assert_eq!(kept, expected.map(line), "{given}");
        }
    }

    #[test]
    fn separators_of_any_kind_make_the_same_name() {
        for name in [
            "x-consumer-id",
            "x_consumer_id",
            "x.consumer-id",
            "x-consumer_",
        ] {
            assert!(is_unwanted(&HeaderName::from_static(name), true), "{name}");
        }
        for name in [
            "x-consumers",
            "x-api-key",
            "xxconsumer-id",
            "x-forwarded-for",
        ] {
            assert!(!is_unwanted(&HeaderName::from_static(name), true), "{name}");
        }
        assert!(is_unwanted(&HeaderName::from_static("x_api_key"), true));
        assert!(is_unwanted(
            &HeaderName::from_static("x-forwarded-for"),
            false
        ));
    }
}

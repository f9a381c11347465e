//! Answers that would tell where the upstream is.
//!
//! A consumer who learns the upstream's address can go around the gateway, and around the bill. An
//! upstream that does not know of the gateway writes its own address into redirections; those are
//! led back. With endpoint `http://10.0.0.7:9000/v1` and product `weather`:
//!
//! | the upstream's `Location` | the client's |
//! |---|---|
//! | `http://10.0.0.7:9000/v1/items/3`, `/v1/items/3` | `/weather/items/3` |
//! | `http://10.0.0.7:9000/admin`, `/login` | none: it is outside of the product |
//! | `http://10.0.0.7:8000/v1` | none: it is the same host |
//! | `https://shop.example/`, `items/3`, `?page=2` | as it is |
//!
//! What an upstream writes into its bodies, or into headers of its own making, is for its owner to
//! look after.

use http::header::{
    ALT_SVC, CONTENT_LENGTH, CONTENT_LOCATION, LINK, LOCATION, REFRESH, SERVER, SET_COOKIE,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::Uri;
use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::runtime::Permit;
use monetization_core::text::Endpoint;

use crate::hygiene::{is_private, remove_listed};
use crate::options::{LayerOptions, Mount};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");

/// Rewrites an upstream's answer into one of ours: what belongs to its own connection or leads
/// to it is taken off, and a redirection within it leads back through the gateway.
pub(crate) fn conceal(headers: &mut HeaderMap, options: &LayerOptions, permit: &Permit) {
    if options.hides_server {
        for name in [SERVER, VIA, POWERED_BY] {
            headers.remove(name);
        }
    }
    if !options.private_cookies.is_empty() {
        keep_cookies(headers, &options.private_cookies);
    }
    if matches!(options.mount, Mount::Fixed(_)) {
        // The inner service is no upstream: its connection is the client's.
        return;
    }
    let endpoint = permit.endpoint();
    remove_listed(headers);
    for name in [KEEP_ALIVE, PROXY_CONNECTION, UPGRADE, ALT_SVC] {
        headers.remove(name);
    }
    if headers.remove(TRANSFER_ENCODING).is_some() {
        // Of two framings the length is the one not to be believed.
        headers.remove(CONTENT_LENGTH);
    }
    for name in [LOCATION, CONTENT_LOCATION] {
        if let Some(value) = headers.get(&name) {
            match lead_back(value, permit.product().as_str(), endpoint) {
                Lead::Elsewhere => {}
                Lead::Back(location) => {
                    headers.insert(name, location);
                }
                Lead::Nowhere => {
                    headers.remove(name);
                }
            }
        }
    }
    for name in [LINK, REFRESH] {
        let names_it = |value: &HeaderValue| names_host(value.as_bytes(), endpoint);
        if headers.get_all(&name).into_iter().any(names_it) {
            headers.remove(name);
        }
    }
}

/// Where a redirection leads.
#[derive(Debug, PartialEq, Eq)]
enum Lead {
    /// Not to the upstream, or nowhere in particular: it stays as it is.
    Elsewhere,
    /// Into the product: this is the way there through the gateway.
    Back(HeaderValue),
    /// To a place of the upstream that is not the product's.
    Nowhere,
}

/// Where a `Location` leads that was sent by the upstream at `endpoint`, of a product that is served
/// below its name.
fn lead_back(location: &HeaderValue, product: &str, endpoint: &Endpoint) -> Lead {
    let (Ok(location), Ok(endpoint)) = (location.to_str(), endpoint.as_str().parse::<Uri>()) else {
        return Lead::Nowhere;
    };
    let below = if let Some((authority, below)) = authority_and_below(location) {
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let own = endpoint.authority().map_or("", |own| own.as_str());
        if !host_of(host).eq_ignore_ascii_case(host_of(own)) {
            return Lead::Elsewhere;
        }
        if !host.eq_ignore_ascii_case(own) {
            return Lead::Nowhere;
        }
        below
    } else if location.starts_with('/') {
        location
    } else {
        return Lead::Elsewhere;
    };
    let base = endpoint.path().trim_end_matches('/');
    match below.strip_prefix(base) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => {
            let value = HeaderValue::try_from(format!("/{product}{rest}"));
            value.map_or(Lead::Nowhere, Lead::Back)
        }
        _ => Lead::Nowhere,
    }
}

/// The authority of an absolute reference and what follows it.
fn authority_and_below(location: &str) -> Option<(&str, &str)> {
    let after = location.strip_prefix("//").or_else(|| {
        let (scheme, after) = location.split_once("://")?;
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        scheme.bytes().all(in_scheme).then_some(after)
    })?;
    let end = after.find(['/', '?', '#']).unwrap_or(after.len());
    after.split_at_checked(end)
}

/// An authority without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Whether a header's value holds a reference to the endpoint's host.
fn names_host(value: &[u8], endpoint: &Endpoint) -> bool {
    let endpoint = endpoint.as_str().parse::<Uri>().unwrap_or_default();
    let host = endpoint.host().unwrap_or_default().as_bytes();
    let mut windows = value.windows(host.len().saturating_add(2).max(1));
    windows.any(|window| {
        let (slashes, rest) = window.split_at_checked(2).unwrap_or_default();
        slashes == b"//" && rest.eq_ignore_ascii_case(host)
    })
}

/// Takes off cookies that the upstream must not set on the host it shares with us.
fn keep_cookies(headers: &mut HeaderMap, private: &[String]) {
    let mut values = headers.get_all(SET_COOKIE).into_iter();
    if !values.any(|value| is_private(value.as_bytes(), private)) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(SET_COOKIE)
        .into_iter()
        .filter(|value| !is_private(value.as_bytes(), private))
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(location: &'static str, endpoint: &str) -> Lead {
        let location = HeaderValue::from_static(location);
        lead_back(&location, "weather", &endpoint.parse().unwrap())
    }

    #[test]
    fn what_leads_to_the_upstream_leads_back_through_the_gateway() {
        let back = |text: &'static str| Lead::Back(HeaderValue::from_static(text));
        let table = [
            (
                "http://10.0.0.7:9000/v1/items/3?a=b#c",
                back("/weather/items/3?a=b#c"),
            ),
            ("https://10.0.0.7:9000/v1", back("/weather")),
            ("//10.0.0.7:9000/v1/x", back("/weather/x")),
            ("http://me@10.0.0.7:9000/v1/x", back("/weather/x")),
            ("/v1/x", back("/weather/x")),
            ("/v1?page=2", back("/weather?page=2")),
            ("/v12/x", Lead::Nowhere),
            ("/login", Lead::Nowhere),
            ("http://10.0.0.7:9000/admin", Lead::Nowhere),
            ("http://10.0.0.7:8000/v1/x", Lead::Nowhere),
            ("http://10.0.0.7/v1/x", Lead::Nowhere),
            ("https://shop.example/v1/x", Lead::Elsewhere),
            ("items/3", Lead::Elsewhere),
            ("?page=2", Lead::Elsewhere),
        ];
        for (location, expected) in table {
            assert_eq!(
                lead(location, "http://10.0.0.7:9000/v1/"),
                expected,
                "{location}"
            );
        }
        assert_eq!(
            lead("http://up.example/x", "http://UP.example"),
            back("/weather/x")
        );
    }

    #[test]
    fn a_header_that_names_the_upstreams_host_is_seen() {
        let endpoint: Endpoint = "http://10.0.0.7:9000/v1".parse().unwrap();
        assert!(names_host(
            b"<http://10.0.0.7:9000/v1?page=2>; rel=next",
            &endpoint
        ));
        assert!(!names_host(
            b"<https://shop.example/10.0.0.7>; rel=next",
            &endpoint
        ));
        assert!(!names_host(b"", &endpoint));
    }
}

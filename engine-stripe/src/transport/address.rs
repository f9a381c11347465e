//! Where Stripe is.

use std::net::IpAddr;

use http::Uri;
use monetization_core::field::FieldError;

/// Reads the address that stands before `/v1`, without a slash at its end. Without encryption only
/// this machine is reached: that is for tests.
///
/// # Errors
/// A [`FieldError`] of `base_url`.
pub(crate) fn base_address(text: &str) -> Result<String, FieldError> {
    let refuse = |problem: &str| {
        let problem =
            format!("{text:?} {problem}: allowed is https://host, or http:// of this machine");
        FieldError::new("base_url", problem)
    };
    let address: Uri = text.parse().map_err(|_| refuse("is no address"))?;
    let authority = address.authority().ok_or_else(|| refuse("names no host"))?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(refuse("names no host, or somebody at it"));
    }
    match address.scheme_str() {
        Some("https") => {}
        Some("http") if is_here(authority.host()) => {}
        _ => return Err(refuse("is not encrypted")),
    }
    if address.query().is_some() {
        return Err(refuse("has a query"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_encryption() {
        for good in [
            "https://api.stripe.com",
            "https://api.stripe.com/",
            "http://127.0.0.1:12111",
            "http://[::1]:80",
            "http://localhost:1/prefix/",
        ] {
            let base = base_address(good).unwrap();
            assert!(good.starts_with(&base) && !base.ends_with('/'), "{base}");
        }
        for bad in [
            "",
            "api.stripe.com",
            "http://api.stripe.com",
            "http://10.0.0.1",
            "https://user@api.stripe.com",
            "https://api.stripe.com?x=1",
            "ftp://localhost",
        ] {
            assert_eq!(base_address(bad).unwrap_err().field(), "base_url", "{bad}");
        }
    }
}

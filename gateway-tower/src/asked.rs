//! What a request asks for.
//!
//! Of `/weather/today?day=1` with [`Mount::FirstSegment`] the product is `weather`, the path that is
//! matched against its operations is `/today`, and `/today?day=1` is forwarded. With a fixed product
//! the path is matched and forwarded whole.
//!
//! The host is not part of the question, but a request that names two of them, one in its target
//! and one in a header, is one of which two servers make two different requests.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::HOST;
use http::uri::{PathAndQuery, Uri};

use crate::options::Mount;
use crate::path::{PathError, TARGET_MAX, canonical};

/// The product and the path below it, as they are matched and as they are forwarded.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Canonical, with the product's segment where there is one.
    whole: PathAndQuery,
    /// Where the product's segment ends; 0 where the product is not in the path.
    product_end: usize,
}

impl Asked {
    /// Reads the target of a request.
    ///
    /// A query is passed on as it came: it takes no part in pricing, and what it means is the
    /// upstream's business.
    pub(crate) fn read(uri: &Uri, headers: &HeaderMap, mount: &Mount) -> Result<Self, PathError> {
        check_host(uri, headers)?;
        let given = uri.path_and_query().ok_or(PathError::NotAbsolute)?;
        if given.as_str().len() > TARGET_MAX {
            return Err(PathError::TooLong);
        }
        let whole = match (canonical(given.path())?, mount) {
            (Cow::Borrowed(_), _) => given.clone(),
            // Routers that ran before this layer have matched the path as it came.
            (Cow::Owned(_), Mount::Fixed(_)) => return Err(PathError::NotCanonical),
            (Cow::Owned(form), Mount::FirstSegment) => with_query(form, given)?,
        };
        let product_end = match mount {
            Mount::Fixed(_) => 0,
            Mount::FirstSegment => product_end(whole.path())?,
        };
        Ok(Self { whole, product_end })
    }

    /// The product's slug; empty where the path names none.
    pub(crate) fn product<'a>(&'a self, mount: &'a Mount) -> &'a str {
        match mount {
            Mount::Fixed(slug) => slug.as_str(),
            Mount::FirstSegment => self.whole.path().get(1..self.product_end).unwrap_or(""),
        }
    }

    /// The path below the product's.
    pub(crate) fn path(&self) -> &str {
        match self.whole.path().get(self.product_end..) {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// What the upstream is asked for, below the product's endpoint.
    pub(crate) fn forwarded(self) -> PathAndQuery {
        if self.product_end == 0 {
            return self.whole;
        }
        let below = self.whole.as_str().get(self.product_end..).unwrap_or("");
        let below = if below.starts_with('/') {
            PathAndQuery::try_from(below)
        } else {
            PathAndQuery::try_from(format!("/{below}"))
        };
        // What is left of a valid target behind a segment is one.
        below.unwrap_or_else(|_| PathAndQuery::from_static("/"))
    }
}

/// A path in its form, with the query that came with it.
fn with_query(form: String, given: &PathAndQuery) -> Result<PathAndQuery, PathError> {
    let whole = match given.query() {
        Some(query) => PathAndQuery::try_from(format!("{form}?{query}")),
        None => PathAndQuery::try_from(form),
    };
    whole.map_err(|_| PathError::NotAbsolute)
}

/// Where the first segment ends, which names the product: 1 to 64 letters, digits, `-` and `_`. A
/// path without a segment names none, and is answered as one of a product that does not exist.
fn product_end(path: &str) -> Result<usize, PathError> {
    let below = path.get(1..).unwrap_or("");
    let length = below.find('/').unwrap_or(below.len());
    let name = below.get(..length).unwrap_or("");
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if length > 64 || !name.bytes().all(fits) {
        return Err(PathError::ProductName);
    }
    Ok(length.saturating_add(1))
}

/// One host at most, whether in the target or in the header, and no user.
///
/// A target in absolute form has to be taken by every server, so its host counts like the header's;
/// it is never forwarded, and routing to a product never looks at it.
fn check_host(uri: &Uri, headers: &HeaderMap) -> Result<(), PathError> {
    let mut hosts = headers.get_all(HOST).into_iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(PathError::Host);
    }
    let Some(authority) = uri.authority() else {
        return Ok(());
    };
    let same = host.is_none_or(|host| {
        host.as_bytes()
            .eq_ignore_ascii_case(authority.as_str().as_bytes())
    });
    if same && !authority.as_str().contains('@') {
        Ok(())
    } else {
        Err(PathError::Host)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn asked(uri: &str, mount: &Mount) -> Result<(String, String, String), PathError> {
        let request = Request::get(uri).body(()).unwrap();
        let asked = Asked::read(request.uri(), request.headers(), mount)?;
        let (product, path) = (asked.product(mount).to_owned(), asked.path().to_owned());
        Ok((product, path, asked.forwarded().to_string()))
    }

    fn found(
        product: &str,
        path: &str,
        forwarded: &str,
    ) -> Result<(String, String, String), PathError> {
        Ok((product.into(), path.into(), forwarded.into()))
    }

    #[test]
    fn the_first_segment_is_the_product_and_is_not_forwarded() {
        let mount = Mount::FirstSegment;
        let table = [
            (
                "/weather/today?x=1",
                found("weather", "/today", "/today?x=1"),
            ),
            ("/weather/", found("weather", "/", "/")),
            ("/weather", found("weather", "/", "/")),
            ("/weather?x=1", found("weather", "/", "/?x=1")),
            (
                "/weather/p%65ts/%c3%a9?q=%2F",
                found("weather", "/pets/%C3%A9", "/pets/%C3%A9?q=%2F"),
            ),
            ("/", found("", "/", "/")),
            (
                "http://evil.example/weather/a",
                found("weather", "/a", "/a"),
            ),
            ("/we.ather/a", Err(PathError::ProductName)),
            ("http://me@evil.example/weather/a", Err(PathError::Host)),
        ];
        for (uri, expected) in table {
            assert_eq!(asked(uri, &mount), expected, "{uri}");
        }
        let long = format!("/{}/a", "a".repeat(65));
        assert_eq!(asked(&long, &mount), Err(PathError::ProductName));
        let long = format!("/a?{}", "a".repeat(TARGET_MAX));
        assert_eq!(asked(&long, &mount), Err(PathError::TooLong));
    }

    #[test]
    fn a_fixed_product_takes_the_path_as_it_is_or_not_at_all() {
        let mount = Mount::Fixed("weather".parse().unwrap());
        assert_eq!(asked("/a/b?c", &mount), found("weather", "/a/b", "/a/b?c"));
        assert_eq!(asked("/p%65ts", &mount), Err(PathError::NotCanonical));
    }

    #[test]
    fn two_hosts_are_one_too_many() {
        let read = |request: http::request::Builder| {
            let request = request.body(()).unwrap();
            let asked = Asked::read(request.uri(), request.headers(), &Mount::FirstSegment);
            asked.map(|asked| asked.path().to_owned())
        };
        let same = Request::get("http://a.example/p/x").header(HOST, "A.example");
        assert_eq!(read(same), Ok("/x".to_owned()));
        let other = Request::get("http://a.example/p/x").header(HOST, "b.example");
        assert_eq!(read(other), Err(PathError::Host));
        let twice = Request::get("/p/x").header(HOST, "a").header(HOST, "a");
        assert_eq!(read(twice), Err(PathError::Host));
    }
}

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// How a server that knows nothing of us finds what is asked for: it cuts at `?` and `#`, takes
/// path parameters off, decodes once, and then again as proxies in a row do, takes `\` for `/`,
/// ends at NUL, puts slashes together and resolves dots. Written without a look at the code
/// above.
fn served(path: &str) -> Vec<Vec<u8>> {
    let mut bytes: Vec<u8> = path.bytes().collect();
    for _ in 0..2 {
        if let Some(end) = bytes
            .iter()
            .position(|byte| matches!(byte, b'?' | b'#' | 0))
        {
            bytes.truncate(end);
        }
        bytes = decoded(&without_parameters(&bytes));
    }
    if let Some(end) = bytes
        .iter()
        .position(|byte| matches!(byte, b'?' | b'#' | 0))
    {
        bytes.truncate(end);
    }
    let bytes = without_parameters(&bytes);
    let mut stack: Vec<Vec<u8>> = Vec::new();
    for segment in bytes.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment {
            b"" | b"." => {}
            b".." => drop(stack.pop()),
            segment => stack.push(segment.to_vec()),
        }
    }
    stack
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/');
    let bare = segments.map(|segment| segment.split(|byte| *byte == b';').next().unwrap().to_vec());
    bare.collect::<Vec<_>>().join(&b'/')
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let pair = std::str::from_utf8(after.get(..2).unwrap_or_default()).unwrap_or("");
        match u8::from_str_radix(pair, 16) {
            Ok(byte) if *first == b'%' && pair.len() == 2 && !pair.starts_with('+') => {
                out.push(byte);
                rest = &after[2..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// What the canonical form says by itself: segments, each decoded.
fn priced(form: &str) -> Vec<Vec<u8>> {
    let segments = form.split('/').filter(|segment| !segment.is_empty());
    segments
        .map(|segment| decoded(segment.as_bytes()))
        .collect()
}

/// Pieces that servers quarrel about, among ordinary ones.
fn path() -> impl Strategy<Value = String> {
    let ordinary = prop_oneof![
        Just("pets".to_owned()),
        Just("p%65ts".to_owned()),
        Just("%7Euser".to_owned()),
        Just("caf%c3%a9".to_owned()),
        Just("a:b,c@d=1+2".to_owned()),
        Just("a%3Ab%2C%40".to_owned()),
        Just("...".to_owned()),
        Just("x%20y".to_owned()),
        Just("\"{|}<>^`[]".to_owned()),
        "[a-zA-Z0-9._~-]{1,6}",
    ];
    let nasty = prop_oneof![
        "(\\.|%2e|%2E){1,3}",
        "%(2f|2F|5c|5C|00|3b|3f|23|25|0a|7f)",
        "%25(2e|2f|5c)",
        "%(c0%ae|c0%af|e0%80%ae|ff|80)",
        "[;\\\\]",
        "a;b=c",
        "%[g-z][0-9]|%[0-9]|%",
        "(\u{e9}|\u{ff0f}|\u{2024})",
        "[\u{1}\t\u{7f}]",
        "[ -~]{1,3}",
    ];
    let piece = prop_oneof![6 => ordinary, 1 => nasty];
    let slash = prop_oneof![9 => Just("/"), 1 => Just("//"), 1 => Just("")];
    prop::collection::vec((slash, piece), 0..5).prop_map(|pieces| {
        let body: String = pieces
            .into_iter()
            .map(|(slash, piece)| format!("{slash}{piece}"))
            .collect();
        format!("/{}", body.trim_start_matches('/'))
    })
}

#[test]
fn what_is_priced_is_what_is_served_or_the_path_is_refused_r_g3() {
    let config = Config {
        cases: 20_000,
        failure_persistence: None,
        ..Config::default()
    };
    let accepted = std::cell::Cell::new(0_u32);
    TestRunner::new(config)
        .run(&path(), |path| {
            let Ok(form) = canonical(&path) else {
                return Ok(());
            };
            accepted.set(accepted.get() + 1);
            // Whoever gets the form serves what was priced, and what the client has asked for.
            prop_assert_eq!(priced(&form), served(&form), "{} as {}", path, form);
            prop_assert_eq!(served(&form), served(&path), "{} as {}", path, form);
            // There is one form, and it is its own.
            let again = canonical(&form);
            prop_assert_eq!(again.as_deref(), Ok(&*form));
            Ok(())
        })
        .unwrap();
    // Neither side of the property is empty.
    assert!(
        (4_000..19_000).contains(&accepted.get()),
        "{}",
        accepted.get()
    );
}

#[test]
fn two_paths_that_decode_alike_have_one_form() {
    let table = [
        ("/pets", "/pets"),
        ("/p%65ts", "/pets"),
        ("/%7eme", "/~me"),
        ("/a%3Ab%40", "/a:b@"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a b", "/a%20b"),
        ("/a%20b/", "/a%20b/"),
        ("/{x}", "/%7Bx%7D"),
        ("/", "/"),
        ("/...", "/..."),
        ("/.well-known/x", "/.well-known/x"),
    ];
    for (path, form) in table {
        assert_eq!(canonical(path).as_deref(), Ok(form), "{path}");
    }
}

#[test]
fn what_servers_quarrel_about_is_refused_with_the_reason() {
    let table = [
        ("", PathError::NotAbsolute),
        ("*", PathError::NotAbsolute),
        ("a/b", PathError::NotAbsolute),
        ("//a", PathError::EmptySegment),
        ("/a//b", PathError::EmptySegment),
        ("/a//", PathError::EmptySegment),
        ("/a/../b", PathError::DotSegment),
        ("/..", PathError::DotSegment),
        ("/./a", PathError::DotSegment),
        ("/a\\b", PathError::ForeignSeparator),
        ("/a;b", PathError::ForeignSeparator),
        ("/a?b", PathError::ForeignSeparator),
        ("/a#b", PathError::ForeignSeparator),
        ("/%2e%2e/a", PathError::EncodedDelimiter),
        ("/a%2Fb", PathError::EncodedDelimiter),
        ("/a%5cb", PathError::EncodedDelimiter),
        ("/a%00", PathError::EncodedDelimiter),
        ("/a%3bb", PathError::EncodedDelimiter),
        ("/a%3F", PathError::EncodedDelimiter),
        ("/a%23", PathError::EncodedDelimiter),
        ("/a%252e", PathError::EncodedDelimiter),
        ("/\u{e9}", PathError::NotAscii),
        ("/a\u{7f}", PathError::Control),
        ("/a%0a", PathError::Control),
        ("/a%", PathError::BadEscape),
        ("/a%2", PathError::BadEscape),
        ("/a%zz", PathError::BadEscape),
        ("/a%c0%ae", PathError::NotUtf8),
        ("/a%ff", PathError::NotUtf8),
    ];
    for (path, error) in table {
        assert_eq!(canonical(path), Err(error), "{path}");
    }
    let long = format!("/{}", "a".repeat(TARGET_MAX));
    assert_eq!(canonical(&long), Err(PathError::TooLong));
}

#[test]
fn the_path_of_a_target_is_what_the_layer_would_forward() {
    let long = format!("/a?{}", "b".repeat(TARGET_MAX));
    let table = [
        ("/a?b=//", Ok("/a")),
        ("/p%65ts/%c3%a9", Ok("/pets/%C3%A9")),
        ("http://host.example", Ok("/")),
        ("http://host.example?a", Ok("/")),
        ("https://host.example:8443/a/b?c", Ok("/a/b")),
        ("http://me@host.example/a", Err(PathError::Host)),
        ("http://host.example//a", Err(PathError::EmptySegment)),
        ("//host.example/a", Err(PathError::EmptySegment)),
        ("*", Err(PathError::NotAbsolute)),
        ("host.example:443", Err(PathError::NotAbsolute)),
        ("", Err(PathError::NotAbsolute)),
        (&long, Err(PathError::TooLong)),
    ];
    for (target, expected) in table {
        let path = canonical_path(target);
        assert_eq!(
            path.as_deref(),
            expected.as_ref().map(|path| *path),
            "{target}"
        );
    }
}

//! The one way a path is read: what is priced is what the upstream is asked for.
//!
//! A gateway that prices `/cheap/%2e%2e/dear` as one thing while the server behind it serves
//! another sells the dear for the price of the cheap. So there is one form of every path, and what
//! could be read in two ways has none:
//!
//! | in the path | what becomes of it | because |
//! |---|---|---|
//! | letters, digits, `-._~!$&'()*+,=:@` | stand for themselves | every server reads them alike |
//! | these, encoded | decoded | a server that decodes first and one that matches first agree |
//! | spaces, quotes, brackets, UTF-8 that is encoded | encoded, in upper case | likewise |
//! | `.` or `..` as a segment, `//` | refused | some servers resolve them, some do not |
//! | `%2F %5C %2E %3B %3F %23 %00` | refused | decoding them makes another path of it |
//! | `%25` | refused | what is decoded twice becomes something else |
//! | `\`, `;` | refused | a separator here, a character there |
//! | control characters, text outside of ASCII that is not encoded | refused | nobody sends them in good faith |
//! | `%` without two digits, bytes that are no UTF-8 | refused | an overlong dot is a dot to some |
//!
//! Case is kept: whether `/Pets` is `/pets` is for the product to say.

use std::borrow::Cow;

/// Bytes of a path and its query together: what common servers take, and more than any API needs.
pub(crate) const TARGET_MAX: usize = 8_192;

/// Why a path is not served. The client is told less: which rule it was is no help to an honest
/// one, who does not send such paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It is none.
    #[error("the path does not begin with /")]
    NotAbsolute,
    /// It is longer than common servers take.
    #[error("path and query are longer than 8192 bytes")]
    TooLong,
    /// `//`
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`
    #[error("the path has a segment . or ..")]
    DotSegment,
    /// `\`, `;`, or what ends a path.
    #[error("the path has a backslash, semicolon, question mark or #")]
    ForeignSeparator,
    /// A byte that has to be encoded.
    #[error("the path has a character outside of ASCII: encode it")]
    NotAscii,
    /// A control character, encoded or not.
    #[error("the path has a control character")]
    Control,
    /// A `%` that encodes nothing.
    #[error("the path has a % that is not followed by two hexadecimal digits")]
    BadEscape,
    /// What would make another path of it if it were decoded.
    #[error("the path has an encoded slash, backslash, dot, semicolon, question mark, # or %")]
    EncodedDelimiter,
    /// What is encoded is no text.
    #[error("the path has encoded bytes that are not UTF-8")]
    NotUtf8,
    /// It is not written as it should be, and has been matched as it is.
    #[error("the path is not in its canonical form: encode only what has to be encoded")]
    NotCanonical,
    /// Its first segment cannot name a product.
    #[error("the product's name has a character other than letters, digits, - and _")]
    ProductName,
    /// It is not clear whose path it is.
    #[error("the request names more than one host, or a user")]
    Host,
}

/// The path of a request's target as the layer matches it and forwards it, without its query: for
/// who reads targets elsewhere, such as in a log, and wants to know what the layer would make of them.
///
/// The target is a path with or without a query, or a whole URL, whose host is not looked at.
///
/// ```
/// use monetization_gateway_tower::{PathError, canonical_path};
///
/// assert_eq!(canonical_path("/p%65ts/a b?x=//")?, "/pets/a%20b");
/// assert_eq!(canonical_path("http://host.example/pets")?, "/pets");
/// assert_eq!(canonical_path("/pets//1"), Err(PathError::EmptySegment));
/// # Ok::<(), PathError>(())
/// ```
///
/// # Errors
/// [`PathError`] where the layer would answer with 400 or 414.
pub fn canonical_path(target: &str) -> Result<Cow<'_, str>, PathError> {
    let from_path = if target.starts_with('/') {
        target
    } else {
        let (_, from_host) = target.split_once("://").ok_or(PathError::NotAbsolute)?;
        let host_end = from_host.find(['/', '?']).unwrap_or(from_host.len());
        let (host, from_path) = from_host.split_at(host_end);
        match (host.contains('@'), from_path.starts_with('/')) {
            (true, _) => return Err(PathError::Host),
            (false, true) => from_path,
            (false, false) => "/",
        }
    };
    if from_path.len() > TARGET_MAX {
        return Err(PathError::TooLong);
    }
    let path = from_path
        .split_once('?')
        .map_or(from_path, |(path, _)| path);
    canonical(path)
}

/// The canonical form of a path: every character that may stand for itself does, every other is
/// encoded in upper case. Two paths that any decoder reads alike have the same form, so a match
/// on it is a match on what the upstream will make of it.
///
/// Whatever one server reads otherwise than another is refused instead of being read at all:
/// dot segments, empty segments, encoded delimiters, double encoding, path parameters.
pub(crate) fn canonical(path: &str) -> Result<Cow<'_, str>, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if path.len() > TARGET_MAX {
        return Err(PathError::TooLong);
    }
    let form = if path.bytes().all(stands_for_itself) {
        Cow::Borrowed(path)
    } else {
        let form = spelled_out(path)?;
        if form == path {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(form)
        }
    };
    check_segments(&form)?;
    Ok(form)
}

/// Looks for segments that servers resolve or leave out. The last may be empty: `/a/` is not `/a`.
fn check_segments(path: &str) -> Result<(), PathError> {
    let suspect = |pair: &[u8]| matches!(pair, [b'/', b'/' | b'.']);
    if !path.as_bytes().windows(2).any(suspect) {
        return Ok(());
    }
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            // What follows the last slash may be nothing.
            "" if segments.peek().is_some() => return Err(PathError::EmptySegment),
            "." | ".." => return Err(PathError::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

/// The form of a path in which something has to be encoded or decoded.
fn spelled_out(path: &str) -> Result<String, PathError> {
    let mut form = String::with_capacity(path.len());
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let (high, low) = (hex(bytes.next()), hex(bytes.next()));
            let escaped = high.zip(low).ok_or(PathError::BadEscape)?;
            let byte = (escaped.0 << 4) | escaped.1;
            if b"/\\.;?#%\0".contains(&byte) {
                return Err(PathError::EncodedDelimiter);
            }
            byte
        } else if !byte.is_ascii() {
            return Err(PathError::NotAscii);
        } else {
            byte
        };
        match byte {
            b'\\' | b';' | b'?' | b'#' => return Err(PathError::ForeignSeparator),
            byte if byte.is_ascii_control() => return Err(PathError::Control),
            byte if stands_for_itself(byte) => form.push(char::from(byte)),
            byte => {
                form.push('%');
                form.extend([byte >> 4, byte & 15].map(digit));
            }
        }
        decoded.push(byte);
    }
    // Overlong encodings are how a dot or a slash is smuggled past a decoder.
    std::str::from_utf8(&decoded).map_err(|_| PathError::NotUtf8)?;
    Ok(form)
}

/// What RFC 3986 lets stand in a path as it is, without `;`, which some servers cut segments at.
fn stands_for_itself(byte: u8) -> bool {
    matches!(byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$'
        | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

fn hex(byte: Option<u8>) -> Option<u8> {
    let value = char::from(byte?).to_digit(16)?;
    u8::try_from(value).ok()
}

fn digit(value: u8) -> char {
    let digit = char::from_digit(u32::from(value), 16).unwrap_or('0');
    digit.to_ascii_uppercase()
}

#[cfg(test)]
mod tests;

//! `Stripe-Signature: t=<seconds>,v1=<hexadecimal>,…`: HMAC-SHA256 over `<seconds>.<body>`.
//!
//! | header | is it believed? |
//! |---|---|
//! | one `t`, and a `v1` that one of the secrets makes | if the time is at most five minutes away from ours, either way |
//! | several `v1`, as while secrets are exchanged | if any of them fits any of the secrets |
//! | `v0`, or any scheme that comes later | no: it is passed over |
//! | no `t`, two of them, or one that is no plain number | no |
//! | more than 4,096 bytes | no |
//!
//! The key is the secret as it is, `whsec_` included. Digests are compared in constant time, and nothing
//! tells which of the checks has failed.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use monetization_core::clock::Timestamp;
use monetization_core::engine::WebhookError;
use monetization_core::secret::Secret;
use sha2::Sha256;

/// How far the time of sending may be from ours, either way.
const TOLERANCE: Duration = Duration::from_secs(300);
/// Bytes of a header: Stripe's have some hundred, with one signature for each of a few secrets.
const HEADER_BYTES_MAX: usize = 4_096;
/// Digits of a time: those of thousands of years.
const DIGITS_MAX: usize = 12;

/// What a header says. Any other scheme than `v1` is not believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    /// The time of sending, as it was signed.
    pub(super) seconds: &'a str,
    /// Those of the scheme `v1`.
    pub(super) signatures: Vec<[u8; 32]>,
}

/// Checks that one of the secrets has signed these bytes, and not long ago.
///
/// # Errors
/// `Signature` where none fits, `Stale` where one does and the message is old.
pub(super) fn check(
    body: &[u8],
    header: &str,
    secrets: &[Secret],
    now: Timestamp,
) -> Result<(), WebhookError> {
    let header = parse(header).ok_or(WebhookError::Signature)?;
    let macs = secrets
        .iter()
        .filter_map(|secret| mac(secret, header.seconds, body));
    let mut fits = macs.map(|mac| {
        // `verify_slice` compares in constant time.
        let is_one = |signature: &[u8; 32]| mac.clone().verify_slice(signature).is_ok();
        header.signatures.iter().any(is_one)
    });
    if !fits.any(|fits| fits) {
        return Err(WebhookError::Signature);
    }
    let sent_at = header
        .seconds
        .parse()
        .ok()
        .and_then(exactly)
        .ok_or(WebhookError::Stale)?;
    let apart = now
        .saturating_since(sent_at)
        .max(sent_at.saturating_since(now));
    if apart > TOLERANCE {
        return Err(WebhookError::Stale);
    }
    Ok(())
}

/// Reads a header; `None` where it is none, or one that could be read in two ways.
pub(super) fn parse(header: &str) -> Option<Header<'_>> {
    if header.len() > HEADER_BYTES_MAX {
        return None;
    }
    let mut seconds = None;
    let mut signatures = Vec::new();
    for element in header.split(',') {
        let (scheme, value) = element.trim().split_once('=')?;
        match scheme {
            "t" if seconds.is_some() => return None,
            "t" => seconds = Some(value),
            "v1" => signatures.extend(bytes(value)),
            _ => {}
        }
    }
    let is_time = |text: &&str| {
        (1..=DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    Some(Header {
        seconds: seconds.filter(is_time)?,
        signatures,
    })
}

/// What a secret makes of the message; `None` for an empty one, which would fit anything.
fn mac(secret: &Secret, seconds: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let key = Some(secret.reveal()).filter(|key| !key.is_empty())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

/// The 32 bytes that 64 hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<[u8; 32]> {
    let digits = Some(digits.as_bytes()).filter(|digits| digits.len() == 64)?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

/// A hexadecimal digit, in either case.
fn digit(letter: u8) -> Option<u8> {
    let digit = char::from(letter).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// The instant so many seconds after the epoch; nothing where no instant is so far away.
fn exactly(seconds: i64) -> Option<Timestamp> {
    let at = Timestamp::from_secs(seconds);
    (at.as_micros().div_euclid(1_000_000) == seconds).then_some(at)
}

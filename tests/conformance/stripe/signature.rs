//! How Stripe signs what it tells: `Stripe-Signature: t=..,v1=..`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header for a body at this second, with one `v1` for each secret.
///
/// ```
/// use monetization_conformance::stripe::signature::header;
///
/// let signed = header(&["whsec_test"], 1_700_000_000, b"{}");
/// assert!(signed.starts_with("t=1700000000,v1="));
/// assert_ne!(signed, header(&["whsec_other"], 1_700_000_000, b"{}"));
/// ```
#[must_use]
pub fn header(secrets: &[&str], at: i64, body: &[u8]) -> String {
    let mut header = format!("t={at}");
    for secret in secrets {
        header.push_str(",v1=");
        header.push_str(&signed(secret, at, body));
    }
    header
}

/// HMAC-SHA256 of `t.body` under the secret as it stands, in small hexadecimal digits.
#[must_use]
pub fn signed(secret: &str, at: i64, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

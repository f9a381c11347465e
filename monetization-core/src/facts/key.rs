//! API keys and access tokens: `mk_live_<id>_<secret>_<checksum>`.
//!
//! The id is looked up, the secret (128 random bits) is compared by its keyed digest in constant
//! time, and the checksum lets anybody tell a mistyped key from a real one without asking us.
//!
//! | part | characters | what it is |
//! |---|---|---|
//! | `mk_live_`, `mk_test_`, `mk_admin_` | 8 or 9 | what the key is for |
//! | id | 22 of base 62 | found in the store or in memory |
//! | secret | 22 of base 62 | known to the bearer alone |
//! | checksum | 6 of base 62 | CRC-32 of what stands before it |
//!
//! ```
//! use monetization_core::clock::Timestamp;
//! use monetization_core::entropy::Entropy;
//! use monetization_core::ids::ApiKeyId;
//! use monetization_core::key::{KeyKind, Pepper, PresentedKey};
//!
//! let entropy = Entropy::seeded(1);
//! let id: ApiKeyId = entropy.id(Timestamp::from_micros(0));
//! let made = PresentedKey::generate(KeyKind::Live, id, &entropy);
//! let text = made.reveal();
//! assert!(text.reveal().starts_with("mk_live_"));
//!
//! // What the bearer sends leads to the same id and the same digest.
//! let sent = PresentedKey::parse(text.reveal()).ok_or("not a key")?;
//! let pepper = Pepper::new(b"sixteen bytes and more")?;
//! assert_eq!((sent.id::<ApiKeyId>(), sent.digest(&pepper)), (id, made.digest(&pepper)));
//!
//! // A mistyped key is told from a real one without a look-up.
//! let mistyped = text.reveal().replace("mk_live_", "mk_test_");
//! assert!(PresentedKey::parse(&mistyped).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::entropy::Entropy;
use crate::ids::{ApiKeyId, ConsumerId, SubscriptionId, TenantId, TypedId};
use crate::secret::Secret;

/// A key that lets its bearer call what a consumer has bought. The secret itself is not in it.
///
/// Keys that overlap while one takes over from another open the same subscriptions, and share
/// their counters: two keys do not double a quota.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its id: the part of the key that is looked up.
    pub id: ApiKeyId,
    /// The marketplace.
    pub tenant: TenantId,
    /// Who it belongs to.
    pub consumer: ConsumerId,
    /// What it opens, at most one subscription for each product.
    pub subscriptions: Vec<SubscriptionId>,
    /// Keyed digest of the secret.
    pub digest: SecretDigest,
    /// The last four characters before the checksum, for people to tell keys apart.
    pub hint: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Subscriptions a key may open.
    pub const SUBSCRIPTIONS_MAX: usize = 16;
}

/// What a key is for. It is the first part a person sees of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum KeyKind {
    /// `mk_live_`: calls that cost money.
    Live,
    /// `mk_test_`: calls against a test tenant.
    Test,
    /// `mk_admin_`: the control plane.
    Admin,
}

impl KeyKind {
    const ALL: [Self; 3] = [Self::Live, Self::Test, Self::Admin];

    fn prefix(self) -> &'static str {
        match self {
            Self::Live => "mk_live_",
            Self::Test => "mk_test_",
            Self::Admin => "mk_admin_",
        }
    }
}

/// A key as its bearer sends it, with its checksum found right. `Debug` shows no secret, and it
/// cannot be serialised.
///
/// ```compile_fail
/// let key = monetization_core::key::PresentedKey::parse("mk_live_...").unwrap();
/// serde_json::to_string(&key).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedKey {
    kind: KeyKind,
    id: Uuid,
    secret: [u8; SECRET_CHARS],
}

/// 22 characters of base 62 hold 128 bits and more.
const ID_CHARS: usize = 22;
const SECRET_CHARS: usize = 22;
const CHECKSUM_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl PresentedKey {
    /// Makes a new key for the id.
    #[must_use]
    pub fn generate<T: TypedId>(kind: KeyKind, id: T, entropy: &Entropy) -> Self {
        let mut bytes = [0_u8; 16];
        entropy.fill(&mut bytes);
        Self {
            kind,
            id: id.uuid(),
            secret: base62(u128::from_be_bytes(bytes)),
        }
    }

    /// Reads a key. `None` where it is none or its checksum is wrong: then nobody need be asked.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let kind = KeyKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))?;
        let (body, checksum) = text.split_at_checked(text.len().checked_sub(CHECKSUM_CHARS)?)?;
        let body = body.strip_suffix('_')?;
        if checksum.as_bytes() != checksum_of(body) {
            return None;
        }
        let (id, secret) = body
            .strip_prefix(kind.prefix())?
            .split_at_checked(ID_CHARS)?;
        let secret: [u8; SECRET_CHARS] = secret.strip_prefix('_')?.as_bytes().try_into().ok()?;
        if !secret.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        Some(Self {
            kind,
            id: Uuid::from_u128(from_base62(id.as_bytes())?),
            secret,
        })
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The id to look up.
    #[must_use]
    pub fn id<T: TypedId>(&self) -> T {
        T::from_uuid(self.id)
    }

    /// The keyed digest of its secret, to be stored or compared.
    #[must_use]
    pub fn digest(&self, pepper: &Pepper) -> SecretDigest {
        pepper.digest(&self.secret)
    }

    /// The last four characters of its secret.
    #[must_use]
    pub fn hint(&self) -> String {
        self.secret
            .iter()
            .rev()
            .take(4)
            .rev()
            .map(|byte| char::from(*byte))
            .collect()
    }

    /// The whole key, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> Secret {
        let id = text_of(&base62::<ID_CHARS>(self.id.as_u128()));
        let body = format!("{}{id}_{}", self.kind.prefix(), text_of(&self.secret));
        let checksum = text_of(&checksum_of(&body));
        Secret::new(format!("{body}_{checksum}"))
    }
}

impl fmt::Debug for PresentedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PresentedKey({:?}, {})", self.kind, self.id.simple())
    }
}

/// What secrets are digested with, so that a stolen database opens nothing. Kept outside of it.
///
/// A deployment has one, and keeps it: with another one no key that was issued is good any more.
#[derive(Clone)]
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    /// At least 16 bytes that nobody knows.
    ///
    /// # Errors
    /// [`PepperError`] for fewer.
    pub fn new(bytes: &[u8]) -> Result<Self, PepperError> {
        if bytes.len() < 16 {
            return Err(PepperError {
                length: bytes.len(),
            });
        }
        Hmac::new_from_slice(bytes)
            .map(Self)
            .map_err(|_| PepperError {
                length: bytes.len(),
            })
    }

    /// A pepper that is gone with the process: for stores that are, too.
    #[must_use]
    pub fn random(entropy: &Entropy) -> Self {
        let mut bytes = [0_u8; 64];
        entropy.fill(&mut bytes);
        Self(Hmac::new(&bytes.into()))
    }

    /// What recognises it, and opens nothing: processes that share a database compare it.
    ///
    /// ```
    /// use monetization_core::key::Pepper;
    ///
    /// let of = |bytes: &[u8]| Pepper::new(bytes).map(|pepper| pepper.fingerprint());
    /// let (one, same) = (of(b"sixteen bytes and more"), of(b"sixteen bytes and more"));
    /// let other = of(b"sixteen bytes of another");
    /// assert_eq!(one, same);
    /// assert_ne!(one, other);
    /// ```
    #[must_use]
    pub fn fingerprint(&self) -> SecretDigest {
        // No secret of a key has these characters.
        self.digest(b"(fingerprint)")
    }

    fn digest(&self, secret: &[u8]) -> SecretDigest {
        let mut mac = self.0.clone();
        mac.update(secret);
        SecretDigest(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Pepper(…)")
    }
}

/// A pepper that is too short to protect anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a pepper of {length} bytes is too short: allowed are 16 or more")]
pub struct PepperError {
    length: usize,
}

/// HMAC-SHA256 of a secret. Compared in constant time; in JSON as hexadecimal.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretDigest([u8; 32]);

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        let (ours, theirs) = (words(&self.0), words(&other.0));
        ours.as_slice().ct_eq(theirs.as_slice()).into()
    }
}

impl Eq for SecretDigest {}

/// The bytes, eight in a word: fewer steps for a comparison that takes all of them.
fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|index| words.get(index).copied().map_or(0, u64::from_ne_bytes))
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretDigest(…)")
    }
}

impl From<SecretDigest> for String {
    fn from(digest: SecretDigest) -> Self {
        digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl TryFrom<String> for SecretDigest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        let mut bytes = [0_u8; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(DigestError);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| DigestError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| DigestError)?;
        }
        Ok(Self(bytes))
    }
}

/// The text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not 64 hexadecimal digits")]
pub struct DigestError;

fn checksum_of(body: &str) -> [u8; CHECKSUM_CHARS] {
    let mut text = [b'0'; CHECKSUM_CHARS];
    narrow_base62(crc32fast::hash(body.as_bytes()).into(), &mut text);
    text
}

/// The number, from the left filled up with zeros.
fn base62<const N: usize>(mut number: u128) -> [u8; N] {
    let mut text = [b'0'; N];
    for part in text.rchunks_mut(NARROW_CHARS) {
        let low = number.checked_rem(NARROW_END.into()).unwrap_or(0);
        narrow_base62(u64::try_from(low).unwrap_or(0), part);
        number = number.checked_div(NARROW_END.into()).unwrap_or(0);
    }
    text
}

fn narrow_base62(mut number: u64, text: &mut [u8]) {
    for place in text.iter_mut().rev() {
        let digit = usize::try_from(number % 62).unwrap_or(0);
        *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
        number /= 62;
    }
}

fn from_base62(text: &[u8]) -> Option<u128> {
    text.rchunks(NARROW_CHARS)
        .rev()
        .try_fold(0, |number: u128, part| {
            number
                .checked_mul(NARROW_END.into())?
                .checked_add(narrow_from_base62(part)?.into())
        })
}

fn narrow_from_base62(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = DIGITS[usize::from(*digit)];
        // Ten digits always fit.
        (digit < 62).then(|| number.wrapping_mul(62).wrapping_add(digit.into()))
    })
}

/// Ten digits fit 64 bits: every call decodes a key, and narrow numbers are quicker.
const NARROW_CHARS: usize = 10;
/// The first number that ten digits do not hold.
const NARROW_END: u64 = 62_u64.pow(10);

/// What each byte stands for; 62 for what is no digit.
const DIGITS: [u8; 256] = {
    let mut digits = [62; 256];
    let mut digit = 0;
    while digit < 62 {
        digits[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
};

fn text_of(ascii: &[u8]) -> String {
    ascii.iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> PresentedKey {
        let id = ApiKeyId::derived(&[b"k"]);
        PresentedKey::generate(KeyKind::Live, id, &Entropy::seeded(1))
    }

    #[test]
    fn a_key_reads_back_and_fits_where_ids_fit() {
        let revealed = key().reveal();
        assert!(revealed.reveal().starts_with("mk_live_"));
        assert!(revealed.reveal().len() <= 64, "{}", revealed.reveal().len());
        assert_eq!(PresentedKey::parse(revealed.reveal()), Some(key()));
    }

    #[test]
    fn every_single_changed_character_is_noticed() {
        let text = key().reveal().reveal().to_owned();
        for index in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(PresentedKey::parse(&changed), None, "{changed}");
        }
    }

    #[test]
    fn another_pepper_gives_another_digest() {
        let pepper = |byte| Pepper::new(&[byte; 16]).unwrap();
        assert_eq!(key().digest(&pepper(1)), key().digest(&pepper(1)));
        assert_ne!(key().digest(&pepper(1)), key().digest(&pepper(2)));
        assert!(Pepper::new(&[1; 15]).is_err());
    }

    #[test]
    fn debug_shows_neither_secret_nor_digest() {
        let secret = text_of(&key().secret);
        assert!(!format!("{:?}", key()).contains(&secret));
        let digest = key().digest(&Pepper::new(&[1; 16]).unwrap());
        assert_eq!(format!("{digest:?}"), "SecretDigest(…)");
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(serde_json::from_str::<SecretDigest>(&json).unwrap(), digest);
    }

    proptest! {
        #[test]
        fn any_text_is_answered_without_panic(text in "(mk_live_)?.{0,80}") {
            prop_assert_eq!(PresentedKey::parse(&text), None);
        }
    }
}

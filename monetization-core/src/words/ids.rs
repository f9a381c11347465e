//! Typed identifiers: one type for each noun, so that one cannot stand where another belongs.
//!
//! An id is 128 bits, shown as a prefix and 32 lower-case hexadecimal digits (`sub_0197…`). Ids
//! made by [`Entropy::id`](crate::entropy::Entropy::id) are time-ordered (UUID version 7, whose
//! first 48 bits are milliseconds since the Unix epoch): they sort by the time they were made
//! and carry the month a ledger is partitioned by. Ids made by `derived` are a digest of what
//! they name (UUID version 8), so that whoever computes them computes the same.
//!
//! ```
//! use monetization_core::ids::{ConsumerId, InvoiceId, TypedId};
//!
//! let id = InvoiceId::derived(&[b"subscription 7", b"period 0"]);
//! assert!(id.to_string().starts_with("inv_"));
//! assert_eq!(id.to_string().parse(), Ok(id));
//! assert_eq!(id, InvoiceId::derived(&[b"subscription 7", b"period 0"]));
//!
//! // An id of one noun is no id of another, not even as text.
//! let error = id.to_string().parse::<ConsumerId>().unwrap_err();
//! assert!(error.to_string().ends_with("allowed is con_ and 32 lower-case hexadecimal digits"));
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What every typed id can do: be made from 128 bits and give them back.
///
/// All of them are ordered, hashed, shown, read and serialised alike; in JSON an id is its text.
///
/// Implemented by the types of this module only; stores use it to read and write ids alike.
pub trait TypedId: Copy + Ord + fmt::Display + fmt::Debug + FromStr<Err = IdError> {
    /// What stands before the underscore.
    const PREFIX: &'static str;

    /// The id of these 128 bits.
    fn from_uuid(uuid: Uuid) -> Self;

    /// The 128 bits.
    fn uuid(self) -> Uuid;

    /// The id of the thing that `parts` describe: the first 128 bits of a SHA-256 over them, each
    /// preceded by its length so that neighbouring parts cannot run into each other.
    ///
    /// The prefix goes into the digest, so that ids of two nouns made of the same parts differ.
    #[must_use]
    fn derived(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        digest.update(Self::PREFIX.as_bytes());
        for part in parts {
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(part);
        }
        let mut bytes = [0_u8; 16];
        for (byte, from) in bytes.iter_mut().zip(digest.finalize()) {
            *byte = from;
        }
        Self::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// Why a text is not the id it should be.
///
/// It keeps at most 64 characters of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not an id: allowed is {prefix}_ and 32 lower-case hexadecimal digits")]
pub struct IdError {
    prefix: &'static str,
    value: String,
}

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, IdError> {
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|digits| digits.len() == 32)
        .filter(|digits| {
            digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        });
    digits
        .and_then(|digits| Uuid::try_parse(digits).ok())
        .ok_or_else(|| IdError {
            prefix,
            // A wrong id may be long: enough of it to recognise is kept.
            value: text.chars().take(64).collect(),
        })
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl TypedId for $name {
            const PREFIX: &'static str = $prefix;

            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse($prefix, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

typed_ids! {
    /// A marketplace: everything else belongs to exactly one.
    TenantId = "ten";
    /// Owner of products within a tenant.
    PublisherId = "pub";
    /// A token for the control plane.
    AccessTokenId = "tok";
    /// An API (or several endpoints of one) that is sold.
    ProductId = "prd";
    /// A thing a product counts.
    MeterId = "mtr";
    /// One operation of a product.
    ResourceId = "res";
    /// A plan of a product.
    PlanId = "pln";
    /// One immutable version of a plan.
    PlanVersionId = "plv";
    /// An organisation that buys.
    ConsumerId = "con";
    /// What a consumer has bought.
    SubscriptionId = "sub";
    /// An API key, without its secret.
    ApiKeyId = "key";
    /// One uninterrupted stretch of one plan version within one billing period.
    SegmentId = "seg";
    /// One usage record.
    RecordId = "rec";
    /// A block of a strict quota that was handed out.
    LeaseId = "lse";
    /// An immutable piece of a sum that is reported to an engine once.
    BatchId = "bat";
    /// An invoice.
    InvoiceId = "inv";
    /// An operation that is to be carried out at an engine.
    IntentId = "int";
    /// A change that is written whole or not at all.
    ChangeSetId = "chg";
    /// Our name for an object that lives at an engine.
    ReferenceId = "ref";
    /// How far an engine's news were read.
    CursorId = "cur";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_shows() {
        let id = SubscriptionId::derived(&[b"a", b"b"]);
        assert_eq!(id.to_string().parse::<SubscriptionId>(), Ok(id));
        assert_eq!(
            serde_json::from_str::<SubscriptionId>(&format!("\"{id}\"")).unwrap(),
            id
        );
    }

    #[test]
    fn an_id_of_another_noun_is_refused_with_what_is_allowed() {
        let text = ConsumerId::derived(&[b"a"]).to_string();
        let error = text.parse::<SubscriptionId>().unwrap_err();
        assert!(
            error.to_string().contains("allowed is sub_ and 32"),
            "{error}"
        );
    }

    #[test]
    fn upper_case_hyphens_and_other_lengths_are_refused() {
        let id = PlanId::derived(&[b"a"]).to_string();
        let upper = format!("pln_{}", id[4..].to_uppercase());
        for text in [
            upper.as_str(),
            &id[..35],
            "pln_",
            "",
            "pln",
            &format!("{id}0"),
        ] {
            assert!(text.parse::<PlanId>().is_err(), "{text}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(
            BatchId::derived(&[b"ab", b"c"]),
            BatchId::derived(&[b"a", b"bc"])
        );
    }
}

//! Who is who: the marketplace, its publishers, and the tokens of the control plane.
//!
//! A [`Tenant`] is the widest circle: products, consumers, subscriptions and invoices of one are
//! invisible to another. A [`Publisher`] owns products within it. An API key or an access token
//! determines the tenant.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{AccessTokenId, ConsumerId, PublisherId, TenantId};
use crate::invoice::Invoicing;
use crate::key::SecretDigest;
use crate::text::{ForeignId, Name, Slug};

/// A marketplace: the widest circle of who may see what. Everything belongs to one tenant.
///
/// Its engine and its way of invoicing hold for subscriptions that begin from now on; those that
/// live keep who invoices them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name, shown to people.
    pub name: Name,
    /// The engine that bills for it, by the id in the engine's descriptor.
    pub engine: Slug,
    /// Who makes the invoices of subscriptions that begin from now on.
    pub invoicing: Invoicing,
    /// Days a consumer has to pay an invoice that core made.
    pub payment_days: u32,
    /// Days of grace after that, in which calls still pass; a plan or a consumer may say another number.
    #[serde(default)]
    pub grace_days: u16,
    /// When its store was last put back from a back-up, in business time, as far as anybody has said so. What was
    /// sealed since has other names than what was sealed before, in the life that was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Timestamp>,
    /// What recognises the pepper that secrets of its keys and tokens are digested with. A process with another
    /// one would recognise none of them.
    #[serde(default)]
    pub pepper: Option<SecretDigest>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An owner of products, paid for their use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    /// Its id.
    pub id: PublisherId,
    /// The marketplace it sells in.
    pub tenant: TenantId,
    /// Its name, shown to people.
    pub name: Name,
    /// Its own account at the engine, where it has one (WSO2's `ConnectedAccountKey`).
    pub account: Option<ForeignId>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a token of the control plane lets its bearer do.
///
/// In JSON an object with its `role`: `platform_owner`, `publisher` or `developer`, the latter two
/// with the id they are bound to.
///
/// ```
/// use monetization_core::tenant::Role;
///
/// let json = serde_json::to_string(&Role::PlatformOwner)?;
/// assert_eq!(json, r#"{"role":"platform_owner"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "role")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new role must be thought through at every check"
)]
pub enum Role {
    /// Everything within the tenant.
    PlatformOwner,
    /// The products of one publisher and what concerns them.
    Publisher {
        /// Whose products.
        publisher: PublisherId,
    },
    /// What one consumer has bought.
    Developer {
        /// Which consumer.
        consumer: ConsumerId,
    },
}

/// A token for the control plane. Its secret is shown once; only a keyed digest is kept.
///
/// Its text has the form of a key of the kind [`Admin`](crate::key::KeyKind::Admin), and no gateway
/// takes it for an API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken {
    /// Its id.
    pub id: AccessTokenId,
    /// The tenant it is good for.
    pub tenant: TenantId,
    /// What it lets its bearer do.
    pub role: Role,
    /// Keyed digest of the secret.
    pub digest: SecretDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused.
    pub revoked_at: Option<Timestamp>,
}

//! Our names for objects that live at an engine.
//!
//! Both ways lead through a [`Reference`]: from a thing here to its object there by the
//! reference's id, which derives from the thing, and from an engine's message to the thing it is
//! about by [`RowKey::external`](crate::store::RowKey::external), which is unique across tenants.
//! The second also tells whose a message is, since several tenants may share one account.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::{ReferenceId, TenantId, TypedId};
use crate::text::{ForeignId, Slug};

/// One object at an engine and what it is here. Engines keep no tables of their own: every id
/// they hand back is written down as one of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Derived from engine, account, kind and our id: one thing here, one object there.
    pub id: ReferenceId,
    /// The marketplace.
    pub tenant: TenantId,
    /// The engine, by the id in its descriptor.
    pub engine: Slug,
    /// The account at the engine; `None` for the tenant's own.
    pub account: Option<ForeignId>,
    /// What kind of object.
    pub object: ObjectKind,
    /// What it is here.
    pub ours: Uuid,
    /// What it is called there.
    pub external: ForeignId,
    /// When we learnt of it.
    pub created_at: Timestamp,
}

impl Reference {
    /// Where it lives.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            engine: self.engine.clone(),
            account: self.account.clone(),
        }
    }
}

/// Where an object lives: an account at an engine.
///
/// ```
/// use monetization_core::ids::{ConsumerId, TenantId, TypedId};
/// use monetization_core::reference::{ObjectKind, Place};
///
/// let place = Place { engine: "mock".parse()?, account: None };
/// let (tenant, consumer) = (TenantId::derived(&[b"t"]), ConsumerId::derived(&[b"c"]));
/// let name = || place.reference(tenant, ObjectKind::Customer, consumer.uuid());
/// assert_eq!(name(), name());
/// let elsewhere = Place { account: Some("acct_1".parse()?), ..place.clone() };
/// assert_ne!(elsewhere.reference(tenant, ObjectKind::Customer, consumer.uuid()), name());
/// # Ok::<(), monetization_core::text::TextError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The engine.
    pub engine: Slug,
    /// The account; `None` for the tenant's own.
    pub account: Option<ForeignId>,
}

impl Place {
    /// The id of the reference from `ours` to its object of this kind.
    #[must_use]
    pub fn reference(&self, tenant: TenantId, object: ObjectKind, ours: Uuid) -> ReferenceId {
        ReferenceId::derived(&[
            tenant.uuid().as_bytes(),
            self.engine.as_str().as_bytes(),
            self.account
                .as_ref()
                .map_or("", ForeignId::as_str)
                .as_bytes(),
            object.as_str().as_bytes(),
            ours.as_bytes(),
        ])
    }
}

/// What the credentials of a tenant open at an engine: an account there, and real money or none.
///
/// ```
/// use monetization_core::reference::{Mode, Realm};
///
/// let realm = Realm { account: "acct_1".parse()?, mode: Mode::Live };
/// assert_eq!(realm.to_string(), "acct_1 (live)");
/// # Ok::<(), monetization_core::text::TextError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Realm {
    /// The account that the credentials belong to, whichever account a call is made for.
    pub account: ForeignId,
    /// Whether money is real there.
    pub mode: Mode,
}

impl fmt::Display for Realm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.account, self.mode.as_str())
    }
}

/// Whether money is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Mode {
    /// It is.
    Live,
    /// Nobody pays or is paid.
    Test,
}

impl Mode {
    /// Its name where it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// What kind of object at an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ObjectKind {
    /// A plan version.
    Plan,
    /// A consumer.
    Customer,
    /// A subscription.
    Subscription,
    /// An invoice.
    Invoice,
    /// Reported use; engines hand back no name for it.
    Report,
}

impl ObjectKind {
    /// Its name where it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Customer => "customer",
            Self::Subscription => "subscription",
            Self::Invoice => "invoice",
            Self::Report => "report",
        }
    }
}

//! Who buys.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{ConsumerId, TenantId};
use crate::text::{ForeignId, Name};

/// An organisation that buys, and the people who buy for it.
///
/// One consumer may hold any number of subscriptions, to the products of any publishers of its
/// tenant. Its id and the buyer's two names are told to the upstream with every call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumer {
    /// Its id: what the upstream receives as `X-Consumer-ID`.
    pub id: ConsumerId,
    /// The marketplace it buys in.
    pub tenant: TenantId,
    /// Its name, shown to people and to the engine.
    pub name: Name,
    /// Who may buy for it.
    pub members: Vec<Buyer>,
    /// Days of grace after an invoice is due, in place of those of its plan or tenant.
    #[serde(default)]
    pub grace_days: Option<u16>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A person who buys, as the consumer's own systems know them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buyer {
    /// Their id there: what the upstream receives as `X-Consumer-Custom-ID`.
    pub user_id: ForeignId,
    /// Their name there: what the upstream receives as `X-Consumer-Username`.
    pub name: ForeignId,
}

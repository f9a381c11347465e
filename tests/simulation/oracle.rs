//! What those who were there have seen: upstreams, clients, and whoever reported events.

use std::collections::{BTreeMap, BTreeSet};

use monetization_core::clock::Timestamp;
use monetization_core::ids::{RecordId, SubscriptionId};
use monetization_core::secret::Secret;

/// One life of one node's process.
pub(crate) type Opening = (usize, u64);

/// Everything that was seen from outside.
#[derive(Default)]
pub(crate) struct Oracle {
    /// Calls that an upstream has served.
    pub(crate) calls: BTreeMap<RecordId, Call>,
    /// Reported events, by their names.
    pub(crate) events: BTreeMap<String, Event>,
    pub(crate) keys: Vec<(SubscriptionId, Secret)>,
    /// Names of orders that were sent at least once.
    pub(crate) orders: Vec<String>,
    /// Lives that ended badly: what they had not written may be gone.
    pub(crate) deaths: BTreeSet<Opening>,
    /// Since when the facts say that a subscription lets no calls in, and their version.
    pub(crate) closed_since: BTreeMap<SubscriptionId, (Timestamp, u64)>,
    /// Calls that were let in within this step, and when they arrived.
    pub(crate) let_in: Vec<(SubscriptionId, Timestamp)>,
    /// What must not have happened.
    pub(crate) violations: Vec<String>,
}

/// A call that an upstream has served.
pub(crate) struct Call {
    pub(crate) by: Opening,
    /// What it counts, by what the upstream answered.
    pub(crate) counts: i64,
    /// Whether the client has received the end of the answer.
    pub(crate) answered: bool,
}

/// An event that was reported, once or more often.
pub(crate) struct Event {
    pub(crate) subscription: SubscriptionId,
    pub(crate) quantity: i64,
    pub(crate) occurred_at: Timestamp,
    /// Whether somebody was told that it counts.
    pub(crate) accepted: bool,
}

impl Oracle {
    pub(crate) fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }
}

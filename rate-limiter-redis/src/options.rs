//! What can be chosen.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;

use crate::{Namespace, NodeId};

/// What can be chosen about a limiter.
///
/// ```
/// use std::time::Duration;
/// use monetization_rate_limiter_redis::{Namespace, NodeId, Options};
///
/// let mut options = Options::new("redis://127.0.0.1:6379", Namespace::new("shop"), NodeId::new([7; 16]));
/// options.budget = Duration::from_millis(20);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Where the server is: `redis://[user:password@]host[:port][/database]`; `rediss://` with the feature `tls`, which
    /// trusts whom the operating system trusts, or the certificates of the file that `SSL_CERT_FILE` names.
    pub address: String,
    /// What keeps this installation apart from others on the server.
    pub namespace: Namespace,
    /// This process among those that share limits.
    pub node: NodeId,
    /// The longest that a call waits for the server; 50 ms. What comes later is counted there and decided without it here.
    pub budget: Duration,
    /// The longest that it takes to connect; 500 ms. Calls do not wait for it.
    pub connect_max: Duration,
    /// How often a node announces itself; 1 s. Four times as often while the server is away.
    pub announce_every: Duration,
    /// How long a node counts as alive after it was last heard of; 5 s, and several times `announce_every`. All nodes of a
    /// namespace choose the same.
    pub node_life: Duration,
    /// Among how many nodes limits are shared out before their number was ever known; 1. Whoever runs several nodes and
    /// starts them without the server lets each of them through as many times.
    pub nodes_at_first: NonZeroU32,
    /// The most units in one block; 100. More of them ask the server more seldom, and leave more lying in blocks.
    pub block_max: NonZeroU32,
    /// How long a block is spent from before what is left of it goes back; 1 s. A machine whose clock drifts by 100 ppm is
    /// then 0.1 ms off the server's windows.
    pub block_life: Duration,
}

impl Options {
    /// The usual choices.
    #[must_use]
    pub fn new(address: impl Into<String>, namespace: Namespace, node: NodeId) -> Self {
        const BLOCK_MAX: NonZeroU32 = NonZeroU32::new(100).expect("not zero");
        Self {
            address: address.into(),
            namespace,
            node,
            budget: Duration::from_millis(50),
            connect_max: Duration::from_millis(500),
            announce_every: Duration::from_secs(1),
            node_life: Duration::from_secs(5),
            nodes_at_first: NonZeroU32::MIN,
            block_max: BLOCK_MAX,
            block_life: Duration::from_secs(1),
        }
    }
}

/// The address, which may have a password in it, is left out.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("namespace", &self.namespace)
            .field("node", &self.node)
            .field("budget", &self.budget)
            .field("nodes_at_first", &self.nodes_at_first)
            .field("block_max", &self.block_max)
            .field("block_life", &self.block_life)
            .finish_non_exhaustive()
    }
}

/// The address is none of a server.
#[derive(Debug, Error)]
#[error("address of the server cannot be read")]
pub struct BadAddress {
    #[from]
    source: redis::RedisError,
}

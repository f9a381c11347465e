//! How nodes know of each other.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::link::{Given, Link, Script};
use crate::question::hash_of;
use crate::reply::items;
use crate::{Away, Options};

/// Says on the server that this node is there.
#[derive(Debug)]
pub(crate) struct Announcer {
    script: Script,
    key: String,
}

impl Announcer {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            script: Script::new(include_str!("../lua/announce.lua")),
            key: options.namespace.nodes_key(),
        }
    }

    /// Announces the node for so long, or with zero that it leaves; answers how many nodes there are, at least one. It writes what calls
    /// write, so whoever answers this in time serves them too.
    ///
    /// # Errors
    /// Where the server is away, or does not answer within the budget.
    pub(crate) async fn announce(
        &self,
        link: &Link,
        options: &Options,
        life: Duration,
    ) -> Result<NonZeroU32, Away> {
        let life = life.as_millis().to_string();
        let node = options.node.as_bytes();
        let hash = hash_of(link.number(), [self.key.as_bytes(), node, life.as_bytes()]);
        let given = Given {
            key: &self.key,
            arguments: &[&hash, node, life.as_bytes()],
        };
        let asked = link.run(&self.script, given);
        let value = tokio::time::timeout(options.budget, asked)
            .await
            .map_err(|_| Away::Slow)??;
        let mut items = items(value, &hash)?;
        let nodes = u32::try_from(items.number()?).map_err(|_| Away::Misfit)?;
        items.end()?;
        Ok(NonZeroU32::new(nodes).unwrap_or(NonZeroU32::MIN))
    }
}

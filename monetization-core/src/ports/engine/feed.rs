use async_trait::async_trait;

use super::{EngineContext, EngineError, VerifiedEvent};
use crate::clock::Timestamp;
use crate::store::Port;

/// Tells again what a provider has told by messages: for those that never arrived.
///
/// Whoever reads a feed has read it at an instant, and reads on from there; what it has read before it
/// recognises by the messages' ids, so a feed may tell anything twice.
#[async_trait]
pub trait NewsFeed: Port {
    /// The messages since an instant of the provider's clock, that instant among them, as they would be
    /// delivered; those about the account of `cx`, the tenant's own where it names none. Where there are
    /// many, those of the first stretch of time only, so that a page fits into memory.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn since(&self, cx: &EngineContext, from: Timestamp) -> Result<NewsPage, EngineError>;
}

/// What a provider has told in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsPage {
    /// The messages, oldest first, under the ids that they are delivered under.
    pub messages: Vec<VerifiedEvent>,
    /// All before this instant of the provider's clock were handed out; later than what was asked from,
    /// unless this is the end. Then it is no later than the newest message, or what was asked from where
    /// there is none: whoever reads may have a clock that is ahead of the provider's, and would pass over
    /// what is told in between.
    pub until: Timestamp,
    /// Whether there is nothing more for now.
    pub is_last: bool,
}

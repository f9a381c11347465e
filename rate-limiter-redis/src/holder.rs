//! One holder of shared limits, as this node knows it.

use std::fmt;
use std::sync::Arc;

use monetization_rate_limiter::Cells;
use tokio::sync::Mutex;

use crate::HolderKey;
use crate::stock::Stock;

/// One holder of limits (a customer, a key) as this node knows it: its key on the server, the block that it spends from,
/// and its own counters for when the server is away.
///
/// Embed it in whatever a look-up already leads to, one for each holder on a node: so a decision costs no second look-up,
/// and what there is in memory is bounded by whoever owns it. About 400 bytes, some 600 more while there is a block.
/// Two of one key count together on the server but not in their local shares. Dropping one loses nothing that was counted,
/// but its share begins anew; what is left in its block goes back when the block's life is over.
///
/// ```
/// use monetization_rate_limiter_redis::{Holder, HolderKey, Namespace};
///
/// let holder = Holder::new(HolderKey::new(Namespace::new("shop"), b"subscription 7"));
/// assert_eq!(holder.key().as_str().len(), 41);
/// ```
pub struct Holder {
    /// Counts local shares.
    pub(crate) cells: Cells,
    /// Shared with the keeper, who hands back what is left here when the holder is gone.
    pub(crate) stock: Arc<Stock>,
    /// Held by the one who has a block brought.
    pub(crate) supply: Mutex<()>,
}

impl Holder {
    /// A holder that has nothing here yet.
    #[must_use]
    pub fn new(key: HolderKey) -> Self {
        Self {
            cells: Cells::new(),
            stock: Arc::new(Stock::empty(key)),
            supply: Mutex::const_new(()),
        }
    }

    /// Its key on the server.
    #[must_use]
    pub fn key(&self) -> &HolderKey {
        &self.stock.key
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder")
            .field("key", self.key())
            .finish_non_exhaustive()
    }
}

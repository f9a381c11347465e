//! The store port: where everything is kept.
//!
//! Four writes, each one transaction: [`Rows::apply`], [`Ledger::append`], the claims of
//! [`Work`] and [`Batches`], and the leases of [`Quotas`]. Whatever a write answers with `Ok` is
//! durable. Dropping the future of a write leaves it done or not done, never half done.
//!
//! # Implementing a store
//! Implement the six traits for one type; [`Store`] follows by itself. Facts arrive as [`Row`]s:
//! a JSON body that the store does not look into, and the keys it is found by. What SQL has to
//! compute on (sums, counters, leases, claims) arrives as plain values. Then run the store suite
//! of the conformance package against it: it is the full list of what is owed.
//!
//! Every read and write names the tenant, and answers as if other tenants' things did not exist;
//! the exceptions are [`Directory`] and the methods that say so, which only jobs and the gates
//! use. A missing thing is `Ok(None)`; an error means that the store cannot, or does not know.
//!
//! ```
//! use monetization_core::memory::MemoryStore;
//! use monetization_core::store::Store;
//! use std::sync::Arc;
//!
//! # fn main() {
//! let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
//! assert_eq!(store.name(), "memory");
//! # }
//! ```

use std::fmt;

use async_trait::async_trait;

pub use batches::{Batch, BatchState, Batches, Sealed, UnsealedSum, Verdict};
pub use error::{StoreError, StoreErrorKind};
pub use fact::{Fact, Index, Kind, Row, RowKey, StoreExt, Stored, Unique};
pub use ledger::{Appended, Ledger, Refusal, SegmentRow};
pub use quotas::{LeaseAnswer, LeaseRequest, QuotaCounter, Quotas};
pub use rows::{
    Applied, ChangeSet, Closing, Conflict, Directory, Expected, Finished, Listing, Rows, Write,
};
pub use work::{Claim, JobRun, JobStart, JobState, Work};

mod batches;
mod error;
mod fact;
mod ledger;
mod quotas;
mod rows;
mod work;

/// Everything that is asked of a store.
#[async_trait]
pub trait Store: Rows + Directory + Ledger + Quotas + Batches + Work {
    /// What it is, for people: `sqlite`, `memory`.
    fn name(&self) -> &'static str;

    /// Asks for a sign of life: a write that is durable, and undone.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot take writes.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// What every part of a store is: shared between threads and printable.
pub trait Port: fmt::Debug + Send + Sync + 'static {}

impl<T: fmt::Debug + Send + Sync + 'static> Port for T {}

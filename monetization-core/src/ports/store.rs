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
//! of the conformance package against it: it is the full list of what is owed. What can be found by
//! looking into a database from outside is named in [`inspection`]. What stores on databases would each write
//! the same way is in [`judging`] and [`schema`].
//!
//! What each write does, step by step, within its one transaction:
//!
//! **[`apply`](Rows::apply)**, a change of facts:
//! 1. A change whose id is kept from before is answered `Again`; nothing is looked at or written.
//! 2. An inbox mark that is kept from before refuses the change: `Seen`.
//! 3. Each write is held against what is there, the change's own earlier writes included: the row
//!    absent or in the version expected, and of the same tenant; no other row with the value of a
//!    unique index. Each end of an operation is held against its claim's fence.
//! 4. One thing that does not fit refuses all of it; nothing is written.
//! 5. Rows are written, each with the next place in the change sequence and without the one it had;
//!    segments are closed; intents that are new are added and others left as they are; operations
//!    are ended; the mark and the change's id are kept.
//!
//! **[`append`](Ledger::append)**, records of use, judged one after the other:
//! 1. A record whose id is there is a `Duplicate`, or a `Conflict` where both are events whose
//!    digests differ.
//! 2. Who pays is found: its segment, or the first open one along the successors.
//! 3. What it spends under a lease must be what an open lease of that quota and window has left.
//! 4. Its quantities go to the sums `(paying segment, its segment, meter)`, what it spends to the
//!    counters and leases. Where any of them would not fit 64 bits the record is refused alone.
//! 5. The segment's row is made where it is missing, and the record is written.
//!
//! **[`lease`](Quotas::lease)**: a lease whose id is there is given again; else a block of
//! [`LeaseRequest::block`] is taken from what the limit leaves free. **[`settle`](Quotas::settle)**
//! frees what of a block was not committed, once.
//!
//! **[`seal`](Batches::seal)**: where the batch is not there yet, and the sum is sealed up to
//! `from` and has reached `to`, the batch is written and the sum is sealed up to `to`.
//!
//! **Claims** ([`claim_intents`](Work::claim_intents), [`claim_batches`](Batches::claim_batches),
//! [`start_job`](Work::start_job)): what is due and not held by a claim that still lives is taken,
//! its fence one higher, until an instant of the store's own time. What follows is refused under
//! any other fence, and saying the same again under the same one is no other news.
//!
//! # Wrapping a store
//! Each trait can be implemented over another store's, to count, to delay or to fail. The request
//! path and the flows hold a `dyn Store` and notice nothing. What a wrapper does not change,
//! [`delegate_store!`](crate::delegate_store) hands on.
//!
//! # What every store is
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

#[doc(no_inline)]
pub use async_trait::async_trait;
#[doc(no_inline)]
pub use uuid::Uuid;

pub use batches::{
    Batch, BatchState, Batches, Decision, Fate, Held, Sealed, SentAgain, UnsealedSum, Verdict,
};
pub use error::{StoreError, StoreErrorKind};
pub use fact::{Fact, Index, Kind, Row, RowKey, StoreExt, Stored, Unique};
pub use ledger::{Appended, Ledger, Refusal, SegmentRow};
pub use named::{Named, UnknownName};
pub use overturning::{Overturn, Overturned};
pub use quotas::{LeaseAnswer, LeaseRequest, QuotaCounter, Quotas};
pub use rows::{
    Applied, ChangeSet, Closing, Conflict, Directory, Expected, Finished, Listing, Rows, Write,
};
pub use work::{Claim, JobRun, JobStart, JobState, Work};

mod batches;
mod delegation;
mod error;
mod fact;
pub mod inspection;
pub mod judging;
mod ledger;
pub mod moving;
mod named;
mod overturning;
mod quotas;
mod rows;
pub mod schema;
mod work;

/// Everything that is asked of a store.
///
/// A store that implements the six traits says its name and that it is alive, and is one. Programs
/// hold it as `Arc<dyn Store>`.
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

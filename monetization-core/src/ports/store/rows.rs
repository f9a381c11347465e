use async_trait::async_trait;
use uuid::Uuid;

use super::{Index, Kind, Overturned, Port, Row, RowKey, StoreError};
use crate::clock::Timestamp;
use crate::ids::{ChangeSetId, IntentId, TenantId};
use crate::intent::Intent;
use crate::subscription::Segment;
use crate::text::{ForeignId, Slug};

/// Facts, and the one way to change them.
#[async_trait]
pub trait Rows: Port {
    /// Writes a change whole or not at all, and gives every row it writes the next place in the
    /// change sequence. A change whose id has been applied before is recognised and not a
    /// conflict with itself.
    ///
    /// Places in the sequence become visible in their order: whoever has read up to one will
    /// find no earlier one later.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then apply the same again.
    async fn apply(&self, change: &ChangeSet) -> Result<Applied, StoreError>;

    /// The row of this kind and id, if it is the tenant's.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn row(&self, tenant: TenantId, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError>;

    /// The tenant's rows that the listing names, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn rows(&self, tenant: TenantId, listing: &Listing) -> Result<Vec<Row>, StoreError>;
}

/// Reads across tenants: for jobs, gates and for finding out whose something is.
///
/// Everything here answers whose a row is, and the caller goes on in that tenant. No request of a
/// consumer or publisher may reach it with something they chose, but for an id or a name that is
/// looked up to learn whose it is.
#[async_trait]
pub trait Directory: Port {
    /// The row of this kind and id, whoever it belongs to.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn find(&self, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError>;

    /// The row that an index unique across tenants leads to.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn find_by(&self, key: &RowKey) -> Result<Option<Row>, StoreError>;

    /// Rows of a kind whose `due_at` is `now` or earlier, by that instant and their id, after
    /// this pair, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn due(
        &self,
        kind: Kind,
        now: Timestamp,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// Rows whose latest change is after this place in the sequence, in their order, at most
    /// `limit`. Starting from 0 it is a snapshot followed by all that changes.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Waits until there may be changes after this place in the sequence: a hint, by which gates learn
    /// of a change sooner than they would ask. It may come for nothing or never, which is what it does
    /// where a store does not implement it; whoever waits asks from time to time all the same.
    async fn news_after(&self, _after: u64) {
        std::future::pending().await
    }

    /// Rows of a kind of all tenants, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn all(
        &self,
        kind: Kind,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;
}

/// A change that is written whole or not at all.
///
/// ```
/// use monetization_core::clock::Timestamp;
/// use monetization_core::consumer::Consumer;
/// use monetization_core::ids::{ChangeSetId, ConsumerId, TenantId, TypedId};
/// use monetization_core::memory::MemoryStore;
/// use monetization_core::store::{Applied, ChangeSet, Conflict, Rows, StoreExt, Write};
///
/// # use futures::FutureExt;
/// # async {
/// let now = Timestamp::EPOCH;
/// let tenant = TenantId::derived(&[b"t"]);
/// let acme = Consumer {
///     id: ConsumerId::derived(&[b"acme"]),
///     tenant,
///     name: "Acme".parse()?,
///     members: Vec::new(),
///     grace_days: None,
///     created_at: now,
/// };
/// let store = MemoryStore::default();
/// let change = |name: &[u8], write| {
///     let mut change = ChangeSet::new(ChangeSetId::derived(&[name]), now);
///     change.writes.push(write);
///     change
/// };
/// let make = change(b"make", Write::insert(&acme)?);
/// assert_eq!(store.apply(&make).await?, Applied::New);
/// assert_eq!(store.apply(&make).await?, Applied::Again, "its reply may have been lost");
///
/// // A change names the version it was decided from. Of two that read the same one, one wins.
/// let mut stored = store.fact::<Consumer>(tenant, acme.id).await?.ok_or("not there")?;
/// assert_eq!(stored.version, 1);
/// stored.fact.name = "Acme & Sons".parse()?;
/// let rename = change(b"rename", stored.write()?);
/// assert_eq!(store.apply(&rename).await?, Applied::New);
/// let other = change(b"other", stored.write()?);
/// assert!(matches!(
///     store.apply(&other).await?,
///     Applied::Refused(Conflict::Version { .. }),
/// ));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }.now_or_never().ok_or("it waited")??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// Recognises the change when it is applied again.
    pub id: ChangeSetId,
    /// When it was decided, in business time.
    pub at: Timestamp,
    /// Facts as they shall be.
    pub writes: Vec<Write>,
    /// Segments that take no more use of their own.
    pub closings: Vec<Closing>,
    /// Operations that are to be carried out because of it. One that exists stays as it is.
    pub intents: Vec<Intent>,
    /// Operations that it brings to an end.
    pub finished: Vec<Finished>,
    /// Batches that do not count after all; one that an entry does not fit stays as it is.
    pub overturned: Vec<Overturned>,
    /// The engine's news it takes in; a second change with the same mark is refused.
    pub inbox: Option<(Slug, ForeignId)>,
}

impl ChangeSet {
    /// Nothing yet.
    #[must_use]
    pub fn new(id: ChangeSetId, at: Timestamp) -> Self {
        Self {
            id,
            at,
            writes: Vec::new(),
            closings: Vec::new(),
            intents: Vec::new(),
            finished: Vec::new(),
            overturned: Vec::new(),
            inbox: None,
        }
    }
}

/// A fact as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What shall stand there.
    pub row: Row,
    /// What must stand there now.
    pub expected: Expected,
}

/// What must stand where a row is to be written.
///
/// A row of another tenant under the same id is not what is expected, whatever its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Expected {
    /// Nothing.
    Absent,
    /// The row in this version.
    Version(u64),
}

/// A segment that takes no more use of its own. What comes later is summed under `successor`;
/// closing a closed segment changes nothing. A segment that nothing was appended to is closed
/// all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub segment: Segment,
    /// What pays for late use.
    pub successor: Segment,
}

/// The end of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Which one.
    pub intent: IntentId,
    /// The fence of the claim under which it was carried out.
    pub fence: u64,
    /// Why it was given up, where it was; an operator has to look at it then.
    pub parked_because: Option<String>,
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Applied {
    /// It is written.
    New,
    /// It had been written before.
    Again,
    /// It does not fit what is there; nothing is written.
    Refused(Conflict),
}

/// Why a change does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// A row is not in the version that was expected: read again, decide again.
    #[error("{} {id} has been changed meanwhile", kind.as_str())]
    Version {
        /// What it is.
        kind: Kind,
        /// Which one.
        id: Uuid,
    },
    /// Another row has the value of a unique index.
    #[error("{} is taken: {value}", index.as_str())]
    Taken {
        /// Which index.
        index: Index,
        /// Which value.
        value: String,
        /// The row that has it.
        holder: Uuid,
    },
    /// The engine's news has been taken in before.
    #[error("the event has been taken in before")]
    Seen,
    /// Somebody else has claimed the operation since.
    #[error("the claim on {intent} has been lost")]
    Fenced {
        /// Which operation.
        intent: IntentId,
    },
}

/// Which rows to read.
///
/// To read on, ask again with `after` set to the last id; fewer rows than asked for are the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// What they are.
    pub kind: Kind,
    /// What they are found by; `None` for all of the kind.
    pub key: Option<RowKey>,
    /// Only ids greater than this.
    pub after: Option<Uuid>,
    /// At most so many, up to [`LIMIT_MAX`](Self::LIMIT_MAX).
    pub limit: usize,
}

impl Listing {
    /// The most rows of one read.
    pub const LIMIT_MAX: usize = 500;
}

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use monetization_core::clock::Clock;

/// How and where a [`SqliteStore`](crate::SqliteStore) keeps its file.
///
/// ```
/// use monetization_store_sqlite::{SqliteOptions, Synchronous};
///
/// let options = SqliteOptions::new("/var/lib/market/market.db")
///     .with_synchronous(Synchronous::Normal);
/// ```
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The file.
    pub(crate) path: PathBuf,
    /// How much a commit waits for.
    pub(crate) synchronous: Synchronous,
    /// Reads at once.
    pub(crate) readers_max: NonZeroU32,
    /// Pages the file may have.
    pub(crate) pages_max: Option<NonZeroU32>,
    /// How long a write waits for another program's.
    pub(crate) busy_timeout: Duration,
    /// How long to wait for another owner to go.
    pub(crate) owner_wait: Duration,
    /// What claims lapse by.
    pub(crate) clock: Clock,
}

/// How much a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Synchronous {
    /// A commit waits until the disk has it: nothing that was answered is lost, not even when
    /// the power fails.
    #[default]
    Full,
    /// A commit waits until the operating system has it: several times faster, and what was
    /// answered survives the death of the process, but the last moments before a power failure
    /// or a crash of the operating system may be lost. Whatever is left is consistent.
    Normal,
}

impl SqliteOptions {
    /// The database in this file, which is made where there is none. Beside it live the files
    /// `-wal`, `-shm` and `.owner`; the directory must exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            synchronous: Synchronous::default(),
            readers_max: READERS_MAX,
            pages_max: None,
            busy_timeout: Duration::from_secs(10),
            owner_wait: Duration::ZERO,
            clock: Clock::system(),
        }
    }

    /// How much a commit waits for; [`Synchronous::Full`] if nothing is said.
    #[must_use]
    pub fn with_synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// At most so many reads at once, each on a thread of its own; 4 if nothing is said.
    #[must_use]
    pub fn with_readers_max(mut self, readers_max: NonZeroU32) -> Self {
        self.readers_max = readers_max;
        self
    }

    /// The file may have at most so many pages of 4 KiB. What needs more is refused with
    /// [`StoreErrorKind::Full`](monetization_core::store::StoreErrorKind::Full). Without it the
    /// disk is the limit.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    ///
    /// use monetization_core::store::{Store, StoreErrorKind};
    /// use monetization_store_sqlite::{SqliteOptions, SqliteStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("market.db");
    /// drop(SqliteStore::open(&SqliteOptions::new(&path)).await?);
    /// let options = SqliteOptions::new(&path).with_pages_max(NonZeroU32::MIN);
    /// let full = SqliteStore::open(&options).await?;
    /// assert_eq!(full.ping().await.unwrap_err().kind(), StoreErrorKind::Full);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_pages_max(mut self, pages_max: NonZeroU32) -> Self {
        self.pages_max = Some(pages_max);
        self
    }

    /// How long a write waits while another program writes to the file, be it a store
    /// [beside](crate::SqliteStore::open_beside) this one or the `sqlite3` shell; 10 seconds if
    /// nothing is said.
    #[must_use]
    pub fn with_busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.busy_timeout = busy_timeout;
        self
    }

    /// How long [`open`](crate::SqliteStore::open) waits while another process owns the file; not
    /// at all if nothing is said. A server that stands by for another waits for as long as it
    /// takes:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use monetization_store_sqlite::{SqliteOptions, SqliteStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("market.db");
    /// let first = SqliteStore::open(&SqliteOptions::new(&path)).await?;
    /// let waits = SqliteOptions::new(&path).with_owner_wait(Duration::MAX);
    /// let second = tokio::spawn(async move { SqliteStore::open(&waits).await });
    /// drop(first);
    /// second.await??;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_owner_wait(mut self, owner_wait: Duration) -> Self {
        self.owner_wait = owner_wait;
        self
    }

    /// The clock that claims and job leases lapse by: its [`now`](Clock::now). They outlive the
    /// process, so it must be the machine's time, which it is if nothing is said.
    ///
    /// Business time is another matter: it comes with each call. So a demo that runs through a
    /// month in seconds leaves this clock alone, and a test that waits for a claim to lapse moves
    /// it by hand:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use monetization_core::clock::{Clock, Timestamp};
    /// use monetization_store_sqlite::SqliteOptions;
    ///
    /// let (clock, time) = Clock::manual(Timestamp::EPOCH);
    /// let options = SqliteOptions::new("market.db").with_clock(clock);
    /// time.advance(Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads at once, if nothing is said: as many as a small machine has use for.
const READERS_MAX: NonZeroU32 = match NonZeroU32::new(4) {
    Some(readers) => readers,
    None => NonZeroU32::MIN,
};

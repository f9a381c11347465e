use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use monetization_core::clock::Clock;
use monetization_core::store::{StoreError, StoreErrorKind};
use sqlx::postgres::PgConnectOptions;

/// How a [`PostgresStore`](crate::PostgresStore) reaches its database, and how long it waits.
///
/// Every wait has an end, and what is not done by then was not done at all:
///
/// | wait | ends after | and then |
/// |---|---|---|
/// | for a connection | `connection_wait` | [`StoreErrorKind::Unavailable`] |
/// | for a row that another holds | `lock_timeout` | the same |
/// | for a statement | `statement_timeout` | the same |
/// | for a read, or for a commit | `answer_wait` | the same; of the commit nobody knows ([`StoreErrorKind::Unknown`]) |
/// | for all of a write before its commit, or for a page of evidence | `answer_wait` and twice `statement_timeout` | the same |
/// | of the server for a transaction in which nothing happens | half of `lock_timeout` | it is rolled back |
/// | of others for a store that has died | `opening_lease` | its blocks of quotas are free again |
///
/// ```
/// use std::time::Duration;
///
/// use monetization_store_postgres::PostgresOptions;
///
/// let options = PostgresOptions::new("postgres://market@db.internal/market?sslmode=verify-full")?
///     .with_statement_timeout(Duration::from_secs(10));
/// # Ok::<(), monetization_core::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where the server is, and who logs in.
    pub(crate) connect: PgConnectOptions,
    /// Connections at once.
    pub(crate) connections_max: NonZeroU32,
    /// How long to wait for one of them.
    pub(crate) connection_wait: Duration,
    /// How long a statement may take.
    pub(crate) statement_timeout: Duration,
    /// How long the answer to a read may take, the way to the server and back included.
    pub(crate) answer_wait: Duration,
    /// How long to wait for a lock.
    pub(crate) lock_timeout: Duration,
    /// For how long a store is believed to live that does not say so.
    pub(crate) opening_lease: Duration,
    /// What claims lapse by; the database's own time where there is none.
    pub(crate) clock: Option<Clock>,
}

impl PostgresOptions {
    /// The database of this address, as `libpq` writes it:
    /// `postgres://user:password@host:port/database?sslmode=verify-full`.
    ///
    /// # Errors
    /// [`StoreErrorKind::Broken`] where it is no such address. The address is not repeated in the
    /// error: it may hold a password.
    ///
    /// ```
    /// use monetization_core::store::StoreErrorKind;
    /// use monetization_store_postgres::PostgresOptions;
    ///
    /// let refused = PostgresOptions::new("mysql://market:secret@db.internal/market").unwrap_err();
    /// assert_eq!(refused.kind(), StoreErrorKind::Broken);
    /// assert!(!format!("{refused:?}").contains("secret"));
    ///
    /// let options = PostgresOptions::new("postgres://market:secret@db.internal/market")?;
    /// assert!(!format!("{options:?}").contains("secret"), "nor is it told later");
    /// # Ok::<(), monetization_core::store::StoreError>(())
    /// ```
    pub fn new(address: &str) -> Result<Self, StoreError> {
        let broken = || StoreError::new(StoreErrorKind::Broken, "read the database's address");
        let is_ours = SCHEMES.iter().any(|scheme| address.starts_with(scheme));
        if !is_ours {
            return Err(broken().because("it begins neither with postgres:// nor postgresql://"));
        }
        let connect =
            PgConnectOptions::from_str(address).map_err(|error| broken().because(error))?;
        Ok(Self {
            connect,
            connections_max: CONNECTIONS_MAX,
            connection_wait: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            answer_wait: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(5),
            opening_lease: Duration::from_secs(30),
            clock: None,
        })
    }

    /// Where the database is, for people: without who logs in.
    ///
    /// ```
    /// use monetization_store_postgres::PostgresOptions;
    ///
    /// let options = PostgresOptions::new("postgres://market:secret@db.internal/market")?;
    /// assert_eq!(options.place(), "postgres://db.internal:5432/market");
    /// # Ok::<(), monetization_core::store::StoreError>(())
    /// ```
    #[must_use]
    pub fn place(&self) -> String {
        let (host, port) = (self.connect.get_host(), self.connect.get_port());
        let database = self.connect.get_database().unwrap_or_default();
        format!("postgres://{host}:{port}/{database}")
    }

    /// At most so many connections at once; 8 if nothing is said. The server's own limit is shared
    /// by all processes: keep the sum of all of them, and one more for each that listens for news, below
    /// its `max_connections`.
    ///
    /// A gate needs one for its appends, one for its blocks and one for its news; what is beyond that is for
    /// jobs and the control plane.
    #[must_use]
    pub fn with_connections_max(mut self, connections_max: NonZeroU32) -> Self {
        self.connections_max = connections_max;
        self
    }

    /// How long a read or write waits for a connection to become free, or to be made; 5 seconds if
    /// nothing is said. Then it fails with [`StoreErrorKind::Unavailable`].
    #[must_use]
    pub fn with_connection_wait(mut self, connection_wait: Duration) -> Self {
        self.connection_wait = connection_wait;
        self
    }

    /// How long the server works on one statement; 30 seconds if nothing is said. Migrations are not
    /// held to it.
    #[must_use]
    pub fn with_statement_timeout(mut self, statement_timeout: Duration) -> Self {
        self.statement_timeout = statement_timeout;
        self
    }

    /// How long a read waits for all that it asks for, whatever the server or the network does; 5 seconds if nothing
    /// is said. Then it fails with [`StoreErrorKind::Unavailable`], and its connection is given up. A write, which is
    /// several statements and may wait for others, is given as long as that and twice the time of a statement; then its
    /// commit as long as a read, after which nobody knows whether it was written ([`StoreErrorKind::Unknown`]).
    #[must_use]
    pub fn with_answer_wait(mut self, answer_wait: Duration) -> Self {
        self.answer_wait = answer_wait;
        self
    }

    /// How long a write waits for a row that another transaction holds, and how long the server
    /// leaves a transaction open in which nothing happens, such as that of a process that was
    /// stopped; 5 seconds if nothing is said.
    #[must_use]
    pub fn with_lock_timeout(mut self, lock_timeout: Duration) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }

    /// For how long this store is believed to live after it was last heard of; 30 seconds if
    /// nothing is said. It says so three times as often. After that its blocks of strict quotas are
    /// given back by whoever asks next: a process that sleeps for longer loses them, and the
    /// calls that it had let through under them.
    #[must_use]
    pub fn with_opening_lease(mut self, opening_lease: Duration) -> Self {
        self.opening_lease = opening_lease;
        self
    }

    /// The clock that claims and leases lapse by: its [`now`](Clock::now). If nothing is said it is
    /// the database's own, which all processes share. Only tests, which move it by hand, have use
    /// for another one:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use monetization_core::clock::{Clock, Timestamp};
    /// use monetization_store_postgres::PostgresOptions;
    ///
    /// let (clock, time) = Clock::manual(Timestamp::EPOCH);
    /// let options = PostgresOptions::new("postgres://127.0.0.1/market")?.with_clock(clock);
    /// time.advance(Duration::from_secs(60));
    /// # Ok::<(), monetization_core::store::StoreError>(())
    /// ```
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }
}

impl fmt::Debug for PostgresOptions {
    /// Without the password.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PostgresOptions")
            .field("host", &self.connect.get_host())
            .field("port", &self.connect.get_port())
            .field("database", &self.connect.get_database())
            .field("user", &self.connect.get_username())
            .finish_non_exhaustive()
    }
}

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Connections at once, if nothing is said: as many as a small machine has use for.
const CONNECTIONS_MAX: NonZeroU32 = match NonZeroU32::new(8) {
    Some(connections) => connections,
    None => NonZeroU32::MIN,
};

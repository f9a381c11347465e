//! The connections to the server, and the transactions on them.
//!
//! # Writes
//! [`Connections::write`] runs a job in a task of its own: it takes a connection, begins a
//! transaction in a role, lets the job work, and commits. What the caller holds is only the answer,
//! so a caller that is dropped changes nothing about the write. A transaction that the server breaks
//! off so that another one can go on (a deadlock, or one that cannot be put in an order) is run
//! again from its beginning, a few times.
//!
//! # Connections that come back
//! A read is a transaction too, and its caller may be dropped anywhere in it. Whatever comes back to
//! the pool is rolled back first, so that nobody begins in the midst of somebody else's transaction:
//! without that, what the next caller writes would be lost with it. A write ends with an empty transaction,
//! which is there to be rolled back: else the server would write a warning to its log for each.
//!
//! | what goes wrong | then |
//! |---|---|
//! | a caller is dropped | a write goes on; a read's connection is rolled back and used again |
//! | a statement fails | the transaction is rolled back; nothing was written |
//! | the reply to the commit is lost | nobody knows: the caller repeats the write, which is recognised |
//! | the server says nothing | after a while the connection is given up: a read or write has failed, of a commit nobody knows |
//! | the process stops in a transaction | the server ends it after a while, and the locks with it |

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use monetization_core::ids::{TenantId, TypedId};
use monetization_core::store::{StoreError, StoreErrorKind};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, PgPool, Postgres};
use tokio::time::timeout;

use crate::error::{commit_failed, failed, gone, is_overtaken};
use crate::options::PostgresOptions;

/// In whose name a transaction works. The server holds it to that: see the migrations.
///
/// The role is taken on with the transaction and ends with it (`SET LOCAL`), so a connection that comes back to
/// the pool is nobody's again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Role {
    /// One tenant's: rows of others do not exist.
    Tenant(TenantId),
    /// The committer's, which appends and hands out blocks of quotas.
    Ledger,
    /// That of gates and jobs, which look across tenants.
    Worker,
}

impl Role {
    /// The statements that begin a transaction in this role.
    ///
    /// Connections live for long, and facts become many: statements about them are planned each time, for the
    /// tables as they are then. Those of the ledger name whole keys, and their plans are kept.
    fn begin(self, access: &str) -> String {
        const PLANNED: &str = "SET LOCAL plan_cache_mode = force_custom_plan";
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED {access}; SET LOCAL ROLE");
        match self {
            Self::Tenant(tenant) => format!(
                "{begin} monetization_tenant; SET LOCAL monetization.tenant = '{}'; {PLANNED}",
                tenant.uuid()
            ),
            Self::Ledger => format!("{begin} monetization_ledger"),
            Self::Worker => format!("{begin} monetization_worker; {PLANNED}"),
        }
    }
}

/// What became of a job.
#[derive(Debug)]
pub(crate) enum Done<T> {
    /// Keep what was written, and answer this.
    Commit(T),
    /// Undo what was written, and answer this.
    Undo(T),
}

/// What a job is doing. Where it fails, the transaction is undone.
pub(crate) type Job<'a, T> = Pin<Box<dyn Future<Output = sqlx::Result<Done<T>>> + Send + 'a>>;

/// All connections of a store.
///
/// Clones share them. Each is made when it is first needed, and kept; one that broke is noticed by whoever
/// uses it next, who is told that the store is out of reach and asks again.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: PgPool,
    /// How long a read takes at most, or the end of a transaction.
    answer_wait: Duration,
    /// How long a job takes at most.
    job_wait: Duration,
}

impl Connections {
    /// Connections that are made when they are needed.
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        let answer_wait = options.answer_wait;
        let statements = options.statement_timeout.saturating_mul(2);
        let pool = PgPoolOptions::new()
            .max_connections(options.connections_max.get())
            .acquire_timeout(options.connection_wait)
            // What is asked of a connection that died fails, and is repeated by whoever asked.
            .test_before_acquire(false)
            .after_release(move |connection, _| {
                Box::pin(async move {
                    let ended = timeout(answer_wait, connection.execute("ROLLBACK")).await;
                    ended.map_or(Ok(false), |ended| ended.map(|_| true))
                })
            });
        Self {
            pool: pool.connect_lazy_with(connect_options(options)),
            answer_wait,
            job_wait: answer_wait.saturating_add(statements),
        }
    }

    /// Runs a job in a transaction of this role; more than once, where the server breaks it off in
    /// favour of others. What the job needs is in `of`.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unknown`] where the commit failed or the task was lost; any other kind
    /// means that nothing was written.
    pub(crate) async fn write<A, T, J>(
        &self,
        doing: &'static str,
        role: Role,
        of: A,
        job: J,
    ) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        J: for<'a> Fn(&'a mut PgConnection, &'a A) -> Job<'a, T> + Send + Sync + 'static,
    {
        let connections = self.clone();
        let task = tokio::spawn(async move {
            for tries_left in (0..TRIES_MAX).rev() {
                match connections.attempt(doing, role, &of, &job).await {
                    Err(Broken::Overtaken(_)) if tries_left > 0 => {
                        let wait = rand::random_range(WAIT_MIN..WAIT_MAX);
                        tokio::time::sleep(wait).await;
                    }
                    Err(Broken::Overtaken(error) | Broken::Off(error)) => return Err(error),
                    Ok(answer) => return Ok(answer),
                }
            }
            Err(StoreError::new(StoreErrorKind::Unavailable, doing))
        });
        task.await.unwrap_or_else(|gone| {
            Err(StoreError::new(StoreErrorKind::Unknown, doing).because(gone))
        })
    }

    /// One attempt at a job. What fails drops the connection in the midst of its transaction, and the pool
    /// rolls it back before anybody else has it.
    async fn attempt<A, T, J>(
        &self,
        doing: &'static str,
        role: Role,
        of: &A,
        job: &J,
    ) -> Result<T, Broken>
    where
        A: Sync,
        T: Send,
        J: for<'a> Fn(&'a mut PgConnection, &'a A) -> Job<'a, T> + Sync,
    {
        let broken = |error| Broken::new(error, |error| failed(doing, error));
        let connection = self.pool.acquire().await.map_err(broken)?;
        let worked = async |connection: &mut PgConnection| {
            let begin = AssertSqlSafe(role.begin("READ WRITE"));
            connection.execute(begin).await?;
            job(connection, of).await
        };
        let (connection, done) = within(self.job_wait, connection, worked)
            .await
            .map_err(broken)?;
        match done {
            Done::Commit(answer) => {
                let committed = within(self.answer_wait, connection, async |connection| {
                    connection.execute("COMMIT AND CHAIN").await
                });
                let lost = |error| Broken::new(error, |error| commit_failed(doing, error));
                committed.await.map_err(lost)?;
                Ok(answer)
            }
            Done::Undo(answer) => {
                let undone = within(self.answer_wait, connection, async |connection| {
                    connection.execute("ROLLBACK AND CHAIN").await
                });
                undone.await.map_err(broken)?;
                Ok(answer)
            }
        }
    }

    /// Lets `read` work in a transaction of this role that writes nothing.
    ///
    /// # Errors
    /// Where the server cannot, or no connection becomes free.
    pub(crate) async fn read<T, R>(&self, role: Role, read: R) -> sqlx::Result<T>
    where
        R: AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    {
        self.read_within(self.answer_wait, role, read).await
    }

    /// The same, for what may have to pass by much: it has as long as a write.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) async fn search<T, R>(&self, role: Role, read: R) -> sqlx::Result<T>
    where
        R: AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    {
        self.read_within(self.job_wait, role, read).await
    }

    async fn read_within<T, R>(&self, wait: Duration, role: Role, read: R) -> sqlx::Result<T>
    where
        R: AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    {
        let connection = self.pool.acquire().await?;
        let read = async |connection: &mut PgConnection| {
            let begin = AssertSqlSafe(role.begin("READ ONLY"));
            connection.execute(begin).await?;
            read(connection).await
        };
        // The pool ends the transaction, and the caller need not wait for that.
        let (_, answer) = within(wait, connection, read).await?;
        Ok(answer)
    }

    /// Ends all of them.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Connections")
    }
}

/// Does this on a connection, and answers both. One that does not answer in time is given up: its server, if it is
/// there at all, would answer somebody else with what it was asked now.
async fn within<T>(
    wait: Duration,
    mut connection: PoolConnection<Postgres>,
    ask: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
) -> sqlx::Result<(PoolConnection<Postgres>, T)> {
    let asked = timeout(wait, ask(&mut connection)).await;
    match asked {
        Ok(answer) => Ok((connection, answer?)),
        Err(_) => {
            drop(connection.detach());
            Err(gone("the server has not answered in time"))
        }
    }
}

/// Why an attempt came to nothing.
enum Broken {
    /// The server has undone it so that another can go on; it may be run again.
    Overtaken(StoreError),
    Off(StoreError),
}

impl Broken {
    fn new(error: sqlx::Error, meaning: impl FnOnce(sqlx::Error) -> StoreError) -> Self {
        if is_overtaken(&error) {
            Self::Overtaken(meaning(error))
        } else {
            Self::Off(meaning(error))
        }
    }
}

/// One connection, for what is done before there is a pool.
///
/// # Errors
/// Where the server cannot be reached, or refuses who logs in.
pub(crate) async fn connect(options: &PostgresOptions) -> sqlx::Result<PgConnection> {
    connect_options(options).connect().await
}

/// One connection to look into the database with: it writes nothing, and its statements take as long
/// as they take.
///
/// # Errors
/// Where the server cannot be reached, or refuses who logs in.
pub(crate) async fn connect_to_read(options: &PostgresOptions) -> sqlx::Result<PgConnection> {
    let options = connect_options(options).options([
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "0"),
    ]);
    options.connect().await
}

/// One connection to move another store here: its statements, and the waits between them, take as long as they
/// take.
///
/// # Errors
/// Where the server cannot be reached, or refuses who logs in.
pub(crate) async fn connect_to_move(options: &PostgresOptions) -> sqlx::Result<PgConnection> {
    let options = connect_options(options).options([
        ("statement_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ]);
    options.connect().await
}

/// What is the same for every connection. Statements are not logged: their values are people's
/// use and prices.
pub(crate) fn connect_options(options: &PostgresOptions) -> PgConnectOptions {
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    options
        .connect
        .clone()
        .application_name("monetization")
        .options([
            ("search_path", "monetization".to_owned()),
            ("timezone", "UTC".to_owned()),
            // Statements are short, and compiling one takes longer than it saves.
            ("jit", "off".to_owned()),
            ("client_min_messages", "warning".to_owned()),
            ("statement_timeout", milliseconds(options.statement_timeout)),
            ("lock_timeout", milliseconds(options.lock_timeout)),
            // Sooner than whoever waits for its locks gives up.
            (
                "idle_in_transaction_session_timeout",
                milliseconds(options.lock_timeout.checked_div(2).unwrap_or_default()),
            ),
        ])
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging()
}

/// How often a transaction that others overtake is begun.
const TRIES_MAX: u32 = 10;
/// How long to wait before it is begun again: a random time between these.
const WAIT_MIN: Duration = Duration::from_millis(1);
const WAIT_MAX: Duration = Duration::from_millis(50);
/// Statements that a connection keeps prepared: all there are.
const STATEMENTS_MAX: usize = 256;

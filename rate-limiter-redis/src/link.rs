//! The connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value};

use crate::options::BadAddress;
use crate::{Away, Options};

/// One connection that all calls share, and the way to another when it is of no more use.
///
/// A call never connects, and never waits for somebody who does: without a connection it is told so at once.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
    connect_max: Duration,
    connection: ArcSwapOption<MultiplexedConnection>,
    numbers: AtomicU64,
}

/// A script that the server runs, known to it by its hash.
#[derive(Debug)]
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    pub(crate) fn new(code: &'static str) -> Self {
        let hash = redis::Script::new(code).get_hash().to_owned();
        Self { code, hash }
    }

    fn call(&self, name: &str, script: &str, given: &Given<'_>) -> Cmd {
        let mut command = redis::cmd(name);
        command
            .arg(script)
            .arg(1)
            .arg(given.key)
            .arg(given.arguments);
        command
    }
}

/// What a script is given. Every script has one key, so that it finds its slot in a cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) key: &'a str,
    pub(crate) arguments: &'a [&'a [u8]],
}

impl Link {
    /// To the server of these options, not yet connected.
    pub(crate) fn to(options: &Options) -> Result<Self, BadAddress> {
        let client = Client::open(options.address.as_str())?;
        #[cfg(feature = "tls")]
        if options.address.starts_with("rediss:") {
            choose_cryptography();
        }
        Ok(Self {
            client,
            connect_max: options.connect_max,
            connection: ArcSwapOption::empty(),
            numbers: AtomicU64::new(0),
        })
    }

    /// A number that no other question has.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Connects anew if there is no connection.
    ///
    /// # Errors
    /// Where nobody answers in time, or refuses us.
    pub(crate) async fn connect(&self) -> Result<(), Away> {
        if self.connection.load().is_some() {
            return Ok(());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_max))
            .set_response_timeout(Some(RESPONSE_MAX))
            .set_pipeline_buffer_size(WAITING_MAX);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        // The time-out of the client does not cover what it says to the server before we may.
        match tokio::time::timeout(self.connect_max, connecting).await {
            Ok(Ok(connection)) => {
                self.connection.store(Some(Arc::new(connection)));
                Ok(())
            }
            Ok(Err(error)) => Err(Away::from(&error)),
            Err(_) => Err(Away::Slow),
        }
    }

    /// Lets the connection go: it closes as soon as nobody waits on it any more.
    pub(crate) fn cut(&self) {
        self.connection.store(None);
    }

    /// Runs a script. One that the server has forgotten is sent again, once.
    ///
    /// # Errors
    /// Where the server is away, or its answer cannot be read.
    pub(crate) async fn run(&self, script: &Script, given: Given<'_>) -> Result<Value, Away> {
        let known = script.call("EVALSHA", &script.hash, &given);
        match self.send(&known).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let whole = script.call("EVAL", script.code, &given);
                self.send(&whole).await
            }
            answer => answer,
        }
        .map_err(|error| Away::from(&error))
    }

    /// Sends any command. A caller that gives up loses its answer and nobody else's: the client counts them.
    ///
    /// # Errors
    /// The client's own. A connection that is of no more use is gone after it.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let Some(used) = self.connection.load_full() else {
            return Err(RedisError::from((ErrorKind::Io, "not connected")));
        };
        let mut connection = MultiplexedConnection::clone(&used);
        let answer = command.query_async(&mut connection).await;
        if answer
            .as_ref()
            .is_err_and(|error| Away::from(error).ends_connection())
        {
            // Not the next one, which somebody may have made meanwhile.
            self.connection.compare_and_swap(&used, None);
        }
        answer
    }
}

/// The client takes what the process has chosen, and panics where it cannot tell: so the first one that nothing was chosen
/// for chooses.
#[cfg(feature = "tls")]
fn choose_cryptography() {
    // Refused where there is one, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// After so long nobody wants the answer any more.
const RESPONSE_MAX: Duration = Duration::from_secs(2);

/// Commands that may wait to be written.
const WAITING_MAX: usize = 1_024;

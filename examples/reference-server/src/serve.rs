//! The command `serve`.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use monetization_core::clock::{Clock, Timestamp};
use monetization_core::entropy::Entropy;
use monetization_core::store::{Store, StoreError, StoreErrorKind};
use monetization_engine_mock::JournalPlace;
use monetization_engine_mock::provider::Rules;
#[cfg(feature = "postgres")]
use monetization_store_postgres::{PostgresOptions, PostgresStore};
use monetization_store_sqlite::{Inspection, SqliteOptions, SqliteStore};

use crate::data_directory::{DataDirectory, DirectoryError};
use crate::database::Database;
use crate::first_start::FirstStart;
use crate::report;
use crate::server::{Ingredients, Server, StartError};
use crate::settings::Settings;
use crate::signals::{Hangups, Signals};

/// Why serving ended badly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The data directory cannot be used.
    #[error("failed to open the data directory")]
    Directory(#[from] DirectoryError),
    /// The database cannot be used.
    #[error("failed to open the database")]
    Store(#[from] StoreError),
    /// Another server has the database open.
    #[error("another server has the database open: with --standby this one waits for it to go")]
    Owned(#[source] StoreError),
    /// The server cannot start.
    #[error("failed to start")]
    Start(#[from] StartError),
    /// Signals cannot be listened to, or nothing can be printed.
    #[error("failed to talk to the operating system")]
    System(#[from] io::Error),
    /// Calls were still under way when the time to stop was up.
    #[error(
        "{0} calls were not recorded when the time to stop was up: see with doctor that the database can be \
         written to, and compare what the upstream has served"
    )]
    Unrecorded(usize),
}

/// Serves until SIGTERM or SIGINT; SIGHUP has the engine's secrets read again. What is to be told goes to `out`.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(settings: &Settings, mut out: impl Write) -> Result<(), ServeError> {
    let database = &settings.database;
    let directory = DataDirectory::open(&settings.data_directory)?
        .with_pepper_in(settings.pepper_file.as_deref());
    let _held = database.is_shared().then(|| directory.hold()).transpose()?;
    let entropy = Arc::new(Entropy::system());
    let pepper = directory.pepper(&entropy)?;
    // Whoever stops it from here on stops it in good order.
    let (mut signals, mut hangups) = (Signals::listen()?, Hangups::listen()?);
    let opened = open(settings, &mut out);
    let store = tokio::select! {
        opened = opened => opened?,
        // There is nothing to bring to its end yet.
        () = signals.next() => return Ok(()),
    };
    let newest_record = newest_record(database).await?;
    let (clock, manual_clock) = match settings.manual_clock {
        Some(start) => {
            let (clock, manual) = Clock::manual_business(start);
            (clock, Some(manual))
        }
        None => (Clock::system(), None),
    };
    let ingredients = Ingredients {
        store,
        clock,
        manual_clock,
        entropy,
        pepper,
        journal: JournalPlace::File(directory.journal()),
        newest_record,
        lease: database.is_shared().then_some(settings.lease),
        set_aside: Some(directory.set_aside()),
        rules: Rules::default(),
    };
    let (server, first_start) = Server::start(settings, ingredients).await?;
    introduce(&mut out, &server, first_start.as_ref())?;
    loop {
        tokio::select! {
            () = signals.next() => break,
            () = hangups.next() => reload(&server, &mut out)?,
        }
    }
    server.leave();
    if !settings.shutdown_delay.is_zero() {
        let seconds = settings.shutdown_delay.as_secs();
        writeln!(
            out,
            "leaving: calls are taken for {seconds} more seconds, or until the next signal"
        )?;
        out.flush()?;
        tokio::select! {
            () = tokio::time::sleep(settings.shutdown_delay) => {}
            () = signals.next() => {}
        }
    }
    writeln!(out, "stopping: calls under way come to their end")?;
    match server.shutdown().await {
        0 => {
            writeln!(out, "stopped")?;
            Ok(())
        }
        unrecorded => Err(ServeError::Unrecorded(unrecorded)),
    }
}

/// Reads again what may change while it serves.
fn reload(server: &Server, out: &mut impl Write) -> io::Result<()> {
    match server.reload_secrets() {
        Ok(()) => writeln!(out, "the engine's secrets were read again")?,
        Err(error) => report::failure("exchange the engine's secrets", &error),
    }
    out.flush()
}

/// Opens the database to serve from it.
async fn open(settings: &Settings, out: &mut impl Write) -> Result<Arc<dyn Store>, ServeError> {
    Ok(match &settings.database {
        Database::Sqlite(path) => {
            let options = SqliteOptions::new(path).with_synchronous(settings.synchronous);
            Arc::new(own(options, settings.standby, out).await?)
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(options) => {
            let options = PostgresOptions::clone(options).with_opening_lease(settings.lease);
            Arc::new(PostgresStore::open(&options).await?)
        }
    })
}

/// When the newest record was made. Who only serves from a shared database need not be allowed to look into it.
async fn newest_record(database: &Database) -> Result<Option<Timestamp>, StoreError> {
    let newest = database.inspect().await?.newest_at().await;
    match newest {
        Err(error) if database.is_shared() && error.kind() == StoreErrorKind::Broken => Ok(None),
        newest => newest,
    }
}

/// Opens a file as its owner: at once, or as soon as nobody else is.
async fn own(
    options: SqliteOptions,
    standby: bool,
    out: &mut impl Write,
) -> Result<SqliteStore, ServeError> {
    let path = options.path();
    let is_owned = || Inspection::is_owned(path).unwrap_or(false);
    if !standby {
        let opened = SqliteStore::open(&options).await;
        return opened.map_err(|error| {
            if is_owned() {
                ServeError::Owned(error)
            } else {
                error.into()
            }
        });
    }
    if is_owned() {
        let path = path.display();
        writeln!(out, "standing by: another server has {path} open")?;
        out.flush()?;
    }
    let options = options.with_owner_wait(Duration::MAX);
    Ok(SqliteStore::open(&options).await?)
}

fn introduce(
    out: &mut impl Write,
    server: &Server,
    first_start: Option<&FirstStart>,
) -> io::Result<()> {
    let (gateway, control) = (server.gateway_address(), server.control_address());
    writeln!(out, "gateway        http://{gateway}/{{product}}/...")?;
    writeln!(out, "control plane  http://{control}/api/v1/...")?;
    if let Some(first) = first_start {
        let owner = first.owner_token.reveal();
        writeln!(
            out,
            "\nThis is the first start. These tokens are shown once: keep them.\n"
        )?;
        writeln!(out, "platform owner  {owner}")?;
        writeln!(out, "publisher       {}", first.publisher_token.reveal())?;
        writeln!(out, "developer       {}", first.developer_token.reveal())?;
        writeln!(out, "\nTry it:\n")?;
        writeln!(out, "  curl http://{control}/readyz")?;
        writeln!(out, "  curl http://{control}/api/v1/catalogue")?;
        writeln!(
            out,
            "  curl -H 'Authorization: Bearer {owner}' http://{control}/api/v1/publishers"
        )?;
        writeln!(out, "\nREADME.md goes on from here to a paid invoice.\n")?;
    }
    out.flush()
}

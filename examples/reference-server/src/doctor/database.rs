//! The database: whether it is whole, of a shape that is known, and in nobody else's hands.

use std::io;

use monetization_core::clock::Timestamp;
use monetization_core::store::StoreError;
use monetization_store_sqlite::{Inspection, Schema};

use super::Diagnosis;
use crate::clock_watch::BEHIND_MAX;
use crate::data_directory::DataDirectory;
use crate::database::{self, Database};
use crate::report;
use crate::settings::Settings;

const SUBJECT: &str = "database";
/// Of each kind, so many of those that wait for an operator are named.
const HELD_MAX: u32 = 10;

/// Whether a server has ever served from it. Where that cannot be found out it has not; whoever looks on
/// is told why.
pub(super) async fn is_begun(database: &Database) -> bool {
    if let Some(path) = database.file() {
        return path.exists();
    }
    let schema = async { database.inspect().await?.schema().await };
    !matches!(schema.await, Ok(Schema::None) | Err(_))
}

/// Looks at all of it; answers whether a server has it open, or keeps its state in the directory.
pub(super) async fn look(
    settings: &Settings,
    (directory, now, is_begun): (&DataDirectory, Timestamp, bool),
    diagnosis: &mut Diagnosis,
) -> bool {
    let is_running = match settings.database.file() {
        Some(_) if !is_begun => {
            diagnosis.warn(SUBJECT, "there is none yet: the first start makes it");
            return false;
        }
        Some(path) => {
            let said = [
                "running: it has the database open",
                "none is running: the database is free",
            ];
            look_at_server(Inspection::is_owned(path), said, diagnosis)
        }
        None => {
            let said = [
                "running: it has the data directory",
                "none is running here: the data directory is free",
            ];
            look_at_server(directory.is_held(), said, diagnosis)
        }
    };
    // Where a clock that is moved by hand stands now, only the server knows.
    let now = Some(now).filter(|_| settings.manual_clock.is_none() || !is_running);
    if let Err(error) = look_inside((settings, now), diagnosis).await {
        let mend = if settings.database.is_shared() {
            "see that its server is there, that the address is right, and that who logs in is a member of \
             monetization_inspector"
        } else {
            "see that the disk is there and that the server's user may read and write it; \
             otherwise restore the database from a backup"
        };
        diagnosis.problem(SUBJECT, report::chain(&error), mend);
    }
    is_running
}

fn look_at_server(
    is_running: io::Result<bool>,
    [running, none]: [&str; 2],
    diagnosis: &mut Diagnosis,
) -> bool {
    match is_running {
        Ok(is_running) => {
            diagnosis.ok("server", if is_running { running } else { none });
            is_running
        }
        Err(error) => {
            let found = format!("the file that it locks cannot be read: {error}");
            let mend = "let the user that the server runs as read it";
            diagnosis.problem("server", found, mend);
            false
        }
    }
}

async fn look_inside(
    (settings, now): (&Settings, Option<Timestamp>),
    diagnosis: &mut Diagnosis,
) -> Result<(), StoreError> {
    let database = &settings.database;
    let mut inspection = database.inspect().await?;
    if !look_at_schema(inspection.schema().await?, diagnosis) {
        return Ok(());
    }
    let damage = inspection.damage().await?;
    if damage.is_empty() {
        let how = if database.is_shared() {
            "it answers"
        } else {
            "whole"
        };
        let found = format!("{how}, and of the migrations that this program knows");
        diagnosis.ok(SUBJECT, found);
    } else {
        let found = format!("damaged: {}", damage.join("; "));
        let mend = "stop the server, keep a copy of the files as they are, and restore a backup";
        diagnosis.problem(SUBJECT, found, mend);
        return Ok(());
    }
    look_at_clock(inspection.newest_at().await?, now, diagnosis);
    for engine in inspection.engines().await? {
        if engine != settings.engine.as_str() {
            let found = format!(
                "the data was begun with {engine}, the settings say {}",
                settings.engine
            );
            let mend = format!("choose --engine {engine}, or another --data-directory");
            diagnosis.problem("engine", found, mend);
        }
    }
    look_at_held(&mut inspection, diagnosis).await
}

fn look_at_schema(schema: Schema, diagnosis: &mut Diagnosis) -> bool {
    match schema {
        Schema::Known => return true,
        Schema::None => diagnosis.warn(
            SUBJECT,
            "nothing is in it yet: start the server to make its tables",
        ),
        Schema::Older { .. } => diagnosis.warn(
            SUBJECT,
            "made by an older release: start the server to migrate it",
        ),
        Schema::Newer { found, known } => diagnosis.problem(
            SUBJECT,
            format!("made by a newer release: it has migration {found}, known are {known}"),
            "run the release that wrote it, or a newer one",
        ),
        Schema::Changed { version, name } => diagnosis.problem(
            SUBJECT,
            format!("its migration {version} ({name}) is not that of this release"),
            "run the program that it was made by",
        ),
    }
    false
}

fn look_at_clock(newest_at: Option<Timestamp>, now: Option<Timestamp>, diagnosis: &mut Diagnosis) {
    let Some(now) = now else {
        return diagnosis.ok("clock", "moved by hand");
    };
    let Some(newest_at) = newest_at else {
        return diagnosis.ok("clock", format!("{now}, and nothing is recorded yet"));
    };
    let behind = newest_at.saturating_since(now);
    if behind <= BEHIND_MAX {
        let found = format!("{now}, not behind the newest record of {newest_at}");
        return diagnosis.ok("clock", found);
    }
    let behind = behind.as_secs();
    diagnosis.problem(
        "clock",
        format!("it says {now}, {behind} seconds before the newest record of {newest_at}"),
        "set the machine's clock and keep it by NTP; with --manual-clock, begin at a later instant",
    );
}

async fn look_at_held(
    inspection: &mut database::Inspection,
    diagnosis: &mut Diagnosis,
) -> Result<(), StoreError> {
    let held = inspection.held(HELD_MAX).await?;
    if held.is_empty() {
        diagnosis.ok("held", "nothing waits for an operator");
    }
    for held in held {
        let found = format!("{} {}: {}", held.kind, held.id, held.reason);
        match held.kind.as_str() {
            "operation" => diagnosis.problem(
                "held",
                found,
                "mend what the reason names, and do by hand at the engine what was asked for",
            ),
            "batch" => diagnosis.problem(
                "held",
                found,
                "compare what the engine has counted with what is published here, and report \
                 what is missing there by hand",
            ),
            _ => diagnosis.warn("held", found),
        }
    }
    Ok(())
}

//! The database: whether it is whole, of a shape that is known, and in nobody else's hands.

use std::path::Path;

use monetization_core::clock::Timestamp;
use monetization_core::store::StoreError;
use monetization_store_sqlite::{Inspection, Schema};

use super::Diagnosis;
use crate::clock_watch::BEHIND_MAX;
use crate::report;
use crate::settings::Settings;

const SUBJECT: &str = "database";
/// Of each kind, so many of those that wait for an operator are named.
const HELD_MAX: u32 = 10;

/// Looks at all of it; answers whether a server has it open.
pub(super) async fn look(
    path: &Path,
    (settings, now): (&Settings, Timestamp),
    diagnosis: &mut Diagnosis,
) -> bool {
    let is_running = look_at_owner(path, diagnosis);
    // Where a clock that is moved by hand stands now, only the server knows.
    let now = Some(now).filter(|_| settings.manual_clock.is_none() || !is_running);
    if let Err(error) = look_inside(path, (settings, now), diagnosis).await {
        let mend = "see that the disk is there and that the server's user may read and write it; \
            otherwise restore the database from a backup";
        diagnosis.problem(SUBJECT, report::chain(&error), mend);
    }
    is_running
}

fn look_at_owner(path: &Path, diagnosis: &mut Diagnosis) -> bool {
    match Inspection::is_owned(path) {
        Ok(true) => diagnosis.ok("server", "running: it has the database open"),
        Ok(false) => diagnosis.ok("server", "none is running: the database is free"),
        Err(error) => {
            let found = format!("the file of the database's owner cannot be read: {error}");
            let mend = "let the user that the server runs as read it";
            diagnosis.problem("server", found, mend);
        }
    }
    Inspection::is_owned(path).unwrap_or(false)
}

async fn look_inside(
    path: &Path,
    (settings, now): (&Settings, Option<Timestamp>),
    diagnosis: &mut Diagnosis,
) -> Result<(), StoreError> {
    let mut inspection = Inspection::open(path).await?;
    if !look_at_schema(inspection.schema().await?, diagnosis) {
        return Ok(());
    }
    let damage = inspection.damage().await?;
    if damage.is_empty() {
        diagnosis.ok(
            SUBJECT,
            "whole, and of the migrations that this program knows",
        );
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
        Schema::None | Schema::Older { .. } => diagnosis.warn(
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
    inspection: &mut Inspection,
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

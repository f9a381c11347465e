//! The engine: whether it is one that is known, and whether it can be opened.

use std::fs;

use monetization_core::clock::Timestamp;
use monetization_core::entropy::Entropy;
use monetization_engine_mock::provider::Rules;
use monetization_engine_mock::{JournalPlace, MockEngine, MockOptions};

use super::Diagnosis;
use crate::data_directory::DataDirectory;
use crate::engines::{self, EngineParts};
use crate::report;
use crate::settings::Settings;

const SUBJECT: &str = "engine";

/// Looks at a copy of the journal: whoever opens one may cut off a line that is being written.
pub(super) async fn look(
    settings: &Settings,
    (directory, now): (&DataDirectory, Timestamp),
    is_begun: bool,
    diagnosis: &mut Diagnosis,
) {
    if let Some(process) = &settings.mock_process {
        return look_at_process(&process.url, diagnosis).await;
    }
    #[cfg(feature = "stripe")]
    if let (Some(stripe), Some(secrets)) = (&settings.stripe, &settings.engine_secrets) {
        return super::stripe::look(settings, (stripe, secrets), diagnosis).await;
    }
    let parts = EngineParts {
        start: now,
        journal: JournalPlace::Memory(monetization_engine_mock::MemoryJournal::default()),
        rules: Rules::default(),
        payment_url_base: String::new(),
        entropy: &Entropy::system(),
    };
    match engines::choose(&settings.engine, parts) {
        Err(error) => {
            let mend = "name one of them with --engine";
            return diagnosis.problem(SUBJECT, report::chain(&error), mend);
        }
        Ok(chosen) if chosen.mock.is_none() => {
            return diagnosis.ok(SUBJECT, format!("{} keeps nothing", settings.engine));
        }
        Ok(_) => {}
    }
    let journal = directory.journal();
    let shown = journal.display();
    if !journal.exists() {
        if is_begun {
            let found = format!("{shown} is gone, with all the engine knew of the database");
            let mend = "restore the journal from a backup of the same time as the database";
            diagnosis.problem(SUBJECT, found, mend);
        } else {
            diagnosis.ok(SUBJECT, "the first start makes its journal");
        }
        return;
    }
    let copied = tempfile::tempdir().and_then(|folder| {
        let copy = folder.path().join("journal");
        fs::copy(&journal, &copy).map(|_| (folder, copy))
    });
    let opened = match copied {
        Ok((_folder, copy)) => MockEngine::open(MockOptions::in_file(copy, now)),
        Err(error) => Err(error.into()),
    };
    match opened {
        Ok(mock) => {
            let steps = mock.recovered().steps;
            diagnosis.ok(
                SUBJECT,
                format!("{}, {steps} steps in its journal", settings.engine),
            );
        }
        Err(error) => {
            let found = format!("{shown}: {}", report::chain(&error));
            let mend = "restore the journal from a backup of the same time as the database";
            diagnosis.problem(SUBJECT, found, mend);
        }
    }
}

async fn look_at_process(url: &str, diagnosis: &mut Diagnosis) {
    match engines::reach(url).await {
        Ok(engine) => {
            let (id, version) = (engine.descriptor.id, engine.descriptor.api_version);
            diagnosis.ok(SUBJECT, format!("{id} {version} answers at {url}"));
        }
        Err(error) => {
            let mend = "start the process of the mock, or say with --mock-url where it listens";
            diagnosis.problem(SUBJECT, report::chain(&error), mend);
        }
    }
}

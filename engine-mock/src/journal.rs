//! What has happened to a provider, one JSON line each, on the disk before it is answered.
//!
//! The first line says how the journal was begun: its format, the start of the clock and the
//! rules. Each other line is one [`Step`], such as
//!
//! ```json
//! {"step":"clock","at":"2026-02-01T00:00:00Z"}
//! {"step":"payment","at":"2026-02-01T00:00:00Z","invoice":"inv_0000000004","payment":"pays"}
//! ```
//!
//! Lines are only ever added. A line is written and flushed before the provider takes the step
//! and before the caller is answered: what was answered is there, and what was not answered is
//! there whole, torn, or not at all. A torn one is the last, has no line break, and is cut off.
//! Credentials and webhook secrets are no part of any step, so the journal holds none.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use monetization_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::provider::{Provider, Rules, Step};

/// Where a journal is kept.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum JournalPlace {
    /// In a file, made where it is missing; each line is flushed to the disk before the call that
    /// it records is answered.
    File(PathBuf),
    /// In memory, for as long as a clone of it lives.
    Memory(MemoryJournal),
}

/// A journal in memory. Clones are the same journal: a provider opened on one of them goes on
/// where another has stopped. For tests of restarts: two providers on one journal at a time would
/// know nothing of each other.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Vec<u8>>>);

impl MemoryJournal {
    /// A copy of what is in it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What was found in a journal when it was opened. A torn line is no damage: it is what the death
/// of a process leaves of a step that nobody was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Steps that were taken again.
    pub steps: usize,
    /// Bytes of a last line that was never finished; its call was never answered, so they were
    /// cut off.
    pub torn_bytes: usize,
}

/// Why a journal cannot be used.
///
/// After a failed write nobody knows what the disk holds, so the provider takes no more changes
/// ([`JournalError::Down`]); questions are still answered. Opening the journal again shows it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It cannot be read or written.
    #[error("the journal cannot be read or written")]
    Io(#[from] io::Error),
    /// Another provider has the file open, in this process or another: two on one journal would
    /// know nothing of each other.
    #[error("the journal is in use by another provider")]
    InUse,
    /// A line before the last makes no sense.
    #[error("line {line} of the journal makes no sense")]
    Corrupt {
        /// The line, from 1.
        line: usize,
        /// Why not.
        source: serde_json::Error,
    },
    /// It was begun under other rules.
    #[error("the journal was begun under other rules: keep them, or begin another journal")]
    OtherRules,
    /// A write has failed before; what the disk holds is unknown until it is opened again.
    #[error("the journal has failed before and must be opened again")]
    Down,
}

/// The first line of a journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beginning {
    format: u32,
    start: Timestamp,
    rules: Rules,
}

const FORMAT: u32 = 1;

/// A journal that is open at its end.
#[derive(Debug)]
pub(crate) struct Journal {
    medium: Medium,
    down: bool,
}

/// What the lines are written to.
#[derive(Debug)]
enum Medium {
    File(File),
    Memory(MemoryJournal),
    Forgetful,
}

impl Journal {
    /// Opens a journal and takes its steps again; a new one begins at `start` under `rules`.
    pub(crate) fn open(
        place: &JournalPlace,
        start: Timestamp,
        rules: &Rules,
    ) -> Result<(Self, Provider, Recovered), JournalError> {
        let (mut medium, bytes) = match place {
            JournalPlace::File(path) => read_file(path)?,
            JournalPlace::Memory(memory) => (Medium::Memory(memory.clone()), memory.bytes()),
        };
        let finished = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |last| last.saturating_add(1));
        let torn_bytes = bytes.len().saturating_sub(finished);
        if torn_bytes > 0 {
            medium.cut(finished)?;
        }
        let mut lines = bytes
            .split(|byte| *byte == b'\n')
            .take(count_lines(&bytes))
            .enumerate();
        let mut journal = Self {
            medium,
            down: false,
        };
        let Some((_, first)) = lines.next() else {
            let begun = Beginning {
                format: FORMAT,
                start,
                rules: rules.clone(),
            };
            journal.write(&begun)?;
            let recovered = Recovered {
                steps: 0,
                torn_bytes,
            };
            return Ok((journal, Provider::new(start, rules.clone()), recovered));
        };
        let begun: Beginning = parse(first, 0)?;
        if begun.rules != *rules || begun.format != FORMAT {
            return Err(JournalError::OtherRules);
        }
        let mut provider = Provider::new(begun.start, begun.rules);
        let mut steps = 0_usize;
        for (index, line) in lines {
            // Its outcome was told when it happened first.
            drop(provider.step(parse::<Step>(line, index)?));
            steps = steps.saturating_add(1);
        }
        Ok((journal, provider, Recovered { steps, torn_bytes }))
    }

    /// A journal in memory that nobody will read.
    pub(crate) fn forgetful() -> Self {
        Self {
            medium: Medium::Forgetful,
            down: false,
        }
    }

    /// Whether a write has failed, so that there will be no other.
    pub(crate) fn is_down(&self) -> bool {
        self.down
    }

    /// Writes a step down for good. After a failure nothing more is written.
    pub(crate) fn append(&mut self, step: &Step) -> Result<(), JournalError> {
        self.write(step)
    }

    /// One line, flushed. Whatever goes wrong, the journal is down from then on: half a line may
    /// stand there, and another after it would make the middle of the file unreadable.
    fn write(&mut self, entry: &impl Serialize) -> Result<(), JournalError> {
        if self.down {
            return Err(JournalError::Down);
        }
        let mut line = serde_json::to_vec(entry).map_err(io::Error::from)?;
        line.push(b'\n');
        let written = match &mut self.medium {
            Medium::Memory(memory) => {
                memory
                    .0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(&line);
                Ok(())
            }
            Medium::Forgetful => Ok(()),
            Medium::File(file) => file.write_all(&line).and_then(|()| file.sync_data()),
        };
        self.down = written.is_err();
        Ok(written?)
    }
}

impl Medium {
    /// Takes back what stands after the last whole line.
    fn cut(&mut self, length: usize) -> io::Result<()> {
        match self {
            Self::Memory(memory) => {
                memory
                    .0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .truncate(length);
                Ok(())
            }
            Self::Forgetful => Ok(()),
            Self::File(file) => {
                let length = u64::try_from(length).unwrap_or(u64::MAX);
                file.set_len(length)?;
                file.seek(SeekFrom::End(0))?;
                file.sync_data()
            }
        }
    }
}

/// Opens the file at its end, made where it is missing, with what is in it.
fn read_file(path: &Path) -> Result<(Medium, Vec<u8>), JournalError> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    file.try_lock().map_err(|refused| match refused {
        TryLockError::WouldBlock => JournalError::InUse,
        TryLockError::Error(error) => error.into(),
    })?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        // The name of a new file must survive as well as what is written to it.
        file.sync_all()?;
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok((Medium::File(file), bytes))
}

/// How many lines are whole.
fn count_lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

fn parse<'a, T: Deserialize<'a>>(line: &'a [u8], index: usize) -> Result<T, JournalError> {
    serde_json::from_slice(line).map_err(|source| JournalError::Corrupt {
        line: index.saturating_add(1),
        source,
    })
}

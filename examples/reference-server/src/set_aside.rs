//! Use that was served and that the ledger cannot take: kept in a file beside the database.
//!
//! One JSON object a line, the record and why it was not taken. Each start offers what is in the file
//! to the ledger again, because what was wrong with the database may have been mended; what is taken
//! then leaves the file. A record keeps its id, so that it is counted once however often it is offered.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use monetization_core::runtime::SetAside;
use monetization_core::store::{Appended, Store, StoreError};
use monetization_core::usage::UsageRecord;
use serde::{Deserialize, Serialize};

use crate::report;

/// The file, open at its end.
#[derive(Debug)]
pub struct SetAsideFile {
    path: PathBuf,
    file: Mutex<File>,
}

/// A record that is set aside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) record: UsageRecord,
    /// Why the ledger does not take it.
    pub(crate) why: String,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetAsideError {
    /// It cannot be read or written.
    #[error("failed to keep {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line makes no sense.
    #[error("line {line} of {} makes no sense", path.display())]
    Senseless {
        /// Which file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why not.
        source: serde_json::Error,
    },
}

impl SetAsideFile {
    /// Opens the file, made where it is missing, and offers what is in it to the ledger again; what
    /// the ledger takes now leaves the file.
    ///
    /// # Errors
    /// [`SetAsideError`]. That the ledger still does not take a record is none: it stays.
    pub async fn open(path: &Path, store: &dyn Store) -> Result<Self, SetAsideError> {
        let failed = |source| SetAsideError::Io {
            path: path.to_owned(),
            source,
        };
        let kept = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(failed)?,
        };
        let mut left = Vec::new();
        let mut taken = 0_usize;
        for (line, text) in read(path, &kept)?.into_iter().zip(kept.lines()) {
            match store.append(&[line.record]).await.as_deref() {
                Ok([Appended::New | Appended::Duplicate]) => taken = taken.saturating_add(1),
                _ => left.push(text),
            }
        }
        if taken > 0 {
            replace(path, &left).map_err(failed)?;
        }
        if taken > 0 || !left.is_empty() {
            report::line(format_args!(
                "of the use that was set aside the ledger has taken {taken} records, and {} are left \
                 in {}",
                left.len(),
                path.display()
            ));
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file.map_err(failed)?),
        })
    }

    /// What is set aside, oldest first.
    ///
    /// # Errors
    /// [`SetAsideError`].
    pub(crate) fn lines(&self) -> Result<Vec<Line>, SetAsideError> {
        let _whole = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = fs::read_to_string(&self.path).map_err(|source| SetAsideError::Io {
            path: self.path.clone(),
            source,
        })?;
        read(&self.path, &kept)
    }

    fn write(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&text)?;
        file.sync_data()
    }
}

impl SetAside for SetAsideFile {
    fn keep(&self, record: &UsageRecord, why: &StoreError) {
        let line = Line {
            record: record.clone(),
            why: report::chain(why),
        };
        match self.write(&line) {
            Ok(()) => report::line(format_args!(
                "the ledger does not take record {}, which is set aside: {}",
                record.id, line.why
            )),
            // The last place where somebody may find it.
            Err(error) => report::line(format_args!(
                "failed to set a record aside ({}): {line:?}",
                report::chain(&error)
            )),
        }
    }
}

fn read(path: &Path, kept: &str) -> Result<Vec<Line>, SetAsideError> {
    let line = |(index, text): (usize, &str)| {
        serde_json::from_str(text).map_err(|source| SetAsideError::Senseless {
            path: path.to_owned(),
            line: index.saturating_add(1),
            source,
        })
    };
    kept.lines().enumerate().map(line).collect()
}

/// Writes these lines in the place of what was there, whole or not at all.
fn replace(path: &Path, lines: &[&str]) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file = File::create(&next)?;
    for line in lines {
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")?;
    }
    file.sync_all()?;
    fs::rename(next, path)
}

#[cfg(test)]
mod tests {
    use monetization_conformance::sample::Sample;
    use monetization_core::memory::MemoryStore;
    use monetization_core::store::{Ledger, StoreErrorKind};

    use super::*;

    #[tokio::test]
    async fn what_was_set_aside_is_offered_again_and_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set-aside.jsonl");
        let store = MemoryStore::default();
        let aside = SetAsideFile::open(&path, &store).await.unwrap();
        let sample = Sample::seeded(1);
        let of = sample.subscriber();
        let record = sample.record(&of, of.segment(0), 3);
        let why = StoreError::new(StoreErrorKind::Broken, "append to the ledger");
        aside.keep(&record, &why);
        aside.keep(&record, &why);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);

        drop(SetAsideFile::open(&path, &store).await.unwrap());
        let sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
        assert_eq!(sums[0].total.scaled(), 3);
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }

    #[tokio::test]
    async fn a_line_that_makes_no_sense_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set-aside.jsonl");
        fs::write(&path, "{}\n").unwrap();
        let store = MemoryStore::default();
        let error = SetAsideFile::open(&path, &store).await.unwrap_err();
        let said = report::chain(&error);
        assert!(said.starts_with("line 1 of "), "{said}");
        assert!(said.contains("missing field `record`"), "{said}");
    }
}

//! The directory in which a server keeps its state.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use monetization_core::entropy::Entropy;
use monetization_core::key::{Pepper, PepperError};

/// The directory of a server: database, journal of the mock engine, and the pepper, which is kept
/// out of the database so that a stolen database opens nothing.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    path: PathBuf,
    /// The file that the pepper is in, where it is kept elsewhere.
    pepper_elsewhere: Option<PathBuf>,
}

/// That no other server keeps its state in a directory, for as long as this lives.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "it is locked while it is open")] File);

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It cannot be made.
    #[error("failed to make the data directory {}", path.display())]
    Make {
        /// Which directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another server keeps its state there.
    #[error("another server keeps its state in {}: give each of them a data directory of its own", path.display())]
    Held {
        /// Which directory.
        path: PathBuf,
    },
    /// It cannot be found out whether another server keeps its state there.
    #[error("failed to lock {}", path.display())]
    Lock {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The pepper cannot be read or written.
    #[error("failed to keep the pepper in {}", path.display())]
    Pepper {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The pepper can be read by others.
    #[error("others can read {}: make it yours alone (chmod 600)", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
    },
    /// The pepper protects nothing.
    #[error("the pepper in {} is none", path.display())]
    Short {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: PepperError,
    },
}

const PEPPER_BYTES: usize = 32;

impl DataDirectory {
    /// The directory of this path, which is made where there is none.
    ///
    /// # Errors
    /// [`DirectoryError::Make`].
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        make_directory(path).map_err(|source| DirectoryError::Make {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::at(path))
    }

    /// The directory of this path as it is, which may be not there.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            pepper_elsewhere: None,
        }
    }

    /// The same with the pepper in another file, which is there already.
    #[must_use]
    pub fn with_pepper_in(mut self, file: Option<&Path>) -> Self {
        self.pepper_elsewhere = file.map(Path::to_owned);
        self
    }

    /// Keeps other servers out of it. The owner of a database of SQLite's is alone with it anyway.
    ///
    /// # Errors
    /// [`DirectoryError::Held`] where one is there, [`DirectoryError::Lock`].
    pub fn hold(&self) -> Result<Held, DirectoryError> {
        let path = self.lock_file();
        let failed = |source| DirectoryError::Lock {
            path: path.clone(),
            source,
        };
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Held(file)),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::Held {
                path: self.path.clone(),
            }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Whether a server [holds](Self::hold) it.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub fn is_held(&self) -> io::Result<bool> {
        let file = match File::open(self.lock_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("monetization.db")
    }

    /// Use that the ledger could not take.
    #[must_use]
    pub fn set_aside(&self) -> PathBuf {
        self.path.join("set-aside.jsonl")
    }

    /// The journal of the mock engine.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("engine-mock.journal")
    }

    /// The pepper, which is made on the first start and readable by nobody else. One that is kept elsewhere is
    /// not made.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn pepper(&self, entropy: &Entropy) -> Result<Pepper, DirectoryError> {
        let path = self.pepper_file();
        let failed = |source| DirectoryError::Pepper {
            path: path.clone(),
            source,
        };
        let missing = || failed(io::ErrorKind::NotFound.into());
        if self.pepper_elsewhere.is_some() {
            return self.read_pepper()?.ok_or_else(missing);
        }
        match make_private(&path) {
            Ok(mut file) => {
                let mut bytes = vec![0; PEPPER_BYTES];
                entropy.fill(&mut bytes);
                file.write_all(&bytes)
                    .and_then(|()| file.sync_all())
                    .map_err(failed)?;
                pepper(&bytes, path)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.read_pepper()?.ok_or_else(missing)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The pepper, if there is one.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn read_pepper(&self) -> Result<Option<Pepper>, DirectoryError> {
        let path = self.pepper_file();
        let failed = |source| DirectoryError::Pepper {
            path: path.clone(),
            source,
        };
        let opened = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        if is_open(&path).map_err(failed)? {
            return Err(DirectoryError::Open { path });
        }
        let mut bytes = Vec::new();
        // A file that is longer than any pepper is none.
        opened.take(4_096).read_to_end(&mut bytes).map_err(failed)?;
        pepper(&bytes, path).map(Some)
    }

    /// The file that the pepper is in.
    #[must_use]
    pub fn pepper_file(&self) -> PathBuf {
        let elsewhere = self.pepper_elsewhere.clone();
        elsewhere.unwrap_or_else(|| self.path.join("pepper"))
    }

    fn lock_file(&self) -> PathBuf {
        self.path.join("serving")
    }
}

fn pepper(bytes: &[u8], path: PathBuf) -> Result<Pepper, DirectoryError> {
    Pepper::new(bytes).map_err(|source| DirectoryError::Short { path, source })
}

#[cfg(unix)]
fn make_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

#[cfg(unix)]
fn is_open(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pepper_is_made_once_and_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(&folder.path().join("a/b")).unwrap();
        let entropy = Entropy::seeded(1);
        directory.pepper(&entropy).unwrap();
        let path = folder.path().join("a/b/pepper");
        let made = fs::read(&path).unwrap();
        assert_eq!(made.len(), PEPPER_BYTES);
        directory.pepper(&entropy).unwrap();
        assert_eq!(fs::read(&path).unwrap(), made);
    }

    #[test]
    fn a_pepper_that_is_kept_elsewhere_is_read_and_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let made = DataDirectory::open(&folder.path().join("a")).unwrap();
        made.pepper(&Entropy::seeded(1)).unwrap();
        let file = made.pepper_file();
        let other = DataDirectory::open(&folder.path().join("b")).unwrap();
        let other = other.with_pepper_in(Some(&file));
        other.pepper(&Entropy::seeded(2)).unwrap();
        assert!(!folder.path().join("b/pepper").exists());
        fs::remove_file(&file).unwrap();
        let missing = other.pepper(&Entropy::seeded(2)).unwrap_err();
        assert!(
            matches!(missing, DirectoryError::Pepper { .. }),
            "{missing}"
        );
        assert!(!file.exists());
    }

    #[test]
    fn a_directory_is_held_by_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        assert!(!directory.is_held().unwrap());
        let held = directory.hold().unwrap();
        assert!(directory.is_held().unwrap());
        let refused = directory.hold().unwrap_err();
        assert!(matches!(refused, DirectoryError::Held { .. }), "{refused}");
        drop(held);
        assert!(!directory.is_held().unwrap());
        directory.hold().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_pepper_that_others_can_read_or_that_is_cut_off_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let path = folder.path().join("pepper");
        fs::write(&path, b"short").unwrap();
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o640);
        let open = directory.pepper(&Entropy::seeded(1)).unwrap_err();
        assert!(matches!(open, DirectoryError::Open { .. }), "{open}");
        mode(0o600);
        let short = directory.pepper(&Entropy::seeded(1)).unwrap_err();
        assert!(matches!(short, DirectoryError::Short { .. }), "{short}");
    }
}

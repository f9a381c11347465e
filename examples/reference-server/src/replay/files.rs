use std::fs::{self, File, Metadata};
use std::path::Path;

use super::ReplayError;

/// The files of a replay. One that is written is none of the others, whatever it is called.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: Vec<(Identity, &'static str)>,
    has_input: bool,
}

impl Files {
    /// Notes a log; `-` is the standard input, which is there once.
    ///
    /// # Errors
    /// [`ReplayError::InputTwice`].
    pub(super) fn read(&mut self, path: &Path) -> Result<(), ReplayError> {
        let is_input = path.as_os_str() == "-";
        if is_input && self.has_input {
            return Err(ReplayError::InputTwice);
        }
        self.has_input |= is_input;
        // The standard input may be a file as well.
        let path = if is_input {
            Path::new("/dev/stdin")
        } else {
            path
        };
        self.note(path, "one of the logs");
        Ok(())
    }

    /// Notes a file that is not to be written any more, and what it is.
    pub(super) fn note(&mut self, path: &Path, what: &'static str) {
        self.known.extend(identity(path).map(|of| (of, what)));
    }

    /// Sees that a file is none that is known.
    ///
    /// # Errors
    /// [`ReplayError::Overwritten`].
    pub(super) fn may_write(&self, path: &Path) -> Result<(), ReplayError> {
        let of = identity(path);
        let mut known = self.known.iter();
        match known.find(|(known, _)| Some(known) == of.as_ref()) {
            Some((_, what)) => Err(ReplayError::Overwritten {
                path: path.display().to_string(),
                what,
            }),
            None => Ok(()),
        }
    }

    /// Makes a file that is written, or empties the one that is there.
    ///
    /// # Errors
    /// [`ReplayError::Overwritten`], or [`ReplayError::File`] where it cannot be written.
    pub(super) fn create(&mut self, path: &Path, what: &'static str) -> Result<File, ReplayError> {
        self.may_write(path)?;
        let file = File::create(path).map_err(|error| ReplayError::file("write", path, error))?;
        self.note(path, what);
        Ok(file)
    }
}

#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = std::path::PathBuf;

/// What a file is, whatever it is called; `None` where nothing is there that could be lost.
fn identity(path: &Path) -> Option<Identity> {
    let about = fs::metadata(path).ok().filter(Metadata::is_file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((about.dev(), about.ino()))
    }
    #[cfg(not(unix))]
    {
        drop(about);
        fs::canonicalize(path).ok()
    }
}

//! The data directory: whether it is there, whether it can be written to, and its room.

use std::path::Path;

use super::Diagnosis;
use crate::data_directory::{DataDirectory, DirectoryError};
use crate::report;

const DISK: &str = "disk";
const PEPPER: &str = "pepper";
const SUBJECT: &str = "directory";
/// What the database's log takes after a burst, and as much again for what is kept meanwhile.
const FREE_BYTES_MIN: u64 = 256 << 20;
const FREE_BYTES_COMFORTABLE: u64 = 1 << 30;

/// Whether there is a directory to look into.
pub(super) fn look(path: &Path, diagnosis: &mut Diagnosis) -> bool {
    let shown = path.display();
    if !path.exists() {
        let found = format!("{shown} is not there yet: the first start makes it");
        diagnosis.warn(SUBJECT, found);
        return false;
    }
    if !path.is_dir() {
        let mend = "name a directory with --data-directory";
        diagnosis.problem(SUBJECT, format!("{shown} is no directory"), mend);
        return false;
    }
    // A file that is made and removed says more than permissions do.
    match tempfile::NamedTempFile::new_in(path) {
        Ok(_) => diagnosis.ok(SUBJECT, format!("{shown} can be written to")),
        Err(error) => {
            let found = format!("nothing can be written to {shown}: {error}");
            let mend = "give the directory to the user that the server runs as";
            diagnosis.problem(SUBJECT, found, mend);
        }
    }
    look_at_room(path, diagnosis);
    true
}

#[cfg(unix)]
fn look_at_room(path: &Path, diagnosis: &mut Diagnosis) {
    match rustix::fs::statvfs(path) {
        Ok(disk) => room(disk.f_bavail.saturating_mul(disk.f_frsize), diagnosis),
        Err(error) => diagnosis.warn(DISK, format!("its room cannot be found out: {error}")),
    }
}

#[cfg(not(unix))]
fn look_at_room(_path: &Path, diagnosis: &mut Diagnosis) {
    diagnosis.warn(DISK, "its room cannot be found out on this system");
}

fn room(free_bytes: u64, diagnosis: &mut Diagnosis) {
    let found = format!("{} MiB are free", free_bytes >> 20);
    if free_bytes < FREE_BYTES_MIN {
        let mend = format!(
            "make room: below {} MiB a burst of calls may fill the disk, and calls are refused then",
            FREE_BYTES_MIN >> 20
        );
        diagnosis.problem(DISK, found, mend);
    } else if free_bytes < FREE_BYTES_COMFORTABLE {
        diagnosis.warn(DISK, found);
    } else {
        diagnosis.ok(DISK, found);
    }
}

/// Whether the pepper is there and nobody else's. A database without its pepper opens to nobody.
pub(super) fn look_at_pepper(directory: &DataDirectory, is_begun: bool, diagnosis: &mut Diagnosis) {
    match directory.read_pepper() {
        Ok(Some(_)) => diagnosis.ok(PEPPER, "there, and readable by its owner alone"),
        Ok(None) if is_begun => diagnosis.problem(
            PEPPER,
            "it is gone, and the database was begun with it: no key and no token will be recognised",
            "restore the file from a backup; a new one is of no use to what was issued",
        ),
        Ok(None) => diagnosis.ok(PEPPER, "the first start makes it"),
        Err(error) => {
            let mend = match &error {
                DirectoryError::Open { path } => format!("chmod 600 {}", path.display()),
                DirectoryError::Short { .. } => "restore the file from a backup".to_owned(),
                _ => "let the user that the server runs as read it".to_owned(),
            };
            diagnosis.problem(PEPPER, report::chain(&error), mend);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn little_room_is_told_before_it_is_a_problem() {
        for (free_bytes, expected) in [
            (0, Verdict::Problem),
            (FREE_BYTES_MIN - 1, Verdict::Problem),
            (FREE_BYTES_MIN, Verdict::Warn),
            (FREE_BYTES_COMFORTABLE, Verdict::Ok),
        ] {
            let mut diagnosis = Diagnosis::default();
            room(free_bytes, &mut diagnosis);
            assert_eq!(diagnosis.lines()[0].verdict, expected, "{free_bytes}");
        }
    }
}

//! What lies in the data directory.

use std::fs;
use std::path::Path;

use reference_server::doctor::Verdict;

use super::{STOPPED, assert_healthy, assert_problem, left_behind, look, options};

#[tokio::test]
async fn a_directory_that_is_none_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_problem(
        &look(options(file.path())).await,
        "directory",
        "is no directory",
    );
}

/// What the system keeps its own figures in takes no files, not even root's, and has no room.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_directory_that_takes_nothing_is_named() {
    let found = look(options(Path::new("/proc"))).await;
    let lines = found.lines().iter();
    let problems: Vec<(&str, &str)> = lines
        .filter(|line| line.verdict == Verdict::Problem)
        .map(|line| (line.subject, line.found.as_str()))
        .collect();
    let [("directory", written), ("disk", room)] = problems[..] else {
        panic!("{problems:?}");
    };
    assert!(
        written.starts_with("nothing can be written to"),
        "{written}"
    );
    assert_eq!(room, "0 MiB are free");
}

#[cfg(unix)]
#[tokio::test]
async fn a_pepper_that_is_gone_another_cut_off_or_open_to_others_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = left_behind().await;
    let pepper = folder.path().join("pepper");
    let mode = |mode| fs::set_permissions(&pepper, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let found = look(options(folder.path())).await;
    assert_problem(&found, "pepper", "others can read");
    mode(0o600);
    let issued_with = fs::read(&pepper).unwrap();
    fs::write(&pepper, [7; 64]).unwrap();
    let found = look(options(folder.path())).await;
    assert_problem(&found, "pepper", "not the one that the database was begun");
    fs::write(&pepper, &issued_with).unwrap();
    assert_healthy(&look(options(folder.path())).await, &STOPPED);
    fs::write(&pepper, "short").unwrap();
    let found = look(options(folder.path())).await;
    assert_problem(&found, "pepper", "is none");
    fs::remove_file(&pepper).unwrap();
    let found = look(options(folder.path())).await;
    assert_problem(&found, "pepper", "it is gone");
}

#[tokio::test]
async fn a_journal_that_is_gone_or_makes_no_sense_is_named() {
    let folder = left_behind().await;
    let journal = folder.path().join("engine-mock.journal");
    let kept = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, format!("{kept}what is this\n")).unwrap();
    let found = look(options(folder.path())).await;
    assert_problem(&found, "engine", "makes no sense");
    // A line that is being written is no damage, and is left alone.
    let torn = format!("{kept}{{\"step\"");
    fs::write(&journal, &torn).unwrap();
    assert_healthy(&look(options(folder.path())).await, &STOPPED);
    assert_eq!(fs::read_to_string(&journal).unwrap(), torn);
    fs::remove_file(&journal).unwrap();
    let found = look(options(folder.path())).await;
    assert_problem(&found, "engine", "is gone");
}

//! What must not be left behind.

use super::source::sources;
use super::tree::{expect_none, files};

#[test]
fn nothing_is_left_to_do_or_to_debug() {
    let unfinished = ["todo!", "unimplemented!", "dbg!"];
    let mut found = Vec::new();
    for source in sources() {
        for line in &source.lines {
            for name in unfinished.iter().filter(|name| line.code.contains(*name)) {
                found.push(format!(
                    "{}:{}: {name}: finish it",
                    source.path, line.number
                ));
            }
        }
    }
    expect_none("what is there is finished", &found);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let mut found = Vec::new();
    for source in sources() {
        for line in &source.lines {
            if line.code.contains("#[allow(") || line.code.contains("#![allow(") {
                found.push(format!(
                    "{}:{}: write `expect` and its reason",
                    source.path, line.number
                ));
            }
        }
    }
    expect_none(
        "`expect` says when it is no longer needed; `allow` does not",
        &found,
    );
}

#[test]
fn no_module_hides_in_a_file_named_mod() {
    let found: Vec<String> = files(&["/mod.rs"])
        .iter()
        .map(|file| format!("{}: name it after its folder, beside it", file.path))
        .collect();
    expect_none("a module's file bears its name", &found);
}

#[test]
fn nothing_names_one_machine_or_how_the_work_was_shared_out() {
    let places = ["work", "tmp", "home", "root"].map(|folder| format!("/{folder}"));
    let own = file!().rsplit('/').next().unwrap();
    let mut found = Vec::new();
    for file in files(&[".rs", ".md", ".toml", ".sh", ".sql", ".txt", ".ci/run"]) {
        for (at, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let is_named = places.iter().any(|path| names_a_place(line, path));
            let is_said = TALK.iter().any(|words| lower.contains(words)) || names_a_ticket(&lower);
            if is_named || is_said && !file.path.ends_with(own) {
                found.push(format!(
                    "{}:{}: {}: take it out",
                    file.path,
                    at + 1,
                    line.trim()
                ));
            }
        }
    }
    expect_none(
        "the tree reads the same on every machine and for everybody",
        &found,
    );
}

/// What belongs into a message to each other, not into the tree.
const TALK: [&str; 6] = [
    "this session",
    "my task",
    "the brief says",
    "as instructed",
    "subagent",
    "sub-agent",
];

/// Whether a line says `issue 12` or `issue #12`, which means nothing where the tree is copied.
fn names_a_ticket(line: &str) -> bool {
    let after = line.split("issue ").skip(1);
    after
        .map(|rest| rest.trim_start_matches('#'))
        .any(|rest| rest.starts_with(|it: char| it.is_ascii_digit()))
}

/// Whether a line has this path from a machine's root, and not as the end of another path.
fn names_a_place(line: &str, path: &str) -> bool {
    let is_name = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
    line.match_indices(path).any(|(at, _)| {
        let goes_on = line[at + path.len()..].starts_with(is_name);
        let is_inner = line[..at].ends_with(|letter| is_name(letter) || "}>)/".contains(letter));
        !goes_on && !is_inner
    })
}

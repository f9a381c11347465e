//! How long files are, and how much of them documents.

use std::collections::BTreeMap;

use super::source::{LineKind, Source, sources};
use super::tree::{expect_none, file, is_there, packages};

const FILE_CODE_LINES_MAX: usize = 400;
const MEDIAN_CODE_LINES_MAX: usize = 120;
const P90_CODE_LINES_MAX: usize = 300;
const DOCUMENTATION_PERCENT_MIN: usize = 25;
const SUITES: &str = "tests/conformance";
const COMMENTS_PERCENT_MAX: usize = 5;

#[test]
fn no_file_is_too_long_to_read_at_once() {
    let sources = sources();
    let counted = sources
        .iter()
        .map(|source| (source.count(LineKind::Code), &source.path));
    let found: Vec<String> = counted
        .filter(|(lines, _)| *lines > FILE_CODE_LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines of code: split it by what it is about"))
        .collect();
    expect_none(
        &format!("at most {FILE_CODE_LINES_MAX} lines of code in a file"),
        &found,
    );
}

#[test]
fn most_files_are_short() {
    let mut lines: Vec<usize> = sources()
        .iter()
        .map(|it| it.count(LineKind::Code))
        .collect();
    lines.sort_unstable();
    let (median, p90) = (lines[lines.len() / 2], lines[lines.len() * 9 / 10]);
    println!(
        "{} files: median {median} lines of code, p90 {p90}",
        lines.len()
    );
    assert!(
        median <= MEDIAN_CODE_LINES_MAX,
        "the median file has {median} lines of code"
    );
    assert!(
        p90 <= P90_CODE_LINES_MAX,
        "a tenth of the files have more than {p90} lines of code"
    );
}

#[test]
fn libraries_are_documented() {
    let mut found = Vec::new();
    // The checks of the suites are documentation themselves, each by its name.
    let explained = libraries()
        .into_iter()
        .filter(|(folder, _)| folder != SUITES);
    for (folder, lines) in explained {
        let percent = lines.percent(lines.documentation);
        println!("{folder}: {percent} % of {} lines document", lines.total());
        if percent < DOCUMENTATION_PERCENT_MIN {
            found.push(format!(
                "{folder}: {percent} %: say units, errors, and how to use it"
            ));
        }
    }
    let rule = format!("at least {DOCUMENTATION_PERCENT_MIN} % of a library's lines document");
    expect_none(&rule, &found);
}

#[test]
fn comments_are_rare() {
    let mut found = Vec::new();
    for (folder, lines) in libraries() {
        let percent = lines.percent(lines.comments);
        println!("{folder}: {percent} % of {} lines comment", lines.total());
        if percent > COMMENTS_PERCENT_MAX {
            found.push(format!(
                "{folder}: {percent} %: keep the comments that say why"
            ));
        }
    }
    expect_none(
        &format!("at most {COMMENTS_PERCENT_MAX} % comments"),
        &found,
    );
}

#[derive(Default)]
struct Lines {
    code: usize,
    documentation: usize,
    comments: usize,
}

impl Lines {
    fn add(&mut self, source: &Source) {
        self.code += source.count(LineKind::Code);
        self.documentation += source.count(LineKind::Documentation);
        self.comments += source.count(LineKind::Comment);
    }

    fn total(&self) -> usize {
        self.code + self.documentation + self.comments
    }

    fn percent(&self, part: usize) -> usize {
        part * 100 / self.total().max(1)
    }
}

/// The lines of each library that are not blank and not a test's.
fn libraries() -> BTreeMap<String, Lines> {
    let sources = sources();
    let folders = packages().into_iter().map(|package| {
        if package.folder == "tests" {
            SUITES.to_owned()
        } else {
            format!("{}/src", package.folder)
        }
    });
    let is_library =
        |folder: &String| !folder.starts_with("examples/") && is_there(&format!("{folder}/lib.rs"));
    let libraries: BTreeMap<String, Lines> = folders
        .filter(is_library)
        .map(|folder| (folder.clone(), lines_below(&folder, &sources)))
        .collect();
    assert!(!libraries.is_empty(), "no library was found");
    libraries
}

fn lines_below(folder: &str, sources: &[Source]) -> Lines {
    let is_own = |path: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let mut lines = Lines::default();
    for source in sources.iter().filter(|source| is_own(&source.path)) {
        // The suites are what their library ships; elsewhere a test file is a test.
        if folder.starts_with("tests/") || source.shipped().next().is_some() {
            lines.add(source);
        }
    }
    lines.documentation += included(folder);
    lines
}

/// The lines of a README that a library has as its own documentation.
fn included(folder: &str) -> usize {
    let root = file(&format!("{folder}/lib.rs")).text;
    if !root.contains("include_str!(\"../README.md\")") {
        return 0;
    }
    let readme = file(&format!("{folder}/../README.md")).text;
    readme
        .lines()
        .filter(|line| !line.trim().is_empty())
        .count()
}

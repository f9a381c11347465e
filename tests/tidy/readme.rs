//! The README says what is there.

use super::tree::{expect_none, file, files, is_there, manifest, packages};

const QUICK_START: &str = "examples/quickstart/src/main.rs";
const QUICK_START_LINES_MAX: usize = 20;

#[test]
fn the_quick_start_is_the_example_that_is_compiled_and_run() {
    let readme = file("README.md").text;
    let shown = readme
        .split("```rust\n")
        .nth(1)
        .and_then(|after| after.split("```").next());
    let shown = shown.expect("README.md has no ```rust block");
    let example = file(QUICK_START).text;
    let example = from_the_first_import(&example);
    assert_eq!(
        shown.trim_end(),
        example.trim_end(),
        "README.md: copy {QUICK_START}, from its first `use` on, into the first rust block"
    );
    let lines = shown.lines().count();
    assert!(
        lines <= QUICK_START_LINES_MAX,
        "{QUICK_START}: {lines} lines; a quick start has at most {QUICK_START_LINES_MAX}"
    );
}

#[test]
fn every_package_is_in_the_table_of_crates() {
    let readme = file("README.md").text;
    let found: Vec<String> = packages()
        .iter()
        .filter(|package| !readme.contains(&format!("]({}", package.folder)))
        .map(|package| format!("README.md: add {} to the table of crates", package.folder))
        .collect();
    expect_none("the README leads to every package", &found);
}

#[test]
fn the_readme_names_the_versions_that_the_manifest_has() {
    let workspace = manifest("Cargo.toml");
    let package = &workspace["workspace"]["package"];
    let readme = file("README.md").text;
    let oldest = package["rust-version"].as_str().unwrap();
    assert!(
        readme.contains(&format!("Rust {oldest}")),
        "README.md: say that Rust {oldest} is the oldest that works"
    );
    let changes = file("CHANGELOG.md").text;
    assert!(
        changes.contains("## [Unreleased]"),
        "CHANGELOG.md: keep a section [Unreleased]"
    );
}

#[test]
fn what_the_documents_link_to_is_there() {
    let mut found = Vec::new();
    for document in files(&[".md"]) {
        let folder = document
            .path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        for (at, line) in document.text.lines().enumerate() {
            for link in line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
            {
                let path = link.split('#').next().unwrap();
                let is_ours = !path.is_empty() && !path.contains("://");
                if is_ours && !is_there(&format!("{folder}/{path}")) {
                    let at = format!("{}:{}", document.path, at + 1);
                    found.push(format!("{at}: {path} is not there: correct the link"));
                }
            }
        }
    }
    expect_none("a link leads somewhere", &found);
}

fn from_the_first_import(text: &str) -> &str {
    let at = text
        .lines()
        .take_while(|line| !line.starts_with("use "))
        .map(|line| line.len() + 1);
    text.get(at.sum()..)
        .filter(|rest| !rest.is_empty())
        .unwrap_or(text)
}

//! Each capability has a test named after what it shows: `features.txt` says which.

use std::collections::{BTreeMap, BTreeSet};

use super::source::sources;
use super::tree::{TextFile, expect_none, file};

const LIST: &str = "tests/features.txt";
const PROVE: &str = "scripts/prove.sh";

#[test]
fn every_capability_has_the_tests_that_the_list_names() {
    let functions = functions();
    let mut found = Vec::new();
    for capability in capabilities(&file(LIST)) {
        let at = format!("{LIST}:{}: {}", capability.line, capability.id);
        if capability.tests.is_empty() && !capability.is_awaited {
            found.push(format!("{at}: name the test that shows it"));
        }
        for test in capability.tests.iter().filter(|_| !capability.is_awaited) {
            match functions.get(test) {
                Some(_) => {}
                None => found.push(format!(
                    "{at}: there is no `fn {test}`: write it, or correct the name"
                )),
            }
        }
    }
    expect_none("a capability without a test is a claim", &found);
}

#[test]
fn every_capability_is_listed_once() {
    let mut seen = BTreeSet::new();
    let found: Vec<String> = capabilities(&file(LIST))
        .into_iter()
        .filter(|capability| !seen.insert(capability.id.clone()))
        .map(|twice| format!("{LIST}:{}: {} stands above already", twice.line, twice.id))
        .collect();
    expect_none("one line for each capability", &found);
    assert!(
        seen.len() > 50,
        "{LIST} is read wrongly: {} capabilities",
        seen.len()
    );
}

#[test]
fn every_longer_run_names_tests_that_exist() {
    let functions = functions();
    let capabilities = capabilities(&file(LIST));
    let awaited = capabilities
        .iter()
        .filter(|capability| capability.is_awaited);
    let awaited: BTreeSet<&String> = awaited.flat_map(|capability| &capability.tests).collect();
    let mut found = Vec::new();
    let mut runs = 0;
    let script = file(PROVE).text;
    let lines = script.lines().enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(" | ").collect();
        let [_, _, _, tests] = fields[..] else {
            continue;
        };
        runs += 1;
        for test in tests.split_whitespace() {
            if !functions.contains_key(test) && !awaited.contains(&test.to_owned()) {
                found.push(format!(
                    "{PROVE}:{}: there is no `fn {test}`: correct the name",
                    at + 1
                ));
            }
        }
    }
    assert!(runs > 0, "{PROVE} is read wrongly: no runs");
    expect_none("a longer run is made of tests", &found);
}

/// One line of the list: `id | what it is | test test`.
struct Capability {
    line: usize,
    id: String,
    tests: Vec<String>,
    /// Whether its tests are still to be written: it stands below the line `[awaited]`.
    is_awaited: bool,
}

fn capabilities(list: &TextFile) -> Vec<Capability> {
    let mut is_awaited = false;
    let mut capabilities = Vec::new();
    let lines = list.text.lines().enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.starts_with('#')) {
        is_awaited |= line == "[awaited]";
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [id, _, tests] = fields[..] {
            capabilities.push(Capability {
                line: at + 1,
                id: id.to_owned(),
                tests: tests.split_whitespace().map(str::to_owned).collect(),
                is_awaited,
            });
        }
    }
    capabilities
}

/// Every function of the workspace, with a file that has it.
fn functions() -> BTreeMap<String, String> {
    let mut functions = BTreeMap::new();
    for source in sources() {
        for line in &source.lines {
            if let Some((_, after)) = line.code.split_once("fn ") {
                functions.insert(super::modules::word(after).to_owned(), source.path.clone());
            }
        }
    }
    functions
}

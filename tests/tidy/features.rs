//! Each capability has a test named after what it shows: `features.txt` says which.

use std::collections::BTreeSet;

use super::source::{Source, sources};
use super::tree::{TextFile, expect_none, file};

const LIST: &str = "tests/features.txt";
const PROVE: &str = "scripts/prove.sh";
const DEFECTS: &str = "tests/wso2_defects.md";
const TESTS_OF_DEFECTS: &str = "tests/wso2_defects/";

#[test]
fn every_capability_has_the_tests_that_the_list_names() {
    let functions = functions();
    let mut found = Vec::new();
    for capability in capabilities(&file(LIST)) {
        let at = format!("{LIST}:{}: {}", capability.line, capability.id);
        if capability.tests.is_empty() {
            found.push(format!("{at}: name the test that shows it"));
        }
        for test in &capability.tests {
            if !functions.contains(test) {
                found.push(format!(
                    "{at}: there is no `fn {test}`: write it, or correct the name"
                ));
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
            if !functions.contains(test) {
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

#[test]
fn every_defect_has_the_tests_that_its_table_names() {
    let sources = sources();
    let functions = functions_of(&sources);
    let mut found = Vec::new();
    let mut named = BTreeSet::new();
    let table = file(DEFECTS).text;
    let rows = table.lines().enumerate();
    let rows = rows.filter(|(_, line)| line.starts_with("| ") && !line.starts_with("| there |"));
    for (at, row) in rows {
        let tests: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let at = format!("{DEFECTS}:{}", at + 1);
        if tests.is_empty() {
            found.push(format!(
                "{at}: name the test that shows that it is not so here"
            ));
        }
        for test in tests {
            named.insert(test.to_owned());
            if !functions.contains(test) {
                found.push(format!("{at}: there is no `fn {test}`: correct the name"));
            }
        }
    }
    let of_defects = sources
        .iter()
        .filter(|it| it.path.starts_with(TESTS_OF_DEFECTS));
    for source in of_defects {
        let codes: Vec<&str> = source.lines.iter().map(|it| it.code.trim()).collect();
        let tests = codes
            .windows(2)
            .filter(|two| two[0].starts_with("#[tokio::test"));
        for test in tests.filter_map(|two| two[1].split_once("fn ")) {
            let test = super::modules::word(test.1);
            if !named.contains(test) {
                found.push(format!("{}: {DEFECTS} does not name `{test}`", source.path));
            }
        }
    }
    assert!(named.len() > 20, "{DEFECTS} is read wrongly: {named:?}");
    expect_none("what goes wrong elsewhere is shown not to here", &found);
}

/// One line of the list: `id | what it is | test test`.
struct Capability {
    line: usize,
    id: String,
    tests: Vec<String>,
}

fn capabilities(list: &TextFile) -> Vec<Capability> {
    let mut capabilities = Vec::new();
    let lines = list.text.lines().enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [id, _, tests] = fields[..] {
            capabilities.push(Capability {
                line: at + 1,
                id: id.to_owned(),
                tests: tests.split_whitespace().map(str::to_owned).collect(),
            });
        }
    }
    capabilities
}

/// The names of all functions of the workspace.
fn functions() -> BTreeSet<String> {
    functions_of(&sources())
}

fn functions_of(sources: &[Source]) -> BTreeSet<String> {
    let mut functions = BTreeSet::new();
    for source in sources {
        for line in &source.lines {
            if let Some((_, after)) = line.code.split_once("fn ") {
                functions.insert(super::modules::word(after).to_owned());
            }
        }
    }
    functions
}

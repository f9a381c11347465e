//! Each capability has a test named after what it shows: `features.txt` says which.

use std::collections::BTreeSet;

use super::modules::word;
use super::source::{Source, sources};
use super::tree::{TextFile, expect_none, file};

const LIST: &str = "tests/features.txt";
const PROVE: &str = "scripts/prove.sh";
const DEFECTS: &str = "tests/wso2_defects.md";
const TESTS_OF_DEFECTS: &str = "tests/wso2_defects/";
/// A macro in each of them makes one test of each check that it lists.
const SUITES: [&str; 2] = ["tests/conformance/store.rs", "tests/conformance/engine.rs"];

#[test]
fn every_capability_has_the_tests_that_the_list_names() {
    let tests = tests(&sources());
    let mut found = Vec::new();
    for capability in capabilities(&file(LIST)) {
        let at = format!("{LIST}:{}: {}", capability.line, capability.id);
        if capability.tests.is_empty() {
            found.push(format!("{at}: name the test that shows it"));
        }
        let mut named = BTreeSet::new();
        for test in &capability.tests {
            if !tests.contains(test) {
                found.push(format!(
                    "{at}: there is no test `{test}`: write it, or correct the name"
                ));
            }
            if !named.insert(test) {
                found.push(format!("{at}: `{test}` stands there twice"));
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
    let tests = tests(&sources());
    let mut found = Vec::new();
    let mut runs = 0;
    let script = file(PROVE).text;
    let lines = script.lines().enumerate();
    for (at, line) in lines.filter(|(_, line)| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(" | ").collect();
        let [_, _, _, named] = fields[..] else {
            continue;
        };
        runs += 1;
        for test in named.split_whitespace() {
            if !tests.contains(test) {
                found.push(format!(
                    "{PROVE}:{}: there is no test `{test}`: correct the name",
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
    let tests = tests(&sources);
    let mut found = Vec::new();
    let mut named = BTreeSet::new();
    let table = file(DEFECTS).text;
    let rows = table.lines().enumerate();
    let rows = rows.filter(|(_, line)| line.starts_with("| ") && !line.starts_with("| there |"));
    for (at, row) in rows {
        let of_row: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let at = format!("{DEFECTS}:{}", at + 1);
        if of_row.is_empty() {
            found.push(format!(
                "{at}: name the test that shows that it is not so here"
            ));
        }
        for test in of_row {
            named.insert(test.to_owned());
            if !tests.contains(test) {
                found.push(format!("{at}: there is no test `{test}`: correct the name"));
            }
        }
    }
    let of_defects = sources
        .iter()
        .filter(|it| it.path.starts_with(TESTS_OF_DEFECTS));
    for source in of_defects {
        for test in tests_of(source).filter(|test| !named.contains(*test)) {
            found.push(format!("{}: {DEFECTS} does not name `{test}`", source.path));
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

/// The names of all tests.
fn tests(sources: &[Source]) -> BTreeSet<String> {
    let of_suites = sources
        .iter()
        .filter(|it| SUITES.contains(&it.path.as_str()));
    let of_suites = of_suites.flat_map(|it| &it.lines).filter_map(|line| {
        let check = line.code.trim().strip_suffix(',')?;
        (word(check) == check).then_some(check)
    });
    let tests = sources.iter().flat_map(tests_of).chain(of_suites);
    tests.map(str::to_owned).collect()
}

/// The functions that have an attribute which makes them tests.
fn tests_of(source: &Source) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    source.lines.iter().filter_map(move |line| {
        let code = line.code.trim();
        if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
            is_test = true;
        }
        let (_, name) = code.split_once("fn ")?;
        std::mem::take(&mut is_test).then(|| word(name))
    })
}

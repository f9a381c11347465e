//! The arrows between the modules of core: each uses only modules of the rows above its own.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{LineKind, Source, sources};
use super::tree::{expect_none, file};

const ROOT: &str = "monetization-core/src/";

/// The rows from top to bottom. `memory` and `runtime` stand side by side.
const ROWS: [&[&str]; 7] = [
    &["words"],
    &["facts"],
    &["decisions"],
    &["ports"],
    &["memory", "runtime"],
    &["flows"],
    &["storefront"],
];

/// Exported macros stand at the crate's root, whichever row they are of.
const MACROS: [(&str, &str); 1] = [("delegate_store", "ports")];

/// The one trait among the words: what every id can do.
const WORDS_TRAITS: [&str; 1] = ["TypedId"];

#[test]
fn a_module_of_core_uses_only_modules_of_the_rows_above_its_own() {
    let rows = rows_of_names();
    let mut found = Vec::new();
    for used in uses() {
        let Some(row) = rows.get(&used.name) else {
            found.push(format!(
                "{}: `{}` stands in no row: name it in {}",
                used.at,
                used.name,
                file!()
            ));
            continue;
        };
        if *row != used.row && rank(row) >= rank(&used.row) {
            found.push(format!(
                "{}: {} must not use `{}` of {row}: hand in what it needs, or move it",
                used.at, used.row, used.name
            ));
        }
    }
    expect_none(
        "rows: words, facts, decisions, ports, memory and runtime, flows, storefront",
        &found,
    );
}

#[test]
fn modules_of_one_row_form_no_circle() {
    let rows = rows_of_names();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for used in uses()
        .into_iter()
        .filter(|used| rows.get(&used.name) == Some(&used.row))
    {
        if let Some(module) = used.module.filter(|module| *module != used.name) {
            arrows.entry(module).or_default().insert(used.name);
        }
    }
    let circles: Vec<String> = arrows
        .keys()
        .filter(|start| reached(start, &arrows).contains(start.as_str()))
        .map(|module| format!("{ROOT}: `{module}` leads back to itself: move what both need up"))
        .collect();
    expect_none(
        "modules of one row may build on each other, in one direction",
        &circles,
    );
}

#[test]
fn paths_across_modules_of_core_begin_at_the_root() {
    let found = matching(|_, code| code.contains("super::super"));
    expect_none(
        "write `crate::` and the module, so that the rows can be seen",
        &found,
    );
}

#[test]
fn words_facts_and_decisions_do_not_wait() {
    let found = matching(|row, code| {
        rank(row) <= rank("decisions") && words(code).any(|word| word == "async" || word == "await")
    });
    expect_none(
        "pure code has no async: let a flow or a gate wait and hand in the answer",
        &found,
    );
}

#[test]
fn words_are_values_without_traits_of_their_own() {
    let found = matching(|row, code| {
        let is_trait = words(code)
            .zip(words(code).skip(1))
            .any(|(first, second)| first == "trait" && !WORDS_TRAITS.contains(&second));
        row == "words" && is_trait
    });
    expect_none("words are values: a trait belongs to the ports", &found);
}

#[test]
fn the_runtime_calls_no_engine() {
    let found: Vec<String> = uses()
        .into_iter()
        .filter(|used| used.row == "runtime" && used.name == "engine")
        .map(|used| format!("{}: leave it to a flow", used.at))
        .collect();
    expect_none("the request path never calls an engine", &found);
}

/// The names at the root of core that belong to a row, and the row's own.
pub(super) fn names_of_row(row: &str) -> BTreeSet<String> {
    let names = rows_of_names().into_iter();
    names
        .filter(|(_, of)| of == row)
        .map(|(name, _)| name)
        .collect()
}

/// The word that a text begins with.
pub(super) fn word(text: &str) -> &str {
    let end = text.find(|it: char| !it.is_alphanumeric() && it != '_');
    &text[..end.unwrap_or(text.len())]
}

/// One use of a name at the root of core, by a module that is not a test.
struct Use {
    /// File and line.
    at: String,
    /// The row that uses.
    row: String,
    /// The module of the row that uses, where it is below one.
    module: Option<String>,
    /// What is used: the first word after `crate::`.
    name: String,
}

fn uses() -> Vec<Use> {
    let mut uses = Vec::new();
    for source in core() {
        let inner: Vec<&str> = source.path[ROOT.len()..]
            .trim_end_matches(".rs")
            .split('/')
            .collect();
        let code: String = source.lines.iter().map(shipped_code).collect();
        for (at, path) in code.match_indices("crate::") {
            let line = code[..at].matches('\n').count() + 1;
            uses.extend(heads(&code[at + path.len()..]).into_iter().map(|name| Use {
                at: format!("{}:{line}", source.path),
                row: inner[0].to_owned(),
                module: inner.get(1).map(|module| (*module).to_owned()),
                name: name.to_owned(),
            }));
        }
    }
    assert!(
        uses.len() > 100,
        "core is read wrongly: {} uses",
        uses.len()
    );
    uses
}

fn shipped_code(line: &super::source::Line) -> String {
    let code = if line.is_test { "" } else { line.code.as_str() };
    format!("{code}\n")
}

/// The first words of a path, or of each path in a group: `a::{b, c}` is a, `{a::b, c}` a and c.
fn heads(path: &str) -> Vec<&str> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let (mut depth, mut heads, mut is_head) = (1_usize, Vec::new(), true);
    for (at, letter) in group
        .char_indices()
        .take_while(|(_, letter)| *letter != ';')
    {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => is_head = true,
            _ if is_head && !letter.is_whitespace() => {
                heads.push(word(&group[at..]));
                is_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

/// Which row each name at the root of core belongs to, as `lib.rs` has it.
fn rows_of_names() -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    let modules = ROWS.concat().into_iter().map(|row| (row, row));
    for (name, row) in modules.chain(MACROS) {
        rows.insert(name.to_owned(), row.to_owned());
    }
    let source = Source::read(&file(&format!("{ROOT}lib.rs")));
    let code: Vec<&str> = source.shipped().map(|line| line.code.as_str()).collect();
    for item in code.join(" ").split(';') {
        let Some((_, path)) = item.split_once("pub use ") else {
            continue;
        };
        let (row, names) = path.split_once("::").unwrap_or((path, path));
        rows.extend(
            heads(names)
                .into_iter()
                .map(|name| (name.to_owned(), row.to_owned())),
        );
    }
    rows
}

/// From 0 at the top.
fn rank(row: &str) -> usize {
    let at = ROWS.iter().position(|names| names.contains(&row));
    at.unwrap_or_else(|| panic!("{ROOT}{row}: say in {} which row it belongs to", file!()))
}

fn reached<'a>(from: &str, arrows: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = arrows[from].iter().map(String::as_str).collect();
    while let Some(module) = open.pop() {
        if reached.insert(module) {
            open.extend(arrows.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    reached
}

/// Every line of code in core that is not a test's and that the rule finds, with its row.
fn matching(is_found: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in core() {
        let row = source.path[ROOT.len()..].split(['/', '.']).next().unwrap();
        let lines = source.shipped().filter(|line| line.kind == LineKind::Code);
        let lines = lines.filter(|line| is_found(row, &line.code));
        found.extend(
            lines.map(|line| format!("{}:{}: {}", source.path, line.number, line.code.trim())),
        );
    }
    found
}

fn core() -> impl Iterator<Item = Source> {
    let ours =
        |source: &Source| source.path.starts_with(ROOT) && source.path != format!("{ROOT}lib.rs");
    sources().into_iter().filter(ours)
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|it: char| !it.is_alphanumeric() && it != '_')
        .filter(|word| !word.is_empty())
}

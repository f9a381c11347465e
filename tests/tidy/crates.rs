//! The arrows between packages.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::source::sources;
use super::tree::{Package, expect_none, manifest, packages};

const CORE: &str = "monetization-core";
const SUITES: &str = "monetization-conformance";
const STRIPE: &str = "monetization-engine-stripe";

/// Runtimes, databases, HTTP clients and frameworks: these crates and those named after them.
const WORLDLY: [&str; 12] = [
    "async-std",
    "async-stripe",
    "axum",
    "hyper",
    "reqwest",
    "rusqlite",
    "smol",
    "sqlx",
    "stripe",
    "tokio",
    "tower",
    "ureq",
];

#[test]
fn a_package_uses_only_packages_of_the_rows_above_its_own() {
    let packages = packages();
    let rows: BTreeMap<&str, Row> = packages
        .iter()
        .map(|it| (it.name.as_str(), row(it)))
        .collect();
    let mut found = Vec::new();
    for package in packages.iter().filter(|package| package.name != SUITES) {
        let own = rows[package.name.as_str()];
        for (section, used) in ours(package, &rows) {
            // Tests and benches of an adapter run against real siblings; its library must not.
            let is_adapters = own == Row::Adapters && rows[used.as_str()] == own;
            let is_tried = section == "dev-dependencies" && (is_adapters || used == SUITES);
            if !is_tried && rows[used.as_str()] >= own {
                found.push(format!(
                    "{}/Cargo.toml: [{section}] {used} stands in the row {:?}, {} in {own:?}: \
                     say what is needed as a port of core, or move it up",
                    package.folder,
                    rows[used.as_str()],
                    package.name
                ));
            }
        }
    }
    expect_none("rows: rate limiter, core, adapters, examples", &found);
}

#[test]
fn the_suites_stand_on_core_alone() {
    let packages = packages();
    let rows: BTreeMap<&str, Row> = packages
        .iter()
        .map(|it| (it.name.as_str(), row(it)))
        .collect();
    let suites = packages
        .iter()
        .find(|package| package.name == SUITES)
        .unwrap();
    let found: Vec<String> = ours(suites, &rows)
        .filter(|(section, used)| *section != "dev-dependencies" && used != CORE)
        .map(|(section, used)| {
            format!("tests/Cargo.toml: [{section}] {used}: make it a dev-dependency")
        })
        .collect();
    expect_none(
        "the suites must run for a backend without building ours",
        &found,
    );
}

#[test]
fn core_and_limiter_carry_no_runtime_no_database_and_no_http_client() {
    let lock = manifest("Cargo.lock");
    let locked: BTreeMap<&str, Vec<&str>> = lock["package"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["name"].as_str().unwrap(), uses(package)))
        .collect();
    let mut found = Vec::new();
    for package in packages()
        .iter()
        .filter(|package| row(package) <= Row::Core)
    {
        let mut reached: BTreeMap<String, String> = BTreeMap::new();
        let mut open: Vec<(String, String)> = shipped(&package.manifest)
            .map(|name| (name, package.name.clone()))
            .collect();
        while let Some((name, by)) = open.pop() {
            if reached.contains_key(&name) {
                continue;
            }
            let used = locked.get(name.as_str()).into_iter().flatten();
            open.extend(used.map(|used| ((*used).to_owned(), name.clone())));
            reached.insert(name, by);
        }
        for (name, by) in reached.iter().filter(|(name, _)| is_worldly(name)) {
            found.push(format!(
                "{}/Cargo.toml: {name} comes in through {by}: put it behind a port",
                package.folder
            ));
        }
    }
    expect_none("what core does to the world goes through ports", &found);
}

/// Stripe's generated crates take minutes to build: nobody should wait for them who did not ask for Stripe.
#[test]
fn the_first_build_of_an_example_has_nothing_of_stripe() {
    let mut found = Vec::new();
    let mut examples = 0;
    let packages = packages();
    for package in packages.iter().filter(|it| row(it) == Row::Examples) {
        examples += 1;
        let used = package
            .manifest
            .get("dependencies")
            .and_then(Value::as_table);
        for (name, value) in used.into_iter().flatten() {
            let optional = value.get("optional").and_then(Value::as_bool);
            if is_of_stripe(name) && optional != Some(true) {
                found.push(format!(
                    "{}/Cargo.toml: {name} is not optional",
                    package.folder
                ));
            }
        }
        let features = package.manifest.get("features").and_then(Value::as_table);
        if features.is_some_and(|features| features.contains_key("default")) {
            found.push(format!(
                "{}/Cargo.toml: it has default features",
                package.folder
            ));
        }
    }
    for package in packages.iter().filter(|it| it.name != STRIPE) {
        let used = shipped(&package.manifest).filter(|name| name.starts_with("async-stripe"));
        found.extend(used.map(|name| format!("{}/Cargo.toml: {name}", package.folder)));
    }
    assert!(examples > 1, "examples are not found any more");
    expect_none(
        "only who asks for Stripe builds it, by way of its engine",
        &found,
    );
}

fn is_of_stripe(name: &str) -> bool {
    name == STRIPE || name.starts_with("async-stripe")
}

#[test]
fn the_request_path_names_no_engine_and_no_adapter_names_a_flow() {
    let flows = super::modules::names_of_row("flows");
    let mut found = Vec::new();
    for source in sources() {
        let folder = source.path.split('/').next().unwrap();
        let is_adapter = ["engine-", "gateway-", "store-"]
            .iter()
            .any(|it| folder.starts_with(it));
        for line in source.shipped().filter(|_| is_adapter) {
            for (at, _) in line.code.match_indices("monetization_core::") {
                let name = super::modules::word(&line.code[at + "monetization_core::".len()..]);
                let is_engine = folder.starts_with("gateway-") && name == "engine";
                if is_engine || flows.contains(name) {
                    found.push(format!(
                        "{}:{}: `{name}`: leave it to a flow that a binary runs",
                        source.path, line.number
                    ));
                }
            }
        }
    }
    expect_none("adapters answer to ports; flows hold them", &found);
}

#[test]
fn every_package_takes_the_lints_and_the_version_of_the_workspace() {
    let mut found = Vec::new();
    for package in packages() {
        let own = &package.manifest["package"];
        let shared = ["version", "edition", "rust-version", "license"];
        let mut missing: Vec<&str> = Vec::new();
        missing.extend(shared.iter().filter(|key| !is_inherited(own.get(**key))));
        let lints = package.manifest.get("lints");
        let is_relaxed = row(&package) == Row::Examples && forbids_unsafe(lints);
        if !is_inherited(lints) && !is_relaxed {
            missing.push("lints");
        }
        for key in missing {
            found.push(format!(
                "{}/Cargo.toml: write `{key}.workspace = true`",
                package.folder
            ));
        }
    }
    expect_none("one workspace, one version, one set of lints", &found);
}

fn is_inherited(value: Option<&Value>) -> bool {
    let inherited = value.and_then(|value| value.get("workspace"));
    inherited.and_then(Value::as_bool) == Some(true)
}

/// What an example with lints of its own has to keep.
fn forbids_unsafe(lints: Option<&Value>) -> bool {
    let rust = lints.and_then(|lints| lints.get("rust"));
    let lint = rust.and_then(|rust| rust.get("unsafe_code"));
    lint.and_then(Value::as_str) == Some("forbid")
}

/// From the least to the most that a package may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    RateLimiter,
    Core,
    Adapters,
    Examples,
    Suites,
}

fn row(package: &Package) -> Row {
    match package.folder.split(['-', '/']).next().unwrap() {
        "rate" if package.folder == "rate-limiter" => Row::RateLimiter,
        "monetization" => Row::Core,
        "rate" | "gateway" | "engine" | "store" => Row::Adapters,
        "examples" => Row::Examples,
        "tests" => Row::Suites,
        _ => panic!(
            "{}: say in {} which row it belongs to",
            package.folder,
            file!()
        ),
    }
}

/// The members of the workspace that a package uses, with the section that says so.
fn ours<'a>(
    package: &'a Package,
    members: &'a BTreeMap<&str, Row>,
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    let sections = ["dependencies", "build-dependencies", "dev-dependencies"];
    sections.into_iter().flat_map(move |section| {
        let used = named(&package.manifest, section).into_iter();
        used.filter(|used| members.contains_key(used.as_str()))
            .map(move |used| (section, used))
    })
}

/// What a package is built with for those who use it.
fn shipped(manifest: &Table) -> impl Iterator<Item = String> + use<> {
    let mut used = named(manifest, "dependencies");
    used.extend(named(manifest, "build-dependencies"));
    used.into_iter()
}

/// The packages that a section names, those for some targets only included.
fn named(manifest: &Table, section: &str) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter();
    let tables = targets
        .flat_map(Table::values)
        .filter_map(|target| target.get(section));
    let tables = manifest.get(section).into_iter().chain(tables);
    tables
        .filter_map(Value::as_table)
        .flatten()
        .map(|(key, value)| {
            let renamed = value.get("package").and_then(Value::as_str);
            renamed.unwrap_or(key).to_owned()
        })
        .collect()
}

/// What a package in the lock file uses. Where two versions are there, they count as one.
fn uses(package: &Value) -> Vec<&str> {
    let used = package
        .get("dependencies")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    used.map(|used| used.as_str().unwrap().split(' ').next().unwrap())
        .collect()
}

fn is_worldly(name: &str) -> bool {
    WORLDLY.iter().any(|worldly| {
        name.strip_prefix(worldly)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

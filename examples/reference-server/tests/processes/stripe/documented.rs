//! The walk-through in `docs/stripe.md`: what it shows is there.

use std::collections::BTreeSet;

use clap::CommandFactory;
use monetization_conformance::stripe::fake::Permission;
use monetization_engine_stripe::Payload;
use reference_server::cli::Cli;
use reference_server::control::routes::table;

use super::shop::PERMISSIONS;

const TEXT: &str = include_str!("../../../docs/stripe.md");

/// Its commands, each on one line.
fn commands() -> Vec<String> {
    let blocks = TEXT.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let lines = blocks.map(|block| block.replace("\\\n", " "));
    lines
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Every option of the program and of its commands.
fn options() -> BTreeSet<String> {
    let program = Cli::command();
    let mut open = vec![&program];
    let mut options = BTreeSet::new();
    while let Some(command) = open.pop() {
        let long = command.get_arguments().filter_map(clap::Arg::get_long);
        options.extend(long.map(|option| format!("--{option}")));
        open.extend(command.get_subcommands());
    }
    options
}

#[test]
fn the_walk_through_names_options_that_there_are() {
    let known = options();
    let mut named = 0;
    let commands = commands();
    let ours = commands
        .iter()
        .filter(|it| it.trim().starts_with("reference-server"));
    for line in ours {
        for option in line.split(' ').filter(|word| word.starts_with("--")) {
            named += 1;
            assert!(known.contains(option), "{option} of {line}");
        }
    }
    assert!(named > 20, "{named}");
}

#[test]
fn the_walk_through_asks_for_routes_that_there_are() {
    let routes: BTreeSet<&str> = table().iter().map(|route| route.path).collect();
    let is_there = |asked: &str| {
        let asked: Vec<&str> = asked.split('/').collect();
        routes.iter().any(|route| {
            let steps: Vec<&str> = route.split('/').collect();
            let fits = |(step, word): (&&str, &&str)| {
                step == word || (step.starts_with('{') && word.starts_with('$'))
            };
            steps.len() == asked.len() && steps.iter().zip(&asked).all(fits)
        })
    };
    let mut asked = 0;
    for line in commands() {
        let words = line.split([' ', '"', ')']);
        for path in words.filter_map(|word| word.strip_prefix("$API")) {
            asked += 1;
            let path = path.split('?').next().unwrap();
            assert!(is_there(&format!("/api/v1{path}")), "{path} of {line}");
        }
    }
    assert!(asked > 20, "{asked}");
}

#[test]
fn the_walk_through_shows_how_many_events_are_set_up() {
    for (payload, what) in [
        (Payload::Snapshot, "kinds of events"),
        (Payload::Thin, "kinds of thin events"),
    ] {
        let shown = format!(
            "..., {} {what} of the platform's own",
            payload.events().len()
        );
        assert_eq!(TEXT.matches(&shown).count(), 1, "{shown}");
    }
}

/// The key of the tests may do what the walk-through says, and nothing else.
#[test]
fn the_walk_through_names_the_permissions_that_the_tests_get_along_with() {
    let (_, table) = TEXT.split_once("| permission | |\n|---|---|\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let needed = PERMISSIONS.map(|(name, permission, _)| {
        let allowed = match permission {
            Permission::Read => "Read",
            Permission::Write => "Write",
        };
        format!("| {name} | {allowed} |")
    });
    assert_eq!(table.lines().collect::<Vec<_>>(), needed);
}

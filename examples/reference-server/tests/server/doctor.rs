//! The command `doctor`: nothing is wrong, and then one thing after the other.

use std::path::Path;

use http::StatusCode;
use monetization_core::clock::{Clock, Timestamp};
use monetization_store_sqlite::Inspection;
use reference_server::cli::{ProviderArgs, ServeArgs};
use reference_server::doctor::{Diagnosis, Verdict, examine};

use super::check::{self, database};
use super::world::{World, free};

mod files;
mod kept;
mod network;

/// A day after the tests of servers begin.
const LATER: &str = "2026-03-02T00:00:00Z";

fn options(directory: &Path) -> ServeArgs {
    ServeArgs {
        provider: ProviderArgs {
            database: check::of(directory),
            ..ProviderArgs::default()
        },
        gateway_address: Some("127.0.0.1:0".to_owned()),
        control_address: Some("127.0.0.1:0".to_owned()),
        ..ServeArgs::default()
    }
}

fn options_of(world: &World, directory: &Path) -> ServeArgs {
    ServeArgs {
        gateway_address: Some(world.server().gateway_address().to_string()),
        control_address: Some(world.server().control_address().to_string()),
        ..options(directory)
    }
}

async fn look(options: ServeArgs) -> Diagnosis {
    look_at(options, LATER).await
}

async fn look_at(options: ServeArgs, now: &str) -> Diagnosis {
    let now: Timestamp = now.parse().unwrap();
    examine(options, &[], &Clock::manual(now).0).await
}

/// That this is the only problem, that it says this, and how to mend it.
#[track_caller]
fn assert_problem(diagnosis: &Diagnosis, subject: &str, said: &str) {
    let lines = diagnosis.lines().iter();
    let problems: Vec<_> = lines
        .filter(|line| line.verdict == Verdict::Problem)
        .collect();
    assert!(!diagnosis.is_healthy());
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert_eq!(problems[0].subject, subject, "{problems:#?}");
    assert!(problems[0].found.contains(said), "{problems:#?}");
    assert!(problems[0].mend.is_some(), "{problems:#?}");
}

#[track_caller]
fn assert_healthy(diagnosis: &Diagnosis, subjects: &[&str]) {
    assert!(diagnosis.is_healthy(), "{diagnosis:#?}");
    let lines = diagnosis.lines().iter();
    let fine: Vec<&str> = lines
        .filter(|line| line.verdict == Verdict::Ok)
        .map(|line| line.subject)
        .collect();
    assert_eq!(fine, subjects, "{diagnosis:#?}");
}

/// A directory in which a server has served a call, and was stopped.
async fn left_behind() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let world = World::kept_in(folder.path(), |_| {}).await;
    serve_a_call(&world).await;
    stop(world, folder.path()).await;
    folder
}

/// Whoever still finishes something gives the database back a moment later.
async fn stop(world: World, directory: &Path) {
    world.end().await;
    let given_back = async {
        while Inspection::is_owned(directory.join("monetization.db")).unwrap() {
            tokio::task::yield_now().await;
        }
    };
    let within = std::time::Duration::from_secs(10);
    tokio::time::timeout(within, given_back).await.unwrap();
}

async fn serve_a_call(world: &World) {
    let product = world.product("weather").await;
    let plan = world.plan(&product, free()).await;
    let bought = world.buy(&plan).await;
    let answer = world.call(&bought.key, "/weather/today").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

async fn meddle(directory: &Path, by: &'static str) {
    let mut raw = database(directory).await;
    sqlx::raw_sql(by).execute(&mut raw).await.unwrap();
}

const STOPPED: [&str; 11] = [
    "settings",
    "directory",
    "disk",
    "pepper",
    "server",
    "database",
    "clock",
    "held",
    "engine",
    "gateway",
    "control",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_directory_has_no_problem_with_a_server_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let first = look(options(&folder.path().join("new"))).await;
    assert_healthy(&first, &["settings", "engine", "gateway", "control"]);
    assert!(!folder.path().join("new").exists(), "it changes nothing");
    let world = World::kept_in(folder.path(), |_| {}).await;
    serve_a_call(&world).await;
    let served = look(options_of(&world, folder.path())).await;
    let mut running = STOPPED.to_vec();
    running.push("webhooks");
    assert_healthy(&served, &running);
    let mut told = Vec::new();
    served.tell(&mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("OK       webhooks    127.0.0.1:"), "{told}");
    assert!(told.ends_with("\nno problem\n"), "{told}");
    assert_eq!(served.document()["healthy"], true);
    stop(world, folder.path()).await;
    assert_healthy(&look(options(folder.path())).await, &STOPPED);
}

#[tokio::test]
async fn wrong_settings_and_variables_are_named() {
    let mut wrong = options(Path::new("nowhere"));
    wrong.commit = Some("sometimes".to_owned());
    assert_problem(&look(wrong).await, "settings", "--commit");
    let unknown = ["MONETIZATION_SERVER_ENGIN".to_owned()];
    let clock = Clock::manual(LATER.parse().unwrap()).0;
    let folder = tempfile::tempdir().unwrap();
    let found = examine(options(folder.path()), &unknown, &clock).await;
    assert_problem(&found, "environment", "MONETIZATION_SERVER_ENGIN");
}

//! Plan files that the server sells.

use std::path::{Path, PathBuf};

use http::Method;
use monetization_core::clock::Clock;
use reference_server::cli::ServeArgs;
use reference_server::doctor::{Verdict, examine};
use serde_json::{Value, json};

use super::world::{START, Text, World};

const EXAMPLE: &str = include_str!("../../plans.toml");

fn file(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("plans.toml");
    std::fs::write(&path, text).unwrap();
    path
}

async fn offer(world: &World) -> Value {
    let list = world.anybody(Method::GET, "/api/v1/catalogue").await.ok();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    list["items"][0].clone()
}

fn plans(offer: &Value) -> Vec<(String, u64)> {
    let plans = offer["plans"].as_array().unwrap().iter();
    let mut plans: Vec<_> = plans
        .map(|plan| (plan["name"].text(), plan["number"].as_u64().unwrap()))
        .collect();
    plans.sort();
    plans
}

fn numbered(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    names
        .iter()
        .map(|(name, number)| ((*name).to_owned(), *number))
        .collect()
}

#[tokio::test]
async fn what_a_file_names_is_made_once_and_new_terms_are_a_new_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), EXAMPLE);
    let mut world = World::with(|settings| settings.plans = vec![path]).await;
    let first = offer(&world).await;
    assert_eq!(first["slug"], "weather");
    assert_eq!(
        plans(&first),
        numbered(&[("Flat", 1), ("Pro", 1), ("Trial", 1)])
    );
    world.crash().await;
    assert_eq!(offer(&world).await, first, "the same file changes nothing");

    let dearer = EXAMPLE.replace("\"199.00\"", "\"249.00\"");
    let more = "\n[[plans]]\nname = \"Extra\"\n[plans.terms]\nbilling = \"free\"\ncurrency = \"USD\"\ncycle = \"day\"\n";
    file(folder.path(), &(dearer + more));
    world.crash().await;
    let expected = [("Extra", 1), ("Flat", 2), ("Pro", 1), ("Trial", 1)];
    assert_eq!(plans(&offer(&world).await), numbered(&expected));

    file(
        folder.path(),
        EXAMPLE
            .split("[[plans]]")
            .take(2)
            .collect::<Vec<_>>()
            .join("[[plans]]")
            .as_str(),
    );
    world.crash().await;
    assert_eq!(
        plans(&offer(&world).await),
        numbered(&expected),
        "nothing is removed"
    );
}

#[tokio::test]
async fn what_an_owner_has_changed_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), EXAMPLE);
    let mut world = World::with(|settings| settings.plans = vec![path]).await;
    let before = offer(&world).await;
    let product = format!("/api/v1/products/{}", before["id"].text());
    world
        .owner(Method::PATCH, &product, json!({ "name": "Skies" }))
        .await
        .ok();
    let flat = before["plans"]
        .as_array()
        .unwrap()
        .iter()
        .find(|plan| plan["name"] == "Flat");
    let flat = format!("/api/v1/plans/{}", flat.unwrap()["id"].text());
    world
        .owner(Method::PATCH, &flat, json!({ "status": "archived" }))
        .await
        .ok();
    file(folder.path(), &EXAMPLE.replace("\"199.00\"", "\"249.00\""));
    world.crash().await;
    let after = offer(&world).await;
    assert_eq!(after["name"], "Skies");
    assert_eq!(plans(&after), numbered(&[("Pro", 1), ("Trial", 1)]));
}

/// What the doctor says about a plan file: verdicts and findings.
async fn diagnosed(path: PathBuf) -> Vec<(Verdict, String)> {
    let options = ServeArgs {
        plans: vec![path],
        ..ServeArgs::default()
    };
    let clock = Clock::manual(START.parse().unwrap()).0;
    let found = examine(options, &[], &clock).await;
    let lines = found.lines().iter().filter(|line| line.subject == "plans");
    lines
        .map(|line| (line.verdict, line.found.clone()))
        .collect()
}

#[tokio::test]
async fn the_doctor_names_every_mistake_of_a_plan_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), EXAMPLE);
    let shown = path.display().to_string();
    let good = format!("{shown}: 3 plans of weather");
    assert_eq!(diagnosed(path.clone()).await, [(Verdict::Ok, good)]);

    let wrong = EXAMPLE
        .replace("\"199.00\"", "199")
        .replace("decimals", "decimal");
    file(folder.path(), &wrong.replace("\"25.00\"", "25.0"));
    let found = diagnosed(path.clone()).await;
    let fields = found
        .iter()
        .map(|(_, found)| found.split(": ").nth(1).unwrap());
    let expected = ["plans[1].terms.base_price", "plans[2].terms.base_price"];
    assert_eq!(fields.collect::<Vec<_>>(), expected, "{found:?}");
    assert!(
        found
            .iter()
            .all(|(verdict, _)| *verdict == Verdict::Problem)
    );

    let (_, without) = EXAMPLE.split_once("[[meters]]").unwrap();
    file(folder.path(), &format!("[[meters]]{without}"));
    let found = diagnosed(path.clone()).await;
    assert!(
        found[0].1.ends_with("a server has to know what it sells"),
        "{found:?}"
    );
    let gone = diagnosed(folder.path().join("gone.toml")).await;
    assert!(gone[0].1.contains("failed to read"), "{gone:?}");
}

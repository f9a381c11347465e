//! The commands `check` and `doctor` as an operator runs them.

use std::path::Path;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tokio::process::Command;

use super::{BINARY, Serving};

struct Ran {
    code: Option<i32>,
    out: String,
    errors: String,
}

async fn run(directory: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(BINARY);
    let output = command.current_dir(directory).args(arguments).output();
    let output = output.await.unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn exit_codes_of_check_and_doctor_say_whether_all_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = run(folder.path(), &["check", "--data-directory", "data"]).await;
    assert_eq!(nothing.code, Some(1));
    assert!(
        nothing.errors.contains("monetization.db"),
        "{}",
        nothing.errors
    );
    let serving = Serving::start(folder.path(), "README.md").await;
    let addresses = ["gateway", "control plane"].map(|word| serving.address(word));
    let [gateway, control] = &addresses;
    let doctor = [
        "doctor",
        "--data-directory",
        "data",
        "--gateway-address",
        gateway,
        "--control-address",
        control,
        "--json",
    ];
    let check = ["check", "--data-directory", "data"];
    let healthy = run(folder.path(), &doctor).await;
    assert_eq!(healthy.code, Some(0), "{}", healthy.out);
    let told: Value = serde_json::from_str(&healthy.out).unwrap();
    let lines = told["lines"].as_array().unwrap();
    let webhooks = lines.iter().find(|line| line["subject"] == "webhooks");
    assert_eq!(webhooks.unwrap()["verdict"], "OK");
    let holds = run(folder.path(), &check).await;
    assert_eq!((holds.code, holds.errors.as_str()), (Some(0), ""));
    assert!(
        holds.out.ends_with("all 21 invariants hold\n"),
        "{}",
        holds.out
    );
    serving.stop().await;
    let database = SqliteConnectOptions::new().filename(folder.path().join("data/monetization.db"));
    let mut raw = database.connect().await.unwrap();
    let stranger = "UPDATE fact SET body = json_set(body, '$.id', 'pub_' || hex(zeroblob(16)))
        WHERE kind = 'publisher'";
    raw.execute(stranger).await.unwrap();
    let broken = run(folder.path(), &check).await;
    assert_eq!(broken.code, Some(1));
    assert!(
        broken.out.contains("BROKEN  facts_are_found"),
        "{}",
        broken.out
    );
    std::fs::remove_file(folder.path().join("data/pepper")).unwrap();
    let for_people = &doctor[..doctor.len() - 1];
    let sick = run(folder.path(), for_people).await;
    assert_eq!(sick.code, Some(1));
    assert!(sick.out.contains("PROBLEM  pepper"), "{}", sick.out);
    assert!(sick.out.ends_with("1 problem\n"), "{}", sick.out);
}

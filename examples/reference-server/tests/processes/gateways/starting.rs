//! Servers that begin.

use tokio::io::{AsyncBufReadExt, BufReader};

use super::*;

const PLANS: &str = r#"
[product]
slug = "weather"
name = "Weather"
description = "What is sold in this test."
gateway_endpoint = "https://api.example.com"

[[plans]]
name = "Basic"
[plans.terms]
billing = "free"
currency = "USD"
cycle = "month"
"#;

/// What a server says until it listens, and a little after.
async fn introduction(mut command: Command) -> (tokio::process::Child, Vec<String>) {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let mut patience = PATIENCE;
    while let Ok(Ok(Some(line))) = timeout(patience, lines.next_line()).await {
        if line.starts_with("control plane ") {
            patience = Duration::from_secs(1);
        }
        said.push(line);
    }
    (child, said)
}

/// Both look for what is there, and neither finds anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn two_first_starts_at_once_make_one_marketplace() {
    let database = Database::unused();
    database.make_empty().await;
    let folder = tempfile::tempdir().unwrap();
    let (pepper, plans) = (
        folder.path().join("shared"),
        folder.path().join("plans.toml"),
    );
    std::fs::write(&pepper, [7; 32]).unwrap();
    std::fs::set_permissions(&pepper, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&plans, PLANS).unwrap();
    let server = |name: &str| {
        let mut command = Command::new(BINARY);
        command
            .arg("serve")
            .arg("--data-directory")
            .arg(folder.path().join(name))
            .arg("--pepper-file")
            .arg(&pepper)
            .arg("--plans")
            .arg(&plans)
            .env("MONETIZATION_SERVER_DATABASE", database.address())
            .args(["--engine=none", "--gateway-address=127.0.0.1:0"])
            .args(["--control-address=127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command
    };
    let starting = ["a", "b", "c"].map(|name| introduction(server(name)));
    let started = futures::future::join_all(starting).await;
    let first = |said: &[String]| said.iter().any(|line| line.starts_with("platform owner"));
    let count = started.iter().filter(|(_, said)| first(said)).count();
    let said: Vec<&Vec<String>> = started.iter().map(|(_, said)| said).collect();
    assert_eq!(count, 1, "{said:?}");
    let listening = |said: &&Vec<String>| said.iter().any(|line| line.starts_with("control"));
    assert_eq!(said.into_iter().filter(listening).count(), 3);

    let mut connection = database.connect().await;
    for (kind, expected) in [
        ("tenant", 1),
        ("publisher", 1),
        ("consumer", 1),
        ("access_token", 3),
        ("product", 1),
        ("plan", 1),
        ("plan_version", 1),
    ] {
        let select = sqlx::query_scalar("SELECT count(*) FROM fact WHERE kind = $1");
        let count: i64 = select.bind(kind).fetch_one(&mut connection).await.unwrap();
        assert_eq!(count, expected, "{kind}");
    }
    drop(started);
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_server_with_another_pepper_or_a_directory_in_use_is_refused() {
    let group = Group::start(1, &["--engine=none"]).await;
    let address = group.database.address();
    let own = tempfile::tempdir().unwrap();
    for (directory, said) in [
        (
            own.path(),
            "put the pepper of a server that serves from this database",
        ),
        (group.homes[0].directory(), "another server keeps its state"),
    ] {
        let directory = directory.to_str().unwrap();
        let arguments = [
            "serve",
            "--engine=none",
            "--gateway-address=127.0.0.1:0",
            "--control-address=127.0.0.1:0",
            "--data-directory",
            directory,
            "--database",
            &address,
        ];
        let refused = run(&arguments).await;
        let errors = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1));
        assert!(errors.contains(said), "{errors}");
    }
    group.end().await;
}

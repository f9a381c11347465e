//! An installation on SQLite that is moved to PostgreSQL.

use super::*;

/// What was sold and used there is sold and used here: keys open, and what is left of a quota is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn an_installation_goes_on_after_it_was_copied_to_another_database() {
    const MAX: u64 = 40;
    let mut home = Home::new(&["--engine=none"]);
    let server = home.start().await;
    let upstream = Upstream::start().await;
    let market = Market::open(&server.api, upstream.address, strict(MAX), 3).await;
    for bought in &market.subscriptions {
        for _ in 0..15 {
            assert_eq!(call(server.gateway, bought).await, 200);
        }
    }
    let from = format!(
        "sqlite:{}",
        home.directory().join("monetization.db").display()
    );
    let database = Database::unused();
    database.make_empty().await;
    let address = database.address();
    let copy = ["copy", "--from", &from, "--to", &address];
    let refused = run(&copy).await;
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(
        errors.contains("another process has this database open"),
        "{errors}"
    );
    server.terminate().await;

    let copied = run(&copy).await;
    let said = String::from_utf8_lossy(&copied.stdout);
    assert!(copied.status.success(), "{copied:?}");
    assert!(
        said.contains("record") && said.contains("quantity 45"),
        "{said}"
    );
    let again = run(&copy).await;
    assert!(String::from_utf8_lossy(&again.stdout).contains("was moved to"));
    let stale = run(&["check", "--database", &from]).await;
    assert!(stale.status.success(), "what was left behind can be read");
    let directory = home.directory().to_str().unwrap();
    let refused = run(&["serve", "--engine=none", "--data-directory", directory]).await;
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(errors.contains("was moved to postgres://"), "{errors}");
    let refused = run(&["copy", "--from", &from, "--give-up"]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is finished"));

    let mut moved = home.beside(&["--engine=none", "--database", &address]);
    let server = moved.start().await;
    for bought in &market.subscriptions {
        for _ in 15..MAX {
            assert_eq!(call(server.gateway, bought).await, 200);
        }
        assert_eq!(call(server.gateway, bought).await, 429);
    }
    server.terminate().await;
    let checked = run(&["check", "--database", &address]).await;
    assert!(checked.status.success(), "{checked:?}");
    database.remove().await;
}

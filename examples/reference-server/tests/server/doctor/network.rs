//! The addresses, and who answers there.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::str::FromStr;

use monetization_core::text::Slug;

use super::super::world::World;
use super::{assert_problem, left_behind, look, meddle, options, options_of};

#[tokio::test]
async fn an_address_that_somebody_has_is_named() {
    let folder = left_behind().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for subject in ["gateway", "control"] {
        let mut options = options(folder.path());
        match subject {
            "gateway" => options.gateway_address = Some(address.clone()),
            _ => options.control_address = Some(address.clone()),
        }
        assert_problem(&look(options).await, subject, "cannot be listened on");
    }
}

/// A port at which nobody listens now.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_that_does_not_answer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::kept_in(folder.path(), |_| {}).await;
    let mut elsewhere = options_of(&world, folder.path());
    elsewhere.control_address = Some(free_port().to_string());
    assert_problem(&look(elsewhere).await, "control", "does not answer");
    let mut elsewhere = options_of(&world, folder.path());
    elsewhere.gateway_address = Some(free_port().to_string());
    assert_problem(&look(elsewhere).await, "gateway", "does not answer");
    // The gateway is no control plane.
    let mut confused = options_of(&world, folder.path());
    confused
        .control_address
        .clone_from(&confused.gateway_address);
    assert_problem(&look(confused).await, "control", "as no server of ours");
    let unknown = look(options(folder.path())).await;
    assert!(unknown.is_healthy(), "{unknown:?}");
    world.server().leave();
    let leaving = look(options_of(&world, folder.path())).await;
    assert_problem(&leaving, "control", "is not ready, 503");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_the_server_does_not_expect_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let none = |settings: &mut reference_server::settings::Settings| {
        settings.engine = Slug::from_str("none").unwrap();
    };
    let world = World::kept_in(folder.path(), none).await;
    meddle(
        folder.path(),
        "UPDATE fact SET body = json_set(body, '$.engine', 'mock') WHERE kind = 'tenant'",
    )
    .await;
    fs::write(folder.path().join("engine-mock.journal"), "").unwrap();
    let found = look(options_of(&world, folder.path())).await;
    assert_problem(&found, "webhooks", "404 Not Found");
}

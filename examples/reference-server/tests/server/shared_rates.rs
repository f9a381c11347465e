//! Rates that several servers count together.
#![expect(
    clippy::disallowed_methods,
    reason = "tests are told where servers are by the environment, and take a name of their own by the time"
)]

use http::{Method, StatusCode};
use monetization_core::secret::Secret;
use reference_server::cli::{ServeArgs, SharedRatesArgs};
use reference_server::doctor::examine;
use reference_server::settings::Settings;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::tls;
use super::world::World;

fn shared(address: &str) -> SharedRatesArgs {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    SharedRatesArgs {
        redis: Some(Secret::new(address)),
        redis_namespace: Some(format!("test {now:?}")),
    }
}

async fn world(shared_rates: SharedRatesArgs) -> World {
    let args = ServeArgs {
        shared_rates,
        ..ServeArgs::default()
    };
    let shared = Settings::new(args).unwrap().shared_rates;
    World::with(|settings| settings.shared_rates = shared).await
}

/// A key to a plan that lets five calls of a day through at once.
async fn key(world: &World) -> String {
    let product = world.product("weather").await;
    let terms = json!({
        "billing": "free", "currency": "USD", "cycle": "month",
        "rates": [{"kind": "gcra", "count": 1, "seconds": 86_400, "burst": 5}],
    });
    world.buy(&world.plan(&product, terms).await).await.key
}

async fn passed(world: &World, key: &str, calls: usize) -> usize {
    let mut passed = 0;
    for _ in 0..calls {
        passed += usize::from(world.call(key, "/weather/now").await.status == StatusCode::OK);
    }
    passed
}

async fn told_away(world: &World) -> Value {
    let ready = world.anybody(Method::GET, "/readyz").await;
    assert_eq!(ready.status, StatusCode::OK);
    ready.json()["checks"]["shared_rates_away"].clone()
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn a_rate_that_servers_share_outlives_one_of_them() {
    let address = std::env::var("MONETIZATION_REDIS").expect("run by scripts/servers.sh");
    let mut world = world(shared(&address)).await;
    let key = key(&world).await;
    assert_eq!(told_away(&world).await, Value::Null);
    assert_eq!(passed(&world, &key, 3).await, 3);
    world.crash().await;
    // What the dead server had taken in advance is lost.
    let more = passed(&world, &key, 9).await;
    assert!((1..=2).contains(&more), "{more} more");
}

/// A server that answers whatever it is asked as one that was asked nonsense.
async fn in_plain_words() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    drop(tokio::spawn(async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            stream.write_all(b"-ERR unknown command\r\n").await.unwrap();
        }
    }));
    address
}

/// Its certificate is of a CA that nobody knows but this test.
#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn redis_over_tls_is_reached_if_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let redis = std::env::var("MONETIZATION_REDIS").expect("run by scripts/servers.sh");
    let server = redis.strip_prefix("redis://").unwrap().to_owned();
    let (port, ca) = tls::front("localhost", server).await;
    let plain = in_plain_words().await;
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, ca).unwrap();
    let untrusted = "server has no certificate that is trusted, or speaks no TLS";
    for (address, trusts, expected) in [
        (format!("localhost:{port}"), true, "share rates there now"),
        (format!("127.0.0.1:{port}"), true, untrusted),
        (format!("localhost:{port}"), false, untrusted),
        (plain, true, untrusted),
    ] {
        let mut doctor = Command::new(env!("CARGO_BIN_EXE_reference-server"));
        doctor.args(["doctor", "--data-directory", "data", "--redis"]);
        doctor.arg(format!("rediss://{address}"));
        if trusts {
            doctor.env("SSL_CERT_FILE", &trusted);
        }
        let found = doctor.current_dir(&folder).output().await.unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        let line = found.lines().find(|line| line.contains("redis")).unwrap();
        assert!(
            line.contains(expected),
            "{address}, trusted: {trusts}: {line}"
        );
    }
}

#[tokio::test]
async fn a_server_serves_by_its_share_and_says_so_while_nobody_counts() {
    let world = world(shared("redis://:hush@127.0.0.1:1")).await;
    let key = key(&world).await;
    assert_eq!(told_away(&world).await, "no connection to the server");
    assert_eq!(passed(&world, &key, 9).await, 5);

    let args = ServeArgs {
        shared_rates: shared("redis://:hush@127.0.0.1:1"),
        ..ServeArgs::default()
    };
    let clock = monetization_core::clock::Clock::system();
    let found = examine(args, &[], &clock).await;
    let line = found.lines().iter().find(|line| line.subject == "redis");
    let line = line.unwrap();
    assert!(line.found.contains("no connection") && line.mend.is_some());
    assert!(!format!("{found:?} {:?}", world.server()).contains("hush"));
}

//! Secrets are told once, and nowhere else.

use std::path::{Path, PathBuf};

use http::Method;
use monetization_conformance::size;
use serde_json::{Value, json};

use super::{Api, Serving, sell, send};
use crate::server::upstream::Upstream;
use crate::server::world::Text;

/// R-A2 and R-A3: tokens, keys and pepper are printed once where that is said, and stand nowhere
/// else: not in what is printed, not in errors, not in any file but the pepper's own.
#[tokio::test]
async fn secrets_stand_nowhere_but_where_they_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start("upstream").await;
    let serving = Serving::start(folder.path(), "README.md").await;
    let url = format!("http://{}", serving.address("control plane"));
    let gateway = format!("http://{}", serving.address("gateway"));
    let tokens = ["platform owner", "publisher", "developer"].map(|role| serving.after(role));
    let api = |token: &str| Api {
        url: &url,
        bearer: format!("Bearer {token}"),
    };
    let plan = sell(&api(&tokens[0]), &upstream.url()).await;
    let order = json!({ "plan": plan, "buyer": { "user_id": "u", "name": "b" } });
    let mut secrets = tokens.to_vec();
    let mut answers = Vec::new();
    for number in 0..size(20, 1_000) {
        let developer = api(&tokens[2]);
        let bought = developer
            .ask(Method::POST, "/api/v1/subscriptions", order.clone())
            .await;
        let key = bought["key"]["key"].text();
        for (product, expected) in [("weather", 200), ("maps", 403)] {
            let url = format!("{gateway}/{product}/{number}");
            let (status, answer) = send(Method::GET, &url, ("x-api-key", &key), &Value::Null).await;
            assert_eq!(status, expected, "{product}");
            answers.push(answer);
        }
        answers.extend(misplace(&gateway, &url, &key).await);
        secrets.push(key);
    }
    let told = answers.iter().map(Value::to_string).collect::<String>();
    for secret in &secrets {
        assert!(!told.contains(part(secret)), "an answer tells a secret");
    }
    let (printed, errors) = serving.stop().await;
    check_files(&folder.path().join("data"), &secrets);
    for (index, secret) in secrets.iter().enumerate() {
        let told = printed.matches(part(secret)).count();
        // The owner's stands in an example of use, too.
        let expected = [2, 1, 1].get(index).copied().unwrap_or(0);
        assert_eq!(told, expected, "secret {index} in what is printed");
        assert!(
            !errors.contains(part(secret)),
            "secret {index} in the errors: {errors}"
        );
    }
}

/// Sends a key where it does not belong, as clients do by mistake; answers what was said to it.
async fn misplace(gateway: &str, control: &str, key: &str) -> Vec<Value> {
    let bearer = format!("Bearer {key}");
    let basic = format!("Basic {key}");
    let mistyped = key.replacen("live", "test", 1);
    let calls = [
        (format!("{gateway}/weather/today"), "authorization", &basic),
        (format!("{gateway}/weather/today"), "x-api-key", &mistyped),
        (
            format!("{gateway}/weather/today?api_key={key}"),
            "accept",
            &bearer,
        ),
        (
            format!("{gateway}/weather/{key}/../x"),
            "x-api-key",
            &mistyped,
        ),
        (
            format!("{control}/api/v1/subscriptions"),
            "authorization",
            &bearer,
        ),
        (
            format!("{control}/api/v1/products/{key}"),
            "authorization",
            &bearer,
        ),
        (
            format!("{control}/api/v1/catalogue?{key}=1"),
            "x-api-key",
            &bearer,
        ),
    ];
    let mut answers = Vec::new();
    for (url, name, value) in calls {
        let body = json!({ "key": key });
        let (status, answer) = send(Method::POST, &url, (name, value), &body).await;
        assert!(status >= 400, "{url}: {status}");
        answers.push(answer);
    }
    answers
}

fn check_files(data: &Path, secrets: &[String]) {
    let pepper = std::fs::read(data.join("pepper")).unwrap();
    let secrets: Vec<&[u8]> = secrets.iter().map(|it| part(it).as_bytes()).collect();
    for (path, bytes) in files(data) {
        holds_none_of(&path, &bytes, &secrets);
        assert!(
            path.ends_with("pepper") || !contains(&bytes, &pepper),
            "{} has the pepper",
            path.display()
        );
    }
}

/// What the server has written, by its path.
pub(super) fn files(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(data).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files: Vec<_> = paths
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    assert!(files.len() >= 2, "database and pepper: {}", files.len());
    files
}

pub(super) fn holds_none_of(path: &Path, bytes: &[u8], secrets: &[&[u8]]) {
    let name = path.display();
    for secret in secrets {
        assert!(!contains(bytes, secret), "{name} has a secret");
    }
}

/// The part of a key or token that nobody may know.
fn part(secret: &str) -> &str {
    let whole = secret.rsplit_once('_').unwrap().0;
    whole.rsplit_once('_').unwrap().1
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

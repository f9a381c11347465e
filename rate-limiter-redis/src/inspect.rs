//! Whether the server is fit to count.

use redis::Value;
use thiserror::Error;

use crate::Away;
use crate::link::Link;

/// What is wrong with a server that works.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Warning {
    /// When its memory is full the server makes room by forgetting counters, and limits are let through again. Set
    /// `maxmemory-policy noeviction`; then it refuses to count, and local shares hold.
    #[error("server forgets counters when its memory is full, maxmemory-policy is {policy}")]
    Evicts {
        /// Its `maxmemory-policy`.
        policy: String,
    },
}

/// What the server says of itself; needs no right to read its configuration. A server that says nothing of it, or lets us
/// not ask, is not warned of.
pub(crate) async fn inspect(link: &Link) -> Result<Vec<Warning>, Away> {
    let mut command = redis::cmd("INFO");
    command.arg("memory");
    let answer = match link.send(&command).await {
        Ok(answer) => answer,
        Err(error) => {
            let away = Away::from(&error);
            return match away {
                Away::Forbidden | Away::Failed => Ok(Vec::new()),
                _ => Err(away),
            };
        }
    };
    let text = match &answer {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::VerbatimString { text, .. } => text.clone(),
        _ => return Err(Away::Misfit),
    };
    Ok(warnings(&text))
}

fn warnings(info: &str) -> Vec<Warning> {
    let policy = info
        .lines()
        .find_map(|line| line.strip_prefix("maxmemory_policy:"))
        .map(str::trim);
    match policy {
        None | Some("noeviction") => Vec::new(),
        Some(policy) => vec![Warning::Evicts {
            policy: policy.to_owned(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_forgets_is_warned_of() {
        assert!(warnings("# Memory\r\nmaxmemory_policy:noeviction\r\n").is_empty());
        assert!(warnings("# Memory\r\nused_memory:1\r\n").is_empty());
        let [warning] = &warnings("maxmemory:0\r\nmaxmemory_policy:volatile-lru\r\n")[..] else {
            panic!("no warning");
        };
        assert_eq!(
            warning.to_string(),
            "server forgets counters when its memory is full, maxmemory-policy is volatile-lru"
        );
    }
}

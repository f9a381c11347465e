//! Secret and restricted keys: whose they are, and what they may do.

use std::collections::BTreeMap;

use super::problem::Problem;
use crate::stripe::spec::Call;

/// What a restricted key may do with one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Read it.
    Read,
    /// Read and change it.
    Write,
}

/// A key to an account.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) account: String,
    pub(super) livemode: bool,
    /// By the path of the resource without the version, as `prices` and `checkout/sessions`. None
    /// for a secret key, which may do everything.
    permissions: Option<BTreeMap<String, Permission>>,
}

/// The keys that open accounts.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<String, Key>);

impl Keys {
    /// Adds a key; its name says for which mode it is.
    pub(super) fn add(
        &mut self,
        key: &str,
        account: &str,
        permissions: Option<BTreeMap<String, Permission>>,
    ) {
        let key = key.to_owned();
        let livemode = key.contains("_live_");
        let account = account.to_owned();
        self.0.insert(
            key,
            Key {
                account,
                livemode,
                permissions,
            },
        );
    }

    /// Takes a key back.
    pub(super) fn revoke(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Whose call it is.
    pub(super) fn admit(&self, call: &Call<'_>) -> Result<&Key, Problem> {
        let credentials = call.header("authorization").unwrap_or_default();
        let text = credentials.strip_prefix("Bearer ").unwrap_or_default();
        let Some(key) = self.0.get(text) else {
            let shown: String = text.chars().take(8).collect();
            let message = if text.is_empty() {
                "You did not provide an API key.".to_owned()
            } else {
                format!("Invalid API Key provided: {shown}****")
            };
            return Err(Problem::invalid(message).status(401));
        };
        let needed = if call.method == "GET" {
            Permission::Read
        } else {
            Permission::Write
        };
        let resource = resource(call.path);
        let allowed = match &key.permissions {
            None => Some(Permission::Write),
            Some(permissions) => permissions.get(&resource).copied(),
        };
        if allowed.is_some_and(|it| it >= needed) {
            return Ok(key);
        }
        let message = format!(
            "The provided key does not have the required permissions for this endpoint on account '{}'. It needs {needed:?} on {resource}.",
            key.account
        );
        Err(Problem::invalid(message).status(403))
    }
}

/// `/v1/billing/meters/mtr_1` is `billing/meters`.
fn resource(path: &str) -> String {
    let steps: Vec<&str> = path.split('/').skip(2).collect();
    match steps.as_slice() {
        [
            group @ ("billing" | "checkout" | "billing_portal" | "test_helpers" | "core"),
            name,
            ..,
        ] => {
            format!("{group}/{name}")
        }
        [name, ..] => (*name).to_owned(),
        [] => String::new(),
    }
}

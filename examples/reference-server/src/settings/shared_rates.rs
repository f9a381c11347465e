//! Where rates are counted that several servers share.

use monetization_core::secret::Secret;

use super::Check;
use crate::cli::SharedRatesArgs;

/// Where rates are counted that several servers share.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SharedRatesSettings {
    /// The address of Redis or Valkey, which may have a password in it.
    pub address: Secret,
    /// What keeps this installation apart from others there.
    pub namespace: String,
}

impl Check {
    /// What is given of an address is never told: it may have a password in it.
    pub(super) fn shared_rates(&mut self, args: SharedRatesArgs) -> Option<SharedRatesSettings> {
        let address = args.redis.filter(|address| !address.reveal().is_empty());
        let Some(address) = address else {
            if args.redis_namespace.is_some() {
                self.problem("--redis-namespace", "it needs --redis");
            }
            return None;
        };
        if !cfg!(feature = "redis") {
            let problem = "redis was not built in: build the server with `cargo build --release -p \
                reference-server --features redis`";
            self.problem("--redis", problem);
        } else if !["redis://", "rediss://"]
            .iter()
            .any(|scheme| address.reveal().starts_with(scheme))
        {
            let problem = "it is no address of a server: allowed is redis://[user:password@]host[:port][/number], \
                and rediss:// for TLS";
            self.problem("--redis", problem);
        }
        Some(SharedRatesSettings {
            address,
            namespace: args
                .redis_namespace
                .unwrap_or_else(|| "monetization".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(redis: Option<&str>, redis_namespace: Option<&str>) -> Vec<String> {
        let mut check = Check::default();
        check.shared_rates(SharedRatesArgs {
            redis: redis.map(Secret::new),
            redis_namespace: redis_namespace.map(str::to_owned),
        });
        check.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_address_is_refused_without_being_told() {
        assert!(problems(None, None).is_empty());
        assert!(problems(Some(""), None).is_empty());
        assert_eq!(
            problems(None, Some("shop")),
            ["--redis-namespace: it needs --redis"]
        );
        for address in ["http://:hush@127.0.0.1", "hush", "redis:/hush"] {
            let said = problems(Some(address), None).join(" ");
            assert!(said.contains("--redis"), "{said}");
            assert!(!said.contains("hush"), "{said}");
        }
        let is_built_in = cfg!(feature = "redis");
        for address in ["redis://:hush@127.0.0.1", "rediss://:hush@127.0.0.1"] {
            let said = problems(Some(address), None).join(" ");
            assert_eq!(said.is_empty(), is_built_in, "{said}");
            assert!(is_built_in || said.contains("--features redis"), "{said}");
        }
    }
}

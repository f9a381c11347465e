use std::net::SocketAddr;

use monetization_conformance::fault_proxy::{Fates, FaultProxy};

use super::super::super::server::{Home, Process};

/// What a server says where the engine has counted something else than was reported to it.
const ALARM: &str = "an operator has to look";

/// A server, and what it reaches the others over.
pub(super) struct Gateway {
    home: Home,
    /// None while it is away.
    pub(super) process: Option<Process>,
    pub(super) to_postgres: FaultProxy,
    pub(super) to_redis: FaultProxy,
}

/// Where servers reach what they share.
pub(super) struct Shared<'a> {
    pub(super) postgres: &'a monetization_conformance::postgres::Server,
    pub(super) redis: SocketAddr,
    /// What a server is told besides.
    pub(super) arguments: &'a [&'a str],
}

impl Gateway {
    /// Starts one, beside another one of the same database.
    pub(super) async fn start(shared: &Shared<'_>, beside: Option<&Self>) -> Self {
        let proxy = async |to| FaultProxy::start(to, Fates::listed([])).await.unwrap();
        let to_postgres = proxy(shared.postgres.socket()).await;
        let to_redis = proxy(shared.redis).await;
        let database = shared.postgres.address_over(to_postgres.address());
        let (database, redis) = (
            format!("--database={database}"),
            format!("--redis=redis://{}", to_redis.address()),
        );
        let arguments = [&[&*database, &*redis], shared.arguments].concat();
        let home = match beside {
            Some(other) => other.home.beside(&arguments),
            None => Home::new(&arguments),
        };
        let mut gateway = Self {
            home,
            process: None,
            to_postgres,
            to_redis,
        };
        gateway.start_again().await;
        gateway
    }

    /// On what it has left. Where it begins, the network is as it should be.
    pub(super) async fn start_again(&mut self) {
        self.mend();
        self.process = Some(self.home.start().await);
    }

    /// Connections to come meet nothing in particular.
    pub(super) fn mend(&self) {
        for network in [&self.to_postgres, &self.to_redis] {
            network.set_fates(Fates::listed([]));
        }
    }

    /// Takes it away, if it is there. It has asked no operator to look: nothing is lost, or reported twice.
    pub(super) fn take(&mut self) -> Option<Process> {
        let process = self.process.take()?;
        let complaints = process.complaints();
        let alarm = complaints.lines().find(|it| it.contains(ALARM));
        assert_eq!(alarm, None);
        Some(process)
    }

    pub(super) fn directory(&self) -> &std::path::Path {
        self.home.directory()
    }
}

//! The least that a question to the server can cost.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;

use crate::sides::Side;

/// A script that does nothing, known by its hash, over the same client.
#[derive(Clone)]
pub(crate) struct Bare {
    connection: MultiplexedConnection,
    hash: Arc<str>,
}

impl Bare {
    pub(crate) async fn connect(address: &str) -> Self {
        let client = redis::Client::open(address).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let script = redis::Script::new("return 1");
        script
            .prepare_invoke()
            .load_async(&mut connection)
            .await
            .unwrap();
        Self {
            connection,
            hash: script.get_hash().into(),
        }
    }
}

impl Side for Bare {
    async fn call(&self, _: u64) {
        let mut command = redis::cmd("EVALSHA");
        command.arg(&*self.hash).arg(1).arg("bare");
        let one: u64 = command
            .query_async(&mut self.connection.clone())
            .await
            .unwrap();
        assert_eq!(one, 1);
    }
}

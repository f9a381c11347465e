//! Word of changes: what gates wait for between two looks at the change sequence.
//!
//! Whoever changes facts sends the last place of the sequence with the commit (`NOTIFY`). One connection of
//! its own listens, from when somebody first waits on. Where it breaks, it is made again; what was sent
//! meanwhile is not heard, which is why it is only a hint.

use std::fmt;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{OnceCell, watch};
use tokio::task::AbortHandle;

/// Listens for as long as it lives, once it was asked.
pub(crate) struct News {
    connect: PgConnectOptions,
    listening: OnceCell<Listening>,
}

struct Listening {
    /// The last place that was heard of.
    heard: watch::Receiver<u64>,
    task: AbortHandle,
}

impl News {
    /// Of changes in this database.
    pub(crate) fn new(connect: PgConnectOptions) -> Self {
        Self {
            connect,
            listening: OnceCell::new(),
        }
    }

    /// Waits until a place after this one was heard of. A place that was heard of before anybody waited counts
    /// as well, so nothing is missed between two waits.
    pub(crate) async fn after(&self, place: u64) {
        let listening = self.listening.get_or_init(async || self.begin()).await;
        let mut heard = listening.heard.clone();
        if heard.wait_for(|heard| *heard > place).await.is_err() {
            std::future::pending().await
        }
    }

    fn begin(&self) -> Listening {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(self.connect.clone());
        let (tell, heard) = watch::channel(0);
        let task = tokio::spawn(listen(pool, tell)).abort_handle();
        Listening { heard, task }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for News {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("News")
    }
}

/// Listens, and again where that breaks off.
async fn listen(pool: PgPool, tell: watch::Sender<u64>) {
    loop {
        // Nothing is lost by an error: the sequence is looked at from time to time all the same.
        drop(listen_once(&pool, &tell).await);
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn listen_once(pool: &PgPool, tell: &watch::Sender<u64>) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("monetization_change").await?;
    loop {
        let told = listener.recv().await?;
        if let Ok(place) = told.payload().parse::<u64>() {
            tell.send_if_modified(|heard| {
                let is_news = place > *heard;
                *heard = place.max(*heard);
                is_news
            });
        }
    }
}

/// How long to wait before a connection that broke is made again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

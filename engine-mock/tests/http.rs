//! The provider over HTTP: the transport, what is served, the messages, the process.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "http"]
mod http {
    mod caller;
    mod rest;
    mod transport;

    mod processes {
        #[cfg(unix)]
        mod binary;
        mod messages;
        #[cfg(unix)]
        mod process;
        mod proxied;
        mod receiver;
    }
}

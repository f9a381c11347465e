#![doc = include_str!("../README.md")]

mod asked;
mod body;
mod call;
mod commit;
mod concealment;
mod forward;
mod hygiene;
mod layer;
mod limit_headers;
mod options;
mod path;
mod refusal;
mod runtime;
mod selling;

pub use body::{BodyError, GatewayBody};
pub use call::Call;
pub use commit::NotCommitted;
pub use forward::Forward;
pub use layer::{Monetization, MonetizationLayer};
pub use options::{CommitMode, HeaderStyle, LayerOptions, LimitedBody, Mount};
pub use runtime::{Runtime, TokioRuntime};

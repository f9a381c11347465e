//! Values: what everything else is said with.

pub mod clock;
pub mod decimal;
pub mod entropy;
pub mod field;
pub mod ids;
pub mod money;
pub mod period;
pub mod secret;
pub mod text;

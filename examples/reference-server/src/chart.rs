//! Charts as SVG: lines over a quantity, bars over names. Made here, without scripts, fonts or
//! anything that is fetched.
//!
//! A chart is text that can stand in a file or within a page. It takes the colours of light or dark from
//! whoever looks at it, has a title and a description for those who do not see it, and escapes every
//! text that it is given. Values are integers with a fixed number of decimals, as money and quantities
//! are; nothing is computed in binary fractions.
//!
//! ```
//! use reference_server::chart::{Axis, Line, LineChart, Mark};
//!
//! let chart = LineChart {
//!     title: "Pro & Flat".to_owned(),
//!     x: Axis::new("requests a month", 0),
//!     y: Axis::new("USD a month", 2),
//!     lines: vec![
//!         Line { name: "Pro".to_owned(), points: vec![(0, 0), (5_000, 5_000)] },
//!         Line { name: "Flat".to_owned(), points: vec![(0, 2_500), (5_000, 2_500)] },
//!     ],
//!     marks: vec![Mark { at: (2_500, 2_500), text: "2,500: 25.00 USD".to_owned() }],
//! };
//! let svg = chart.svg();
//! assert!(svg.starts_with("<svg ") && svg.contains("Pro &amp; Flat"));
//! ```

pub use axis::Axis;
pub use bars::{BarChart, Bars};
pub use lines::{Line, LineChart, Mark};
pub(crate) use svg::escape;

mod axis;
mod bars;
mod lines;
mod svg;

#[cfg(test)]
mod tests;

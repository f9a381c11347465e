//! What is asked for.

use crate::SharedLimits;

/// What one call asks for. By default one unit, asked of the server, and let through within a local share while it is
/// away.
///
/// ```
/// use monetization_rate_limiter::{Limit, Limits, Window};
/// use monetization_rate_limiter_redis::{Ask, SharedLimits, Way, WhenAway};
///
/// let limits = SharedLimits::new(Limits::new([Limit::calendar(Window::Day, 5_000)])?)?;
/// let ask = Ask::new(&limits).weighing(3).by(Way::Blocks).when_away(WhenAway::Refuse);
/// assert_eq!(ask.weight, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// The limits that hold, all of them together.
    pub limits: &'a SharedLimits,
    /// Units asked for. Zero always passes and takes nothing.
    pub weight: u64,
    /// How the units are had.
    pub way: Way,
    /// What becomes of the call while the server is away.
    pub when_away: WhenAway,
}

impl<'a> Ask<'a> {
    /// One unit of these limits.
    #[must_use]
    pub const fn new(limits: &'a SharedLimits) -> Self {
        Self {
            limits,
            weight: 1,
            way: Way::EachCall,
            when_away: WhenAway::LocalShare,
        }
    }

    /// So many units, taken all at once or not at all. A weight above a limit's maximum can never pass.
    #[must_use]
    pub const fn weighing(mut self, weight: u64) -> Self {
        self.weight = weight;
        self
    }

    /// Had in this way.
    #[must_use]
    pub const fn by(mut self, way: Way) -> Self {
        self.way = way;
        self
    }

    /// With this to be done while the server is away.
    #[must_use]
    pub const fn when_away(mut self, when_away: WhenAway) -> Self {
        self.when_away = when_away;
        self
    }
}

/// How units are had.
///
/// Both ways count in the same place, so calls of one holder may mix them: a plan's cheap operations may go by blocks and
/// its dear ones each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Way {
    /// The server is asked for each call.
    EachCall,
    /// Units are had from the server in blocks and spent here: for holders that call often. Nothing is let through beyond
    /// a limit, but what lies unspent in the block of one node is not there for the others until it comes back, and a
    /// refusal is kept for up to 20 ms.
    Blocks,
}

/// What becomes of a call while the server is away.
///
/// Units in a block that was had before are spent in both cases: they were counted when they were had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum WhenAway {
    /// It passes within this node's share of each limit, counted here: the limit divided by the number of nodes, rounded up.
    /// All nodes together then let less than one unit a node more through than the limit, beside what had passed before.
    LocalShare,
    /// It is refused, with the reason: [`Outcome::Refused`](crate::Outcome::Refused).
    Refuse,
}

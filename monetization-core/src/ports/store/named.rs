use super::{BatchState, Held, Index, JobState, Kind};
use crate::invoice::Invoicing;
use crate::reference::Mode;

/// A value that a store keeps by its name, and reads back.
///
/// Said here once, so that two stores give one thing one name.
///
/// ```
/// use monetization_core::store::{Held, Index, Kind, Named};
///
/// assert_eq!(Kind::named("plan_version")?, Kind::PlanVersion);
/// assert_eq!(Index::named(Index::ProductSlug.name())?, Index::ProductSlug);
/// let unknown = Held::named("lost").unwrap_err();
/// assert_eq!(unknown.to_string(), "\"lost\" is not known to this program");
/// # Ok::<(), monetization_core::store::UnknownName>(())
/// ```
pub trait Named: Copy + 'static {
    /// Every value that is stored.
    const STORED: &'static [Self];

    /// Its name where it is stored.
    fn name(self) -> &'static str;

    /// The value of this name.
    ///
    /// # Errors
    /// [`UnknownName`] where there is none: another program has written it.
    fn named(name: &str) -> Result<Self, UnknownName> {
        let mut stored = Self::STORED.iter().copied();
        let found = stored.find(|value| value.name() == name);
        found.ok_or_else(|| UnknownName(name.to_owned()))
    }
}

/// That what is stored has no meaning to this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not known to this program")]
pub struct UnknownName(String);

impl BatchState {
    /// The state of this name, with the reason for it, where it has one.
    ///
    /// # Errors
    /// [`UnknownName`] where there is none.
    pub fn named(name: &str, reason: Option<String>) -> Result<Self, UnknownName> {
        let reason = reason.unwrap_or_default();
        Ok(match name {
            "sealed" => Self::Sealed,
            "confirmed" => Self::Confirmed,
            "rejected" => Self::Rejected { reason },
            "unknown" => Self::Unknown { reason },
            "parked" => Self::Parked { reason },
            "written_off" => Self::WrittenOff,
            other => return Err(UnknownName(other.to_owned())),
        })
    }
}

macro_rules! named {
    ($($value:ty: $stored:expr, $name:expr;)+) => {$(
        impl Named for $value {
            const STORED: &'static [Self] = &$stored;

            fn name(self) -> &'static str {
                let name: fn(Self) -> &'static str = $name;
                name(self)
            }
        }
    )+};
}

named! {
    Kind: Self::ALL, Self::as_str;
    Index: Self::ALL, Self::as_str;
    Held: [Self::Rejected, Self::Unknown, Self::Parked], Self::as_str;
    Invoicing: [Self::ByCore, Self::ByEngine], Self::as_str;
    Mode: [Self::Live, Self::Test], Self::as_str;
    // A lapsed run is stored as a running one, which was not heard of.
    JobState: [Self::Running, Self::Succeeded, Self::Incomplete, Self::Failed], |state| match state {
        Self::Running | Self::Lapsed => "running",
        Self::Succeeded => "succeeded",
        Self::Incomplete => "incomplete",
        Self::Failed => "failed",
    };
}

//! How a quantity becomes an amount.
//!
//! | model | so many units cost |
//! |---|---|
//! | `per_unit` | each the same |
//! | `graduated` | each unit what the tier costs that it falls in, and the flat fee of every tier that is entered |
//! | `volume` | all of them what the tier costs in which the last one falls, and its flat fee |
//! | `stairstep` | one price for the whole band in which the last one falls |
//! | `package` | one price for each package that is begun, or that is full |
//!
//! Upper bounds belong to their tier: with a tier up to 500, unit 500 is its last. A graduated price
//! never falls as use grows; a volume price may, where a larger quantity reaches a cheaper tier, and
//! that is what such a plan sells.

use serde::{Deserialize, Serialize};

use crate::ids::{MeterId, TypedId};
use crate::money::{Exact, Money, MoneyError, Quantity, Scale, UnitPrice};

/// How a quantity becomes an amount, in major units of the plan's currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "model")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new model changes every match on purpose"
)]
pub enum Price {
    /// Each unit costs the same.
    PerUnit {
        /// What one unit costs.
        unit_price: UnitPrice,
    },
    /// Each unit costs what its tier costs.
    Graduated {
        /// In the order of their upper bounds; the last one is open.
        tiers: Vec<Tier>,
    },
    /// All units cost what the tier of the last one costs.
    Volume {
        /// In the order of their upper bounds; the last one is open.
        tiers: Vec<Tier>,
    },
    /// One price for the band of the last unit.
    Stairstep {
        /// In the order of their upper bounds; the last one is open.
        steps: Vec<Step>,
    },
    /// One price for each package.
    Package {
        /// Units of a package, in the meter's scale; more than none.
        size: Quantity,
        /// What a package costs.
        price: UnitPrice,
        /// What becomes of a package that is not full.
        partial: PartialPackage,
    },
    /// A share of what each transaction comes to.
    Percentage(Percentage),
}

/// A share of the amount of each transaction, which is what its meter counts, in major units of the
/// plan's currency.
///
/// What a transaction costs is worked out exactly when it is recorded, by the terms of its time of use;
/// the line is the sum of that, rounded once.
///
/// ```
/// use monetization_core::money::{Quantity, Scale};
/// use monetization_core::plan::Percentage;
///
/// let percentage = Percentage {
///     rate: "2.99".parse()?,
///     fee: "2".parse()?,
///     minimum: Some("1.75".parse()?),
///     maximum: Some("12".parse()?),
///     free_events: 0,
/// };
/// let charge = |amount: u64| percentage.charge(Scale::WHOLE, Quantity::from_scaled(amount as i64));
/// assert_eq!(Percentage::SCALE.render(charge(80)?), "4.39200000");
/// assert_eq!(Percentage::SCALE.render(charge(10_000)?), "12.00000000");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Percentage {
    /// Of a hundred, at most [`RATE_MAX`](Self::RATE_MAX); no finer than what transactions cost.
    pub rate: UnitPrice,
    /// What each transaction costs besides.
    pub fee: UnitPrice,
    /// What each transaction costs at least, its fee counted.
    pub minimum: Option<UnitPrice>,
    /// What each transaction costs at most, its fee counted.
    pub maximum: Option<UnitPrice>,
    /// So many transactions of each period cost nothing: those that are recorded first.
    pub free_events: u32,
}

impl Percentage {
    /// The greatest rate: a hundred times the amount, for costs that are passed on with a markup.
    pub const RATE_MAX: u32 = 10_000;

    /// Of what transactions cost: hundred-millionths of a major unit, so that a rate in hundredths of
    /// a per cent of an amount in cents has two decimals to spare.
    pub const SCALE: Scale = Scale::CHARGES;

    /// The meter that sums up what transactions of this one cost. It is nobody's to name: it belongs
    /// to the price.
    #[must_use]
    pub fn charges(meter: MeterId) -> MeterId {
        MeterId::derived(&[meter.uuid().as_bytes(), b"charges"])
    }

    /// What one transaction of this amount costs, in [`SCALE`](Self::SCALE).
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where that does not fit: beyond 92 thousand million major units.
    pub fn charge(&self, scale: Scale, amount: Quantity) -> Result<Quantity, MoneyError> {
        let bound = |bound: Option<UnitPrice>| bound.map(Exact::once).transpose();
        let share = Exact::of(self.rate, amount, scale)?.percent();
        let mut charge = share.checked_add(Exact::once(self.fee)?)?;
        if let Some(minimum) = bound(self.minimum)? {
            charge = charge.max(minimum);
        }
        if let Some(maximum) = bound(self.maximum)? {
            charge = charge.min(maximum);
        }
        charge.quantity(Self::SCALE)
    }
}

/// Units up to a bound, and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// The last quantity that belongs to it, in the meter's scale; `None` for the open last tier.
    pub up_to: Option<Quantity>,
    /// What one unit costs, or one package.
    pub unit_price: UnitPrice,
    /// What entering it costs.
    pub flat: UnitPrice,
    /// Units of a package, in the meter's scale, each begun one charged whole; `None` where single units
    /// and parts of them are charged.
    pub package: Option<Quantity>,
}

/// Units up to a bound, and what they cost together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The last quantity that belongs to it, in the meter's scale; `None` for the open last step.
    pub up_to: Option<Quantity>,
    /// What any quantity of it costs.
    pub price: UnitPrice,
}

/// What becomes of a package that is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum PartialPackage {
    /// It costs as much as a full one.
    #[default]
    Charged,
    /// It costs nothing.
    Free,
}

/// What a period without use costs, where the first tier or step has a flat fee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum ZeroUse {
    /// The flat fee of the first tier.
    #[default]
    Charged,
    /// Nothing: the first tier is entered by the first unit.
    Free,
}

impl Price {
    /// Its name where it is written.
    #[must_use]
    pub fn model(&self) -> &'static str {
        match self {
            Self::PerUnit { .. } => "per_unit",
            Self::Graduated { .. } => "graduated",
            Self::Volume { .. } => "volume",
            Self::Stairstep { .. } => "stairstep",
            Self::Package { .. } => "package",
            Self::Percentage(_) => "percentage",
        }
    }

    /// How many tiers it has, steps being tiers of a flat fee; a price without any is one that is open.
    #[must_use]
    pub fn tiers(&self) -> usize {
        match self {
            Self::PerUnit { .. } | Self::Package { .. } | Self::Percentage(_) => 1,
            Self::Graduated { tiers } | Self::Volume { tiers } => tiers.len(),
            Self::Stairstep { steps } => steps.len(),
        }
    }

    /// The tier at this place, from 0. That of a percentage prices what its transactions cost.
    #[must_use]
    pub fn tier(&self, place: usize) -> Option<Tier> {
        let open = |unit_price, package| Tier {
            up_to: None,
            unit_price,
            flat: UnitPrice::ZERO,
            package,
        };
        match self {
            Self::Graduated { tiers } | Self::Volume { tiers } => tiers.get(place).copied(),
            Self::Stairstep { steps } => steps.get(place).map(|step| Tier {
                up_to: step.up_to,
                flat: step.price,
                ..open(UnitPrice::ZERO, None)
            }),
            _ if place > 0 => None,
            Self::PerUnit { unit_price } => Some(open(*unit_price, None)),
            Self::Package { size, price, .. } => Some(open(*price, Some(*size))),
            Self::Percentage(_) => Some(open(UnitPrice::ONE, None)),
        }
    }
}

/// What the use of a billing period costs at least and at most, in the plan's currency.
///
/// Both show as lines of their own: what is missing to the minimum, what is taken off above the
/// maximum. They are billed with the end of the period, by the terms that are then in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Commitment {
    /// What is paid even for less use; `None` where only use is paid.
    pub minimum: Option<Money>,
    /// What is paid even for more use; `None` where all use is paid.
    pub maximum: Option<Money>,
    /// What becomes of both where the period is shorter than a cycle.
    pub short_period: ShortPeriod,
}

/// What becomes of a commitment where its period is shorter than a cycle: a first one that the alignment
/// makes short, or one in which the subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum ShortPeriod {
    /// It shrinks to the share of the cycle's time that there was.
    #[default]
    Prorated,
    /// It stays.
    Whole,
}

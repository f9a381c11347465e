//! Why a line costs what it costs.

use serde::Serialize;

use crate::invoice::CommitmentBound;
use crate::money::Rounding;

mod telling;

/// One step of how a line's amount comes about. Shown, it is a line for people.
///
/// Quantities are texts with the decimals of their meter, amounts texts in major units of the plan's
/// currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Reason {
    /// It is charged once.
    Once,
    /// It is charged for each period.
    Base {
        /// How long a period is.
        cycle: String,
        /// Whether this one ends early, which changes nothing.
        is_cut: bool,
        /// The share that is charged, where the first one is short.
        share: Option<String>,
    },
    /// The plan refuses what is beyond a strict limit.
    Refused {
        /// What is asked for.
        asked: String,
        /// What passes.
        let_through: String,
        /// Whether it is exactly that; what is counted at the end of calls lets the one through that exceeds
        /// it.
        is_exact: bool,
    },
    /// Some units are paid for by the base price.
    Included {
        /// What is used.
        used: String,
        /// What the base price pays for.
        included: String,
        /// What is left to pay.
        charged: String,
    },
    /// So many units, packages or steps of one tier.
    Tier {
        /// How the price is applied: `per_unit`, `graduated`, `volume`, `stairstep`, `package`.
        model: &'static str,
        /// The tier, from 1.
        tier: usize,
        /// What the tier begins above; none for the first one.
        above: Option<String>,
        /// The last quantity of it; none for the last one.
        up_to: Option<String>,
        /// What of it is charged.
        quantity: String,
        /// How many packages these are.
        packages: Option<Packages>,
        /// What a unit costs, or a package.
        unit_price: String,
        /// What the tier itself costs.
        flat: String,
        /// What all of it comes to, not rounded.
        amount: String,
    },
    /// Some transactions are free.
    FreeTransactions {
        /// How many there are.
        transactions: String,
        /// How many of them are free.
        free: String,
        /// How many are left to pay.
        charged: String,
    },
    /// A share of what each of some equal transactions comes to.
    Percentage {
        /// Of a hundred.
        rate: String,
        /// What one of them comes to.
        of: String,
        /// What each costs besides.
        fee: String,
        /// The least that each costs, where it would cost less.
        minimum: Option<String>,
        /// The most that each costs, where it would cost more.
        maximum: Option<String>,
        /// What each costs, in major units and to eight decimals.
        charge: String,
        /// How many they are; none where that makes no difference and was not said.
        transactions: Option<String>,
        /// What they cost together.
        amount: String,
    },
    /// Nothing is to be paid.
    Nothing,
    /// The amount is not one of the currency's.
    Rounded {
        /// Before.
        exact: String,
        /// How.
        rounding: Rounding,
        /// After.
        amount: String,
    },
    /// A commitment adds to what was used, or takes off.
    Committed {
        /// Whether the least or the most was reached.
        bound: CommitmentBound,
        /// What is committed to.
        committed: String,
        /// What it is in a whole period, where this one ends early.
        whole: Option<String>,
        /// What the use costs.
        used: String,
    },
}

/// Packages of units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Packages {
    /// How many are charged.
    pub count: String,
    /// Units of one.
    pub size: String,
}

//! What a quantity comes to under a price, by this fake's own arithmetic.
//!
//! Each line is rounded by itself, the half upwards. A graduated price has a line for each tier
//! that was reached, and one for each flat amount; the first tier counts as reached by no use at
//! all. A volume price has one line for the tier that the whole quantity falls into, and one for
//! its flat amount.

use crate::stripe::exact::Exact;

/// How a quantity becomes an amount.
#[derive(Debug, Clone)]
pub(super) enum Scheme {
    /// So much for each unit, or each package.
    Unit(Exact),
    /// By how much it is.
    Tiers { is_volume: bool, tiers: Vec<Tier> },
}

/// A tier, up to and with its last unit.
#[derive(Debug, Clone)]
pub(super) struct Tier {
    pub(super) up_to: Option<u64>,
    pub(super) unit: Option<Exact>,
    pub(super) flat: Option<Exact>,
}

/// Units are counted in packages.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) size: u64,
    pub(super) is_up: bool,
}

/// One line of what a quantity comes to.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) quantity: Exact,
    pub(super) amount: Exact,
    pub(super) unit: Option<Exact>,
    /// As `Tier 1` and `Tier 1 flat fee`.
    pub(super) label: Option<String>,
}

impl Scheme {
    pub(super) fn unit(&self) -> Option<&Exact> {
        match self {
            Self::Unit(amount) => Some(amount),
            Self::Tiers { .. } => None,
        }
    }

    pub(super) fn mode(&self) -> Option<&'static str> {
        match self {
            Self::Unit(_) => None,
            Self::Tiers { is_volume, .. } => Some(if *is_volume { "volume" } else { "graduated" }),
        }
    }

    /// What a quantity comes to.
    pub(super) fn rate(&self, quantity: &Exact, package: Option<&Package>) -> Vec<Charge> {
        match self {
            Self::Unit(unit) => {
                let counted = package.map_or_else(|| quantity.clone(), |it| it.count(quantity));
                vec![Charge {
                    amount: unit.times(&counted),
                    quantity: quantity.clone(),
                    unit: package.is_none().then(|| unit.clone()),
                    label: None,
                }]
            }
            Self::Tiers {
                is_volume: true,
                tiers,
            } => volume(tiers, quantity),
            Self::Tiers {
                is_volume: false,
                tiers,
            } => graduated(tiers, quantity),
        }
    }
}

impl Package {
    fn count(&self, quantity: &Exact) -> Exact {
        let (whole, is_left) = quantity.parts_of(self.size);
        if is_left && self.is_up {
            whole.plus(&Exact::whole(1))
        } else {
            whole
        }
    }
}

fn volume(tiers: &[Tier], quantity: &Exact) -> Vec<Charge> {
    let holds = |tier: &&Tier| tier.up_to.is_none_or(|it| *quantity <= Exact::whole(it));
    let tier = tiers.iter().enumerate().find(|(_, tier)| holds(tier));
    tier.map(|(index, tier)| charges(index, tier, quantity))
        .unwrap_or_default()
}

fn graduated(tiers: &[Tier], quantity: &Exact) -> Vec<Charge> {
    let mut lines = Vec::new();
    let mut below = Exact::zero();
    for (index, tier) in tiers.iter().enumerate() {
        if index > 0 && *quantity <= below {
            break;
        }
        let until = tier.up_to.map_or_else(|| quantity.clone(), Exact::whole);
        let until = if until < *quantity {
            until
        } else {
            quantity.clone()
        };
        lines.extend(charges(index, tier, &until.minus(&below)));
        below = until;
        if tier.up_to.is_none_or(|it| Exact::whole(it) > below) {
            break;
        }
    }
    lines
}

fn charges(index: usize, tier: &Tier, quantity: &Exact) -> Vec<Charge> {
    let number = index + 1;
    let unit = tier.unit.clone().unwrap_or_default();
    let mut lines = vec![Charge {
        amount: unit.times(quantity),
        quantity: quantity.clone(),
        unit: Some(unit),
        label: Some(format!("Tier {number}")),
    }];
    if let Some(flat) = tier.flat.as_ref().filter(|it| it.is_positive()) {
        lines.push(Charge {
            quantity: Exact::zero(),
            amount: flat.clone(),
            unit: None,
            label: Some(format!("Tier {number} flat fee")),
        });
    }
    lines
}

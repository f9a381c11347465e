//! What the transactions of an amount cost, each by itself.

use std::num::NonZeroU64;

use super::reason::Reason;
use super::{Asked, EstimateError, Usage};
use crate::money::{Exact, MoneyError, Quantity, Scale, UnitPrice};
use crate::plan::{Percentage, PlanTerms, Price, UsagePrice};

/// Transactions whose price is told, or an amount whose price does not depend on how many it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transactions<'a> {
    percentage: &'a Percentage,
    scale: Scale,
    asked: Asked,
}

/// Transactions of one amount.
#[derive(Debug, Clone, Copy)]
struct Equal {
    amount: Quantity,
    /// Those that are not free.
    charged: u64,
    /// What each of them costs, in [`Percentage::SCALE`].
    charge: Quantity,
}

/// Sees that it is said how many transactions there are wherever that matters.
pub(super) fn check(terms: &PlanTerms, used: &Usage) -> Result<(), EstimateError> {
    let mut prices = terms.usage().iter();
    let is_open = |price: &&UsagePrice| {
        let asked = used.get(&price.meter.id);
        price.is_of_each_transaction()
            && asked.is_some_and(|it| it.transactions.is_none() && it.quantity > Quantity::ZERO)
    };
    match prices.find(is_open) {
        Some(price) => Err(EstimateError::Transactions {
            meter: price.meter.name.clone(),
        }),
        None => Ok(()),
    }
}

impl<'a> Transactions<'a> {
    /// Those of this price, where it is one of transactions.
    pub(super) fn of(price: &'a UsagePrice, asked: Asked) -> Option<Self> {
        let Price::Percentage(percentage) = &price.price else {
            return None;
        };
        Some(Self {
            percentage,
            scale: price.meter.scale,
            asked,
        })
    }

    /// What they come to, in [`Percentage::SCALE`].
    pub(super) fn charge(&self) -> Result<Quantity, MoneyError> {
        let equals = self.equals()?;
        let mut sum = Quantity::ZERO;
        for equal in equals.iter() {
            sum = sum.checked_add(equal.sum()?)?;
        }
        Ok(sum)
    }

    /// Why they do.
    pub(super) fn reasons(&self) -> Result<Vec<Reason>, MoneyError> {
        let mut reasons = Vec::new();
        let free = u64::from(self.percentage.free_events);
        if let Some(count) = self.asked.transactions.filter(|_| free > 0) {
            reasons.push(Reason::FreeTransactions {
                transactions: count.to_string(),
                free: free.min(count.get()).to_string(),
                charged: count.get().saturating_sub(free).to_string(),
            });
        }
        for equal in self.equals()?.iter().filter(|it| it.charged > 0) {
            reasons.push(self.reason(equal)?);
        }
        Ok(reasons)
    }

    fn reason(&self, equal: &Equal) -> Result<Reason, MoneyError> {
        let Percentage {
            rate,
            fee,
            minimum,
            maximum,
            ..
        } = self.percentage;
        let share = Exact::of(*rate, equal.amount, self.scale)?.percent();
        let unbound = share
            .checked_add(Exact::once(*fee)?)?
            .quantity(Percentage::SCALE)?;
        let bites = |is_bound: bool, bound: &Option<UnitPrice>| {
            bound.filter(|_| is_bound).map(|bound| bound.to_string())
        };
        Ok(Reason::Percentage {
            rate: rate.to_string(),
            of: self.scale.render(equal.amount),
            fee: fee.to_string(),
            minimum: bites(unbound < equal.charge, minimum),
            maximum: bites(unbound > equal.charge, maximum),
            charge: shown(equal.charge)?,
            transactions: self.asked.transactions.map(|_| equal.charged.to_string()),
            amount: shown(equal.sum()?)?,
        })
    }

    /// The transactions by their amounts: where those cannot all be the same, the first ones are a smallest
    /// unit greater than the others. The first ones are those that are free.
    fn equals(&self) -> Result<Vec<Equal>, MoneyError> {
        let amount = i128::from(self.asked.quantity.scaled());
        let count = match self.asked.transactions {
            None if amount == 0 => return Ok(Vec::new()),
            None => NonZeroU64::MIN,
            Some(count) => count,
        };
        let (each, greater) = (
            amount.checked_div(count.get().into()).unwrap_or_default(),
            amount.checked_rem(count.get().into()).unwrap_or_default(),
        );
        let greater = u64::try_from(greater).map_err(|_| MoneyError::Overflow)?;
        let mut free = u64::from(self.percentage.free_events);
        let mut equals = Vec::new();
        let others = count.get().saturating_sub(greater);
        for (amount, count) in [(each.saturating_add(1), greater), (each, others)] {
            if count == 0 {
                continue;
            }
            let scaled = i64::try_from(amount).map_err(|_| MoneyError::Overflow)?;
            let amount = Quantity::from_scaled(scaled);
            equals.push(Equal {
                amount,
                charged: count.saturating_sub(free),
                charge: self.percentage.charge(self.scale, amount)?,
            });
            free = free.saturating_sub(count);
        }
        Ok(equals)
    }
}

impl Equal {
    fn sum(&self) -> Result<Quantity, MoneyError> {
        let sum = i128::from(self.charge.scaled()).checked_mul(self.charged.into());
        let sum = sum.and_then(|sum| i64::try_from(sum).ok());
        sum.map(Quantity::from_scaled).ok_or(MoneyError::Overflow)
    }
}

/// A charge without zeros at its end.
fn shown(charge: Quantity) -> Result<String, MoneyError> {
    Ok(Exact::of(UnitPrice::ONE, charge, Percentage::SCALE)?.to_string())
}

#[cfg(test)]
mod tests;

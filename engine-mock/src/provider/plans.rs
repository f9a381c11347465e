//! Plans: versions of what is sold, each immutable, on sale or archived.
//!
//! A plan that somebody has or had is archived and kept, because invoices will be calculated from
//! it; any other is deleted. An archived version that is made again goes back on sale under its
//! old name.

use std::collections::BTreeMap;

use monetization_core::ids::{PlanVersionId, ProductId};
use monetization_core::plan::PlanVersion;
use monetization_core::text::ForeignId;
use serde::Serialize;

use super::{Account, Gone, Provider, Refusal, Reply};

/// A plan version as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Plan {
    /// Its name here.
    pub id: ForeignId,
    /// Where it lives.
    pub account: Account,
    /// What it costs.
    pub version: PlanVersion,
    /// Whether it can be subscribed to.
    pub on_sale: bool,
    /// Whether it ever was; if so it is kept for good.
    pub subscribed: bool,
}

impl Provider {
    /// Finds the plan of this version or makes it, and puts it on sale. A version is immutable: its
    /// id with other content is a conflict, even after the key is forgotten.
    pub(super) fn ensure_plan(
        &mut self,
        account: &Account,
        version: PlanVersion,
    ) -> Result<Reply, Refusal> {
        let slot = (account.clone(), version.id);
        let known = self.plans_by_version.get(&slot);
        if let Some(known) = known.and_then(|id| self.plans.get_mut(id)) {
            if known.version != version {
                return Err(Refusal::conflict("a plan version never changes"));
            }
            known.on_sale = true;
            return Ok(Reply::Plan {
                plan: known.id.clone(),
                existed: true,
            });
        }
        let id = self.name("plan");
        let plan = Plan {
            id: id.clone(),
            account: account.clone(),
            version,
            on_sale: true,
            subscribed: false,
        };
        self.plans_by_version.insert(slot, id.clone());
        self.plans.insert(id.clone(), plan);
        Ok(Reply::Plan {
            plan: id,
            existed: false,
        })
    }

    /// Archives a plan that somebody has subscribed to, deletes any other.
    pub(super) fn retire_plan(&mut self, account: &Account, id: &ForeignId) -> Gone {
        let known = self.plans.get_mut(id);
        let Some(plan) = known.filter(|plan| plan.account == *account && plan.on_sale) else {
            return Gone::AlreadyGone;
        };
        if plan.subscribed {
            plan.on_sale = false;
            return Gone::Archived;
        }
        let slot = (account.clone(), plan.version.id);
        self.plans_by_version.remove(&slot);
        self.plans.remove(id);
        Gone::Deleted
    }

    /// The plans of a product that are on sale in an account.
    pub(super) fn mapping(
        &self,
        account: &Account,
        product: ProductId,
    ) -> BTreeMap<PlanVersionId, ForeignId> {
        let here = |plan: &&Plan| plan.account == *account && plan.version.product == product;
        let on_sale = self.plans.values().filter(here).filter(|plan| plan.on_sale);
        on_sale
            .map(|plan| (plan.version.id, plan.id.clone()))
            .collect()
    }

    /// A plan that can be subscribed to.
    pub(super) fn sellable(&self, account: &Account, id: &ForeignId) -> Result<&Plan, Refusal> {
        let plan = self.plans.get(id).filter(|plan| plan.account == *account);
        let plan = plan.ok_or_else(|| Refusal::missing(id))?;
        if plan.on_sale {
            Ok(plan)
        } else {
            Err(Refusal::permanent(format!("{id} is not on sale any more")))
        }
    }
}

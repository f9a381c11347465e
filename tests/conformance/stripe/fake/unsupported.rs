//! Parameters that Stripe knows and this fake does not: better refused than passed over.

use super::problem::Problem;
use crate::stripe::form::Form;

const UNSUPPORTED: [&str; 21] = [
    "account_tax_ids",
    "automatically_finalizes_at",
    "billing_schedules",
    "billing_thresholds",
    "currency_options",
    "cancel_now",
    "current_trial",
    "custom_unit_amount",
    "default_source",
    "default_tax_rates",
    "discounts",
    "from_invoice",
    "on_behalf_of",
    "pause_collection",
    "pending_invoice_item_interval",
    "quantity_decimal",
    "schedule",
    "shipping_cost",
    "source",
    "tax_rates",
    "transfer_data",
];

/// Refuses what would change money or time at Stripe and nothing here.
pub(super) fn refuse(form: &Form) -> Result<(), Problem> {
    let members = form.members().filter(|(name, _)| *name != "metadata");
    for (name, member) in members {
        let is_taxed = name == "automatic_tax" && member.flag("enabled") == Some(true);
        if UNSUPPORTED.contains(&name) || is_taxed {
            let message = format!("This fake does not know {name}.");
            return Err(Problem::invalid(message).param(name));
        }
        refuse(member)?;
        for element in member.list().into_iter().flatten() {
            refuse(element)?;
        }
    }
    Ok(())
}

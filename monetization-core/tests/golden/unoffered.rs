//! Conventions that are not offered, or not yet, a line each.

use super::case::Case;

/// Why a case is not run; `None` where it has to be.
pub(super) fn reason(case: &Case) -> Option<&'static str> {
    let by_id = BY_ID.iter().find(|(id, _)| *id == case.id);
    let by_model = BY_MODEL.iter().find(|(model, _)| *model == case.model);
    let ends_early = case.model == "billing_cycles_in_advance" && !case.input["end"].is_null();
    by_id
        .or(by_model)
        .map(|(_, reason)| *reason)
        .or(ends_early.then_some(CREDITED))
}

const FREE_AMOUNT: &str =
    "of a percentage single transactions are free, by their number, and no part of their amount";
const CREDITED: &str = "a base price is charged when its period begins, and stays: an earlier end or another plan changes the next one";
const COUNTED: &str = "the base price does not count towards a commitment, which is to use";
const KEPT: &str = "not yet: units that are kept from period to period and charged by the day";
const TRIALS: &str = "not yet: trials";
const THIRTY: &str = "months count the days they have, not thirty";
const CREDITS: &str = "not yet: credits, grants and wallets";
const TAXES: &str = "taxes are the engine's business";
const COUPONS: &str = "not yet: discounts and coupons";
const WINDOWS: &str = "a maximum, a price and a commitment are of a whole billing period: windows within it have none of their own";
const CONVERTED: &str = "units are converted before they are priced by packages alone, up or down";
const DISCOUNTED: &str = "units are not taken off after packages have rounded them";
const CAPACITY: &str = "a price is of one meter: what several reach together chooses no tier";

const BY_ID: [(&str, &str); 9] = [
    ("lago-pct-001", FREE_AMOUNT),
    (
        "lago-pct-007",
        "a transaction costs its fee also in a period whose amounts come to nothing",
    ),
    ("lago-pct-014", FREE_AMOUNT),
    ("om-uc-005", CONVERTED),
    ("om-uc-009", CONVERTED),
    (
        "om-max-003",
        "what was billed before is never above its maximum, so nothing is left to take off",
    ),
    (
        "currency-001",
        "minor units are those of ISO 4217, which gives the ariary (MGA) two",
    ),
    (
        "kb-cycle-008",
        "a cycle before 28 February that is billed on day 31 begins on 31 January, not on the 28th",
    ),
    (
        "fp-dst-008",
        "counts dates of UTC for those of the time zone; a day begins where clocks show midnight",
    ),
];

const BY_MODEL: [(&str, &str); 38] = [
    ("graduated_prorated_recurring_sum", KEPT),
    ("calendar_advance_fee", TAXES),
    ("terminated_fee_on_whole_period", CREDITED),
    ("prorated_recurring_sum", KEPT),
    ("day_based_change", CREDITED),
    ("plan_change_credit_charge", CREDITED),
    ("mixed_add_remove", CREDITED),
    ("multi_instance_addon", CREDITED),
    ("cancel_credit", CREDITED),
    ("monthly_to_annual_immediate", CREDITED),
    ("fixed_30_day_proration", THIRTY),
    ("trial_then_calendar_month_in_advance", TRIALS),
    ("minimum_commitment_true_up", COUNTED),
    ("charge_spending_minimum_prorated_on_termination", TAXES),
    ("commitment_true_up_counts_previous_month", COUNTED),
    ("credit_cap", CREDITS),
    ("unused_time_credit_note", CREDITS),
    ("prorated_credit_note_with_tax", CREDITS),
    ("partial_credit_notes_sum_to_original", CREDITS),
    ("wallet_topup_rounding", CREDITS),
    ("graduated_net_of_credits", CREDITS),
    ("grant_burn_down", CREDITS),
    ("grant_voided_mid_period", CREDITS),
    ("grant_recurrence_not_reapplied", CREDITS),
    ("usage_reset_rollover", CREDITS),
    ("credit_then_invoice", CREDITS),
    ("invoice_tax", TAXES),
    ("percentage_tax", TAXES),
    ("sequential_fixed_coupons_prorated_over_fees", COUPONS),
    ("percentage_coupon", COUPONS),
    ("discount_distribution_largest_remainder", COUPONS),
    ("sequential_coupons", COUPONS),
    ("bucketed_max_flat", WINDOWS),
    ("bucketed_max_package", WINDOWS),
    ("bucketed_max_volume", WINDOWS),
    ("windowed_commitment_true_up", WINDOWS),
    ("unit_config_then_usage_discount", DISCOUNTED),
    ("capacity_tier_by_peak", CAPACITY),
];

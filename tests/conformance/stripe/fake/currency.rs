//! What is special about some currencies at Stripe.

use super::problem::Problem;

const THREE_DECIMALS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// Without decimals in themselves, and with two at Stripe, which have to be zeros.
const AS_IF_TWO: [&str; 2] = ["isk", "ugx"];

/// Refuses an amount of minor units that cannot be paid.
pub(super) fn admit(currency: &str, amount: i64, param: &str) -> Result<(), Problem> {
    let step = if THREE_DECIMALS.contains(&currency) {
        10
    } else if AS_IF_TWO.contains(&currency) {
        100
    } else {
        1
    };
    if amount % step == 0 {
        return Ok(());
    }
    let message = format!("Invalid amount: {amount} {currency} has to be divisible by {step}");
    Err(Problem::invalid(message)
        .code("parameter_invalid_integer")
        .param(param))
}

/// What an amount is rounded to, so that it can be paid: the half upwards in size.
pub(super) fn payable(currency: &str, amount: i64) -> i64 {
    let step = if THREE_DECIMALS.contains(&currency) {
        10
    } else if AS_IF_TWO.contains(&currency) {
        100
    } else {
        return amount;
    };
    crate::stripe::exact::share(amount, 1, step) * step
}

//! Rounding, lines and their sums, minor units, free units.

use monetization_core::money::{Currency, Exact, Money, Rounding, Scale, UnitPrice};

use super::case::{Case, Checked, SCALE, exact, quantity, text};

pub(super) fn run(case: &Case) -> Option<Checked> {
    let checked = match case.model.as_str() {
        "round_to_currency" => {
            let amount = round(exact(case.input("amount")), currency(case));
            amount_is(case, "amount", amount)
        }
        "round_lines_then_sum" => {
            let lines = match case.input["lines"].as_array() {
                Some(lines) => lines.iter().map(|line| exact(text(line))).collect(),
                None => repeated(case.input("lines")),
            };
            let lines = lines.into_iter().map(|line| round(line, currency(case)));
            amount_is(case, "total", Money::sum(currency(case), lines).unwrap())
        }
        "line_amount" => {
            let price: UnitPrice = text(&case.config["unit"]).parse().unwrap();
            let scale = Scale::try_from(SCALE).unwrap();
            let amount = Exact::of(price, quantity(case.input("units")), scale).unwrap();
            amount_is(case, "amount", round(amount, currency(case)))
        }
        "usage_discount" => {
            let free = quantity(text(&case.config["free_units"]));
            let before = quantity(case.input("previous_units"));
            let whole = before.checked_add(quantity(case.input("units"))).unwrap();
            let billed = whole.above(free).checked_sub(before.above(free)).unwrap();
            let expected = quantity(text(&case.expected["billed_units"]));
            is_equal("billed units", &billed, &expected)
        }
        "usage_discount_progressive" => free_units(case),
        _ => return None,
    };
    Some(checked)
}

/// What of each invoice is beyond the free units of the period.
fn free_units(case: &Case) -> Checked {
    let free = quantity(text(&case.config["free_units"]));
    let invoices = case.input["units_per_invoice"].as_array().unwrap();
    let expected = case.expected["billed_units"].as_array().unwrap();
    let mut used = quantity("0");
    for (units, expected) in invoices.iter().zip(expected) {
        let whole = used.checked_add(quantity(text(units))).unwrap();
        let billed = whole.above(free).checked_sub(used.above(free)).unwrap();
        is_equal("billed units", &billed, &quantity(text(expected)))?;
        used = whole;
    }
    Ok(())
}

/// `100 x 0.011`: a hundred lines.
fn repeated(lines: &str) -> Vec<Exact> {
    let (count, amount) = lines.split_once(" x ").unwrap();
    vec![exact(amount); count.parse().unwrap()]
}

fn currency(case: &Case) -> Currency {
    text(&case.config["currency"]).parse().unwrap()
}

fn round(amount: Exact, currency: Currency) -> Money {
    amount.round(currency, Rounding::HalfAwayFromZero).unwrap()
}

fn amount_is(case: &Case, name: &str, amount: Money) -> Checked {
    let amount = exact(&amount.amount());
    case.expects(name, amount)
}

fn is_equal<T: PartialEq + std::fmt::Debug>(what: &str, actual: &T, expected: &T) -> Checked {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what}: {actual:?}, expected {expected:?}"))
    }
}

use monetization_core::money::{Quantity, Scale};
use monetization_core::plan::{
    PackageDraft, PartialPackage, StepDraft, TermsDraft, TierDraft, UsageDraft, ZeroUse,
};
use monetization_core::pricing::{self, Priced};
use monetization_core::product::Meter;

use monetization_core::ids::TypedId;
use monetization_core::plan::Billing;

use super::*;

mod counted;

/// A plan in dollars with one price of requests.
pub(super) fn terms(usage: UsageDraft) -> PlanTerms {
    terms_in("USD", usage, |_| {})
}

fn terms_in(currency: &str, usage: UsageDraft, change: impl FnOnce(&mut TermsDraft)) -> PlanTerms {
    let mut draft = TermsDraft::new(Billing::Metered, currency.parse().unwrap(), Cycle::MONTH);
    draft.usage = vec![usage];
    change(&mut draft);
    PlanTerms::new(draft, &[meter(Scale::WHOLE)]).unwrap()
}

fn meter(scale: Scale) -> Meter {
    let meter = Meter::requests(MeterId::derived(&[b"requests"])).unwrap();
    Meter { scale, ..meter }
}

pub(super) fn unpriced() -> UsageDraft {
    UsageDraft {
        unit_price: None,
        ..UsageDraft::per_unit(Meter::REQUESTS.parse().unwrap(), "0".parse().unwrap())
    }
}

pub(super) fn per_unit(price: &str) -> UsageDraft {
    UsageDraft {
        unit_price: Some(price.parse().unwrap()),
        ..unpriced()
    }
}

pub(super) fn tier(up_to: Option<i64>, unit: &str, flat: &str) -> TierDraft {
    TierDraft {
        up_to: up_to.map(|up_to| up_to.to_string()),
        unit_price: Some(unit.parse().unwrap()),
        flat: Some(flat.parse().unwrap()),
        package: None,
    }
}

fn step(up_to: Option<i64>, price: &str) -> StepDraft {
    StepDraft {
        up_to: up_to.map(|up_to| up_to.to_string()),
        price: price.parse().unwrap(),
    }
}

fn package(size: &str, price: &str, partial: PartialPackage) -> UsageDraft {
    UsageDraft {
        package: Some(PackageDraft {
            size: size.to_owned(),
            price: price.parse().unwrap(),
            partial,
        }),
        ..unpriced()
    }
}

/// The price of use as it is at Stripe, in short.
fn at_stripe(usage: UsageDraft) -> String {
    let wanted = wanted(&terms(usage)).unwrap();
    match &wanted[0].shape {
        Shape::Unit(unit) => format!("each {unit}"),
        Shape::Package {
            price,
            size,
            rounded_up,
        } => format!("{size} for {price}, up {rounded_up}"),
        Shape::Tiered { mode, tiers } => {
            let told = tiers.iter().map(|tier| {
                let up_to = tier
                    .up_to
                    .map_or("inf".to_owned(), |up_to| up_to.to_string());
                format!(" {up_to}:{}+{}", tier.unit, tier.flat)
            });
            format!("{mode:?}{}", told.collect::<String>())
        }
    }
}

fn refused(terms: &PlanTerms) -> String {
    let error = wanted(terms).unwrap_err();
    assert!(error.problem().contains("Stripe"), "{error}");
    error.field().to_owned()
}

#[test]
fn each_model_of_price_has_one_at_stripe_b11_b12() {
    assert_eq!(at_stripe(per_unit("0.0001")), "each 0.01");
    let included = UsageDraft {
        included: Some("1000".to_owned()),
        ..per_unit("0.01")
    };
    assert_eq!(at_stripe(included), "Graduated 1000:0+0 inf:1+0");
    let tiers = vec![tier(Some(5), "2", "1"), tier(None, "0.5", "3")];
    let graduated = UsageDraft {
        graduated: Some(tiers.clone()),
        ..unpriced()
    };
    assert_eq!(
        at_stripe(graduated.clone()),
        "Graduated 5:200+100 inf:50+300"
    );
    let moved = UsageDraft {
        included: Some("10".to_owned()),
        ..graduated.clone()
    };
    assert_eq!(
        at_stripe(moved.clone()),
        "Graduated 10:0+100 15:200+0 inf:50+300"
    );
    let free = UsageDraft {
        zero_use: ZeroUse::Free,
        ..moved
    };
    assert_eq!(at_stripe(free), "Graduated 10:0+0 15:200+100 inf:50+300");
    let free = UsageDraft {
        zero_use: ZeroUse::Free,
        ..graduated
    };
    assert_eq!(at_stripe(free), "Graduated 1:300+0 5:200+0 inf:50+300");
    let volume = UsageDraft {
        volume: Some(tiers),
        ..unpriced()
    };
    assert_eq!(at_stripe(volume), "Volume 5:200+100 inf:50+300");
    let full = package("10", "1.5", PartialPackage::Free);
    assert_eq!(at_stripe(full), "10 for 150, up false");
}

#[test]
fn steps_are_fees_or_what_each_adds_b13() {
    let steps = vec![step(Some(9), "30"), step(None, "100")];
    let stairs = UsageDraft {
        stairstep: Some(steps),
        ..unpriced()
    };
    assert_eq!(at_stripe(stairs.clone()), "Volume 9:0+3000 inf:0+10000");
    let included = UsageDraft {
        included: Some("2".to_owned()),
        ..stairs
    };
    assert_eq!(
        at_stripe(included.clone()),
        "Graduated 2:0+3000 11:0+0 inf:0+7000"
    );
    let falling = UsageDraft {
        stairstep: Some(vec![step(Some(9), "100"), step(None, "30")]),
        ..included
    };
    assert_eq!(refused(&terms(falling)), "usage.stairstep");
}

#[test]
fn what_stripe_cannot_express_is_refused_by_name() {
    let tiers = vec![tier(Some(5), "2", "1"), tier(None, "0.5", "3")];
    let included = UsageDraft {
        included: Some("2".to_owned()),
        volume: Some(tiers.clone()),
        ..unpriced()
    };
    assert_eq!(refused(&terms(included)), "usage.included");
    let packages = UsageDraft {
        included: Some("2".to_owned()),
        ..package("10", "1.5", PartialPackage::Charged)
    };
    assert_eq!(refused(&terms(packages)), "usage.included");
    let free = UsageDraft {
        zero_use: ZeroUse::Free,
        volume: Some(tiers),
        ..unpriced()
    };
    assert_eq!(refused(&terms(free)), "usage.zero_use");
    let packaged = TierDraft {
        package: Some("3".to_owned()),
        flat: None,
        ..tier(None, "1", "0")
    };
    let packaged = UsageDraft {
        graduated: Some(vec![packaged]),
        ..unpriced()
    };
    assert_eq!(refused(&terms(packaged)), "usage.graduated");
    let part = UsageDraft {
        graduated: Some(vec![tier(Some(15), "0.999", "0"), tier(None, "1", "0")]),
        ..unpriced()
    };
    assert_eq!(refused(&terms(part)), "usage.tiers");
    let even = |draft: &mut TermsDraft| draft.rounding = Rounding::HalfEven;
    assert_eq!(
        refused(&terms_in("USD", per_unit("0.001"), even)),
        "rounding"
    );
    assert!(
        wanted(&terms_in("USD", per_unit("0.01"), even)).is_ok(),
        "there is nothing to round"
    );
    let seldom = |draft: &mut TermsDraft| draft.cycle = "P37M".parse().unwrap();
    assert_eq!(refused(&terms_in("USD", per_unit("1"), seldom)), "cycle");
}

#[test]
fn a_currency_is_priced_as_stripe_counts_it_b10() {
    let price = |currency, price| wanted(&terms_in(currency, per_unit(price), |_| {}));
    let unit = |currency, price_of| price(currency, price_of).unwrap()[0].shape.clone();
    for (currency, price, amount) in [
        ("USD", "0.123456789012", "12.3456789012"),
        ("JPY", "0.5", "0.5"),
        ("KWD", "0.05", "50"),
        ("ISK", "5", "500"),
        ("MGA", "3", "3"),
    ] {
        assert_eq!(
            unit(currency, price),
            Shape::Unit(amount.parse().unwrap()),
            "{currency}"
        );
    }
    for (currency, price_of) in [("KWD", "0.055"), ("KWD", "0.0001"), ("ISK", "0.5")] {
        let error = price(currency, price_of).unwrap_err();
        assert_eq!(error.field(), "usage.unit_price", "{currency}");
    }
    assert_eq!(price("CLF", "1").unwrap_err().field(), "currency");
    let base = |draft: &mut TermsDraft| draft.base_price = Some("1.234".to_owned());
    assert_eq!(refused(&terms_in("KWD", per_unit("0"), base)), "base_price");
}

#[test]
fn a_subscription_is_never_to_nothing() {
    let draft = TermsDraft::new(Billing::Free, "USD".parse().unwrap(), Cycle::MONTH);
    let free = PlanTerms::new(draft, &[]).unwrap();
    let base = Wanted {
        role: Role::Base,
        shape: Shape::Unit(Decimal::ZERO),
    };
    assert_eq!(wanted(&free).unwrap(), [base]);
    let roles: Vec<Role> = wanted(&terms_in("USD", per_unit("1"), |draft| {
        draft.base_price = Some("25".to_owned());
        draft.setup_fee = Some("10".to_owned());
    }))
    .unwrap()
    .iter()
    .map(|wanted| wanted.role)
    .collect();
    let usage = Role::Usage(MeterId::derived(&[b"requests"]));
    assert_eq!(roles, [Role::Base, usage, Role::Setup]);
}

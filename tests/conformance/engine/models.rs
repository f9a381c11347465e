//! Invoices that the provider makes under every model of price.

use monetization_core::money::UnitPrice;
use monetization_core::plan::{
    PackageDraft, PartialPackage, StepDraft, TierDraft, UsageDraft, ZeroUse,
};
use monetization_core::pricing::{self, Priced};
use monetization_core::product::Meter;

use super::invoicing::invoiced;
use super::{Bench, Offer};
use crate::sample::text;

/// Every model that the engine says it can express, at the edges of its tiers.
pub async fn every_model_of_price_is_rated_as_the_plan_says(bench: &Bench) {
    let shapes = bench.fixture.engine().descriptor.shapes;
    let models: [(bool, fn() -> UsageDraft); 8] = [
        (shapes.graduated, || graduated(tiers())),
        (shapes.graduated, || UsageDraft {
            zero_use: ZeroUse::Free,
            ..graduated(tiers())
        }),
        (shapes.graduated && shapes.package, || graduated(packages())),
        (shapes.volume, || volume(tiers())),
        (shapes.volume && shapes.package, || volume(packages())),
        (shapes.stairstep, || UsageDraft {
            stairstep: Some(vec![step(Some("9"), "30"), step(None, "100")]),
            ..no_price()
        }),
        (shapes.package, || package(PartialPackage::Charged)),
        (shapes.package, || package(PartialPackage::Free)),
    ];
    for (is_offered, price) in models {
        if !is_offered {
            continue;
        }
        let offer = Offer {
            price: Some(price),
            included: "2",
            ..Offer::A_CENT_EACH
        };
        if !bench.can_invoice(offer) {
            continue;
        }
        let terms = offer.terms();
        let usage = &terms.usage()[0];
        let by = Priced {
            by: &usage.price,
            scale: usage.meter.scale,
            zero_use: usage.zero_use,
        };
        for units in ["0", "2", "7", "8", "22", "23", "100"] {
            let charged = offer.units(units).above(usage.included);
            let ours = pricing::price(&by, charged).unwrap();
            let ours = ours.round(terms.currency(), terms.rounding()).unwrap();
            let theirs = invoiced(bench, offer, units).await;
            assert_eq!(theirs, ours.minor(), "{units} under {:?}", usage.price);
        }
    }
}

fn no_price() -> UsageDraft {
    UsageDraft {
        unit_price: None,
        ..UsageDraft::per_unit(text(Meter::REQUESTS), UnitPrice::ZERO)
    }
}

fn graduated(tiers: Vec<TierDraft>) -> UsageDraft {
    UsageDraft {
        graduated: Some(tiers),
        ..no_price()
    }
}

fn volume(tiers: Vec<TierDraft>) -> UsageDraft {
    UsageDraft {
        volume: Some(tiers),
        ..no_price()
    }
}

fn package(partial: PartialPackage) -> UsageDraft {
    UsageDraft {
        package: Some(PackageDraft {
            size: "10".to_owned(),
            price: text("1.5"),
            partial,
        }),
        ..no_price()
    }
}

fn tiers() -> Vec<TierDraft> {
    let tier = |up_to: Option<&str>, unit_price, flat| TierDraft {
        up_to: up_to.map(str::to_owned),
        unit_price: Some(text(unit_price)),
        flat: Some(text(flat)),
        package: None,
    };
    vec![
        tier(Some("5"), "2", "1"),
        tier(Some("20"), "0.999", "0"),
        tier(None, "0.5", "3"),
    ]
}

fn packages() -> Vec<TierDraft> {
    let tier = |up_to: Option<&str>, unit_price, package: &str| TierDraft {
        up_to: up_to.map(str::to_owned),
        unit_price: Some(text(unit_price)),
        flat: None,
        package: Some(package.to_owned()),
    };
    vec![tier(Some("10"), "1", "4"), tier(None, "0.25", "3")]
}

fn step(up_to: Option<&str>, price: &str) -> StepDraft {
    StepDraft {
        up_to: up_to.map(str::to_owned),
        price: text(price),
    }
}

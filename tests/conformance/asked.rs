//! Under which keys things are asked of Stripe, and asked again.

use std::collections::{BTreeMap, BTreeSet};

use crate::stripe::server::Seen;

/// Where reports go.
const REPORTS: &str = "/v1/billing/meter_events";

/// What is asked of Stripe again is asked under the same key, and a key is for one request alone. What
/// something else than its key keeps from being done twice goes under another key each time: reports and
/// their withdrawals, which their identifiers recognise, payments, since an invoice is paid once, and previews,
/// which do nothing.
///
/// # Panics
/// Where that is not so; with the story.
pub fn one_key_for_each_wish(seen: &[Seen], story: &str) {
    let mut asked: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut keys: BTreeMap<&str, String> = BTreeMap::new();
    for seen in seen.iter().filter(|it| it.method == "POST") {
        let Some(key) = seen.key.as_deref() else {
            continue;
        };
        let wish = format!("{} {} {:?}", seen.path, seen.body, seen.account);
        let known = keys.insert(key, wish.clone());
        if needs_no_key(&seen.path) {
            assert_eq!(known, None, "{story}: {key} stood for something before");
            continue;
        }
        assert!(
            known.as_ref().is_none_or(|known| *known == wish),
            "{story}: {key} stands for {known:?} and {wish}"
        );
        asked.entry(wish).or_default().insert(key);
    }
    for (wish, keys) in asked {
        assert_eq!(keys.len(), 1, "{story}: {wish} under {keys:?}");
    }
}

fn needs_no_key(path: &str) -> bool {
    path.starts_with("/v1/billing/meter_event")
        || path.ends_with("/pay")
        || path.ends_with("/create_preview")
}

/// Of one identifier all reports are the same to the byte. Answers how many identifiers there are.
///
/// # Panics
/// Where that is not so, or a report has no identifier; with the story.
#[must_use]
pub fn frozen_reports(seen: &[Seen], story: &str) -> usize {
    let mut bodies: BTreeMap<&str, &str> = BTreeMap::new();
    for seen in seen {
        if seen.method != "POST" || seen.path != REPORTS {
            continue;
        }
        let mut fields = seen.body.split('&');
        let identifier = fields.find(|it| it.starts_with("identifier="));
        assert!(identifier.is_some(), "{story}: {}", seen.body);
        let first = bodies
            .entry(identifier.unwrap_or_default())
            .or_insert(&seen.body);
        assert_eq!(*first, seen.body, "{story}");
    }
    bodies.len()
}

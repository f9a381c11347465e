use std::collections::BTreeSet;

use super::{FREE, Taken};

/// What each tally makes of the use of one month of one subscriber: by itself, and late.
pub(super) fn count(taken: &[&Taken]) -> [(i64, i64); 5] {
    let own: Vec<&Taken> = taken.iter().copied().filter(|it| !it.is_late).collect();
    let split = |of: fn(&[&Taken]) -> i64| (of(&own), of(taken) - of(&own));
    [
        split(|taken| taken.iter().map(|it| it.units).sum()),
        split(|taken| taken.iter().map(|it| it.units).max().unwrap_or(0)),
        last(&own, taken),
        split(|taken| {
            let values: BTreeSet<i64> = taken.iter().map(|it| it.units).collect();
            i64::try_from(values.len()).unwrap()
        }),
        split(|taken| {
            let free = usize::try_from(FREE).unwrap();
            taken.iter().skip(free).map(|it| it.units).sum()
        }),
    ]
}

/// What was used last; what comes late replaces that only where it is no less.
fn last(own: &[&Taken], all: &[&Taken]) -> (i64, i64) {
    let by_itself = own.iter().max_by_key(|it| it.second);
    let mut newest = by_itself.map(|it| (it.second, it.units));
    for late in all.iter().filter(|it| it.is_late) {
        let counts =
            newest.is_none_or(|(second, units)| late.second >= second && late.units >= units);
        if counts {
            newest = Some((late.second, late.units));
        }
    }
    let own = by_itself.map_or(0, |it| it.units);
    (own, newest.map_or(0, |(_, units)| units) - own)
}

/// How often or how many: the usual count, or the long one in a longer run.
///
/// A longer run has `MONETIZATION_PROVE=1` in its environment, as `scripts/prove.sh` sets it.
/// Property tests need nothing of this: they take their cases from `PROPTEST_CASES`.
///
/// ```
/// # use monetization_conformance::size;
/// for round in 0..size(20, 200) {
///     // One kill of the server.
/// #   let _ = round;
/// }
/// ```
#[must_use]
pub fn size<T>(usual: T, long: T) -> T {
    if is_long() { long } else { usual }
}

/// For what takes its time in CI, where nobody waits for it: the usual size, the one where the
/// environment has `CI=true`, or the long one in a longer run.
#[must_use]
pub fn size_in_ci<T>(usual: T, in_ci: T, long: T) -> T {
    let is_ci = asked("CI").is_some_and(|value| value == "true");
    size(if is_ci { in_ci } else { usual }, long)
}

/// Whether this is a longer run.
#[must_use]
pub fn is_long() -> bool {
    asked("MONETIZATION_PROVE").is_some_and(|value| value == "1")
}

/// The seed that a simulation or a soak is asked to live through, in `MONETIZATION_SEED`; 0 where nothing is
/// said or what is said is no number.
#[must_use]
pub fn seed() -> u64 {
    let asked = asked("MONETIZATION_SEED").and_then(|seed| seed.parse().ok());
    asked.unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are started by people and CI: the environment is their command line"
)]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

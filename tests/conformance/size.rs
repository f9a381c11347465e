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

#[expect(
    clippy::disallowed_methods,
    reason = "tests are started by people and CI: the environment is their command line"
)]
fn is_long() -> bool {
    std::env::var("MONETIZATION_PROVE").is_ok_and(|value| value == "1")
}

//! Worked examples from the documentation and the test suites of other billing systems.
//!
//! Each case is run under the policies that its source has, or listed with the convention that is not
//! offered here. None is skipped in silence: a case that is neither fails the test.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests stop where something is not as it should be"
)]

mod golden {
    mod case;
    mod percentages;
    mod periods;
    mod prices;
    mod rounding;
    mod shares;
    mod unoffered;
    mod zones;

    use case::{Case, Checked};

    /// How a case is run; `None` where its model belongs to another module.
    type Runner = fn(&Case) -> Option<Checked>;

    const RUNNERS: [Runner; 6] = [
        prices::run,
        percentages::run,
        periods::run,
        zones::run,
        shares::run,
        rounding::run,
    ];

    #[test]
    fn golden_cases_pass_or_are_listed() {
        let cases = case::all();
        let (mut passed, mut core, mut listed) = (0, 0, 0);
        let mut failed = Vec::new();
        for case in &cases {
            let reason = unoffered::reason(case);
            match (RUNNERS.iter().find_map(|run| run(case)), reason) {
                (Some(Ok(())), None) => {
                    passed += 1;
                    core += usize::from(case.core);
                }
                (None | Some(Err(_)), Some(reason)) => {
                    println!("not offered: {} ({}): {reason}", case.id, case.model);
                    listed += 1;
                }
                (Some(Err(difference)), None) => failed.push(format!("{}: {difference}", case.id)),
                (Some(Ok(())), Some(_)) => {
                    failed.push(format!("{}: is listed and passes", case.id))
                }
                (None, None) => failed.push(format!("{}: neither runs nor is listed", case.id)),
            }
        }
        println!(
            "{} cases: {passed} passed, {core} of them core; {listed} not offered",
            cases.len()
        );
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }
}

//! Any bytes as a plan file: plans, or mistakes at lines that are there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monetization_core::plan_file::{PlanFile, PlanFileError};

fuzz_target!(|bytes: &[u8]| {
    let Err(error) = PlanFile::parse("f", bytes) else {
        return;
    };
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!((1..=PlanFileError::MISTAKES_MAX).contains(&error.mistakes().len()));
    for mistake in error.mistakes() {
        assert!((1..=lines).contains(&mistake.line), "{mistake} of {lines}");
        assert!(!mistake.problem.is_empty() && !mistake.to_string().contains('\n'));
    }
});

//! Texts that are no plan files are answered like those that nearly are.

use proptest::prelude::*;

use super::WHOLE;
use crate::plan_file::{PlanFile, PlanFileError};

/// What the parser answers to anything: plans, or mistakes at places that are there.
fn assert_answered(bytes: &[u8]) {
    let Err(error) = PlanFile::parse("f", bytes) else {
        return;
    };
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    assert!((1..=PlanFileError::MISTAKES_MAX).contains(&error.mistakes().len()));
    for mistake in error.mistakes() {
        assert!((1..=lines).contains(&mistake.line), "{mistake} of {lines}");
        assert!(!mistake.problem.is_empty() && mistake.problem.len() < 2_000);
        assert!(!mistake.to_string().contains('\n'), "{mistake}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        assert_answered(&bytes);
    }

    #[test]
    fn any_text_of_the_letters_of_toml_is_answered_without_panic(
        text in "([a-c\\[\\]{}=\"'.,#0-9 \\-+_\\\\]|\\n|plans|terms|true|1979-05-27|\"\"\"|é){0,80}",
    ) {
        assert_answered(text.as_bytes());
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_is_answered(at in 0..WHOLE.len()) {
        assert_answered(&WHOLE.as_bytes()[..at]);
    }

    #[test]
    fn a_file_with_mutations_is_answered(
        changes in prop::collection::vec((0..WHOLE.len(), 0_usize..24, 0..WHOLE.len()), 1..6),
    ) {
        let words = [
            "\"", "'", "[", "]", "[[", "]]", "{", "}", "=", ",", ".", "\n", "1", "-1", "1.5", "true",
            "\u{0}", "\u{7f}", "é", "[[plans]]\n", "[plans.terms]\n", "\"\"\"", "9999999999999999999999", "#",
        ];
        let mut text = WHOLE.to_owned();
        for (at, word, cut) in changes {
            let at = at.min(text.len());
            let end = (at + cut % 12).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, words[word]);
            }
        }
        assert_answered(text.as_bytes());
    }
}

#[test]
fn a_large_file_of_mistakes_is_answered() {
    let fill = |part: &str| part.repeat(PlanFile::BYTES_MAX / part.len());
    for part in [
        "=\n",
        "[",
        "{",
        "[[plans]]\n",
        "[[meters]]\n",
        "a=[",
        "[a.",
        "\"",
        "x\n",
    ] {
        assert_answered(fill(part).as_bytes());
    }
    let tiers = fill("{ up_to = 1 },");
    let text = WHOLE.replace("{ unit_price = \"0.008\" },", &tiers[..1_000_000]);
    assert_answered(text.as_bytes());
}

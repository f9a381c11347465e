use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::plans;
use super::world::SLICE;

#[test]
fn the_standard_input_is_a_log_like_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    std::fs::write(&path, SLICE).unwrap();
    std::fs::write(
        directory.path().join("plans.toml"),
        &plans::named("per unit").1,
    )
    .unwrap();
    let run = |file: &str, input: &str| {
        let plan = ["--plan", "plans.toml", "--json"];
        let output = command(
            directory.path(),
            &[&["replay", file], &plan[..]].concat(),
            input,
        );
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stderr, b"", "nothing is drawn where no terminal is");
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["log"] = Value::Null;
        report
    };
    let (file, input) = (run("access.log", ""), run("-", SLICE));
    assert_eq!(file, input);
    assert_eq!(file["consumers"].as_array().unwrap().len(), 89);
}

#[test]
fn the_table_names_who_pays_and_what_is_earned() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.toml"), &plans::named("per unit").1).unwrap();
    std::fs::write(directory.path().join("b.toml"), &plans::named("fixed").1).unwrap();
    let plans = ["--plan", "a.toml#Plan", "--compare", "b.toml"];
    let arguments = [&["replay", "-", "--html", "page.html"], &plans[..]].concat();
    let output = command(directory.path(), &arguments, SLICE);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stdout).unwrap();
    for part in [
        "510 lines, 499 calls",
        "11 lines are left out",
        "75.97.9.59",
        "The difference is +",
        "refused then  mostly          pays then",
        "208  quota_exceeded       7.00",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let page = std::fs::read_to_string(directory.path().join("page.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
}

#[test]
fn mistakes_of_the_command_line_are_told_before_anything_is_read() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("plans.toml"), &plans::named("free").1).unwrap();
    let table: [(&[&str], &str); 8] = [
        (&["-", "--plan", "none.toml"], "failed to read none.toml"),
        (&["-", "--plan", "plans.toml#Gold"], "Gold"),
        (
            &["none.log", "--plan", "plans.toml"],
            "failed to open none.log",
        ),
        (
            &["-", "--plan", "plans.toml", "--consumer-by", "cookie"],
            "header:NAME",
        ),
        (
            &["-", "--plan", "plans.toml", "--trace", "no/such/place"],
            "no/such/place",
        ),
        (
            &["-", "--plan", "plans.toml", "--html", "no/such/page"],
            "failed to write no/such/page",
        ),
        (&["-", "-", "--plan", "plans.toml"], "named twice"),
        (
            &["-", "--plan", "plans.toml", "--json", "--top", "50"],
            "--top",
        ),
    ];
    for (arguments, problem) in table {
        let output = command(directory.path(), &[&["replay"], arguments].concat(), SLICE);
        assert!(!output.status.success());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(problem), "{arguments:?}: {told}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}

/// A trace or a page that was named like a log erased it.
#[test]
fn no_file_that_is_read_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let plan = &plans::named("free").1;
    std::fs::write(at("plans.toml"), plan).unwrap();
    std::fs::write(at("a.log"), SLICE).unwrap();
    std::fs::write(at("b.log"), SLICE).unwrap();
    std::fs::hard_link(at("b.log"), at("linked.log")).unwrap();
    let table: [(&[&str], &str); 6] = [
        (&["--trace", "a.log"], "one of the logs"),
        (&["--html", "a.log"], "one of the logs"),
        (&["--html", "./b.log"], "one of the logs"),
        (&["--trace", "linked.log"], "one of the logs"),
        (&["--html", "plans.toml"], "a plan file"),
        (&["--trace", "new", "--html", "new"], "the trace"),
    ];
    for (outputs, what) in table {
        let read = ["replay", "a.log", "b.log", "--plan", "plans.toml"];
        let output = command(directory.path(), &[&read, outputs].concat(), "");
        assert!(!output.status.success(), "{outputs:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(&format!("it is {what}")), "{told}");
    }
    for log in ["a.log", "b.log"] {
        assert_eq!(std::fs::read_to_string(at(log)).unwrap(), SLICE);
    }
    assert_eq!(&std::fs::read_to_string(at("plans.toml")).unwrap(), plan);
    let twice = ["--trace", "/dev/null", "--html", "/dev/null"];
    let read = ["replay", "a.log", "--plan", "plans.toml"];
    let output = command(directory.path(), &[&read[..], &twice].concat(), "");
    assert!(
        output.status.success(),
        "a device loses nothing: {output:?}"
    );
}

#[test]
fn the_standard_input_is_not_written_where_it_is_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log");
    std::fs::write(&path, SLICE).unwrap();
    let plans = directory.path().join("plans.toml");
    std::fs::write(plans, &plans::named("free").1).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_reference-server"))
        .args(["replay", "-", "--plan", "plans.toml", "--trace", "a.log"])
        .current_dir(directory.path())
        .stdin(std::fs::File::open(&path).unwrap())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), SLICE);
}

#[test]
fn the_exit_code_is_1_where_most_lines_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let plans = directory.path().join("plans.toml");
    std::fs::write(plans, &plans::named("free").1).unwrap();
    let junk = SLICE.to_owned() + &"nonsense\n".repeat(SLICE.lines().count());
    let arguments = ["replay", "-", "--plan", "plans.toml"];
    let output = command(directory.path(), &arguments, &junk);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("499 calls"), "{told}");
}

fn command(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_reference-server"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever reads a file, or finds a mistake, does not read this.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    child.wait_with_output().unwrap()
}

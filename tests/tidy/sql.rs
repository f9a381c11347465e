//! What every table of an embedded store is.

use super::tree::{expect_none, files};

#[test]
fn tables_in_sqlite_are_strict() {
    let mut found = Vec::new();
    let mut tables = 0;
    for file in files(&[".sql"])
        .iter()
        .filter(|file| file.path.starts_with("store-sqlite/"))
    {
        let lines = file
            .text
            .lines()
            .map(|line| line.split("--").next().unwrap());
        let sql = lines.collect::<Vec<_>>().join("\n").to_ascii_lowercase();
        let mut line = 1;
        for statement in sql.split(';') {
            let begins_at = line + statement.len() - statement.trim_start().len();
            line += statement.matches('\n').count();
            let statement = statement.trim();
            if statement.starts_with("create table") {
                tables += 1;
                let options = statement.rsplit(')').next().unwrap();
                if !options
                    .split([',', ' ', '\n'])
                    .any(|option| option == "strict")
                {
                    let first = statement.lines().next().unwrap();
                    found.push(format!(
                        "{}:{begins_at}: {first}: end it with STRICT",
                        file.path
                    ));
                }
            }
        }
    }
    assert!(tables > 0, "store-sqlite has no tables: has its SQL moved?");
    expect_none("a column keeps the type that it names", &found);
}

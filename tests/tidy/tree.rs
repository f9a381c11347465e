//! The files of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// A text file of the workspace.
#[derive(Debug)]
pub(super) struct TextFile {
    /// From the top of the workspace, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// A member of the workspace.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// From the top of the workspace, with `/`.
    pub(super) folder: String,
    pub(super) manifest: Table,
}

/// Every file whose name ends so, in the order of their paths.
pub(super) fn files(endings: &[&str]) -> Vec<TextFile> {
    let mut files = Vec::new();
    collect(&top(), &mut |path| {
        if endings.iter().any(|ending| path.ends_with(ending)) {
            files.push(file(path));
        }
    });
    files.sort_by(|left, right| left.path.cmp(&right.path));
    files
}

/// One file, which has to be there.
pub(super) fn file(path: &str) -> TextFile {
    let text = fs::read_to_string(top().join(path))
        .unwrap_or_else(|error| panic!("{path} cannot be read: {error}"));
    TextFile {
        path: path.to_owned(),
        text,
    }
}

/// The members of the workspace, in its order.
pub(super) fn packages() -> Vec<Package> {
    let members = manifest("Cargo.toml")["workspace"]["members"].clone();
    let members = members.as_array().unwrap().iter();
    members
        .map(|folder| folder.as_str().unwrap().to_owned())
        .map(|folder| {
            let manifest = manifest(&format!("{folder}/Cargo.toml"));
            Package {
                name: manifest["package"]["name"].as_str().unwrap().to_owned(),
                folder,
                manifest,
            }
        })
        .collect()
}

/// A file in TOML, which has to be there.
pub(super) fn manifest(path: &str) -> Table {
    file(path)
        .text
        .parse()
        .unwrap_or_else(|error| panic!("{path} is not TOML: {error}"))
}

/// Whether this file or folder is there.
pub(super) fn is_there(path: &str) -> bool {
    top().join(path.trim_start_matches('/')).exists()
}

/// Fails with everything that was found against a rule.
#[track_caller]
pub(super) fn expect_none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}\n  {}", found.join("\n  "));
}

fn top() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

/// Calls back for every file but those of builds and of hidden folders that are not ours.
fn collect(folder: &Path, found: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_str().unwrap();
        let is_folder = entry.file_type().unwrap().is_dir();
        let is_ours = match name {
            "target" => false,
            ".ci" | ".config" => true,
            _ => !(is_folder && name.starts_with('.')),
        };
        if is_folder && is_ours {
            collect(&path, found);
        } else if is_ours {
            let path = path.strip_prefix(top()).unwrap();
            found(&path.to_str().unwrap().replace('\\', "/"));
        }
    }
}

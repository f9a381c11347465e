//! Rust files, read line by line: what is code, what documents, what comments.

use super::tree::{TextFile, files};

/// A Rust file.
#[derive(Debug)]
pub(super) struct Source {
    /// From the top of the workspace, with `/`.
    pub(super) path: String,
    pub(super) lines: Vec<Line>,
}

/// One line of a Rust file.
#[derive(Debug)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    /// The code on it, without comments, its texts empty.
    pub(super) code: String,
    pub(super) kind: LineKind,
    /// Whether it belongs to a test module.
    pub(super) is_test: bool,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    Blank,
    Code,
    Documentation,
    Comment,
}

/// Every Rust file of the workspace.
pub(super) fn sources() -> Vec<Source> {
    files(&[".rs"]).iter().map(Source::read).collect()
}

impl Source {
    pub(super) fn read(file: &TextFile) -> Self {
        let mut reader = Reader::default();
        let lines = file.text.lines().enumerate();
        let mut lines: Vec<Line> = lines.map(|(at, text)| reader.line(at + 1, text)).collect();
        let is_test = file.path.ends_with("/tests.rs")
            || file.path.starts_with("tests/")
            || file.path.contains("/tests/");
        mark_tests(&mut lines, is_test);
        Self {
            path: file.path.clone(),
            lines,
        }
    }

    /// The lines that are not part of a test.
    pub(super) fn shipped(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.is_test)
    }

    /// How many lines are of this kind, those of inline tests left out.
    pub(super) fn count(&self, kind: LineKind) -> usize {
        let is_test_file = self.lines.iter().all(|line| line.is_test);
        let lines = self.lines.iter();
        lines
            .filter(|line| line.kind == kind && (is_test_file || !line.is_test))
            .count()
    }
}

/// Test modules of rustfmt's layout: from `#[cfg(test)]` in the first column to a `}` there.
fn mark_tests(lines: &mut [Line], whole_file: bool) {
    let mut is_test = false;
    for at in 0..lines.len() {
        let begins =
            lines[at].code.starts_with("#[cfg(test)]")
                && lines[at..].iter().skip(1).take(8).any(|line| {
                    line.code.starts_with("mod ") && line.code.trim_end().ends_with('{')
                });
        is_test |= begins;
        lines[at].is_test = whole_file || is_test;
        is_test &= lines[at].code != "}";
    }
}

/// What goes on from one line to the next.
#[derive(Debug, Default)]
enum Reader {
    #[default]
    Code,
    Text,
    RawText {
        hashes: usize,
    },
    BlockComment {
        depth: usize,
        documents: bool,
    },
}

impl Reader {
    fn line(&mut self, number: usize, text: &str) -> Line {
        let begun_as_text = matches!(self, Self::Text | Self::RawText { .. });
        let mut comment = match self {
            Self::BlockComment { documents, .. } => Some(*documents),
            _ => None,
        };
        let mut code = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = self.step(rest, &mut code, &mut comment);
        }
        let kind = match comment {
            _ if begun_as_text || !code.trim().is_empty() => LineKind::Code,
            Some(true) => LineKind::Documentation,
            Some(false) => LineKind::Comment,
            None => LineKind::Blank,
        };
        Line {
            number,
            code: code.trim_end().to_owned(),
            kind,
            is_test: false,
        }
    }

    /// Takes what comes next off the front of a line and answers the rest.
    fn step<'a>(
        &mut self,
        rest: &'a str,
        code: &mut String,
        comment: &mut Option<bool>,
    ) -> &'a str {
        match self {
            Self::Code => self.code(rest, code, comment),
            Self::Text => match rest.find(['"', '\\']) {
                Some(at) if rest[at..].starts_with('"') => {
                    *self = Self::Code;
                    code.push('"');
                    &rest[at + 1..]
                }
                Some(at) => past(rest, at, 2),
                None => "",
            },
            Self::RawText { hashes } => {
                let end = format!("\"{}", "#".repeat(*hashes));
                let Some(at) = rest.find(&end) else { return "" };
                *self = Self::Code;
                code.push('"');
                &rest[at + end.len()..]
            }
            Self::BlockComment { depth, .. } => {
                let (at, deeper) = match (rest.find("/*"), rest.find("*/")) {
                    (Some(open), Some(close)) if open < close => (open, true),
                    (Some(open), None) => (open, true),
                    (_, Some(close)) => (close, false),
                    (None, None) => return "",
                };
                *depth = if deeper { *depth + 1 } else { *depth - 1 };
                if *depth == 0 {
                    *self = Self::Code;
                }
                &rest[at + 2..]
            }
        }
    }

    fn code<'a>(
        &mut self,
        rest: &'a str,
        code: &mut String,
        comment: &mut Option<bool>,
    ) -> &'a str {
        if rest.starts_with("//") {
            let inner = rest.starts_with("//!");
            *comment = Some(inner || (rest.starts_with("///") && !rest.starts_with("////")));
            return "";
        }
        if let Some(inner) = rest.strip_prefix("/*") {
            let documents = inner.starts_with(['*', '!']);
            *comment = Some(documents);
            let depth = 1;
            *self = Self::BlockComment { depth, documents };
            return inner;
        }
        if let Some(hashes) = raw_text(rest, code) {
            *self = Self::RawText { hashes };
            code.push('"');
            return &rest[hashes + 2..];
        }
        if rest.starts_with('"') {
            *self = Self::Text;
        }
        if let Some(length) = character(rest) {
            code.push_str("' '");
            return &rest[length..];
        }
        code.extend(rest.chars().next());
        past(rest, 0, 1)
    }
}

/// The hashes of the raw text that begins here, where one does.
fn raw_text(rest: &str, before: &str) -> Option<usize> {
    let within_word =
        before.ends_with(|end: char| end.is_alphanumeric() && end != 'b' || end == '_');
    let after = rest.strip_prefix('r').filter(|_| !within_word)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// The length of the character literal that begins here; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    if inner.starts_with('\\') {
        let end = past(inner, 0, 2).find('\'')?;
        return Some(rest.len() - past(inner, 0, 2).len() + end + 1);
    }
    let after = past(inner, 0, 1);
    after
        .starts_with('\'')
        .then(|| rest.len() - after.len() + 1)
}

/// What is left after so many characters from `at` on.
fn past(text: &str, at: usize, characters: usize) -> &str {
    let mut left = text[at..].chars();
    for _ in 0..characters {
        left.next();
    }
    left.as_str()
}

#[test]
fn comments_texts_and_tests_are_told_from_code() {
    let text = [
        "//! About it.",
        "/// Says \"what\".",
        "fn shown<'a>(quote: char) -> &'a str { // why",
        "    // A reason.",
        "    let (quote, _) = ('\"', '\\''); let raw = r#\"todo?(\"#;",
        "",
        "    \"crate::not_code \\\" // nor",
        "    a comment\"",
        "}",
        "/* long",
        "   /* nested */ */ fn after() {}",
        "#[cfg(test)]",
        "mod tests {",
        "    fn inside() {}",
        "}",
        "fn last() {}",
    ];
    let source = Source::read(&TextFile {
        path: "some/src/lib.rs".to_owned(),
        text: text.join("\n"),
    });
    let kinds: String = source.lines.iter().map(letter).collect();
    assert_eq!(kinds, "ddcpc cccpcttttc");
    let code: String = source.lines.iter().map(|line| line.code.as_str()).collect();
    for hidden in ["why", "todo?", "not_code", "nor", "nested"] {
        assert!(!code.contains(hidden), "{hidden} is read as code: {code}");
    }
    assert!(code.contains("fn after() {}"));
}

fn letter(line: &Line) -> char {
    match line.kind {
        _ if line.is_test => 't',
        LineKind::Blank => ' ',
        LineKind::Code => 'c',
        LineKind::Documentation => 'd',
        LineKind::Comment => 'p',
    }
}

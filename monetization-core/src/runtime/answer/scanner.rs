//! Finds values in JSON while it passes.
//!
//! A document is never held: of it there is the name or the value that is being read, where a pointer
//! may lead to it, and which containers the pointers lead through. What no pointer leads into is counted
//! in brackets and skipped, so neither length nor depth of a document takes memory.

use crate::ids::MeterId;
use crate::product::Pointer;

/// Reads a document, byte by byte, for what pointers lead to. What it has found stays when it begins
/// with another document.
#[derive(Debug)]
pub(super) struct Scanner {
    targets: Vec<Target>,
    /// The containers it is in, which all are on the way to a target; the inmost last.
    open: Vec<Container>,
    at: At,
    /// The name, text or number that is being read, as it is written.
    token: Vec<u8>,
}

/// What a pointer leads to.
#[derive(Debug)]
struct Target {
    meter: MeterId,
    /// The names and places on the way there.
    path: Vec<String>,
    /// So many of them lead to where the scanner is.
    matched: usize,
    found: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    /// At the value of this place.
    Array(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Nothing has come.
    Beginning,
    /// A value comes.
    Value,
    /// A name comes, or the end of the object.
    Name,
    Colon,
    /// A comma comes, or the end of the container.
    Comma,
    Text {
        is_name: bool,
        is_escaped: bool,
    },
    /// A number, or one of `true`, `false` and `null`.
    Bare,
    /// In a container that is of no use.
    Skipped {
        depth: u64,
        text: Option<Escaped>,
    },
    /// The document is whole.
    End,
    /// This is no JSON.
    Broken,
}

/// Whether the next character of a text stands for itself, whatever it is.
type Escaped = bool;

/// Bytes of a name or value, as it is written, that are held at most. A pointer is shorter, and so is
/// any quantity.
const TOKEN_MAX: usize = 2_048;

impl Scanner {
    pub(super) fn new<'a>(fields: impl Iterator<Item = (MeterId, &'a Pointer)>) -> Self {
        let targets = fields.map(|(meter, pointer)| Target {
            meter,
            path: pointer.steps().collect(),
            matched: 0,
            found: None,
        });
        Self {
            targets: targets.collect(),
            open: Vec::new(),
            at: At::Beginning,
            token: Vec::new(),
        }
    }

    /// Begins with another document.
    pub(super) fn begin(&mut self) {
        self.open.clear();
        self.token.clear();
        self.at = At::Beginning;
        for target in &mut self.targets {
            target.matched = 0;
        }
    }

    /// Whether nothing has come but space.
    pub(super) fn is_empty(&self) -> bool {
        self.at == At::Beginning
    }

    /// Whether the document is whole, or none.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.at, At::End | At::Broken)
    }

    /// Whether the document is whole.
    pub(super) fn is_whole(&self) -> bool {
        self.at == At::End || (self.at == At::Bare && self.open.is_empty())
    }

    /// Whether every pointer has led to something.
    pub(super) fn has_all(&self) -> bool {
        self.targets.iter().all(|target| target.found.is_some())
    }

    /// What was found last for each meter.
    pub(super) fn into_found(self) -> impl Iterator<Item = (MeterId, String)> {
        let found = |target: Target| Some((target.meter, target.found?));
        self.targets.into_iter().filter_map(found)
    }

    /// Reads the next byte.
    pub(super) fn read(&mut self, byte: u8) {
        let is_space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.at = match self.at {
            At::Text {
                is_name,
                is_escaped,
            } => self.in_text(byte, is_name, is_escaped),
            At::Skipped { depth, text } => self.skip(byte, depth, text),
            At::Bare if is_space || matches!(byte, b',' | b']' | b'}') => {
                let number = self.take_token().and_then(|token| {
                    let _is_one: serde_json::Number = serde_json::from_slice(&token).ok()?;
                    String::from_utf8(token).ok()
                });
                if let Some(number) = number {
                    self.find(&number);
                }
                self.at = self.after_value();
                return self.read(byte);
            }
            At::Bare => {
                self.hold(byte);
                At::Bare
            }
            At::Broken => At::Broken,
            at if is_space => at,
            At::Beginning | At::Value => self.begin_value(byte),
            At::Name => match byte {
                b'"' => At::Text {
                    is_name: true,
                    is_escaped: false,
                },
                b'}' => self.close(),
                _ => At::Broken,
            },
            At::Colon if byte == b':' => At::Value,
            At::Comma => self.go_on(byte),
            At::Colon | At::End => At::Broken,
        };
    }

    fn begin_value(&mut self, byte: u8) -> At {
        match byte {
            b'"' => At::Text {
                is_name: false,
                is_escaped: false,
            },
            b'{' | b'[' if !self.leads_on() => At::Skipped {
                depth: 1,
                text: None,
            },
            b'{' => {
                self.open.push(Container::Object);
                At::Name
            }
            b'[' => {
                self.open.push(Container::Array(0));
                self.step(Some("0"));
                At::Value
            }
            b']' if matches!(self.open.last(), Some(Container::Array(_))) => self.close(),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.hold(byte);
                At::Bare
            }
            _ => At::Broken,
        }
    }

    fn in_text(&mut self, byte: u8, is_name: bool, is_escaped: Escaped) -> At {
        if byte != b'"' || is_escaped {
            self.hold(byte);
            return At::Text {
                is_name,
                is_escaped: byte == b'\\' && !is_escaped,
            };
        }
        let text = self.take_token().and_then(|token| {
            let quoted = [b"\"", &*token, b"\""].concat();
            serde_json::from_slice::<String>(&quoted).ok()
        });
        if is_name {
            self.step(text.as_deref());
            return At::Colon;
        }
        if let Some(text) = text {
            self.find(&text);
        }
        self.after_value()
    }

    fn skip(&mut self, byte: u8, depth: u64, text: Option<Escaped>) -> At {
        let (depth, text) = match (text, byte) {
            (Some(true), _) => (depth, Some(false)),
            (Some(false), b'\\') => (depth, Some(true)),
            (Some(false), b'"') => (depth, None),
            (None, b'"') => (depth, Some(false)),
            (None, b'{' | b'[') => (depth.saturating_add(1), None),
            (None, b'}' | b']') if depth == 1 => return self.after_value(),
            (None, b'}' | b']') => (depth.saturating_sub(1), None),
            (text, _) => (depth, text),
        };
        At::Skipped { depth, text }
    }

    /// After a value.
    fn go_on(&mut self, byte: u8) -> At {
        match (self.open.last_mut(), byte) {
            (Some(Container::Object), b',') => At::Name,
            (Some(Container::Array(place)), b',') => {
                *place = place.saturating_add(1);
                let place = place.to_string();
                self.step(Some(&place));
                At::Value
            }
            (Some(Container::Object), b'}') | (Some(Container::Array(_)), b']') => self.close(),
            _ => At::Broken,
        }
    }

    fn close(&mut self) -> At {
        self.open.pop();
        let depth = self.open.len();
        for target in &mut self.targets {
            target.matched = target.matched.min(depth);
        }
        self.after_value()
    }

    fn after_value(&self) -> At {
        if self.open.is_empty() {
            At::End
        } else {
            At::Comma
        }
    }

    /// Comes to the value of this name or place; `None` for a name that no pointer has.
    fn step(&mut self, name: Option<&str>) {
        let depth = self.open.len();
        let before = depth.saturating_sub(1);
        for target in &mut self.targets {
            if target.matched >= before {
                let leads_here =
                    name.is_some() && target.path.get(before).map(String::as_str) == name;
                target.matched = if leads_here { depth } else { before };
            }
        }
    }

    /// Whether a pointer leads into the value that comes.
    fn leads_on(&self) -> bool {
        let depth = self.open.len();
        let mut targets = self.targets.iter();
        targets.any(|target| target.matched == depth && target.path.len() > depth)
    }

    /// Takes a value where a pointer leads to it.
    fn find(&mut self, value: &str) {
        let depth = self.open.len();
        let here = |target: &&mut Target| target.matched == depth && target.path.len() == depth;
        for target in self.targets.iter_mut().filter(here) {
            target.found = Some(value.to_owned());
        }
    }

    fn hold(&mut self, byte: u8) {
        if self.token.len() <= TOKEN_MAX {
            self.token.push(byte);
        }
    }

    /// What was held; `None` where that is not all of it.
    fn take_token(&mut self) -> Option<Vec<u8>> {
        let token = std::mem::take(&mut self.token);
        (token.len() <= TOKEN_MAX).then_some(token)
    }
}

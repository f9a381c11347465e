//! Forms as Stripe writes them: `a=1&b[c]=2&d[0][e]=3&f[]=4`.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value of a form. Arrays with indices are hashes of numbers until somebody asks for a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A text.
    Text(String),
    /// Members by name.
    Hash(BTreeMap<String, Self>),
    /// What was sent as `name[]`.
    List(Vec<Self>),
}

impl Default for Form {
    fn default() -> Self {
        Self::Hash(BTreeMap::new())
    }
}

impl Form {
    /// Reads a query or a body. What cannot be read is told by name, the rest is read.
    #[must_use]
    pub fn read(text: &str) -> (Self, Vec<String>) {
        let mut form = Self::default();
        let mut wrong = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), decoded(value));
            match steps(&name) {
                Some(steps) => {
                    if let Err(reason) = form.put(&steps, value) {
                        wrong.push(format!("{name}: {reason}"));
                    }
                }
                None => wrong.push(format!("{name}: not a name of a parameter")),
            }
        }
        (form, wrong)
    }

    /// The same of JSON, once it is known to fit its schema: numbers become texts.
    #[must_use]
    pub fn of(json: &Value) -> Self {
        match json {
            Value::Null => Self::Text(String::new()),
            Value::Bool(_) | Value::Number(_) => Self::Text(json.to_string()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(elements) => Self::List(elements.iter().map(Self::of).collect()),
            Value::Object(members) => {
                let members = members.iter();
                Self::Hash(
                    members
                        .map(|(name, it)| (name.clone(), Self::of(it)))
                        .collect(),
                )
            }
        }
    }

    /// The member of this name, of a hash.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Hash(members) => members.get(name),
            Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The text, where it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Hash(_) | Self::List(_) => None,
        }
    }

    /// The text of a member.
    #[must_use]
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.member(name).and_then(Self::text)
    }

    /// The elements in their order, where it is a list: of `[]`, or of indices.
    #[must_use]
    pub fn list(&self) -> Option<Vec<&Self>> {
        match self {
            Self::Text(_) => None,
            Self::List(elements) => Some(elements.iter().collect()),
            Self::Hash(members) => {
                let numbered = members.iter().map(|(name, element)| {
                    let index: Option<u32> = name.parse().ok();
                    index.map(|index| (index, element))
                });
                let mut numbered: Vec<(u32, &Self)> = numbered.collect::<Option<_>>()?;
                numbered.sort_by_key(|(index, _)| *index);
                Some(numbered.into_iter().map(|(_, element)| element).collect())
            }
        }
    }

    /// The members of a hash.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Self)> {
        let members = match self {
            Self::Hash(members) => Some(members),
            Self::Text(_) | Self::List(_) => None,
        };
        let members = members.into_iter().flatten();
        members.map(|(name, member)| (name.as_str(), member))
    }

    fn put(&mut self, steps: &[&str], value: String) -> Result<(), &'static str> {
        let Some((first, rest)) = steps.split_first() else {
            return Err("no name");
        };
        if first.is_empty() {
            return self.append(rest, value);
        }
        let Self::Hash(members) = self else {
            return Err("both a hash and something else");
        };
        if rest.is_empty() {
            let before = members.insert((*first).to_owned(), Self::Text(value));
            return before.map_or(Ok(()), |_| Err("given twice"));
        }
        let empty = if rest[0].is_empty() {
            Self::List(Vec::new())
        } else {
            Self::default()
        };
        let inner = members.entry((*first).to_owned()).or_insert(empty);
        inner.put(rest, value)
    }

    /// `a[][b]=1&a[][c]=2` is one element until a name comes again.
    fn append(&mut self, rest: &[&str], value: String) -> Result<(), &'static str> {
        let Self::List(elements) = self else {
            return Err("both a list and something else");
        };
        if rest.is_empty() {
            elements.push(Self::Text(value));
            return Ok(());
        }
        if let Some(last) = elements.last_mut()
            && last
                .member(rest[0])
                .is_none_or(|inner| rest.len() > 1 && inner.text().is_none())
        {
            return last.put(rest, value);
        }
        let mut element = Self::default();
        element.put(rest, value)?;
        elements.push(element);
        Ok(())
    }
}

/// `a[b][]` is `a`, `b` and nothing.
fn steps(name: &str) -> Option<Vec<&str>> {
    let Some(open) = name.find('[') else {
        return (!name.is_empty() && !name.contains(']')).then(|| vec![name]);
    };
    let (first, mut rest) = name.split_at(open);
    let mut steps = vec![first];
    while !rest.is_empty() {
        let inner = rest.strip_prefix('[')?;
        let (step, after) = inner.split_once(']')?;
        steps.push(step);
        rest = after;
    }
    (!first.is_empty()).then_some(steps)
}

/// A text without `%` and `+` in it. Bytes that are no text become replacement characters.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .get(..2)
            .and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

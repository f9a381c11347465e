//! Parameters that have passed the specification, as what they mean.

use std::collections::BTreeMap;

use crate::stripe::form::Form;

/// What a caller notes on an object.
pub(super) type Metadata = BTreeMap<String, String>;

impl Form {
    /// A text that says something.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.text_of(name).filter(|text| !text.is_empty())
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.word(name).map(str::to_owned)
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.word(name).and_then(|text| text.parse().ok())
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.word(name).map(|text| text == "true")
    }

    pub(super) fn elements(&self, name: &str) -> Vec<&Self> {
        self.member(name).and_then(Self::list).unwrap_or_default()
    }

    pub(super) fn words(&self, name: &str) -> Vec<&str> {
        let elements = self.elements(name).into_iter();
        elements.filter_map(Self::text).collect()
    }

    /// What `metadata` says: pairs without a value are taken out, and all are by an empty text.
    pub(super) fn note(&self, metadata: &mut Metadata) {
        match self.member("metadata") {
            Some(Self::Text(_)) => metadata.clear(),
            Some(pairs) => {
                for (name, value) in pairs.members() {
                    match value.text().filter(|it| !it.is_empty()) {
                        Some(value) => metadata.insert(name.to_owned(), value.to_owned()),
                        None => metadata.remove(name),
                    };
                }
            }
            None => {}
        }
    }

    pub(super) fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::new();
        self.note(&mut metadata);
        metadata
    }

    /// Whether an instant fits `created` and its like: a second, or bounds.
    pub(super) fn admits(&self, name: &str, at: i64) -> bool {
        let Some(wanted) = self.member(name) else {
            return true;
        };
        if wanted.text().is_some() {
            return self.integer(name) == Some(at);
        }
        wanted.integer("gt").is_none_or(|it| at > it)
            && wanted.integer("gte").is_none_or(|it| at >= it)
            && wanted.integer("lt").is_none_or(|it| at < it)
            && wanted.integer("lte").is_none_or(|it| at <= it)
    }

    /// Whether a text is the one that is asked for, where one is.
    pub(super) fn asks_for(&self, name: &str, own: &str) -> bool {
        self.word(name).is_none_or(|it| it == own)
    }
}

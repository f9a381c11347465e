//! Values out of a document, and what is wrong with each.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::explaining::Found;
use super::field::Field;
use super::{Mistake, PlanFileError, syntax};
use crate::field::FieldError;

/// A document that is read, and the mistakes found so far.
#[derive(Debug)]
pub(super) struct Reading<'i> {
    text: &'i str,
    mistakes: Vec<Mistake>,
}

impl<'i> Reading<'i> {
    pub(super) fn new(text: &'i str) -> Self {
        Self {
            text,
            mistakes: Vec::new(),
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.mistakes.is_empty()
    }

    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes
    }

    pub(super) fn tell(&mut self, span: Range<usize>, field: &Field, problem: String) {
        if self.is_full() {
            return;
        }
        let (line, column) = syntax::position(self.text, span.start);
        self.mistakes.push(Mistake {
            line,
            column,
            field: field.to_string(),
            problem,
        });
    }

    /// Tells of what stands at `inner` of `node`, which itself stands at `field`.
    pub(super) fn tell_within(
        &mut self,
        node: &Spanned<DeValue<'i>>,
        field: &Field,
        inner: &Field,
        problem: String,
    ) {
        self.tell(inner.span(node), &field.then(inner), problem);
    }

    /// Tells of a field of what stands at `field`.
    pub(super) fn tell_field(
        &mut self,
        node: &Spanned<DeValue<'i>>,
        field: &Field,
        error: &FieldError,
    ) {
        let inner = Field::parse(error.field());
        self.tell_within(node, field, &inner, error.problem().to_owned());
    }

    /// Tells of a field of the terms of the plan that stands at `field`.
    pub(super) fn tell_terms(
        &mut self,
        node: &Spanned<DeValue<'i>>,
        field: &Field,
        error: &FieldError,
    ) {
        let inner = Field::ROOT.key("terms").then(&Field::parse(error.field()));
        self.tell_within(node, field, &inner, error.problem().to_owned());
    }

    /// The elements of an array of tables, at most so many.
    pub(super) fn tables<'a>(
        &mut self,
        node: &'a Spanned<DeValue<'i>>,
        field: &Field,
        max: usize,
    ) -> Vec<(usize, &'a Spanned<DeValue<'i>>)> {
        let Some(array) = node.get_ref().as_array() else {
            let kind = node.get_ref().type_str();
            let problem = format!("one {kind} stands here: allowed is [[{field}]] for each");
            self.tell(node.span(), field, problem);
            return Vec::new();
        };
        if array.len() > max {
            let problem = format!("{} are given: allowed are {max}", array.len());
            self.tell(node.span(), field, problem);
        }
        array.iter().take(max).enumerate().collect()
    }

    /// The value of `node`, which stands at `field`; `None` where there is a mistake in it.
    ///
    /// A value that is wrong is told of and taken out, so that those beside it are looked at too.
    pub(super) fn value<T: DeserializeOwned>(
        &mut self,
        node: &Spanned<DeValue<'i>>,
        field: &Field,
    ) -> Option<T> {
        let mut node = node.clone();
        let mut taken: Vec<Field> = Vec::new();
        loop {
            let from = ValueDeserializer::from(node.clone());
            let error = match serde_path_to_error::deserialize(from) {
                Ok(value) => return taken.is_empty().then_some(value),
                Err(error) => error,
            };
            let found = Found::new(&node, &Field::of(error.path()), error.inner().message());
            // What is missing where something was taken out only follows from that.
            let follows = |taken: &Field| found.is_empty && taken.is_within(&found.field);
            if taken.contains(&found.field) || taken.iter().any(follows) || self.is_full() {
                return None;
            }
            let place = field.then(&found.field);
            let allowed = place.allowed().filter(|_| found.is_missing);
            let allowed =
                allowed.map_or_else(String::new, |allowed| format!(": allowed {allowed}"));
            self.tell(found.span, &place, found.problem + &allowed);
            let wrong = found.around.named();
            if !wrong.remove(&mut node) {
                return None;
            }
            taken.push(wrong);
        }
    }

    fn is_full(&self) -> bool {
        self.mistakes.len() >= PlanFileError::MISTAKES_MAX
    }
}

//! `expand`: objects in the place of their ids, and members that are left out otherwise.

use serde_json::{Value, json};

use super::books::Books;
use crate::stripe::form::Form;

impl Books {
    pub(super) fn expanded(&self, mut answer: Value, form: &Form) -> Value {
        for path in form.words("expand") {
            let steps: Vec<&str> = path.split('.').collect();
            self.expand(&mut answer, &steps);
        }
        answer
    }

    fn expand(&self, value: &mut Value, steps: &[&str]) {
        if let Value::Array(elements) = value {
            for element in elements {
                self.expand(element, steps);
            }
            return;
        }
        let Some((step, rest)) = steps.split_first() else {
            return;
        };
        self.fill_in(value, step);
        let Some(member) = value.get_mut(*step) else {
            return;
        };
        let named = member.as_str().and_then(|id| self.object(id));
        if let Some(object) = named {
            *member = object;
        }
        self.expand(member, rest);
    }

    /// Members that an answer only has where they are asked for.
    fn fill_in(&self, object: &mut Value, member: &str) {
        let id = object
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let kind = object
            .get("object")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match (kind, member) {
            ("price", "tiers") => {
                object["tiers"] = self
                    .prices
                    .get(&id)
                    .map_or(Value::Null, |it| json!(it.tiers()));
            }
            ("checkout.session", "line_items") => {
                if let Some(session) = self.sessions.get(&id) {
                    object["line_items"] = session.line_items(self);
                }
            }
            _ => {}
        }
    }
}

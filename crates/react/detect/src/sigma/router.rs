//! Which rules an event is put to. Nearly every rule wants one of a few values in one field: what has none of them cannot
//! fit, and is not looked at further.

use std::collections::HashMap;

use linkward_evidence::event::{Event, Source};

use super::condition::Condition;
use super::matcher::{Selection, text, values};
use super::{Detection, Feed, SigmaRule, What};

/// Numbers of rules by what an event must say.
#[derive(Debug, Default)]
pub(crate) struct Router {
    fields: Vec<Field>,
    /// Rules that name no such value.
    rest: Vec<(Option<Source>, usize)>,
}

#[derive(Debug)]
struct Field {
    source: Option<Source>,
    name: String,
    /// By the value in lower case.
    rules: HashMap<String, Vec<usize>>,
}

impl Router {
    pub(crate) fn add(&mut self, rule: &SigmaRule, number: usize) {
        let source = rule.source();
        let anchor = match &rule.what {
            What::Detection(detection) if rule.feed != Feed::Linkward => detection.anchor(),
            _ => None,
        };
        let Some((name, wanted)) = anchor else {
            self.rest.push((source, number));
            return;
        };
        let place = self.fields.iter().position(|field| field.source == source && field.name == name);
        let place = place.unwrap_or_else(|| {
            self.fields.push(Field { source, name: name.to_owned(), rules: HashMap::new() });
            self.fields.len() - 1
        });
        let Some(field) = self.fields.get_mut(place) else { return };
        for value in wanted {
            let rules = field.rules.entry(value.to_owned()).or_default();
            if rules.last() != Some(&number) {
                rules.push(number);
            }
        }
    }

    /// The rules that may fit, in their order.
    pub(crate) fn of(&self, event: &Event) -> Vec<usize> {
        let heard = |source: Option<Source>| source.is_none_or(|source| source == event.source);
        let mut found: Vec<usize> =
            self.rest.iter().filter(|(source, _)| heard(*source)).map(|(_, number)| *number).collect();
        for field in self.fields.iter().filter(|field| heard(field.source)) {
            for value in values(&event.raw, &field.name).into_iter().filter_map(text) {
                found.extend(field.rules.get(&value.to_lowercase()).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Detection {
    /// A field, and the values of which it must have one. Nothing where the rule could fit without.
    fn anchor(&self) -> Option<(&str, Vec<&str>)> {
        match self.conditions.as_slice() {
            [only] => self.anchor_of(only),
            _ => None,
        }
    }

    fn anchor_of(&self, condition: &Condition) -> Option<(&str, Vec<&str>)> {
        let of_name = |name: &str| {
            let (_, selection) = self.selections.iter().find(|(known, _)| known == name)?;
            selection.anchor()
        };
        match condition {
            Condition::Name(name) => of_name(name),
            Condition::And(parts) => {
                parts.iter().filter_map(|part| self.anchor_of(part)).min_by_key(|(_, wanted)| wanted.len())
            }
            // One that must hold with all the others.
            Condition::Of { all: true, pattern } => {
                let fitting =
                    self.selections.iter().filter(|(name, _)| super::condition::fits(pattern, name));
                fitting.filter_map(|(name, _)| of_name(name)).min_by_key(|(_, wanted)| wanted.len())
            }
            Condition::Of { .. } | Condition::Or(_) | Condition::Not(_) => None,
        }
    }
}

impl Selection {
    fn anchor(&self) -> Option<(&str, Vec<&str>)> {
        let Self::All(items) = self else { return None };
        items
            .iter()
            .filter(|item| !item.none && !item.all)
            .filter_map(|item| {
                let wanted: Option<Vec<&str>> = item.tests.iter().map(|test| test.exact()).collect();
                Some((item.field.as_str(), wanted?))
            })
            .min_by_key(|(_, wanted)| wanted.len())
    }
}

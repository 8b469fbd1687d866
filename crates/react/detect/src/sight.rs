//! Which rules can see something here. A rule counts as armed only where a source was heard that can tell everything that
//! one of the rule's own cases needs; that a source of the right kind was heard is not enough.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use linkward_evidence::event::{Action, Event, Source, TELLS, can_tell};
use serde::{Deserialize, Serialize};

use crate::rules::{RULES, cases_of};
use crate::{CaseFile, Estate, Rule};

/// What was heard: which sources spoke, and what was said in events, whoever spoke.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    feeds: BTreeSet<String>,
    #[serde(deserialize_with = "said")]
    said: Said,
}

/// Fields by the number of their action.
type Said = BTreeMap<usize, BTreeSet<&'static str>>;

fn said<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
    let said = BTreeMap::<usize, BTreeSet<String>>::deserialize(deserializer)?;
    let known = |name: &String| Event::FIELDS.iter().copied().find(|field| field == name);
    Ok(said.into_iter().map(|(action, names)| (action, names.iter().filter_map(known).collect())).collect())
}

impl Heard {
    /// A source spoke.
    pub fn feed(&mut self, name: &str) {
        if !self.feeds.contains(name) {
            self.feeds.insert(name.to_owned());
        }
    }

    pub(crate) fn has_heard(&self, name: &str) -> bool {
        self.feeds.contains(name)
    }

    /// An event came, from whatever source.
    pub fn event(&mut self, event: &Event) {
        let known = self.said.entry(event.action.number()).or_default();
        // Nothing new can come of an action whose every field was seen.
        if known.len() < Event::FIELDS.len() {
            known.extend(event.fields());
        }
    }

    fn tells(&self, need: &Need) -> bool {
        let said = self.said.get(&need.action.number());
        said.is_some_and(|said| need.fields.iter().all(|field| said.contains(field)))
            || self.feeds.iter().any(|feed| can_tell(feed, &need.action, &need.fields))
    }
}

/// Whether a rule can see, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "sight")]
pub enum Sight {
    Armed,
    /// The estate lacks what it needs.
    Unarmed {
        why: &'static str,
    },
    /// Sources that could tell it were not heard.
    Unheard {
        sources: Vec<&'static str>,
    },
    /// Nothing that Linkward reads tells it: somebody has to send it in Linkward's own shape.
    NoProducer {
        needs: Vec<String>,
    },
}

/// One event of a case: what happened, and the fields of it that decide.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Need {
    action: Action,
    fields: Vec<&'static str>,
}

/// What a rule needs: one whole case of each list.
#[derive(Debug, Default)]
struct Needs {
    /// Cases in which it fires.
    fires: Vec<Vec<Need>>,
    /// Of a rule that joins sources, the cases that join most of them: without the other side a join sees nothing, or
    /// cries at everything.
    joins: Vec<Vec<Need>>,
}

fn needs(rule: &dyn Rule) -> Option<&'static Needs> {
    static NEEDS: OnceLock<BTreeMap<&'static str, Needs>> = OnceLock::new();
    let all = NEEDS.get_or_init(|| RULES.iter().map(|rule| (rule.about().id, read(*rule))).collect());
    all.get(rule.about().id)
}

fn read(rule: &dyn Rule) -> Needs {
    let about = rule.about();
    let cases =
        cases_of(about.id).and_then(|text| CaseFile::parse(text).ok()?.cases().ok()).unwrap_or_default();
    let mut found = Needs::default();
    let mut widest = 1;
    for case in &cases {
        let (mut needs, mut sources): (Vec<Need>, BTreeSet<Source>) = Default::default();
        for event in case.events(None).unwrap_or_default() {
            let said = event.fields();
            let fields = about.fields.iter().copied().filter(|field| said.contains(field)).collect();
            let need = Need { action: event.action, fields };
            // A case may hold what the rule does not look at.
            if about.actions.contains(&need.action) {
                sources.insert(event.source);
                if !needs.contains(&need) {
                    needs.push(need);
                }
            }
        }
        if sources.len() > widest {
            widest = sources.len();
            found.joins.clear();
        }
        if sources.len() > 1 && sources.len() == widest {
            found.joins.push(needs.clone());
        }
        if case.fires && !needs.is_empty() {
            found.fires.push(needs);
        }
    }
    found
}

fn producers(need: &Need) -> Vec<&'static str> {
    TELLS.iter().map(|(name, _)| *name).filter(|name| can_tell(name, &need.action, &need.fields)).collect()
}

/// Whether the rule can see anything, with this estate and after what was heard.
pub fn sight(rule: &dyn Rule, estate: &Estate, heard: &Heard) -> Sight {
    if let Some(why) = rule.unarmed(estate) {
        return Sight::Unarmed { why };
    }
    let Some(needs) = needs(rule) else { return Sight::NoProducer { needs: Vec::new() } };
    // Made from findings and pauses of whatever is heard.
    if rule.about().actions.is_empty() {
        return match heard.said.is_empty() && heard.feeds.is_empty() {
            false => Sight::Armed,
            true => Sight::Unheard { sources: TELLS.iter().map(|(name, _)| *name).collect() },
        };
    }
    for cases in [&needs.fires, &needs.joins] {
        if cases.is_empty() || cases.iter().any(|case| case.iter().all(|need| heard.tells(need))) {
            continue;
        }
        // The first case that can be told at all: what is missing of it is what to connect.
        let Some(case) = cases.iter().find(|case| case.iter().all(|need| !producers(need).is_empty())) else {
            let first = cases.first().map_or(&[][..], Vec::as_slice);
            let missing = first.iter().filter(|need| producers(need).is_empty());
            let words = missing.map(|need| format!("{} with {}", need.action, need.fields.join(", ")));
            return Sight::NoProducer { needs: words.collect() };
        };
        let missing = case.iter().filter(|need| !heard.tells(need)).flat_map(producers);
        return Sight::Unheard { sources: missing.collect::<BTreeSet<_>>().into_iter().collect() };
    }
    Sight::Armed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule;
    use linkward_testkit::noon;

    fn of(id: &str, heard: &Heard) -> Sight {
        sight(rule(id).unwrap(), &Estate::default(), heard)
    }

    #[test]
    fn every_rule_has_a_case_that_says_what_it_needs() {
        for rule in RULES.iter().filter(|rule| !rule.about().actions.is_empty()) {
            assert!(!needs(*rule).unwrap().fires.is_empty(), "{}", rule.about().id);
        }
    }

    #[test]
    fn a_source_of_the_right_kind_is_not_enough() {
        let mut heard = Heard::default();
        heard.feed("github");
        assert_eq!(of("ref-rewritten", &heard), Sight::Armed, "a forced push is in the webhook");
        // Only the watcher of a repository knows what a commit can be reached from.
        assert_eq!(of("commit-orphaned", &heard), Sight::Unheard { sources: vec!["git"] });
        heard.feed("git");
        assert_eq!(of("commit-orphaned", &heard), Sight::Armed);
        assert!(matches!(of("boot-differs", &heard), Sight::NoProducer { .. }));
        assert!(matches!(of("assurance-lost", &heard), Sight::Unheard { .. }));
        assert!(matches!(of("role-without-run", &heard), Sight::Unarmed { .. }));
    }

    #[test]
    fn a_join_needs_both_sides() {
        let role = r#"{"roles": [{"role": "r", "repository": "acme/app"}]}"#;
        let estate: Estate = serde_json::from_str(role).unwrap();
        let rule = rule("role-without-run").unwrap();
        let mut heard = Heard::default();
        heard.feed("cloudtrail");
        let Sight::Unheard { sources } = sight(rule, &estate, &heard) else { panic!("armed without runs") };
        assert!(sources.contains(&"github"), "{sources:?}");
        heard.feed("github");
        assert_eq!(sight(rule, &estate, &heard), Sight::Armed);
    }

    #[test]
    fn what_was_said_in_our_own_shape_counts() {
        let mut heard = Heard::default();
        heard.feed("linkward");
        let mut event = Event::new(Source::Device, Action::BootMeasured, noon());
        event.before = Some("sha256:01".into());
        heard.event(&event);
        assert_ne!(of("boot-differs", &heard), Sight::Armed);
        event.after = Some("sha256:01".into());
        event.matches = Some(true);
        heard.event(&event);
        assert_eq!(of("boot-differs", &heard), Sight::Armed);
    }
}

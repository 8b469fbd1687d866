//! Retention on the record: how long documents are kept, what holds them, and the tombstone in place of one that is gone.
//!
//! Only documents go. The leaf and its body stay, so that every proof, term and look-up of the record holds as before; a
//! tombstone says which document is gone, by which rule. Whoever finds a document missing without one has found damage.

use std::collections::BTreeMap;

use linkward_model::{Digest, Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Body, Kind, Recordable, Term, TermKind};

/// Kinds of record whose documents may go. What decides, allows and revokes is kept for as long as the log.
pub const DELETABLE: &[Kind] =
    &[Kind::Observation, Kind::Claim, Kind::Proof, Kind::Refusal, Kind::Sbom, Kind::Decisions, Kind::Events];
const DAY: i64 = 86_400_000;
/// The name under which holds are found.
const HOLDS: &str = "legal-hold";

/// For how many days the documents of a kind of record are kept; for ever where a kind is not named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rules(BTreeMap<Kind, u32>);

impl Rules {
    pub fn keep(&mut self, kind: Kind, days: u32) {
        if days == 0 {
            self.0.remove(&kind)
        } else {
            self.0.insert(kind, days)
        };
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Kind, u32)> {
        self.0.iter().map(|(kind, days)| (*kind, *days))
    }

    /// When the documents of a record may go; never, where this is `None`.
    pub fn until(&self, kind: Kind, event: Instant) -> Option<Instant> {
        let days = self.0.get(&kind).filter(|_| DELETABLE.contains(&kind))?;
        let millis = event.millis().checked_add(DAY.checked_mul(i64::from(*days))?)?;
        Some(Instant::from_millis(millis))
    }
}

/// A document that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    pub digest: Digest,
    pub size: u64,
}

/// The record of a deletion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    what: String,
    /// The rules that were in force.
    pub rules: Rules,
    pub blobs: Vec<Gone>,
}

impl Tombstone {
    pub fn new(rules: Rules, blobs: Vec<Gone>) -> Self {
        Self { what: "deleted".to_owned(), rules, blobs }
    }

    /// What a record says is gone; `None` where it says nothing of that kind, or nothing that can be read.
    pub fn read(body: &Body) -> Option<Self> {
        let read = || serde_json::from_value(body.says.clone()).ok();
        if body.kind == Kind::Tombstone { read() } else { None }
    }
}

impl Recordable for Tombstone {
    fn body(&self) -> Body {
        let terms = self.blobs.iter().map(|gone| Term::digest(&gone.digest)).collect();
        Body::new(Kind::Tombstone, terms, Vec::new(), serde_json::to_value(self).unwrap_or(Value::Null))
    }
}

/// What a hold holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "hold", content = "value", deny_unknown_fields)]
pub enum Scope {
    Everything,
    /// Every record of a kind.
    Kind(Kind),
    /// One record, by its index.
    Record(u64),
    /// Every record that carries a term, or whose document has the digest.
    Term(Term),
}

impl Scope {
    fn covers(&self, index: u64, body: &Body) -> bool {
        match self {
            Self::Everything => true,
            Self::Kind(kind) => *kind == body.kind,
            Self::Record(record) => *record == index,
            Self::Term(term) => {
                let document = |digest: &Digest| term.value == digest.to_string();
                body.terms.contains(term)
                    || term.kind == TermKind::Digest && body.documents.iter().any(document)
            }
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Kind(kind) => write!(f, "kind {kind}"),
            Self::Record(index) => write!(f, "record {index}"),
            Self::Term(term) => write!(f, "{} {}", term.kind.as_str(), term.value),
        }
    }
}

/// A legal hold as it was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    pub scope: Scope,
    pub reason: String,
    pub author: String,
}

/// A hold is put, or released by the record that put it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum HoldChange {
    HoldAdded(Hold),
    HoldRemoved { hold: u64, reason: String, author: String },
}

impl HoldChange {
    /// What every record about holds is found by.
    pub fn term() -> Term {
        Term::new(TermKind::Name, HOLDS)
    }

    fn is(body: &Body) -> bool {
        body.kind == Kind::Action && body.terms.contains(&Self::term())
    }
}

impl Recordable for HoldChange {
    fn body(&self) -> Body {
        let mut terms = vec![Self::term()];
        if let Self::HoldAdded(Hold { scope: Scope::Term(term), .. }) = self {
            terms.push(term.clone());
        }
        Body::new(Kind::Action, terms, Vec::new(), serde_json::to_value(self).unwrap_or(Value::Null))
    }
}

/// A record about holds that cannot be read: what it holds is unknown, so nothing may go.
#[derive(Debug, thiserror::Error)]
#[error("record {0} changes a hold in a way that this version does not know")]
pub struct HoldUnreadable(pub u64);

/// The holds in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds(BTreeMap<u64, Hold>);

impl Holds {
    /// Folds the next record; whether it is about holds.
    ///
    /// # Errors
    /// It is, and cannot be read.
    pub fn fold(&mut self, index: u64, body: &Body) -> Result<bool, HoldUnreadable> {
        if !HoldChange::is(body) {
            return Ok(false);
        }
        match serde_json::from_value(body.says.clone()) {
            Ok(HoldChange::HoldAdded(hold)) => self.0.insert(index, hold),
            Ok(HoldChange::HoldRemoved { hold, .. }) => self.0.remove(&hold),
            Err(_) => return Err(HoldUnreadable(index)),
        };
        Ok(true)
    }

    /// The record of the hold that keeps this record's documents.
    pub fn holding(&self, index: u64, body: &Body) -> Option<u64> {
        self.0.iter().find(|(_, hold)| hold.scope.covers(index, body)).map(|(record, _)| *record)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, record: u64) -> Option<&Hold> {
        self.0.get(&record)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &Hold)> {
        self.0.iter().map(|(record, hold)| (*record, hold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: Kind, term: &str, document: &[u8]) -> Body {
        let terms = vec![Term::new(TermKind::Name, term)];
        Body::new(kind, terms, vec![Digest::sha256(document)], Value::Null)
    }

    fn hold(scope: Scope) -> HoldChange {
        let (reason, author) = ("a case".to_owned(), "legal".to_owned());
        HoldChange::HoldAdded(Hold { scope, reason, author })
    }

    #[test]
    fn rules_never_reach_what_decides() {
        let mut rules = Rules::default();
        for kind in Kind::ALL {
            rules.keep(*kind, 1);
        }
        let event = Instant::from_millis(0);
        let reached: Vec<_> =
            Kind::ALL.iter().filter(|kind| rules.until(**kind, event).is_some()).copied().collect();
        assert_eq!(reached.len(), DELETABLE.len());
        assert!(reached.iter().all(|kind| DELETABLE.contains(kind)));
        assert_eq!(rules.until(Kind::Events, event), Some(Instant::from_millis(DAY)));
        assert_eq!(rules.until(Kind::Events, Instant::from_millis(i64::MAX)), None, "beyond time is never");
        rules.keep(Kind::Events, 0);
        assert_eq!(rules.until(Kind::Events, event), None);
    }

    #[test]
    fn holds_hold_what_they_name_until_they_are_removed() {
        let document = Digest::sha256(b"one");
        let scopes = [
            Scope::Everything,
            Scope::Kind(Kind::Events),
            Scope::Record(7),
            Scope::Term(Term::new(TermKind::Name, "app")),
            Scope::Term(Term::digest(&document)),
        ];
        for scope in scopes {
            let mut holds = Holds::default();
            assert!(holds.fold(9, &hold(scope.clone()).body()).unwrap());
            assert_eq!(holds.holding(7, &body(Kind::Events, "app", b"one")), Some(9), "{scope}");
            let other = holds.holding(8, &body(Kind::Claim, "other", b"two"));
            assert_eq!(other.is_some(), scope == Scope::Everything, "{scope}");
            let removed =
                HoldChange::HoldRemoved { hold: 9, reason: "over".to_owned(), author: "legal".to_owned() };
            assert!(holds.fold(10, &removed.body()).unwrap());
            assert!(holds.is_empty());
        }
    }

    #[test]
    fn a_hold_of_a_later_version_is_not_read_as_none() {
        let mut body = hold(Scope::Everything).body();
        body.says["scope"] = serde_json::json!({ "hold": "tenant", "value": "acme" });
        let mut holds = Holds::default();
        assert_eq!(holds.fold(3, &body).unwrap_err().0, 3);
        // Anybody may say "hold-added" under another name; that is no hold.
        body.terms.clear();
        assert!(!holds.fold(3, &body).unwrap());
    }

    #[test]
    fn a_tombstone_is_read_as_it_was_written() {
        let mut rules = Rules::default();
        rules.keep(Kind::Events, 90);
        let tombstone = Tombstone::new(rules, vec![Gone { digest: Digest::sha256(b"one"), size: 3 }]);
        let mut body = Body::decode(&tombstone.body().encode()).unwrap();
        assert_eq!(Tombstone::read(&body), Some(tombstone));
        body.kind = Kind::Observation;
        assert_eq!(Tombstone::read(&body), None);
    }
}

//! A revocation, or taking one back, that several people have to sign before it counts.
//!
//! One stolen laptop must not be enough to stop an estate, and still less to bring back what was stopped. Who proposes and who
//! confirms sign the same text; people are counted by their keys.

use linkward_ledger::note::{Note, NoteError};
use linkward_ledger::{Body, Kind, Recordable, Term, TermKind};
use linkward_model::Instant;
use serde_json::json;

use crate::settings::GlassKeys;

const HEAD: &str = "linkward.revocation/v1";
/// How long a proposal waits.
const LONGEST: i64 = 24 * 3_600_000;
const AHEAD: i64 = 60_000;

/// What is proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proposed {
    Revoke { kind: String, value: String, since: Option<Instant> },
    Undo { revocation: u64 },
}

/// The text that people sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub what: Proposed,
    pub at: Instant,
    pub reason: String,
}

/// Why a proposal does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    #[error("not a signed note")]
    Note(#[from] NoteError),
    #[error("line `{0}` is missing or malformed")]
    Line(&'static str),
    #[error("signed by nobody who is listed in `keys` of [revoke]")]
    Nobody,
    #[error("it was made at {0}, and waits for a day at most")]
    Old(Instant),
}

impl Proposal {
    pub fn text(&self) -> String {
        let what = match &self.what {
            Proposed::Revoke { kind, value, since } => {
                let since = since.map_or_else(|| "none".to_owned(), |since| since.to_string());
                format!("revoke {kind} {value}\nsince {since}")
            }
            Proposed::Undo { revocation } => format!("undo {revocation}"),
        };
        format!("{HEAD}\n{what}\nat {}\nreason {}\n", self.at, self.reason)
    }

    /// # Errors
    /// A line is missing, or a value would break the lines.
    pub fn parse(text: &str) -> Result<Self, ProposalError> {
        let mut lines = text.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(ProposalError::Line(HEAD));
        }
        let first = lines.next().unwrap_or("");
        let mut line = |name: &'static str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.filter(|value| !value.is_empty()).ok_or(ProposalError::Line(name))
        };
        let what = match (first.strip_prefix("revoke "), first.strip_prefix("undo ")) {
            (Some(rest), _) => {
                let (kind, value) = rest.split_once(' ').ok_or(ProposalError::Line("revoke"))?;
                let since = match line("since")? {
                    "none" => None,
                    at => Some(at.parse().map_err(|_| ProposalError::Line("since"))?),
                };
                Proposed::Revoke { kind: kind.to_owned(), value: value.to_owned(), since }
            }
            (_, Some(record)) => {
                Proposed::Undo { revocation: record.parse().map_err(|_| ProposalError::Line("undo"))? }
            }
            _ => return Err(ProposalError::Line("revoke")),
        };
        let proposal = Self {
            what,
            at: line("at")?.parse().map_err(|_| ProposalError::Line("at"))?,
            reason: line("reason")?.to_owned(),
        };
        if proposal.text() == text { Ok(proposal) } else { Err(ProposalError::Line("reason")) }
    }
}

/// A proposal whose signatures were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    proposal: Proposal,
    people: Vec<String>,
    enough: bool,
    note: String,
}

impl Signed {
    /// # Errors
    /// Malformed, signed by nobody who may, or too old.
    pub fn open(note: &str, keys: &GlassKeys, now: Instant) -> Result<Self, ProposalError> {
        let parsed = Note::parse(note.as_bytes())?;
        let proposal = Proposal::parse(parsed.text())?;
        if !(-AHEAD..=LONGEST).contains(&now.since(proposal.at)) {
            return Err(ProposalError::Old(proposal.at));
        }
        let people = keys.signers(&parsed);
        if people.is_empty() {
            return Err(ProposalError::Nobody);
        }
        Ok(Self { proposal, enough: people.len() >= keys.people.max(1), people, note: note.to_owned() })
    }

    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    pub fn people(&self) -> &[String] {
        &self.people
    }

    /// Whether enough people have signed.
    pub fn is_enough(&self) -> bool {
        self.enough
    }

    /// The term by which proposals are found.
    pub fn term() -> Term {
        Term::new(TermKind::Name, "revocation:proposal")
    }
}

impl Recordable for Signed {
    fn body(&self) -> Body {
        let says = json!({ "what": "revocation-proposal", "note": self.note, "people": self.people,
                           "at": self.proposal.at, "reason": self.proposal.reason });
        Body::new(Kind::Action, vec![Self::term()], Vec::new(), says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposals() -> Vec<Proposal> {
        let at = linkward_testkit::noon();
        let revoke = |kind: &str, value: &str, since| Proposed::Revoke {
            kind: kind.to_owned(),
            value: value.to_owned(),
            since,
        };
        [
            revoke("package", "pkg:npm/left@>=1.0.0, <1.2.0", None),
            revoke("key", "sha256:aa", Some(at)),
            Proposed::Undo { revocation: 41 },
        ]
        .into_iter()
        .map(|what| Proposal { what, at, reason: "a b".to_owned() })
        .collect()
    }

    #[test]
    fn what_is_signed_reads_back_as_it_was_meant() {
        for proposal in proposals() {
            assert_eq!(Proposal::parse(&proposal.text()), Ok(proposal.clone()));
            let broken = Proposal { reason: "a\nreason b".to_owned(), ..proposal.clone() };
            assert!(Proposal::parse(&broken.text()).is_err());
            let text = proposal.text();
            for length in 0..text.len() - 1 {
                let Some(part) = text.get(..length) else { continue };
                assert!(Proposal::parse(part).is_err(), "{part:?}");
            }
        }
        assert!(Proposal::parse("linkward.break-glass/v1\n").is_err());
    }

    #[test]
    fn nobody_s_signature_opens_nothing() {
        let keys = GlassKeys { keys: Vec::new(), people: 2 };
        for proposal in proposals() {
            let note = format!("{}\n\u{2014} ops AAAAAAAAAA==\n", proposal.text());
            assert!(Signed::open(&note, &keys, proposal.at).is_err());
        }
    }
}

//! Break-glass: a signed, scoped, expiring permission to pass, for the night when nothing else helps.
//!
//! It is a signed note (C2SP) by people whose keys the operator listed, about one digest in one namespace, for a day at
//! most. It is recorded before it counts, and every decision that it covers names it, needed or not. It never lifts a
//! revocation: who means that takes the revocation back, in the open.

use linkward_ledger::note::Note;
use linkward_ledger::{Body, Kind, Opaque, Recordable, Recorded, RecordedError, Term, TermKind};
use linkward_model::{Digest, Instant};
use serde_json::{Value, json};

use crate::settings::GlassKeys;

const HEAD: &str = "linkward.break-glass/v1";
/// Longest permission.
const LONGEST: i64 = 24 * 3_600_000;

/// What a break-glass asks for. Asking is not being allowed: see [`Permit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlassRequest {
    pub digest: Digest,
    pub namespace: String,
    pub until: Instant,
    pub reason: String,
}

/// Why a break-glass does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlassError {
    #[error("not a signed note")]
    Note(#[from] linkward_ledger::note::NoteError),
    #[error("line `{0}` is missing or malformed")]
    Line(&'static str),
    #[error("signed by {found} of the people listed in `break_glass_keys`, {needed} are needed")]
    People { found: usize, needed: usize },
    #[error("it ended at {0}")]
    Expired(Instant),
    #[error("it runs until {0}, longer than a day")]
    TooLong(Instant),
    #[error("the record is not a break-glass")]
    Record,
}

impl GlassRequest {
    /// The text that people sign.
    pub fn text(&self) -> String {
        format!(
            "{HEAD}\ndigest {}\nnamespace {}\nuntil {}\nreason {}\n",
            self.digest, self.namespace, self.until, self.reason
        )
    }

    /// # Errors
    /// A line is missing, or a value would break the lines.
    pub fn parse(text: &str) -> Result<Self, GlassError> {
        let mut lines = text.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(GlassError::Line("linkward.break-glass/v1"));
        }
        let mut line = |name: &'static str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.filter(|value| !value.is_empty()).ok_or(GlassError::Line(name))
        };
        let request = Self {
            digest: line("digest")?.parse().map_err(|_| GlassError::Line("digest"))?,
            namespace: line("namespace")?.to_owned(),
            until: line("until")?.parse().map_err(|_| GlassError::Line("until"))?,
            reason: line("reason")?.to_owned(),
        };
        if request.text() == text { Ok(request) } else { Err(GlassError::Line("reason")) }
    }
}

/// A break-glass whose signatures were checked. To count it has to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    request: GlassRequest,
    people: Vec<String>,
    note: Vec<u8>,
}

impl Permit {
    /// # Errors
    /// Malformed, over, too long, or not by enough of the people who may.
    pub fn open(note: &[u8], keys: &GlassKeys, now: Instant) -> Result<Self, GlassError> {
        let permit = Self::signed(note, keys)?;
        if now >= permit.request.until {
            return Err(GlassError::Expired(permit.request.until));
        }
        if permit.request.until.since(now) > LONGEST {
            return Err(GlassError::TooLong(permit.request.until));
        }
        Ok(permit)
    }

    fn signed(note: &[u8], keys: &GlassKeys) -> Result<Self, GlassError> {
        let parsed = Note::parse(note)?;
        let request = GlassRequest::parse(parsed.text())?;
        let people = keys.signers(&parsed);
        let needed = keys.people.max(1);
        if people.len() < needed {
            return Err(GlassError::People { found: people.len(), needed });
        }
        Ok(Self { request, people, note: note.to_vec() })
    }

    pub fn request(&self) -> &GlassRequest {
        &self.request
    }

    pub fn people(&self) -> &[String] {
        &self.people
    }
}

impl Recordable for Permit {
    fn body(&self) -> Body {
        let request = &self.request;
        let says = json!({
            "what": "break-glass", "note": String::from_utf8_lossy(&self.note), "people": self.people,
            "digest": request.digest, "namespace": request.namespace, "until": request.until,
            "reason": request.reason,
        });
        let terms = vec![
            Term::digest(&request.digest),
            Term::new(TermKind::Code, linkward_model::Code::BreakGlassApplied.as_str()),
        ];
        Body::new(Kind::Action, terms, Vec::new(), says)
    }
}

/// A recorded break-glass: the only form that a gate takes.
#[derive(Clone, Debug)]
pub struct BreakGlass {
    permit: Recorded<Permit>,
}

impl BreakGlass {
    pub fn new(permit: Recorded<Permit>) -> Self {
        Self { permit }
    }

    /// Reopens a recorded one: its signatures are checked again, against the people who may now.
    ///
    /// # Errors
    /// The record is none, or those who signed it may not any more.
    pub fn reopen(record: Recorded<Opaque>, keys: &GlassKeys) -> Result<Self, GlassError> {
        let wrong = |_: RecordedError| GlassError::Record;
        let body = record.body().map_err(wrong)?;
        let note = body.says.get("note").and_then(Value::as_str).ok_or(GlassError::Record)?;
        let permit = Permit::signed(note.as_bytes(), keys)?;
        Ok(Self { permit: record.reopen(permit).map_err(wrong)? })
    }

    pub(crate) fn covers(&self, digest: &Digest, namespace: Option<&str>, now: Instant) -> bool {
        let request = &self.permit.value().request;
        request.digest == *digest
            && now < request.until
            // A node does not know namespaces; the webhook has asked before it.
            && namespace.is_none_or(|namespace| namespace == request.namespace)
    }

    pub fn record(&self) -> u64 {
        self.permit.index()
    }

    pub fn until(&self) -> Instant {
        self.permit.value().request.until
    }

    pub fn reason(&self) -> &str {
        &self.permit.value().request.reason
    }

    pub fn people(&self) -> &[String] {
        &self.permit.value().people
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use linkward_ledger::key::NoteKey;
    use linkward_ledger::note::signature_line;

    fn person(name: &str, seed: u8) -> (NoteKey, Ed25519KeyPair) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        (NoteKey::new(name, pair.public_key().as_ref().try_into().unwrap()).unwrap(), pair)
    }

    fn note(request: &GlassRequest, people: &[&(NoteKey, Ed25519KeyPair)]) -> Vec<u8> {
        let text = request.text();
        let lines: String = people
            .iter()
            .map(|(key, pair)| signature_line(key, pair.sign(text.as_bytes()).as_ref()))
            .collect();
        format!("{text}\n{lines}").into_bytes()
    }

    #[test]
    fn only_enough_of_the_right_people_for_a_day_at_most() {
        let now = linkward_testkit::noon();
        let (ann, ben) = (person("first.example", 1), person("second.example", 2));
        let alias = (NoteKey::new("alias.example", *ann.0.public()).unwrap(), person("x", 1).1);
        let stranger = person("first.example", 3);
        let keys = |people| GlassKeys { keys: vec![ann.0.clone(), ben.0.clone(), alias.0.clone()], people };
        let request = GlassRequest {
            digest: Digest::sha256(b"x"),
            namespace: "shop".to_owned(),
            until: now.plus_millis(3_600_000),
            reason: "checkout is down".to_owned(),
        };
        let signed = note(&request, &[&ann]);
        assert!(Permit::open(&signed, &keys(1), now).is_ok());
        assert_eq!(Permit::open(&signed, &keys(2), now), Err(GlassError::People { found: 1, needed: 2 }));
        let same = note(&request, &[&ann, &alias]);
        assert_eq!(Permit::open(&same, &keys(2), now), Err(GlassError::People { found: 1, needed: 2 }));
        let both = Permit::open(&note(&request, &[&ann, &ben]), &keys(2), now).unwrap();
        assert_eq!(both.people().len(), 2);
        let forged = note(&request, &[&stranger]);
        assert_eq!(Permit::open(&forged, &keys(1), now), Err(GlassError::People { found: 0, needed: 1 }));
        let nobody = GlassKeys { keys: Vec::new(), people: 0 };
        assert!(Permit::open(&signed, &nobody, now).is_err(), "no keys, no permission");
        assert_eq!(Permit::open(&signed, &keys(1), request.until), Err(GlassError::Expired(request.until)));
        let long = GlassRequest { until: now.plus_millis(LONGEST + 1), ..request.clone() };
        assert_eq!(Permit::open(&note(&long, &[&ann]), &keys(1), now), Err(GlassError::TooLong(long.until)));
        // Changed after signing.
        let text = String::from_utf8(signed).unwrap().replace("namespace shop", "namespace bank");
        assert_eq!(
            Permit::open(text.as_bytes(), &keys(1), now),
            Err(GlassError::People { found: 0, needed: 1 })
        );
        let torn = GlassRequest { reason: "a\nb".to_owned(), ..request };
        assert!(GlassRequest::parse(&torn.text()).is_err());
    }
}

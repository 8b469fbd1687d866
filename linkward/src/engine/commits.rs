//! Who signed the commit that a project stands on: proven against the signers that the operator allows.

use std::path::Path;

use base64::Engine as _;
use linkward_model::{Blame, Code, Digest, Instant};
use linkward_prove::{
    AllowedSigners, Commit, CommitAuthorities, CommitIdentities, Keyring, ObjectId, Proven, Refusal,
};
use serde_json::{Value, json};

use crate::wire::{Reason, Source};

use super::Engine;

type Fault = (Code, String);

/// What is known of a commit's signature, with the bytes that it was proven from.
#[derive(Debug)]
pub(crate) struct CommitSignature {
    state: State,
    commit: Option<Vec<u8>>,
    lists: Lists,
}

/// The bytes of the lists that a commit was proven against, for the record.
#[derive(Debug, Default)]
struct Lists {
    signers: Option<Vec<u8>>,
    keyring: Option<Vec<u8>>,
    authorities: Option<Vec<u8>>,
    identities: Option<Vec<u8>>,
}

#[derive(Debug)]
enum State {
    Proven(Box<Proven<Commit>>),
    Refused(Box<Refusal>),
    /// No proof was tried.
    Open(Code, String),
}

impl Engine {
    /// Proves the commit of a source. Only the file that linkward.toml names counts: a checkout's own configuration could
    /// name a file that whoever wrote the commit wrote too.
    pub(super) fn commit_signature(&self, source: &Source, now: Instant) -> CommitSignature {
        let bytes = source
            .commit
            .as_ref()
            .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
        let id = source.revision.as_ref().and_then(|revision| revision.parse::<ObjectId>().ok());
        let (Some(bytes), Some(id)) = (bytes, id) else {
            let (code, why) = source.reason.as_ref().map_or_else(
                || (Code::CommitUnproven, "the commit's bytes are not known".to_owned()),
                |reason| (reason.code, reason.detail.clone()),
            );
            return CommitSignature { state: State::Open(code, why), commit: None, lists: Lists::default() };
        };
        self.prove_commit(&id, bytes, now)
    }

    /// Proves a commit from its bytes.
    pub(super) fn prove_commit(&self, id: &ObjectId, bytes: Vec<u8>, now: Instant) -> CommitSignature {
        let (listed, lists) = match self.commit_lists() {
            Ok(read) => read,
            Err((code, why)) => {
                let state = State::Open(code, why);
                return CommitSignature { state, commit: Some(bytes), lists: Lists::default() };
            }
        };
        let state = match linkward_prove::commit(id, &bytes, &listed, now) {
            Ok(proven) => State::Proven(Box::new(proven)),
            // Without a list every good signature is by an unknown signer, and that is nobody's fault.
            Err(refusal) if lists.all().next().is_none() && refusal.code == Code::CommitSignerUnknown => {
                let why = "the signature holds, but no allowed signers are named".to_owned();
                State::Open(Code::CommitUnproven, why)
            }
            Err(refusal) => State::Refused(refusal),
        };
        CommitSignature { state, commit: Some(bytes), lists }
    }

    /// The lists that linkward.toml names, each read whole.
    fn commit_lists(&self) -> Result<(AllowedSigners, Lists), Fault> {
        let config = &self.config;
        let mut lists = Lists::default();
        let (name, bytes) = self
            .list_file(config.allowed_signers.as_deref(), Code::AllowedSignersMalformed)?
            .map_or((String::new(), None), |(name, bytes)| (name, Some(bytes)));
        let mut listed = AllowedSigners::parse(bytes.as_deref().unwrap_or_default())
            .map_err(|error| (error.code(), format!("{name}: {error}")))?;
        lists.signers = bytes;
        if let Some((name, bytes)) = self.list_file(config.keyring.as_deref(), Code::KeyringMalformed)? {
            let keyring =
                Keyring::parse(&bytes).map_err(|error| (error.code(), format!("{name}: {error}")))?;
            listed = listed.with_keyring(keyring);
            lists.keyring = Some(bytes);
        }
        let named = config.commit_authorities.as_deref();
        if let Some((name, bytes)) = self.list_file(named, Code::CommitAuthoritiesMalformed)? {
            let authorities = CommitAuthorities::parse(&bytes)
                .map_err(|error| (error.code(), format!("{name}: {error}")))?;
            listed = listed.with_authorities(authorities);
            lists.authorities = Some(bytes);
        }
        let named = config.commit_identities.as_deref();
        if let Some((name, bytes)) = self.list_file(named, Code::CommitIdentitiesMalformed)? {
            let identities = CommitIdentities::parse(&bytes)
                .map_err(|error| (error.code(), format!("{name}: {error}")))?;
            listed = listed.with_identities(identities, self.roots.clone());
            lists.identities = Some(bytes);
        }
        Ok((listed, lists))
    }

    /// A list's name and bytes, where linkward.toml names one.
    fn list_file(&self, path: Option<&Path>, code: Code) -> Result<Option<(String, Vec<u8>)>, Fault> {
        let Some(path) = path else { return Ok(None) };
        let path = self.home.path().join(path);
        let name = path.display().to_string();
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some((name, bytes))),
            Err(error) => Err((code, format!("cannot read {name}: {error}"))),
        }
    }
}

impl Lists {
    fn all(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.signers.iter().chain(&self.keyring).chain(&self.authorities).chain(&self.identities)
    }

    /// The digests of those that were read, by their names in [trust].
    fn says(&self) -> Value {
        let digest = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| Digest::sha256(bytes));
        let mut said = json!({ "allowed_signers": digest(&self.signers), "keyring": digest(&self.keyring) });
        for (name, bytes) in
            [("commit_authorities", &self.authorities), ("commit_identities", &self.identities)]
        {
            if let (Some(bytes), Some(said)) = (bytes, said.as_object_mut()) {
                said.insert(name.to_owned(), json!(Digest::sha256(bytes)));
            }
        }
        said
    }
}

impl CommitSignature {
    /// The cell of the table.
    pub(super) fn cell(&self) -> String {
        match &self.state {
            State::Proven(proven) => {
                let signed = proven.claim().signed();
                format!("{}, proven", signed.address())
            }
            State::Refused(refusal) if refusal.code == Code::CommitUnsigned => "none".to_owned(),
            // A signature of a kind that is not checked says nothing against the commit.
            State::Refused(refusal) if refusal.code.blame() == Blame::Missing => "not proven".to_owned(),
            State::Refused(_) => "refused".to_owned(),
            State::Open(..) => "not proven".to_owned(),
        }
    }

    /// Why it is not proven, if it is not.
    pub(super) fn reason(&self, source: &Source) -> Option<Reason> {
        let (code, detail) = match &self.state {
            State::Proven(_) => return None,
            State::Refused(refusal) => (refusal.code, refusal.message.clone()),
            State::Open(code, why) => (*code, why.clone()),
        };
        let next = match &source.signers_hint {
            Some(path) if code == Code::CommitUnproven => {
                format!("Set [trust] allowed_signers = \"{path}\" in linkward.toml, as your git settings do.")
            }
            _ => code.fix().to_owned(),
        };
        Some(Reason { code, detail, next })
    }

    /// For the record: the result, the checks, and the list that it was made against.
    pub(crate) fn says(&self) -> Value {
        let mut said = self.lists.says();
        let own = match &self.state {
            State::Proven(proven) => {
                let signed = proven.claim().signed();
                json!({
                    "state": "proven", "signer": signed.address(), "key": signed.fingerprint(),
                    "line": signed.line(), "checks": proven.checks(),
                })
            }
            State::Refused(refusal) => json!({
                "state": if refusal.code.blame() == Blame::Missing { "unproven" } else { "refused" }, "code": refusal.code,
                "why": refusal.message, "checks": refusal.checks,
            }),
            State::Open(code, why) => return json!({ "state": "unproven", "code": code, "why": why }),
        };
        if let (Some(said), Some(own)) = (said.as_object_mut(), own.as_object()) {
            said.extend(own.clone());
        }
        said
    }

    /// How the signature stands, in the words of events, and the key where it is proven. What cannot be checked is not said.
    pub(super) fn stands(&self) -> (Option<&'static str>, Option<String>) {
        match &self.state {
            State::Proven(proven) => (Some("good"), Some(proven.claim().signed().fingerprint().to_string())),
            State::Refused(refusal) => match refusal.code {
                Code::CommitUnsigned => (Some("unsigned"), None),
                Code::CommitSignerUnknown | Code::CommitSignerMismatch | Code::CommitSignerExpired => {
                    (Some("unknown"), None)
                }
                code if code.blame() == Blame::Missing => (None, None),
                _ => (Some("bad"), None),
            },
            State::Open(..) => (None, None),
        }
    }

    /// Digests of what the proof was made from, to be recorded with it.
    pub(crate) fn documents(&self) -> Vec<Digest> {
        self.bytes().iter().map(|bytes| Digest::sha256(bytes)).collect()
    }

    pub(super) fn bytes(&self) -> Vec<Vec<u8>> {
        self.commit.iter().chain(self.lists.all()).cloned().collect()
    }
}

//! Documents in: parsed, proven, recorded with their proof or their refusal; and steps of our own, signed.

use anyhow::{Context as _, Result};
use linkward_evidence::Claim;
use linkward_ledger::{Kind, Recorded, Term};
use linkward_model::{Code, Digest, Environment, Identity, Instant};
use linkward_prove::{Artifact, Attestation, Form, Proven, Refusal, Signer};
use linkward_record::StoreError;
use serde_json::Value;

use crate::forms::Beside;
use crate::records::Note;
use crate::wire::{Document, Failure, Signed, Submitted, VERSION, code_of};

use super::Engine;

impl Engine {
    /// Proves and records each document; one that was submitted before keeps its record.
    pub(super) fn submit(&self, documents: &[Document], environment: &Environment) -> Result<Vec<Submitted>> {
        let mut submitted = Vec::new();
        for document in documents {
            match linkward_evidence::collection::split(document.text.as_bytes()) {
                Ok(Some(parts)) => {
                    for (text, number) in parts.into_iter().zip(1u32..) {
                        let part = Document::of_text(format!("{}, {number}", document.name), text);
                        submitted.push(self.submit_one(&part, environment)?);
                    }
                }
                // A collection that is malformed is recorded as unreadable.
                Ok(None) | Err(_) => submitted.push(self.submit_one(document, environment)?),
            }
        }
        Ok(submitted)
    }

    pub(super) fn submit_one(&self, document: &Document, environment: &Environment) -> Result<Submitted> {
        let now = Instant::now();
        let decoded = document.bytes().map_err(|what| Failure::new(Code::UnsupportedFormat, what))?;
        let bytes = decoded.as_slice();
        let digest = Digest::sha256(bytes);
        if let Some(form) = Form::of(bytes) {
            return self.submit_form(form, document, bytes, environment, now);
        }
        // What was refused is tried again: whom the trust roots name may have changed since.
        let known = self.known(&digest, &document.name)?;
        if let Some(known) = known.as_ref().filter(|known| known.proven) {
            return Ok(known.clone());
        }
        let claim = match linkward_evidence::parse(bytes) {
            Ok(claim) => claim,
            Err(fault) => {
                let message = fault.to_string();
                let note = Note::unreadable(&document.name, digest, fault.code, &message, environment);
                let record = self.store.append(note, vec![bytes.to_vec()], now)?.index();
                return Ok(refused(document, record, fault.code, message));
            }
        };
        let format = match &claim {
            Claim::Bundle(_) => "sigstore-bundle",
            Claim::Envelope(_) => "dsse",
            Claim::Statement(_) => "in-toto-statement",
            Claim::Sbom(_) => "sbom",
            Claim::Vex(_) => "vex",
        };
        let mut note = Note::claim(&document.name, format, digest, environment);
        if let Claim::Sbom(sbom) = &claim {
            note = note.with_packages(sbom);
        }
        let claimed = match &known {
            Some(known) => known.record,
            None => self.store.append(note, vec![bytes.to_vec()], now)?.index(),
        };
        if !matches!(claim, Claim::Bundle(_)) {
            return Ok(Submitted {
                name: document.name.clone(),
                proven: false,
                record: claimed,
                signer: None,
                code: Some(Code::NoSignature),
                message: format!("recorded as a claim: a {format} without a signature proves nothing"),
                subjects: Vec::new(),
            });
        }
        let signer = Signer::LeftToPolicy { keyring: &self.keyring };
        match linkward_prove::bundle(bytes, &self.roots, signer, Artifact::AnySubject, now) {
            Ok(proven) => {
                let recorded = self.store.append(proven, vec![bytes.to_vec()], now)?;
                let submitted = proof_line(&document.name, &recorded);
                self.remember(recorded);
                self.ask_again(&submitted.subjects, now);
                Ok(submitted)
            }
            Err(refusal) => self.submit_refusal(*refusal, known, document, bytes, now),
        }
    }

    /// Records a refusal, unless it is the one that is recorded.
    fn submit_refusal(
        &self,
        refusal: Refusal,
        known: Option<Submitted>,
        document: &Document,
        bytes: &[u8],
        now: Instant,
    ) -> Result<Submitted> {
        let same = |known: &Submitted| known.code == Some(refusal.code) && known.message == refusal.message;
        if let Some(known) = known.filter(same) {
            return Ok(known);
        }
        let (code, message) = (refusal.code, refusal.message.clone());
        let subjects = refusal.subjects.clone();
        let record = self.store.append(refusal, vec![bytes.to_vec()], now)?.index();
        Ok(Submitted { subjects, ..refused(document, record, code, message) })
    }

    /// Evidence in another form than the bundle, proven by whom linkward.toml trusts now: what was refused before may hold
    /// since that changed, or since its links are there.
    fn submit_form(
        &self,
        form: Form,
        document: &Document,
        bytes: &[u8],
        environment: &Environment,
        now: Instant,
    ) -> Result<Submitted> {
        let known = self.known(&Digest::sha256(bytes), &document.name)?;
        if let Some(known) = known.as_ref().filter(|known| known.proven) {
            return Ok(known.clone());
        }
        let trust = self.config.form_trust.read(self.home.path())?;
        match linkward_prove::evidence(form, bytes, &trust, &Beside(&document.beside), now) {
            Ok(proven) => {
                let used = proven.claim().beside();
                let beside = document.beside.iter().filter(|beside| used.contains_key(&beside.name));
                let beside = beside.map(Document::bytes).collect::<Result<Vec<_>, _>>();
                let beside = beside.map_err(|what| Failure::new(Code::UnsupportedFormat, what))?;
                let documents = [vec![bytes.to_vec(), trust.document(form)], beside].concat();
                let note = Note::claim(&document.name, form.name(), Digest::sha256(bytes), environment);
                self.store.append(note, vec![bytes.to_vec()], now)?;
                let recorded = self.store.append(proven, documents, now)?;
                let submitted = proof_line(&document.name, &recorded);
                self.remember(recorded);
                self.ask_again(&submitted.subjects, now);
                Ok(submitted)
            }
            Err(refusal) => self.submit_refusal(*refusal, known, document, bytes, now),
        }
    }

    /// The record of a document that was submitted before.
    fn known(&self, document: &Digest, name: &str) -> Result<Option<Submitted>> {
        for kind in [Kind::Proof, Kind::Refusal] {
            let rows = self.rows(Some(kind), Some(Term::digest(document)), 1)?;
            let Some(row) = rows.first() else { continue };
            if kind == Kind::Proof {
                // What was deleted is recorded anew.
                return Ok(self.proof_there(row.index)?.map(|proof| proof_line(name, &proof)));
            }
            let says = self.store.body(row.index)?.says;
            let field = |name: &str| says.get(name).and_then(Value::as_str).unwrap_or("");
            return Ok(Some(Submitted {
                name: name.to_owned(),
                proven: false,
                record: row.index,
                signer: None,
                code: field("code").parse().ok(),
                message: field("message").to_owned(),
                subjects: Vec::new(),
            }));
        }
        Ok(None)
    }

    /// As [`Engine::proof`]; nothing where retention deleted what it was proven from.
    pub(super) fn proof_there(&self, index: u64) -> Result<Option<Recorded<Proven<Attestation>>>> {
        match self.proof(index) {
            Ok(proof) => Ok(Some(proof)),
            Err(error) if code_of(&error) == Some(Code::DeletedByRetention) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A proof by its record: from memory, or proven again from its documents.
    pub(super) fn proof(&self, index: u64) -> Result<Recorded<Proven<Attestation>>> {
        let known =
            self.proofs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&index).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let record = self.store.read(index)?;
        for digest in record.body()?.documents {
            if let Some(tombstone) = self.store.tombstone(&digest)? {
                return Err(StoreError::Deleted { digest, tombstone }.into());
            }
        }
        let documents = |digest: &Digest| self.store.blob(digest).ok().flatten();
        let proof = linkward_prove::reopen(record, &documents)
            .with_context(|| format!("record {index} does not prove again"))?;
        self.verified.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.remember(proof.clone());
        Ok(proof)
    }

    fn remember(&self, proof: Recorded<Proven<Attestation>>) {
        let mut proofs = self.proofs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if proofs.len() >= 10_000 {
            proofs.pop_first();
        }
        proofs.insert(proof.index(), proof);
    }

    /// Signs the statements of a step that the caller ran, logs the signatures, and proves the bundles like any other.
    pub(super) fn sign_step(
        &self,
        step: Value,
        statements: &[String],
        environment: &Environment,
    ) -> Result<Signed> {
        let mut unlogged = Vec::new();
        for text in statements {
            linkward_evidence::statement::Statement::parse(text.as_bytes())?;
            let pae = linkward_evidence::dsse::pae(linkward_issue::PAYLOAD_TYPE, text.as_bytes());
            let signature = self.signer.call(|signer| Ok(signer.sign_pae(&pae)?))?;
            let content = linkward_issue::bundle::envelope(text.as_bytes(), &signature);
            let digest = Digest::sha256(&pae);
            unlogged.push(self.signed(&content, &self.trust.step_key, &digest, &signature)?);
        }
        let logged = unlogged.iter().map(|unlogged| Ok(self.completed(unlogged)?.0));
        let bundles: Vec<String> = match logged.collect::<Result<_>>() {
            Ok(bundles) => bundles,
            Err(error) if super::spool::away(&error) => {
                return self.step_waits(step, &unlogged, environment, &error);
            }
            Err(error) => return Err(error),
        };
        let records = self.record_step(step, &bundles, environment)?;
        Ok(Signed { version: VERSION, bundles, records, unlogged: None })
    }
}

fn refused(document: &Document, record: u64, code: Code, message: String) -> Submitted {
    Submitted {
        name: document.name.clone(),
        proven: false,
        record,
        signer: None,
        code: Some(code),
        message,
        subjects: Vec::new(),
    }
}

fn proof_line(name: &str, proof: &Recorded<Proven<Attestation>>) -> Submitted {
    let subjects = proof.value().claim().subjects();
    Submitted {
        name: name.to_owned(),
        proven: true,
        record: proof.index(),
        // Whole, for a policy to name.
        signer: Some(match proof.value().signer() {
            Identity::Key { id } => format!("key {id}"),
            certificate => certificate.to_string(),
        }),
        code: None,
        message: "every check passed".to_owned(),
        subjects: subjects.iter().flat_map(|subject| subject.digests.iter().copied()).collect(),
    }
}

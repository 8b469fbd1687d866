//! Evidence that is no bundle, as an attestation: Notary Project signatures, in-toto layouts with their links, Debian's
//! InRelease. What it is about is what it names itself; the record keeps with it whom the operator trusted.

use std::cell::RefCell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_evidence::in_toto::link::strong;
use linkward_evidence::predicate::Predicate;
use linkward_evidence::rekor::pem_blocks;
use linkward_evidence::statement::Subject;
use linkward_model::{Code, Digest, Instant};
use serde_json::{Value, json};

use crate::attestation::{Attestation, Stamp};
use crate::in_toto::{Folder, Inspections, LayoutQuestion};
use crate::key::PublicKey;
use crate::notation::{NotationTrust, TrustedSubject};
use crate::openpgp::Keyring;
use crate::proven::{Proven, Refusal};

/// Largest JSON that may be a layout or an envelope of Notation.
const MAX_JSON: usize = 8 << 20;

/// Whether this is a bundle: it need not be read twice.
fn has_material(text: &[u8]) -> bool {
    const NAME: &[u8] = b"\"verificationMaterial\"";
    text.windows(NAME.len()).any(|window| window == NAME)
}

/// A form of evidence beside the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Notation,
    Layout,
    InRelease,
}

impl Form {
    const ALL: [Self; 3] = [Self::Notation, Self::Layout, Self::InRelease];

    /// What a document is by its looks; whether it is sound comes out when it is proven.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let text = bytes.trim_ascii_start();
        if text.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----") {
            return Some(Self::InRelease);
        }
        // Tag 18 of CBOR: COSE_Sign1 (RFC 9052, 2), in either spelling.
        if bytes.starts_with(&[0xd2]) || bytes.starts_with(&[0xd8, 0x12]) {
            return Some(Self::Notation);
        }
        if text.len() > MAX_JSON || has_material(text) {
            return None;
        }
        let Ok(Value::Object(document)) = serde_json::from_slice::<Value>(text) else { return None };
        let has = |name: &str| document.contains_key(name);
        if has("protected") && has("payload") && has("signature") {
            return Some(Self::Notation);
        }
        let layout = |value: &Value| value.get("_type").and_then(Value::as_str) == Some("layout");
        let within = || {
            let payload = STANDARD.decode(document.get("payload")?.as_str()?).ok()?;
            serde_json::from_slice::<Value>(&payload).ok()
        };
        let signed = document.get("signed").is_some_and(layout);
        (signed || within().as_ref().is_some_and(layout)).then_some(Self::Layout)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Notation => "notation",
            Self::Layout => "in-toto-layout",
            Self::InRelease => "in-release",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

/// Whom the operator trusts for evidence in these forms, as the files that say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormTrust {
    /// Trust store `ca`: certificates, PEM.
    pub notation_authorities: String,
    /// Trust store `signingAuthority`: certificates, PEM.
    pub notation_signing_authorities: String,
    /// Trust store `tsa`: certificates, PEM.
    pub notation_timestamp_authorities: String,
    /// Identities, one a line: `x509.subject: C=US, ST=WA, O=example.com`, or `*`. `#` begins a remark.
    pub notation_identities: String,
    /// Public keys, PEM: a layout must be signed by each.
    pub layout_keys: String,
    /// Values of layouts' parameters, NAME=VALUE, one a line. `#` begins a remark.
    pub layout_parameters: String,
    /// OpenPGP keys of archives, as `gpg --export` writes them.
    pub archive_keyring: Vec<u8>,
}

type Fault = (Code, String);

impl FormTrust {
    /// What of it is used for this form, as one document that a record can keep.
    pub fn document(&self, form: Form) -> Vec<u8> {
        match form {
            Form::InRelease => self.archive_keyring.clone(),
            Form::Layout => json!({ "keys": self.layout_keys, "parameters": self.layout_parameters })
                .to_string()
                .into_bytes(),
            Form::Notation => json!({
                "ca": self.notation_authorities,
                "signingAuthority": self.notation_signing_authorities,
                "tsa": self.notation_timestamp_authorities,
                "identities": self.notation_identities,
            })
            .to_string()
            .into_bytes(),
        }
    }

    pub(crate) fn from_document(form: Form, document: &[u8]) -> Option<Self> {
        let mut trust = Self::default();
        if form == Form::InRelease {
            trust.archive_keyring = document.to_vec();
            return Some(trust);
        }
        let said: Value = serde_json::from_slice(document).ok()?;
        let field = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
        match form {
            Form::InRelease => {}
            Form::Layout => {
                trust.layout_keys = field("keys")?;
                trust.layout_parameters = field("parameters")?;
            }
            Form::Notation => {
                trust.notation_authorities = field("ca")?;
                trust.notation_signing_authorities = field("signingAuthority")?;
                trust.notation_timestamp_authorities = field("tsa")?;
                trust.notation_identities = field("identities")?;
            }
        }
        Some(trust)
    }

    fn notation(&self) -> Result<NotationTrust, Fault> {
        let store = |name: &str, text: &str| {
            if text.trim().is_empty() {
                return Ok(Vec::new());
            }
            let what =
                || (Code::TrustRootMalformed, format!("[trust] {name} is not a list of PEM certificates"));
            pem_blocks(text).filter(|list| !list.is_empty()).ok_or_else(what)
        };
        let subjects = lines(&self.notation_identities)
            .map(|line| line.parse::<TrustedSubject>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| (Code::TrustRootMalformed, format!("[trust] notation_identities: {error}")))?;
        Ok(NotationTrust {
            authorities: store("notation_authorities", &self.notation_authorities)?,
            signing_authorities: store("notation_signing_authorities", &self.notation_signing_authorities)?,
            timestamp_authorities: store(
                "notation_timestamp_authorities",
                &self.notation_timestamp_authorities,
            )?,
            subjects,
        })
    }

    fn layout_keys(&self) -> Result<Vec<PublicKey>, Fault> {
        let wrong = |what: String| (Code::TrustRootMalformed, format!("[trust] layout_keys: {what}"));
        if self.layout_keys.trim().is_empty() {
            return Ok(Vec::new());
        }
        let blocks = pem_blocks(&self.layout_keys).ok_or_else(|| wrong("not PEM".to_owned()))?;
        let keys = blocks.iter().map(|spki| PublicKey::from_spki(spki));
        keys.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))
    }

    fn layout_parameters(&self) -> Result<BTreeMap<String, String>, Fault> {
        let pair = |line: &str| {
            let pair = line.split_once('=').filter(|(name, _)| !name.is_empty());
            pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| {
                let what = format!("[trust] layout_parameters: `{}` is not NAME=VALUE", line.escape_debug());
                (Code::TrustRootMalformed, what)
            })
        };
        lines(&self.layout_parameters).map(pair).collect()
    }

    fn archive_keyring(&self) -> Result<Keyring, Fault> {
        if self.archive_keyring.is_empty() {
            let what = "[trust] archive_keyring names no keys of archives";
            return Err((Code::IdentityMissing, what.to_owned()));
        }
        Keyring::parse(&self.archive_keyring)
            .map_err(|error| (error.code(), format!("[trust] archive_keyring: {error}")))
    }
}

/// The lines that are no remarks.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A folder that remembers what was read of it.
struct Watched<'a> {
    folder: &'a dyn Folder,
    read: RefCell<BTreeMap<String, Digest>>,
}

impl Folder for Watched<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let found = self.folder.read(path)?;
        if let Some(bytes) = &found {
            self.read.borrow_mut().insert(path.to_owned(), Digest::sha256(bytes));
        }
        Ok(found)
    }
}

/// Proves evidence in another form. `beside` is where the links of a layout lie; its inspections are never run, so a
/// layout that demands one stays undecided.
///
/// # Errors
/// The first check that fails, with those before it; or what the operator trusts cannot be read.
pub fn evidence(
    form: Form,
    document: &[u8],
    trust: &FormTrust,
    beside: &dyn Folder,
    now: Instant,
) -> Result<Proven<Attestation>, Box<Refusal>> {
    let unread =
        |fault: Fault| Refusal::after(Vec::new(), &["trust"], fault, Digest::sha256(document), Vec::new());
    let kept = Digest::sha256(&trust.document(form));
    match form {
        Form::Notation => {
            let trust = trust.notation().map_err(unread)?;
            let proven = crate::notation::named_by_itself(document, &trust, now)?;
            let subject = subject("", vec![proven.claim.target.digest]);
            let stamps = proven.claim.stamp.iter().cloned().collect();
            Ok(attested(proven, kept, form, vec![subject], stamps, BTreeMap::new()))
        }
        Form::Layout => {
            let keys = trust.layout_keys().map_err(unread)?;
            let parameters = trust.layout_parameters().map_err(unread)?;
            let links = Watched { folder: beside, read: RefCell::default() };
            let proven = crate::in_toto::layout_of_any(LayoutQuestion {
                layout: document,
                keys: &keys,
                links: &links,
                parameters: &parameters,
                inspections: Inspections::Undecided,
                artifact: &[],
                now,
            })?;
            let products = proven.claim.products().iter();
            let subjects = products.map(|(path, digests)| subject(path, strong(digests))).collect();
            let read = links.read.into_inner();
            Ok(attested(proven, kept, form, subjects, Vec::new(), read))
        }
        Form::InRelease => {
            let keyring = trust.archive_keyring().map_err(unread)?;
            let proven = crate::release::any_of(document, &keyring, now)?;
            let files = proven.claim.release().files.iter();
            let subjects = files.map(|file| subject(&file.path, vec![file.digest])).collect();
            Ok(attested(proven, kept, form, subjects, Vec::new(), BTreeMap::new()))
        }
    }
}

fn subject(name: &str, digests: Vec<Digest>) -> Subject {
    Subject { name: name.to_owned(), digests }
}

fn attested<T>(
    proven: Proven<T>,
    kept: Digest,
    form: Form,
    subjects: Vec<Subject>,
    stamps: Vec<Stamp>,
    beside: BTreeMap<String, Digest>,
) -> Proven<Attestation> {
    Proven {
        claim: Attestation {
            subjects,
            statement: None,
            predicate: Predicate::Other,
            sbom: None,
            logged: Vec::new(),
            stamps,
            extensions: Vec::new(),
            form: Some(form),
            beside,
        },
        checks: proven.checks,
        signer: proven.signer,
        proven_at: proven.proven_at,
        verified_at: proven.verified_at,
        roots: kept,
        root_documents: vec![kept],
        document: proven.document,
        key: None,
    }
}

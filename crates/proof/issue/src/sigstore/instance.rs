//! What a private Sigstore is made of, public halves alone, and the documents that its clients read.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::LogId;
use linkward_ledger::key::{NoteKey, NoteKeyError};
use linkward_model::{Digest, Instant};
use linkward_prove::PublicKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use super::ceremony::{self, CeremonyError};
use super::leaf::Above;
use crate::keys::Role;

type Ceremony = fn(&Path, &str, u32, Instant) -> Result<Generation, CeremonyError>;

/// Bytes that JSON holds as base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Der(pub Vec<u8>);

impl Serialize for Der {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Der {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// One key of a role, and what was issued to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    pub number: u32,
    pub name: String,
    /// SubjectPublicKeyInfo.
    pub key: Der,
    /// From its own certificate to the root; empty for keys without one.
    pub chain: Vec<Der>,
    pub start: Instant,
    /// When a newer one took over, with some overlap.
    pub end: Option<Instant>,
}

impl Generation {
    pub(crate) fn new(number: u32, name: String, key: Vec<u8>, chain: Vec<Vec<u8>>, start: Instant) -> Self {
        Self { number, name, key: Der(key), chain: chain.into_iter().map(Der).collect(), start, end: None }
    }

    fn valid(&self) -> Value {
        // Whole seconds before the first use: what is issued in the first second must be covered.
        let start = Instant::from_seconds(self.start.seconds().saturating_sub(1));
        match self.end {
            Some(end) => json!({ "start": start, "end": end }),
            None => json!({ "start": start }),
        }
    }

    fn certificates(&self) -> Value {
        let chain = self.chain.iter().map(|der| json!({ "rawBytes": der }));
        json!({ "certificates": chain.collect::<Vec<_>>() })
    }
}

/// One key of the signing log, which is one and the same log under all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogKey {
    pub number: u32,
    /// In the spelling of signed notes.
    pub key: String,
    pub start: Instant,
    pub end: Option<Instant>,
}

/// A private Sigstore. The last generation of each role is the one that signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub version: u32,
    pub created: Instant,
    pub authorities: Vec<Generation>,
    pub certificate_logs: Vec<Generation>,
    pub timestamp_authorities: Vec<Generation>,
    pub test_issuer: Option<Generation>,
    /// Empty until the signing log's key is rotated for the first time.
    #[serde(default)]
    pub log_keys: Vec<LogKey>,
    /// Empty until the key of what people sign is rotated for the first time.
    #[serde(default)]
    pub artifact_keys: Vec<Generation>,
}

impl Instance {
    /// The authority that issues now.
    pub fn above(&self) -> Option<Above> {
        let last = self.authorities.last()?;
        let key = PublicKey::from_spki(&last.key.0).ok()?;
        Some(Above { name: last.name.clone(), generation: last.number, point: key.raw().to_vec() })
    }

    /// Adds a generation of a role: it signs from now on, and what the one before signed stays proven.
    ///
    /// # Errors
    /// The key cannot be made.
    pub fn rotate(
        &mut self,
        role: Role,
        keys: &Path,
        home: &str,
        overlap_millis: i64,
        now: Instant,
    ) -> Result<&Generation, CeremonyError> {
        let (list, make): (&mut Vec<Generation>, Ceremony) = match role {
            Role::Authority => (&mut self.authorities, ceremony::authority),
            Role::Timestamp => (&mut self.timestamp_authorities, ceremony::timestamp),
            Role::CertificateLog => (&mut self.certificate_logs, ceremony::certificate_log),
            Role::TestIssuer => return Err(CeremonyError::Unrotatable),
        };
        // A rotation that was killed half way has left a key behind; a key is never written over.
        let mut number = list.iter().map(|known| known.number).max().unwrap_or(0).saturating_add(1);
        while keys.join(role.file(number)).exists() {
            number = number.saturating_add(1);
        }
        let next = make(keys, home, number, now)?;
        for known in list.iter_mut().filter(|known| known.end.is_none()) {
            known.end = Some(now.plus_millis(overlap_millis));
        }
        list.push(next);
        list.last().ok_or(CeremonyError::Unreadable)
    }

    /// Adds a key to the signing log.
    ///
    /// # Errors
    /// The key cannot be made.
    pub fn rotate_log(
        &mut self,
        log: &LogId,
        log_from: Instant,
        keys: &Path,
        overlap_millis: i64,
        now: Instant,
    ) -> Result<LogKey, CeremonyError> {
        if self.log_keys.is_empty() {
            self.log_keys.push(LogKey { number: 1, key: log.key.clone(), start: log_from, end: None });
        }
        let last = self.log_keys.iter().map(|known| known.number).max().unwrap_or(1);
        let (number, public) = crate::keys::create_log_key(keys, last)?;
        let key = NoteKey::new(&log.origin, public).map_err(|_| CeremonyError::Unreadable)?.to_string();
        for known in self.log_keys.iter_mut().filter(|known| known.end.is_none()) {
            known.end = Some(now.plus_millis(overlap_millis));
        }
        let made = LogKey { number, key, start: now, end: None };
        self.log_keys.push(made.clone());
        Ok(made)
    }

    /// Adds a key for what people ask to be signed; `current` is SubjectPublicKeyInfo of the first.
    ///
    /// # Errors
    /// The key cannot be made.
    pub fn rotate_artifact_key(
        &mut self,
        current: Vec<u8>,
        keys: &Path,
        home: &str,
        overlap_millis: i64,
        now: Instant,
    ) -> Result<Generation, CeremonyError> {
        let name = |number: u32| format!("{home} signing key {number}");
        if self.artifact_keys.is_empty() {
            self.artifact_keys.push(Generation::new(1, name(1), current, Vec::new(), self.created));
        }
        let last = self.artifact_keys.iter().map(|known| known.number).max().unwrap_or(1);
        let (number, spki) = crate::keys::create_artifact_key(keys, last)?;
        for known in self.artifact_keys.iter_mut().filter(|known| known.end.is_none()) {
            known.end = Some(now.plus_millis(overlap_millis));
        }
        let made = Generation::new(number, name(number), spki, Vec::new(), now);
        self.artifact_keys.push(made.clone());
        Ok(made)
    }

    /// The keys of what people ask to be signed, with their times, as a list that verifiers take; `first` where there
    /// has been one.
    pub fn key_list(&self, first: &[u8]) -> Value {
        let listed = |spki: &[u8], valid: Value| {
            json!({
                "keyId": Digest::sha256(spki).hex(),
                "publicKey": {
                    "rawBytes": STANDARD.encode(spki), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid,
                },
            })
        };
        let mut keys: Vec<Value> =
            self.artifact_keys.iter().map(|known| listed(&known.key.0, known.valid())).collect();
        if keys.is_empty() {
            let start = Instant::from_seconds(self.created.seconds().saturating_sub(1));
            keys.push(listed(first, json!({ "start": start })));
        }
        json!({ "keys": keys })
    }

    /// `trusted_root.json`. The log's origin is the host name of its base URL, as clients expect.
    ///
    /// # Errors
    /// The log's key is malformed.
    pub fn trusted_root(&self, log: &LogId, log_from: Instant) -> Result<Value, NoteKeyError> {
        let logs = if self.log_keys.is_empty() {
            vec![crate::trusted_root::log(&log.key, log_from, None)?]
        } else {
            let keys = self.log_keys.iter();
            keys.map(|known| crate::trusted_root::log(&known.key, known.start, known.end))
                .collect::<Result<_, _>>()?
        };
        let mut root = crate::trusted_root::document(logs);
        let host = format!("https://{}", log.origin);
        let authority = |generation: &Generation| {
            json!({
                "subject": { "organization": "linkward", "commonName": generation.name },
                "uri": host, "certChain": generation.certificates(), "validFor": generation.valid(),
            })
        };
        let certificate_log = |generation: &Generation| {
            json!({
                "baseUrl": host,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": generation.key,
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": generation.valid(),
                },
                "logId": { "keyId": STANDARD.encode(Digest::sha256(&generation.key.0).as_bytes()) },
            })
        };
        let list = |values: Vec<Value>| Value::Array(values);
        root["certificateAuthorities"] = list(self.authorities.iter().map(authority).collect());
        root["timestampAuthorities"] = list(self.timestamp_authorities.iter().map(authority).collect());
        root["ctlogs"] = list(self.certificate_logs.iter().map(certificate_log).collect());
        Ok(root)
    }

    /// `signing_config.v0.2.json` for services under this URL.
    pub fn signing_config(&self, url: &str, issuers: &[String]) -> Value {
        let service = |url: String, version: u32| {
            json!({
                "url": url, "majorApiVersion": version, "operator": "linkward",
                "validFor": { "start": Instant::from_seconds(self.created.seconds().saturating_sub(1)) },
            })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service(url.to_owned(), 1)],
            "oidcUrls": issuers.iter().map(|issuer| service(issuer.clone(), 1)).collect::<Vec<_>>(),
            "rekorTlogUrls": [service(url.to_owned(), 2)],
            "rekorTlogConfig": { "selector": "ANY" },
            "tsaUrls": [service(format!("{url}/api/v1/timestamp"), 1)],
            "tsaConfig": { "selector": "ANY" },
        })
    }

    /// Both in one file, for sigstore-python's `--trust-config`.
    pub fn client_trust_config(trusted_root: &Value, signing_config: &Value) -> Value {
        json!({
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": trusted_root,
            "signingConfig": signing_config,
        })
    }

    /// The chains of every authority, PEM, newest first.
    pub fn trust_bundle(&self) -> Value {
        let chain = |generation: &Generation| json!({ "certificates": pem_chain(generation) });
        json!({ "chains": self.authorities.iter().rev().map(chain).collect::<Vec<_>>() })
    }
}

/// A generation's certificates, PEM.
pub fn pem_chain(generation: &Generation) -> Vec<String> {
    generation.chain.iter().map(|der| crate::keys::pem("CERTIFICATE", &der.0)).collect()
}

/// A certificate, PEM.
pub fn pem_certificate(der: &[u8]) -> String {
    crate::keys::pem("CERTIFICATE", der)
}

//! The private Sigstore of this home: log, certificate authority, timestamp authority, and what clients read.
//!
//! One generation of each key signs; all of them stand in the trust root.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use linkward_issue::bundle::Included;
use linkward_issue::client::Unlogged;
use linkward_issue::sigstore::claims::{self, Kind};
use linkward_issue::sigstore::entry::{self, Entry};
use linkward_issue::sigstore::instance::{Instance, pem_certificate, pem_chain};
use linkward_issue::sigstore::request::SigningRequest;
use linkward_issue::sigstore::timestamp::Query;
use linkward_issue::sigstore::token::{KeySet, Token, Unverified};
use linkward_issue::sigstore::{Refused, leaf, sct};
use linkward_ledger::LogName;
use linkward_model::{Code, Digest, Environment, Instant};
use linkward_prove::PublicKey;
use serde_json::{Value, json};

use super::Engine;
use super::abuse::Abuse;
use super::limit::{Limiter, Tokens};
use crate::home::Home;
use crate::issuers::Issuer;
use crate::wire::{Failure, SignedArtifact, VERSION};

/// What the services remember while they run.
#[derive(Debug)]
pub(super) struct Services {
    instance: Option<Arc<Instance>>,
    /// PEM of the key that signs what a person asks to be signed.
    pub(super) artifact_key: Option<String>,
    artifact_generation: u32,
    entries: Limiter,
    certificates: Limiter,
    stamps: Limiter,
    tokens: Tokens,
    pub(super) abuse: Abuse,
}

/// Why a request to a service got no answer.
#[derive(Debug)]
pub(crate) enum Denied {
    Refused(Refused),
    /// Too many requests; when to come again, in seconds.
    Later(u64),
    Broken(anyhow::Error),
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<anyhow::Error> for Denied {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

type Answer<T> = Result<T, Denied>;

impl Services {
    pub(super) fn open(home: &Home) -> Result<Self> {
        let instance = home.instance()?.map(Arc::new);
        let artifact_key = home.artifact_key()?;
        let last = instance.as_ref().and_then(|instance| instance.artifact_keys.last());
        let artifact_generation = last.map_or(1, |last| last.number);
        Ok(Self {
            instance,
            artifact_key,
            artifact_generation,
            entries: Limiter::new(2_000.0, 10_000.0),
            certificates: Limiter::new(10.0, 200.0),
            stamps: Limiter::new(1_000.0, 5_000.0),
            tokens: Tokens::default(),
            abuse: Abuse::default(),
        })
    }
}

impl Engine {
    fn instance(&self) -> Answer<Arc<Instance>> {
        let missing = || Refused::new(Code::SigstoreMissing, "this home has no private Sigstore").into();
        self.services.instance.clone().ok_or_else(missing)
    }

    pub(super) const fn has_sigstore(&self) -> bool {
        self.services.instance.is_some()
    }

    fn logged(&self, body: Vec<u8>) -> Result<Included> {
        let included = self.store.append_entry(LogName::Signing, body)?;
        Ok(Included {
            index: included.index,
            size: included.size,
            root: included.root,
            proof: included.proof,
            checkpoint: included.checkpoint,
        })
    }

    /// Rekor v2: checks and logs; the same entry again gets its first index and a fresh proof.
    pub(crate) fn log_signature(&self, body: &[u8]) -> Answer<Value> {
        let refuse = |refused| {
            // Whose signature does not hold is nobody that could be named.
            self.services.abuse.limited(Digest::sha256(b"entries"), refused, Instant::now())
        };
        let entry = Entry::parse(body).map_err(refuse)?;
        self.services.entries.take(entry.verifier, Instant::now()).map_err(Denied::Later)?;
        let log = self.store.log_id(LogName::Signing).context("this home has no signing log")?;
        let included = self.logged(entry.body.clone())?;
        let key = log.key.parse().context("the signing log's key")?;
        Ok(entry::included(&entry.body, &included, &key))
    }

    /// Fulcio v2: a certificate for a key, to whom its token says.
    pub(crate) fn certify(&self, bearer: Option<&str>, body: &[u8]) -> Answer<Value> {
        self.certified(bearer, body).map_err(|denied| match denied {
            Denied::Refused(refused) => {
                let token = SigningRequest::parse(body).ok().and_then(|request| request.token);
                let who = super::abuse::claimed(bearer.or(token.as_deref()));
                self.services.abuse.limited(who, refused, Instant::now())
            }
            denied => denied,
        })
    }

    fn certified(&self, bearer: Option<&str>, body: &[u8]) -> Answer<Value> {
        let instance = self.instance()?;
        let above = instance.above().context("the instance has no authority")?;
        let log = instance.certificate_logs.last().context("the instance has no certificate log")?;
        let request = SigningRequest::parse(body)?;
        let token = bearer
            .or(request.token.as_deref())
            .ok_or_else(|| Refused::new(Code::TokenMissing, "the request has no identity token"))?;
        let now = Instant::now();
        let (issuer, token) = self.token(token, now)?;
        let identity =
            Digest::sha256(format!("{} {}", issuer.url, token.text("sub").unwrap_or("")).as_bytes());
        self.services.certificates.take(identity, now).map_err(Denied::Later)?;
        let subject = claims::subject(issuer.kind, &issuer.url, &token)?;
        let challenges: Vec<&str> = subject.challenges.iter().map(String::as_str).collect();
        let key = request.proven(&challenges)?;
        if !issuer.reuse && !self.services.tokens.use_for(token.id, key.id(), token.expires, now) {
            let message = "the token certified another key before; one token, one key";
            return Err(Refused::new(Code::TokenReplayed, message).into());
        }
        let request = leaf::Request {
            key: key.spki().to_vec(),
            name: subject.name,
            claims: subject.claims,
            serial: serial(&token.id, &key.id(), now),
            not_before: Instant::from_seconds(now.seconds()),
        };
        let tbs = request.tbs(&above).map_err(|error| Refused::new(Code::TokenClaims, error.to_string()))?;
        // Logged before it is issued: the signer asks for the proof.
        let entry = sct::leaf(now, &above.key_hash(), &tbs);
        let included = self.store.append_entry(LogName::Certificates, entry).context("certificate log")?;
        let included = Included {
            index: included.index,
            size: included.size,
            root: included.root,
            proof: included.proof,
            checkpoint: included.checkpoint,
        };
        let der =
            self.signer.call(|signer| Ok(signer.issue(&request, &above, log.number, now, &included)?))?;
        let chain = instance.authorities.last().map(pem_chain).unwrap_or_default();
        let certificates: Vec<String> = std::iter::once(pem_certificate(&der)).chain(chain).collect();
        Ok(json!({ "signedCertificateEmbeddedSct": { "chain": { "certificates": certificates } } }))
    }

    /// Checks a token against the issuer that it names, if that one is configured.
    fn token(&self, text: &str, now: Instant) -> Answer<(Issuer, Token)> {
        let unverified = Unverified::parse(text)?;
        let (issuer, keys) = self.issuer(unverified.issuer())?;
        let token = unverified.verify(&keys, &issuer.audience, now)?;
        Ok((issuer, token))
    }

    fn issuer(&self, url: &str) -> Answer<(Issuer, KeySet)> {
        if let Some(issuer) = self.config.issuers.iter().find(|issuer| issuer.url == url) {
            let path = self.home.path().join(&issuer.jwks);
            let bytes = std::fs::read(&path)
                .with_context(|| format!("cannot read the keys of {url} from {}", path.display()))?;
            return Ok((issuer.clone(), KeySet::parse(&bytes)?));
        }
        let test = self.services.instance.as_ref().and_then(|instance| instance.test_issuer.as_ref());
        if let Some(test) = test.filter(|_| self.config.dangerous_test_issuer && url == self.test_issuer()) {
            let key = PublicKey::from_spki(&test.key.0).context("the test issuer's key")?;
            let issuer = Issuer {
                url: url.to_owned(),
                kind: Kind::Generic,
                audience: "sigstore".to_owned(),
                jwks: String::new(),
                reuse: false,
            };
            return Ok((issuer, KeySet::of_p256("test", key.raw())));
        }
        let shown: String = url.chars().filter(|c| !c.is_control()).take(200).collect();
        Err(Refused::new(Code::TokenIssuer, format!("the issuer `{shown}` is not configured")).into())
    }

    fn test_issuer(&self) -> String {
        format!("https://{}{}", self.trust.id, linkward_issue::TEST_ISSUER)
    }

    /// A token for tests, where the setting allows it.
    pub(super) fn test_token(&self, subject: &str, audience: &str, lifetime: i64) -> Result<String> {
        if !self.config.dangerous_test_issuer {
            anyhow::bail!("tests alone may mint identities: set sigstore.dangerous_test_issuer = true first");
        }
        let now = Instant::now().seconds();
        let mut claims = json!({
            "iss": self.test_issuer(), "sub": subject, "aud": audience, "iat": now, "nbf": now,
            "exp": now.saturating_add(lifetime), "jti": format!("{now}-{}", self.store.checkpoint(LogName::Evidence)?.size()),
        });
        if subject.contains('@') && !subject.contains("://") {
            claims["email"] = json!(subject);
            claims["email_verified"] = json!(true);
        }
        // Two tokens of one second must differ: one token certifies one key.
        claims["nonce"] = json!(Instant::now().millis());
        self.signer.call(|signer| Ok(signer.test_token(claims)?))
    }

    /// RFC 3161: a timestamp of now.
    pub(crate) fn stamp(&self, query: &Query) -> Answer<Vec<u8>> {
        let instance = self.instance()?;
        let by = instance.timestamp_authorities.last().context("the instance has no timestamp authority")?;
        // Nobody says who asks for a time: all of them share one limit.
        self.services.stamps.take(Digest::sha256(b"timestamps"), Instant::now()).map_err(Denied::Later)?;
        Ok(self.signer.call(|signer| Ok(signer.timestamp(by, query)?))?)
    }

    /// The timestamp authority's chain, PEM.
    pub(crate) fn timestamp_chain(&self) -> Answer<String> {
        Ok(self.instance()?.timestamp_authorities.last().map(pem_chain).unwrap_or_default().concat())
    }

    pub(crate) fn trust_bundle(&self) -> Answer<Value> {
        Ok(self.instance()?.trust_bundle())
    }

    /// Fulcio's list of issuers.
    pub(crate) fn issuers(&self) -> Answer<Value> {
        self.instance()?;
        let listed = self.config.issuers.iter().map(|issuer| {
            let kind = match issuer.kind {
                Kind::Generic => "email",
                _ => "ci-provider",
            };
            json!({ "issuerUrl": issuer.url, "audience": issuer.audience, "challengeClaim": "sub", "issuerType": kind })
        });
        Ok(json!({ "issuers": listed.collect::<Vec<_>>() }))
    }

    /// A document that clients read, by its file name.
    pub(crate) fn client_document(&self, name: &str) -> Answer<Option<Value>> {
        let instance = self.instance()?;
        let log = self.store.log_id(LogName::Signing).context("this home has no signing log")?;
        let root = instance.trusted_root(&log, self.trust.created).context("trust root")?;
        let issuers: Vec<String> = self.config.issuers.iter().map(|issuer| issuer.url.clone()).collect();
        let config = instance.signing_config(&self.services_url(), &issuers);
        Ok(match name {
            "trusted_root.json" => Some(root),
            "signing_config.v0.2.json" => Some(config),
            "client_trust_config.json" => Some(Instance::client_trust_config(&root, &config)),
            _ => None,
        })
    }

    /// Where clients reach the services.
    fn services_url(&self) -> String {
        match (&self.config.sigstore_url, self.addresses.get()) {
            (Some(url), _) => url.clone(),
            (None, Some((console, _))) => format!("http://{console}"),
            (None, None) => format!("http://{}", self.config.listen.address),
        }
    }

    /// Writes the clients' documents into the home, for those that read files.
    pub(crate) fn write_client_documents(&self) -> Result<()> {
        let folder = self.home.path().join("sigstore");
        for name in ["trusted_root.json", "signing_config.v0.2.json", "client_trust_config.json"] {
            let Ok(Some(document)) = self.client_document(name) else { return Ok(()) };
            let draft = folder.join(format!("{name}.new"));
            std::fs::write(&draft, serde_json::to_vec_pretty(&document)?)?;
            std::fs::rename(&draft, folder.join(name))?;
        }
        let (Some(instance), Some(key)) = (&self.services.instance, &self.services.artifact_key) else {
            return Ok(());
        };
        let first = PublicKey::from_pem(key).context("artifact.pub")?;
        let list = serde_json::to_vec_pretty(&instance.key_list(first.spki()))?;
        crate::spool::keep(&folder.join("artifact_keys.json"), &list)?;
        Ok(())
    }

    pub(super) fn show_sigstore(&self) -> Result<Value> {
        let instance = self
            .services
            .instance
            .as_ref()
            .ok_or_else(|| Failure::new(Code::SigstoreMissing, "this home has no private Sigstore"))?;
        let log = self.store.log_id(LogName::Signing).context("this home has no signing log")?;
        let certificates = self.store.checkpoint(LogName::Certificates)?;
        Ok(json!({
            "version": VERSION,
            "url": self.services_url(),
            "serving": self.addresses.get().is_some(),
            "signing_log": { "origin": log.origin, "size": self.store.checkpoint(LogName::Signing)?.size() },
            "certificate_log": { "origin": certificates.origin(), "size": certificates.size() },
            "authority": instance.authorities.last().map(|last| &last.name),
            "timestamp_authority": instance.timestamp_authorities.last().map(|last| &last.name),
            "issuers": self.config.issuers.iter().map(|issuer| json!({
                "url": issuer.url, "kind": issuer.kind.to_string(), "audience": issuer.audience,
            })).collect::<Vec<_>>(),
            "refused": self.services.abuse.tallies(),
            "test_issuer": self.config.dangerous_test_issuer.then(|| self.test_issuer()),
            "trust_config": self.home.path().join("sigstore/client_trust_config.json"),
        }))
    }

    /// A timestamp for a signature of our own; none in a home without a private Sigstore.
    pub(super) fn own_timestamp(&self, signature: &[u8]) -> Result<Option<Vec<u8>>> {
        if self.services.instance.is_none() {
            return Ok(None);
        }
        match self.stamp(&Query::of(signature)) {
            Ok(response) => Ok(Some(response)),
            Err(Denied::Broken(error)) => Err(error),
            Err(Denied::Refused(refused)) => Err(refused.into()),
            Err(Denied::Later(_)) => anyhow::bail!("the timestamp authority is busy"),
        }
    }

    /// Signs an artifact by its digest with the home's artifact key; logged, stamped, proven and recorded.
    pub(super) fn sign_artifact(
        &self,
        name: &str,
        digest: &Digest,
        environment: &Environment,
        out: Option<PathBuf>,
    ) -> Result<SignedArtifact> {
        let signature = self
            .signer
            .call(|signer| Ok(signer.sign_artifact(digest, self.services.artifact_generation)?))?;
        let content = linkward_issue::bundle::message(digest, &signature);
        let unlogged = self.signed(&content, self.artifact_key()?, digest, &signature)?;
        self.finish(name, &unlogged, environment, out)
    }

    /// Signs a statement that a person makes with the home's artifact key; logged, stamped, proven and recorded.
    pub(super) fn sign_attestation(
        &self,
        name: &str,
        statement: &str,
        environment: &Environment,
        out: Option<PathBuf>,
    ) -> Result<SignedArtifact> {
        linkward_evidence::statement::Statement::parse(statement.as_bytes())?;
        let pae = linkward_evidence::dsse::pae(linkward_issue::PAYLOAD_TYPE, statement.as_bytes());
        let signature = self
            .signer
            .call(|signer| Ok(signer.sign_attestation(&pae, self.services.artifact_generation)?))?;
        let content = linkward_issue::bundle::envelope(statement.as_bytes(), &signature);
        let unlogged = self.signed(&content, self.artifact_key()?, &Digest::sha256(&pae), &signature)?;
        self.finish(name, &unlogged, environment, out)
    }

    /// A signature by one of the home's own keys, stamped, not logged yet.
    pub(super) fn signed(
        &self,
        content: &Value,
        key: &str,
        digest: &Digest,
        signature: &[u8],
    ) -> Result<Unlogged> {
        let stamp = self.own_timestamp(signature)?;
        Ok(linkward_issue::bundle::unlogged(content, key, digest, signature, stamp)?)
    }

    /// Has it logged in the signing log: the bundle, and its index there.
    pub(super) fn completed(&self, unlogged: &Unlogged) -> Result<(String, u64)> {
        let log = self.store.log_id(LogName::Signing).context("this home has no signing log")?;
        let entry = Entry::parse(unlogged.request().to_string().as_bytes())?;
        let included = self.logged(entry.body.clone())?;
        let bundle = linkward_issue::bundle::finish(unlogged, &entry.body, &included, &log)?;
        Ok((bundle, included.index))
    }

    fn artifact_key(&self) -> Result<&str> {
        let key = self.services.artifact_key.as_deref();
        key.context("this home had no artifact key when the daemon started; start it again")
    }

    /// Logs, proves and records; where the log is away, keeps the signature until it is back.
    pub(super) fn finish(
        &self,
        name: &str,
        unlogged: &Unlogged,
        environment: &Environment,
        out: Option<PathBuf>,
    ) -> Result<SignedArtifact> {
        let log = self.store.log_id(LogName::Signing).context("this home has no signing log")?;
        let (bundle, index) = match self.completed(unlogged) {
            Ok(completed) => completed,
            Err(error) if super::spool::away(&error) => {
                return self.artifact_waits(name, unlogged, environment, out, &error);
            }
            Err(error) => return Err(error),
        };
        let record = Some(self.record_own(name, &bundle, environment)?);
        let (version, index) = (VERSION, Some(index));
        Ok(SignedArtifact { version, bundle, record, log: log.origin, index, unlogged: None })
    }
}

/// Sixteen bytes that differ for every token, key and millisecond; positive as an integer.
fn serial(token: &Digest, key: &Digest, now: Instant) -> Vec<u8> {
    let all = [token.as_bytes(), key.as_bytes(), &now.millis().to_be_bytes()].concat();
    let mut serial = Digest::sha256(&all).as_bytes().get(..16).unwrap_or_default().to_vec();
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    serial
}

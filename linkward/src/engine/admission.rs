//! The admission gate: answered from memory, journalled, switched only when nothing would break.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use linkward_deploy::{ManifestInput, Mode};
use linkward_issue::{Authority, ServerIdentity};
use linkward_ledger::Kind;
use linkward_model::Instant;
use serde_json::{Value, json};

use crate::records::Note;
use crate::wire::Admit;

use super::Engine;

impl Engine {
    /// One AdmissionReview: HTTP status and body. The decisions go to the journal, not to the disk's pace.
    pub(crate) fn review(&self, body: &[u8], now: Instant) -> (u16, Vec<u8>) {
        let answer = self.gate.review(body, now);
        for decision in &answer.decisions {
            self.store.journal().push(&decision.encode());
        }
        (answer.status, answer.json)
    }

    pub(super) fn admit(&self, ask: Admit) -> Result<Value> {
        match ask {
            Admit::Manifest { url } => {
                let url = url
                    .or_else(|| self.address())
                    .unwrap_or_else(|| format!("https://{}/admit", self.config.admission.address));
                let host =
                    url.split_once("://").map_or("", |(_, rest)| rest.split(['/', ':']).next().unwrap_or(""));
                if !self.admission_names().iter().any(|name| name == host) {
                    anyhow::bail!(
                        "the webhook's certificate is not for `{host}`; add it to `names` in [admission] of linkward.toml"
                    );
                }
                let input = ManifestInput { url, ca_pem: self.authority()?, mode: self.gate.mode() };
                Ok(json!({ "manifest": linkward_deploy::manifest(&input) }))
            }
            Admit::Status => Ok(self.status()),
            Admit::Observe => self.switch(Mode::Observe),
            Admit::Enforce => {
                let breaks = self.gate.would_break(Instant::now());
                if breaks.is_empty() {
                    return self.switch(Mode::Enforce);
                }
                let mut text =
                    format!("not switched: enforcing would refuse {} of what was seen\n", breaks.len());
                for item in breaks.iter().take(50) {
                    text.push_str(&format!("  {item}\n"));
                }
                text.push_str("next: record evidence for these, or write an exception, then ask again\n");
                Ok(json!({
                    "version": crate::wire::VERSION, "refused": true, "text": text,
                    "would_break": breaks.iter().map(ToString::to_string).collect::<Vec<_>>(),
                }))
            }
        }
    }

    fn switch(&self, mode: Mode) -> Result<Value> {
        let environment = self.config.environment.clone();
        self.store.append(Note::mode(mode.as_str(), &environment), Vec::new(), Instant::now())?;
        self.gate.switch(mode);
        let text = format!("admission is in {} from now on\n", mode.as_str());
        Ok(json!({ "version": crate::wire::VERSION, "refused": false, "mode": mode.as_str(), "text": text }))
    }

    /// The mode of the newest mode record; observe where there is none.
    pub(super) fn restore_mode(&self) -> Result<()> {
        if let Some(row) = self.rows(Some(Kind::Mode), None, 1)?.first() {
            let says = self.store.body(row.index)?.says;
            if says.get("mode").and_then(Value::as_str) == Some(Mode::Enforce.as_str()) {
                self.gate.switch(Mode::Enforce);
            }
        }
        Ok(())
    }

    /// Remembers where the daemon listens, for the manifest.
    pub(crate) fn serving_at(&self, console: SocketAddr, admission: SocketAddr) {
        let _ = self.addresses.set((console, admission));
    }

    fn address(&self) -> Option<String> {
        self.addresses.get().map(|(_, admission)| format!("https://{admission}/admit"))
    }

    pub(crate) fn mode(&self) -> &'static str {
        self.gate.mode().as_str()
    }

    /// What the console shows of the gate.
    pub(super) fn facts(&self) -> linkward_console::HomeFacts {
        let seen = self.gate.seen().into_iter();
        linkward_console::HomeFacts {
            environment: self.config.environment.to_string(),
            mode: self.mode().to_owned(),
            seen: seen
                .map(|(image, seen)| (image, format!("{}/{}", seen.namespace, seen.workload), seen.count))
                .collect(),
            would_break: self.gate.would_break(Instant::now()).iter().map(ToString::to_string).collect(),
            decisions_dropped: self.store.journal().dropped(),
        }
    }

    fn status(&self) -> Value {
        let seen = self.gate.seen();
        let breaks = self.gate.would_break(Instant::now());
        let mut text =
            format!("mode {}, {} verdicts held, {} images seen\n", self.mode(), self.gate.len(), seen.len());
        for item in breaks.iter().take(50) {
            text.push_str(&format!("  would be refused: {item}\n"));
        }
        json!({
            "version": crate::wire::VERSION, "mode": self.mode(), "text": text,
            "seen": seen.iter().map(|(image, seen)| json!({ "image": image, "count": seen.count })).collect::<Vec<_>>(),
            "would_break": breaks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    fn authority_with<T>(
        &self,
        make: impl FnOnce(&Authority<&dyn Fn(&[u8]) -> Option<Vec<u8>>>, &str) -> Result<T>,
    ) -> Result<T> {
        let sign = |tbs: &[u8]| self.signer.call(|signer| Ok(signer.sign_certificate(tbs)?)).ok();
        let public = self.signer.call(|signer| Ok(signer.authority_key()?))?;
        let authority = Authority::new(public, &sign as &dyn Fn(&[u8]) -> Option<Vec<u8>>);
        make(&authority, &format!("linkward {} admission authority", self.trust.id))
    }

    /// The authority's certificate, PEM.
    fn authority(&self) -> Result<String> {
        let path = self.home.path().join("authority.pem");
        if let Ok(text) = std::fs::read_to_string(&path) {
            return Ok(text);
        }
        let text =
            self.authority_with(|authority, name| Ok(authority.certificate(name, self.trust.created)?))?;
        // Kept, so that what was applied to a cluster once is printed again word by word.
        crate::home::write_new(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(text)
    }

    fn admission_names(&self) -> Vec<String> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let listen = self.config.admission.address.ip();
        if !listen.is_unspecified() && !listen.is_loopback() {
            names.push(listen.to_string());
        }
        names.extend(self.config.admission_names.iter().cloned());
        names
    }

    /// TLS for the webhook: a key made now, a certificate by this home's own authority.
    pub(crate) fn admission_tls(&self) -> Result<Arc<rustls::ServerConfig>> {
        let names = self.admission_names();
        let ServerIdentity { certificate, key } = self.authority_with(|authority, name| {
            Ok(authority.server(name, self.trust.created, &names, Instant::now())?)
        })?;
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(key).map_err(|error| anyhow::anyhow!("{error}"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], key)
            .context("the webhook's certificate")?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// What has to happen while the process runs, whoever asks or not: decisions sealed, changed policy obeyed.
    pub(crate) fn keep_house(self: &Arc<Self>) {
        let engine = Arc::downgrade(self);
        let work = move || {
            let mut complained = None;
            let mut round = 0u32;
            loop {
                std::thread::sleep(std::time::Duration::from_millis(500));
                let Some(engine) = engine.upgrade() else { return };
                if !engine.store.journal().is_empty() {
                    // What could not be sealed stays in the journal and is tried again.
                    let _ = engine.store.seal_journal(Instant::now());
                }
                let trouble = engine.decide_again(Instant::now()).err().map(|error| format!("{error:#}"));
                // Waiting ends by the minute; ten seconds are near enough.
                round = round.wrapping_add(1);
                let watched = if round % 20 == 1 { engine.watch_time(Instant::now()) } else { Ok(()) };
                let trouble = trouble.or(watched.err().map(|error| format!("detection: {error:#}")));
                if trouble != complained {
                    crate::commands::complain(trouble.as_deref().unwrap_or("policy.yaml is in force again"));
                    complained = trouble;
                }
            }
        };
        let _ = std::thread::Builder::new().name("house".to_owned()).spawn(work);
    }

    /// Decides again what the gate holds from another policy, from other roots, or for a time that is over. Until a
    /// faulty policy is mended, the verdicts of the last good one stay.
    fn decide_again(&self, now: Instant) -> Result<()> {
        /// Most questions of one round, so that sealing is never kept waiting.
        const ROUND: usize = 256;
        let policy = self.policy()?.digest;
        let roots = self.roots.digest();
        let holds = |verdict: &linkward_decide::Verdict| {
            verdict.policy() == policy
                && verdict.roots() == roots
                && verdict.valid_until().is_none_or(|until| now < until)
        };
        for question in self.gate.outdated(holds).into_iter().take(ROUND) {
            self.judge(question, now)?;
        }
        Ok(())
    }
}

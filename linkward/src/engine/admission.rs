//! The admission gate: answered from memory, journalled, switched only when nothing would break.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use linkward_deploy::{Answer, Decision, ManifestInput, Mode, NodeQuestion};
use linkward_issue::{Authority, ServerIdentity};
use linkward_ledger::{Kind, Term};
use linkward_model::{Code, Digest, Instant};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::records::Note;
use crate::wire::{Admit, ManifestOptions};

use super::Engine;

impl Engine {
    /// One AdmissionReview. The decisions go to the journal, not to the disk's pace.
    pub(crate) fn review(&self, path: &str, body: &[u8], now: Instant) -> Answer {
        let answer = self.gate.review(path, body, now);
        if answer.pending {
            // Whoever waits asks again, and that answer is the one that is written down.
            return answer;
        }
        self.write_down(answer, "admission")
    }

    /// Writes an answer's decisions down, also where something was still pending at the end of the wait.
    pub(crate) fn write_down(&self, answer: Answer, gate: &str) -> Answer {
        for decision in &answer.decisions {
            self.store.journal().push(&decision.encode(gate));
        }
        if let Some(rollout) = answer.rollout.clone() {
            self.note_rollout(rollout);
        }
        answer
    }

    pub(super) fn admit(&self, ask: Admit) -> Result<Value> {
        match ask {
            Admit::Manifest { url, options } => self.manifest(url, options),
            Admit::Review { body, path } => {
                let answer = self.settled(|now| self.gate.peek(&path, body.as_bytes(), now))?;
                let codes: Vec<_> = answer.decisions.iter().filter_map(Decision::code).collect();
                Ok(json!({
                    "version": crate::wire::VERSION, "status": answer.status, "codes": codes,
                    "answer": String::from_utf8_lossy(&answer.json),
                    "outcome": worst(&answer), "allowed": answer.allowed,
                }))
            }
            Admit::Image { image, namespace, resolved } => self.image(&image, &namespace, resolved),
            Admit::BreakGlass { note } => self.break_glass(&note, Instant::now()),
            Admit::Snapshot => {
                use base64::Engine as _;
                let file = self.snapshot()?;
                let text = base64::engine::general_purpose::STANDARD.encode(file.as_slice());
                Ok(json!({ "version": crate::wire::VERSION, "snapshot": text, "verdicts": self.gate.len(),
                           "epoch": self.gate.epoch() }))
            }
            Admit::Certificate { names, days } => self.certificate(&names, days),
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

    /// Decides about one image, as the webhook would, or, where it was resolved, as a node would.
    fn image(&self, image: &str, namespace: &str, resolved: Option<Digest>) -> Result<Value> {
        let decide = |now| match resolved {
            None => self.gate.decide(image, namespace, now),
            Some(digest) => {
                let question = NodeQuestion { name: image.to_owned(), digest, descriptor: false };
                self.gate.verify_node(&question, now).0
            }
        };
        let mut decision = decide(Instant::now());
        if decision.code() == Some(Code::VerificationPending) {
            self.warm(Instant::now())?;
            decision = decide(Instant::now());
        }
        let refused = self.gate.refuses(&decision, linkward_decide::Mode::Enforce);
        Ok(json!({
            "version": crate::wire::VERSION, "image": image, "namespace": namespace,
            "outcome": decision.outcome(), "code": decision.code(), "verdict": decision.verdict(),
            "refused": refused, "message": decision.message(),
        }))
    }

    /// Answers, after the evidence of what is pending was looked at.
    fn settled(&self, answer: impl Fn(Instant) -> Answer) -> Result<Answer> {
        let first = answer(Instant::now());
        if !first.pending {
            return Ok(first);
        }
        self.warm(Instant::now())?;
        Ok(answer(Instant::now()))
    }

    /// Looks at the evidence of what was asked for before anything was decided. Each digest once, whoever waits for it.
    pub(super) fn warm(&self, now: Instant) -> Result<()> {
        while let Some(digest) = self.gate.cold() {
            let recorded = [Kind::Proof, Kind::Refusal, Kind::Observation].into_iter().any(|kind| {
                self.rows(Some(kind), Some(Term::digest(&digest)), 1).is_ok_and(|rows| !rows.is_empty())
            });
            // Nothing is recorded of what nobody knows: a flood of invented digests must not fill the log.
            let outcome = if recorded { self.check(&digest, None, None).map(drop) } else { Ok(()) };
            self.gate.answered(&digest, recorded && outcome.is_ok(), now);
            outcome?;
        }
        Ok(())
    }

    /// New evidence of these digests: what is held is asked again, what was cold may be warm.
    pub(super) fn ask_again(&self, digests: &[Digest], now: Instant) {
        let mut sweep = self.sweep.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for digest in digests {
            self.gate.answered(digest, true, now);
            sweep.extend(self.gate.question(digest));
        }
    }

    fn manifest(&self, url: Option<String>, options: ManifestOptions) -> Result<Value> {
        let in_cluster = options.image.is_some();
        let url = url
            .or_else(|| self.address())
            .unwrap_or_else(|| format!("https://{}/admit", self.config.admission.address));
        let host = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', ':']).next().unwrap_or(""));
        if !in_cluster && !self.admission_names().iter().any(|name| name == host) {
            anyhow::bail!(
                "the webhook's certificate is not for `{host}`; add it to `names` in [admission] of linkward.toml"
            );
        }
        let input = ManifestInput {
            url,
            ca_pem: self.authority()?,
            mode: self.gate.mode(),
            custom: self.config.gates.images.clone(),
            cluster: options.image.map(|image| linkward_deploy::InCluster {
                image,
                feed: options.feed.unwrap_or_default(),
                replicas: options.replicas,
                environment: self.config.environment.to_string(),
                trust: serde_json::to_string(&self.trust).unwrap_or_default(),
            }),
        };
        let text = linkward_deploy::manifest(&input);
        let files = match &options.static_place {
            Some(place) => linkward_deploy::static_files(&input, place),
            None => linkward_deploy::files(&input),
        };
        let files: Vec<Value> =
            files.iter().map(|(name, text)| json!({ "name": name, "text": text })).collect();
        Ok(json!({ "version": crate::wire::VERSION, "files": files, "manifest": text }))
    }

    /// A certificate for gates elsewhere, by the authority that the webhook configuration names.
    fn certificate(&self, names: &[String], days: i64) -> Result<Value> {
        anyhow::ensure!(!names.is_empty(), "name what the certificate is for with --name");
        let identity = self.authority_with(|authority, name| {
            Ok(authority.server(name, self.trust.created, names, Instant::now(), days)?)
        })?;
        let authority = self.authority()?;
        Ok(json!({
            "version": crate::wire::VERSION, "names": names, "days": days, "authority": authority,
            "certificate": linkward_issue::pem("CERTIFICATE", &identity.certificate),
            "key": linkward_issue::pem("PRIVATE KEY", &identity.key),
        }))
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
            let enforce = says.get("mode").and_then(Value::as_str) == Some(Mode::Enforce.as_str());
            self.gate.switch(if enforce { Mode::Enforce } else { Mode::Observe });
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
            now: Instant::now(),
            ..linkward_console::HomeFacts::default()
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
        let counts: serde_json::Map<String, Value> = self
            .gate
            .counters()
            .read()
            .iter()
            .map(|(name, count)| ((*name).to_owned(), (*count).into()))
            .collect();
        let verified = self.verified.load(std::sync::atomic::Ordering::Relaxed);
        let line: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        text.push_str(&format!(
            "  {}; bundles verified {verified}, cold {}\n",
            line.join(", "),
            self.gate.waiting()
        ));
        json!({
            "version": crate::wire::VERSION, "mode": self.mode(), "text": text, "counts": counts,
            "verified": verified, "cold": self.gate.waiting(), "epoch": self.gate.epoch(), "verdicts": self.gate.len(),
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
        self.own_tls(&self.admission_names())
    }

    /// TLS for the console, where it speaks it: by the operator's certificate, or by this home's own authority.
    pub(crate) fn console_tls(&self) -> Result<Option<Arc<rustls::ServerConfig>>> {
        let tls = &self.config.console_tls;
        let read = |path: &std::path::Path| {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        match (tls.on, &tls.certificate, &tls.key) {
            (false, _, _) => Ok(None),
            (true, Some(certificate), Some(key)) => {
                let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificate)?)
                    .collect::<Result<_, _>>()
                    .map_err(|error| anyhow::anyhow!("{}: {error}", certificate.display()))?;
                let secret = PrivateKeyDer::from_pem_slice(&read(key)?)
                    .map_err(|error| anyhow::anyhow!("{}: {error}", key.display()))?;
                server_tls(chain, secret).context("the console's certificate").map(Some)
            }
            (true, None, None) => {
                let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
                let listen = self.config.listen.address.ip();
                if !listen.is_unspecified() && !listen.is_loopback() {
                    names.push(listen.to_string());
                }
                names.extend(self.config.hosts.iter().cloned());
                self.own_tls(&names).map(Some)
            }
            _ => anyhow::bail!("[console] certificate and key go together: set both, or none"),
        }
    }

    fn own_tls(&self, names: &[String]) -> Result<Arc<rustls::ServerConfig>> {
        let ServerIdentity { certificate, key } = self.authority_with(|authority, name| {
            Ok(authority.server(name, self.trust.created, names, Instant::now(), 365)?)
        })?;
        let key = PrivateKeyDer::try_from(key).map_err(|error| anyhow::anyhow!("{error}"))?;
        server_tls(vec![certificate.into()], key).context("a certificate of this home's own")
    }

    /// Looks at cold digests as soon as they are asked for.
    pub(crate) fn keep_warm(self: &Arc<Self>) {
        let engine = Arc::downgrade(self);
        let work = move || {
            loop {
                let Some(engine) = engine.upgrade() else { return };
                engine.gate.wait_cold(std::time::Duration::from_secs(1));
                // What could not be read now is asked for again by the next pod.
                let _ = engine.warm(Instant::now());
            }
        };
        let _ = std::thread::Builder::new().name("warm".to_owned()).spawn(work);
    }

    /// Keeps a snapshot for the next start, where reading every verdict again would take long.
    pub(super) fn leave_snapshot(&self) {
        const WORTH: usize = 256;
        if self.gate.len() >= WORTH
            && let Err(error) = self.save_snapshot()
        {
            crate::commands::complain(&format!("no snapshot for the next start: {error:#}"));
        }
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
                let again =
                    engine.decide_again(Instant::now()).and_then(|()| engine.record_rollouts(Instant::now()));
                let trouble = again.err().map(|error| format!("{error:#}"));
                let tried = if round % 4 == 3 { engine.keep_trial(Instant::now()) } else { Ok(()) };
                let trouble = trouble.or(tried.err().map(|error| format!("{error:#}")));
                // Waiting ends by the minute; ten seconds are near enough.
                round = round.wrapping_add(1);
                let watched = if round % 20 == 1 { engine.watch_time(Instant::now()) } else { Ok(()) };
                let trouble = trouble.or(watched.err().map(|error| format!("detection: {error:#}")));
                let counted = if round % 20 == 4 { engine.record_refusals(Instant::now()) } else { Ok(()) };
                let trouble = trouble.or(counted.err().map(|error| format!("refusals: {error:#}")));
                // By the quarter of an hour: the shortest-lived metadata holds for days.
                let published =
                    if round % 1800 == 3 { engine.publish_repository(Instant::now()) } else { Ok(()) };
                let trouble = trouble.or(published.err().map(|error| format!("{error:#}")));
                let flushed = if round % 20 == 2 { engine.flush_spool() } else { Ok(()) };
                let trouble = trouble.or(flushed.err().map(|error| format!("spool: {error:#}")));
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
        let holds = |_: &Digest, held: &linkward_deploy::Held| {
            held.policy() == policy
                && held.roots() == roots
                && held.valid_until().is_none_or(|until| now < until)
        };
        for question in self.gate.outdated(ROUND, holds) {
            self.judge(question, now)?;
        }
        for _ in 0..ROUND {
            let next = self.sweep.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
            let Some(question) = next else { return Ok(()) };
            self.judge(question, now)?;
        }
        Ok(())
    }
}

fn server_tls(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<rustls::ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The worst that was decided, for an exit code.
fn worst(answer: &Answer) -> linkward_decide::Outcome {
    let malformed = (answer.status != 200).then_some(linkward_decide::Outcome::Unknown);
    let outcomes = answer.decisions.iter().map(Decision::outcome).chain(malformed);
    outcomes.max().unwrap_or(linkward_decide::Outcome::Allow)
}

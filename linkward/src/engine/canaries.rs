//! Canaries: names and credentials that are planted where nobody has business, and what happens when one is touched.
//!
//! A name is met in events of registries and gateways. A credential opens nothing; whoever shows it to this server, or
//! leaves it in a log, found it where it was planted. Of a credential only its hash is kept.

use std::sync::PoisonError;

use anyhow::{Result, bail};
use aws_lc_rs::rand;
use linkward_evidence::event::{Action, Event, Source};
use linkward_ledger::{Kind, Term, TermKind};
use linkward_model::{Digest, Instant};
use serde_json::{Value, json};

use super::Engine;
use crate::records::Note;
use crate::wire::VERSION;

/// What a planted credential begins with, so that no other is ever looked up.
pub(crate) const PREFIX: &str = "lwc_";
/// Credentials that are remembered while nobody can tell yet whether they were planted.
const SHOWN: usize = 1000;

impl Engine {
    /// Plants one; a credential is told once and never again.
    pub(super) fn plant_canary(
        &self,
        kind: &str,
        name: Option<&str>,
        note: &str,
        by: &str,
        now: Instant,
    ) -> Result<Value> {
        if note.trim().is_empty() {
            bail!("say with --note where it is planted: whoever is woken has to know");
        }
        let (value, secret) = match (kind, name) {
            ("credential", None) => {
                let mut bytes = [0; 20];
                rand::fill(&mut bytes)?;
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let secret = format!("{PREFIX}{hex}");
                (format!("sha256:{}", Digest::sha256(secret.as_bytes()).hex()), Some(secret))
            }
            ("credential", Some(_)) => bail!("a credential is made, not named; leave the name out"),
            ("package" | "image", Some(name)) if name.starts_with("pkg:") => (name.to_owned(), None),
            ("package" | "image", Some(name)) => {
                bail!(
                    "`{name}` is no purl without version; write it as pkg:npm/acme-payroll or pkg:oci/prod/vault"
                )
            }
            ("host", Some(name)) if !name.contains(['/', ' ']) => (name.to_owned(), None),
            _ => bail!("a canary is a package, an image or a host with its name, or a credential"),
        };
        if value.contains('*') && value.trim_matches('*').len() < 8 {
            bail!("`{value}` covers too much to be a canary");
        }
        let says = json!({ "what": "canary", "kind": kind, "value": value, "note": note, "by": by });
        let mut state = self.detection()?;
        let terms = vec![Term::new(TermKind::Name, &value)];
        self.store.append(Note::said(says, terms, &self.config.environment), Vec::new(), now)?;
        state.engine.watch_canary(&value);
        let text = match &secret {
            Some(secret) => format!(
                "{secret}\nPlant it where only a thief looks, as a token for this server. It is not shown again."
            ),
            None => format!("{value} is watched. Take it up nowhere: whoever asks for it, searched."),
        };
        Ok(json!({ "version": VERSION, "value": value, "secret": secret, "text": text }))
    }

    /// What was planted, newest first.
    pub(super) fn canaries(&self) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        self.each(Kind::Action, |row, says, _| {
            if says.get("what").and_then(Value::as_str) == Some("canary") {
                let mut line = says.clone();
                line["record"] = row.index.into();
                line["at"] = json!(row.times.event);
                found.push(line);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Somebody showed a planted credential to this server.
    pub(crate) fn canary_shown(
        &self,
        secret: &str,
        path: &str,
        agent: Option<&str>,
        from: Option<&str>,
    ) -> Result<()> {
        let token = format!("sha256:{}", Digest::sha256(secret.as_bytes()).hex());
        let state = self.detection_now();
        if state.as_ref().is_some_and(|state| !state.engine.is_canary(&token)) {
            return Ok(());
        }
        let known = state.is_some();
        drop(state);
        let now = Instant::now();
        let mut event = Event::new(Source::Linkward, Action::CanaryTouched, now);
        event.received = Some(now);
        event.id = format!("canary/{token}/{}", now.millis()).into();
        event.token = Some(token.as_str().into());
        event.subject = Some(path.chars().take(200).collect::<String>().into());
        event.agent = agent.map(|agent| agent.chars().take(200).collect::<String>().into());
        event.network = Some(
            from.unwrap_or("this machine, or a proxy that does not say")
                .chars()
                .take(100)
                .collect::<String>()
                .into(),
        );
        if !known {
            // Whoever makes the state will know whether it was planted.
            let mut shown = self.detection.shown.lock().unwrap_or_else(PoisonError::into_inner);
            anyhow::ensure!(shown.len() < SHOWN, "too many were shown before the record was taken up");
            shown.push(event);
            return Ok(());
        }
        self.admit_events(vec![event], &["linkward".to_owned()], true, now).map(drop)
    }
}

//! Both sides of witnessing: this home cosigns other logs, and has its own cosigned.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use linkward_evidence::event::{Action, Delivery, Event, Source};
use linkward_ledger::witness::{Answer, Witnessed};
use linkward_ledger::{Hash, VerifiedCheckpoint};
use linkward_model::Instant;
use linkward_record::{Asked, Heard, RealFiles, Witness, WitnessClient, Witnesses};
use serde_json::{Value, json};

use super::Engine;
use crate::client::Client;
use crate::config::WitnessSettings;
use crate::home::{Home, Trust};
use crate::wire::VERSION;

/// Refused checkpoints that are remembered as reported; a flood of them is reported no further.
const MOST_REPORTED: usize = 256;

/// This home as a witness of others.
#[derive(Debug)]
pub(super) struct Watching {
    witness: Option<Witness>,
    name: String,
    reported: Mutex<BTreeSet<(String, u64, Hash)>>,
}

/// A witness over HTTP.
#[derive(Debug)]
struct Remote {
    client: Client,
    patience: Duration,
}

impl WitnessClient for Remote {
    fn add_checkpoint(&mut self, request: &str) -> Result<(u16, Vec<u8>), String> {
        let headers = [("Content-Type", "text/plain; charset=utf-8".to_owned())];
        self.client
            .send("POST", "/add-checkpoint", &headers, request.as_bytes(), self.patience)
            .map_err(|error| format!("{error:#}"))
    }
}

/// The witnesses that the settings name.
pub(super) fn asked(settings: &WitnessSettings, home: &Home) -> Result<Option<Witnesses>> {
    if settings.ask.is_empty() && settings.at_least == 0 {
        return Ok(None);
    }
    let ca = settings.ca.as_ref().map(|path| home.path().join(path));
    let pem = crate::instance::authorities(ca.as_deref())?;
    let patience = Duration::from_millis(settings.patience_ms);
    let mut asked = Vec::new();
    for (key, url) in &settings.ask {
        let client = Client::new(url.clone(), pem.as_deref())
            .with_context(|| format!("[witness] ask: {}", key.name()))?;
        asked.push(Asked { key: key.clone(), client: Box::new(Remote { client, patience }) });
    }
    let witnesses = Witnesses::new(asked, settings.at_least, patience, settings.of.clone());
    Ok(Some(witnesses.map_err(|why| anyhow::anyhow!("[witness] in linkward.toml: {why}"))?))
}

impl Watching {
    pub(super) fn open(settings: &WitnessSettings, home: &Home, trust: &Trust) -> Result<Self> {
        let name = format!("{}.witness.linkward.internal", trust.id);
        let witness = if settings.logs.is_empty() {
            None
        } else {
            linkward_issue::witness_keys(&home.keys(), &name)?;
            Some(Witness::new(home.path().join("witness"), Arc::new(RealFiles), settings.logs.clone()))
        };
        Ok(Self { witness, name, reported: Mutex::default() })
    }
}

impl Engine {
    pub(crate) fn is_witness(&self) -> bool {
        self.watching.witness.is_some()
    }

    /// `add-checkpoint` of C2SP tlog-witness: status, media type and body.
    pub(crate) fn add_checkpoint(&self, request: &str) -> Result<(u16, &'static str, String)> {
        const PLAIN: &str = "text/plain; charset=utf-8";
        let watching = &self.watching;
        let witness = watching.witness.as_ref().context("this home witnesses no logs")?;
        let cosign = |offered: &VerifiedCheckpoint| {
            let text =
                linkward_ledger::note::Note::parse(offered.note()).map_err(|error| error.to_string())?;
            self.signer
                .call(|signer| Ok(signer.cosign(&watching.name, text.text())?))
                .map_err(|error| format!("{error:#}"))
        };
        let heard = witness.add(request, cosign)?;
        let status = heard.answer.status();
        Ok(match &heard.answer {
            Answer::Cosign(_) => (status, PLAIN, heard.lines),
            Answer::Conflict { size } => (status, Answer::SIZE_TYPE, format!("{size}\n")),
            Answer::SplitView { offered, seen } => {
                let body = format!("{}\n", seen.size);
                self.report("split", offered, Some(*seen), &heard)?;
                (status, Answer::SIZE_TYPE, body)
            }
            Answer::Unproven { offered } => {
                self.report("unproven", offered, None, &heard)?;
                (status, PLAIN, "the consistency proof does not hold\n".to_owned())
            }
            Answer::Malformed => (status, PLAIN, "the request is malformed\n".to_owned()),
            Answer::Forbidden => (status, PLAIN, "no key of the log signed it\n".to_owned()),
            Answer::UnknownLog => (status, PLAIN, "this log is not witnessed here\n".to_owned()),
        })
    }

    /// Records what was refused, with both notes: whoever has them needs no trust in this witness.
    fn report(
        &self,
        conclusion: &str,
        offered: &VerifiedCheckpoint,
        seen: Option<Witnessed>,
        heard: &Heard,
    ) -> Result<()> {
        let place = (offered.origin().to_owned(), offered.size(), offered.root());
        {
            let mut reported = self.watching.reported.lock().unwrap_or_else(PoisonError::into_inner);
            if reported.len() >= MOST_REPORTED || !reported.insert(place) {
                return Ok(());
            }
        }
        let now = Instant::now();
        let mut event = Event::new(Source::Linkward, Action::LogOffered, now);
        let (size, root) = (offered.size(), offered.root());
        event.id = format!("log.offered:{}:{size}:{root}", offered.origin()).into();
        event.subject = Some(offered.origin().into());
        event.conclusion = Some(conclusion.into());
        event.version = Some(size.to_string().into());
        event.before = seen.map(|seen| seen.root.to_string().into());
        event.after = Some(root.to_string().into());
        let text = |note: &[u8]| String::from_utf8_lossy(note).into_owned();
        event.raw = json!({
            "offered": text(offered.note()), "cosigned": heard.before.as_deref().map(text),
        });
        let line = serde_json::to_vec(&event)?;
        self.take_events(Some("linkward"), &line, &Delivery::default(), true, now)?;
        Ok(())
    }

    /// Who this home is as a witness, what it witnesses, and how the witnesses of its own logs stand.
    pub(super) fn show_witness(&self) -> Result<Value> {
        let watching = &self.watching;
        let url = self.addresses.get().map(|(console, _)| format!("http://{console}/witness"));
        let keys = linkward_issue::witness_keys(&self.home.keys(), &watching.name)?;
        let sizes = match &watching.witness {
            Some(witness) => witness.sizes()?,
            None => std::collections::BTreeMap::default(),
        };
        let asked = self.store.witnesses().unwrap_or_default();
        let asked: Vec<Value> = asked
            .iter()
            .map(|standing| {
                let sizes: serde_json::Map<String, Value> = standing
                    .sizes
                    .iter()
                    .map(|(log, size)| (log.as_str().to_owned(), (*size).into()))
                    .collect();
                json!({ "name": standing.name, "cosigned": sizes, "trouble": standing.trouble })
            })
            .collect();
        Ok(json!({
            "version": VERSION,
            "name": watching.name,
            "keys": keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "url": url,
            "witnessed": sizes,
            "own_logs": self.trust.logs.iter().map(|log| &log.key).collect::<Vec<_>>(),
            "asked": asked,
            "at_least": self.config.witness.at_least,
        }))
    }
}

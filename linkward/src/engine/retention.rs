//! What goes by its age, and what is held: asked by `linkward retention` and `linkward hold`.

use anyhow::{Result, bail};
use linkward_ledger::retention::{Hold, HoldChange};
use linkward_model::{Code, Digest, Instant};
use linkward_record::StoreError;
use serde_json::{Value, json};

use super::Engine;
use crate::wire::{Retention, VERSION};

/// Documents of a plan that are listed one by one.
const LISTED: usize = 200;

impl Engine {
    pub(super) fn retention(&self, ask: Retention) -> Result<Value> {
        let now = Instant::now();
        let rules = &self.config.retention;
        Ok(match ask {
            Retention::Plan => {
                let plan = self.store.plan_deletion(rules, now, LISTED)?;
                let documents: Vec<Value> = plan
                    .first
                    .iter()
                    .map(|due| {
                        json!({
                            "digest": due.digest, "size": due.size, "record": due.record, "kind": due.kind,
                            "event": due.event, "hold": due.hold,
                        })
                    })
                    .collect();
                json!({
                    "version": VERSION, "rules": rules, "size": plan.size, "due": plan.due, "bytes": plan.bytes,
                    "held": plan.held, "documents": documents,
                })
            }
            Retention::Apply => {
                let deleted = self.store.delete(rules, now)?;
                let held = self.store.plan_deletion(rules, now, 0)?.held;
                json!({
                    "version": VERSION, "rules": rules, "deleted": deleted.blobs, "bytes": deleted.bytes,
                    "tombstones": deleted.tombstones, "held": held,
                })
            }
            Retention::HoldAdd { scope, reason, author } => {
                stated(&reason, &author)?;
                let says = scope.to_string();
                let record = self.change_hold(HoldChange::HoldAdded(Hold { scope, reason, author }), now)?;
                json!({ "version": VERSION, "record": record, "says": format!("{says} is held (record {record})") })
            }
            Retention::HoldRemove { hold, reason, author } => {
                stated(&reason, &author)?;
                let holds = self.store.holds()?;
                let Some(known) = holds.get(hold) else {
                    bail!("record {hold} is no hold that is in force; see `linkward hold list`");
                };
                let says = known.scope.to_string();
                let record = self.change_hold(HoldChange::HoldRemoved { hold, reason, author }, now)?;
                let says = format!("{says} is held no more (record {record}), unless by another hold");
                json!({ "version": VERSION, "record": record, "says": says })
            }
            Retention::Holds => {
                let holds = self.store.holds()?;
                let rows: Vec<Value> = holds
                    .iter()
                    .map(|(record, hold)| {
                        json!({
                            "record": record, "holds": hold.scope.to_string(), "scope": hold.scope,
                            "reason": hold.reason, "author": hold.author,
                        })
                    })
                    .collect();
                json!({ "version": VERSION, "holds": rows })
            }
        })
    }

    fn change_hold(&self, change: HoldChange, now: Instant) -> Result<u64> {
        Ok(self.store.append(change, Vec::new(), now)?.index())
    }

    /// A document, or that it was deleted; damage is an error all the same.
    pub(super) fn document(&self, digest: &Digest) -> Result<Document> {
        match self.store.blob(digest) {
            Ok(bytes) => Ok(bytes.map_or(Document::Unknown, Document::There)),
            Err(StoreError::Deleted { tombstone, .. }) => Ok(Document::Deleted { tombstone }),
            Err(error) => Err(error.into()),
        }
    }
}

/// What became of a document.
#[derive(Debug)]
pub(super) enum Document {
    There(Vec<u8>),
    /// The record of the tombstone.
    Deleted {
        tombstone: u64,
    },
    Unknown,
}

/// What a deletion leaves to say.
pub(super) fn deleted(tombstone: u64) -> String {
    format!("{}: record {tombstone} says which document is gone", Code::DeletedByRetention)
}

fn stated(reason: &str, author: &str) -> Result<()> {
    if reason.trim().is_empty() || author.trim().is_empty() {
        bail!("a hold needs a reason and an author");
    }
    Ok(())
}

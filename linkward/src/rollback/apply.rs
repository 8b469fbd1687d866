//! The way back in the cluster: a patch that nobody's change in between can be lost under, then waiting until it is ready.

use std::time::{Duration, Instant as Clock};

use anyhow::{Result, bail};
use linkward_deploy::{Event, Pin, State, patch, pins};
use linkward_model::Code;
use serde_json::{Value, json};

use super::{Target, unclear};
use crate::access::Access;
use crate::cluster::{Api, Refused};
use crate::wire::{Deploy, Failure, Request};

/// How often a conflict is looked at again.
const ATTEMPTS: usize = 5;
const POLL: Duration = Duration::from_millis(250);

/// Who decided, and why.
pub(crate) struct Decided<'a> {
    pub(crate) automatic: bool,
    pub(crate) author: &'a str,
    pub(crate) reason: &'a str,
}

/// What would change.
pub(crate) struct Draft<'a> {
    target: &'a Target,
    pins: Vec<Pin>,
    version: String,
}

pub(crate) fn draft<'a>(api: &Api, target: &'a Target) -> Result<Draft<'a>> {
    let (seen, object) = api.workload(&target.workload)?;
    let pins = pins(&object, &target.images).map_err(|error| unclear(&error))?;
    Ok(Draft { target, pins, version: seen.version })
}

impl Draft<'_> {
    pub(crate) fn shown(&self) -> String {
        self.pins
            .iter()
            .map(|pin| format!("  {}\n    - {}\n    + {}\n", pin.place, pin.old, pin.new))
            .collect()
    }

    /// Records the decision, patches, waits, and records what became of it.
    pub(crate) fn apply(
        mut self,
        access: &Access,
        api: &Api,
        decided: &Decided<'_>,
        wait: Duration,
    ) -> Result<Value> {
        let begin = Clock::now();
        let Target { workload, from, to, images } = self.target;
        let ask = Deploy::Begin {
            workload: workload.clone(),
            from: *from,
            to: *to,
            automatic: decided.automatic,
            author: decided.author.to_owned(),
            reason: decided.reason.to_owned(),
        };
        let _: Value = access.ask(Request::Deploy { ask })?;
        for attempt in 1.. {
            if self.pins.is_empty() {
                break;
            }
            match api.patch(workload, &patch(&self.pins, &self.version)) {
                Ok(()) => break,
                Err(error) if attempt < ATTEMPTS && is_conflict(&error) => {
                    // Somebody changed the object: only if the images are still those that were planned for.
                    let again = draft(api, self.target)?;
                    if again.pins != self.pins {
                        bail!("somebody else changed the images of {workload} meanwhile; plan again");
                    }
                    self = Draft { version: again.version, ..self };
                }
                Err(error) => return Err(error),
            }
        }
        let record = |happened| -> Result<()> {
            let ask = Deploy::Record { workload: workload.clone(), revision: Some(*to), happened };
            access.ask::<Value>(Request::Deploy { ask }).map(drop)
        };
        record(Event::Deployed { images: images.clone() })?;
        loop {
            let (seen, object) = api.workload(workload)?;
            let there = pins(&object, images).is_ok_and(|pins| pins.is_empty());
            if !there {
                bail!(
                    "somebody else changed the images of {workload} again; does Git or an operator own it?"
                );
            }
            if seen.state == State::Ready {
                break;
            }
            if let State::Failed(why) = seen.state {
                record(Event::Failed { why: why.clone() })?;
                return Err(Failure::new(Code::RollbackNotReady, format!("{workload}: {why}")).into());
            }
            if begin.elapsed() > wait {
                let message = format!("{workload} is not ready after {} s", wait.as_secs());
                return Err(Failure::new(Code::RollbackNotReady, message).into());
            }
            std::thread::sleep(POLL);
        }
        record(Event::Ready)?;
        let took = begin.elapsed();
        Ok(json!({
            "applied": "cluster", "pins": self.pins, "seconds": took.as_secs_f64(),
            "text": format!("{workload} is back at revision {to}, ready after {:.1} s (M8)\n", took.as_secs_f64()),
        }))
    }
}

/// Another version than the one that was read, or another image than was tested for.
fn is_conflict(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| matches!(refused.status, 409 | 422))
}

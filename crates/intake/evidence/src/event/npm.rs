//! npm: a package's document, with the trust that each version came with. A version that lost its trusted publisher is
//! how stolen tokens look from outside.

use linkward_model::Code;
use serde_json::Value;

use super::pick::{first, flag, text, time, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("versions").is_some_and(Value::is_object) && document.get("dist-tags").is_some()
    }

    fn read(&self, document: &Value, _: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        let missing = |place: &str| Fault::new(Code::MalformedField, place, "is missing");
        let name = text(document, "/name").ok_or_else(|| missing("$.name"))?;
        let versions =
            document.get("versions").and_then(Value::as_object).ok_or_else(|| missing("$.versions"))?;
        let times = document.get("time").ok_or_else(|| missing("$.time"))?;
        let mut events = Vec::new();
        for (version, said) in versions {
            let at = times.get(version).and_then(Value::as_str).and_then(super::pick::moment);
            let at = at.ok_or_else(|| missing(&format!("$.time[{version:?}]")))?;
            let mut event = Event::new(Source::Registry, Action::Published, at);
            event.package = Some(format!("pkg:npm/{}", name.replace('@', "%40")).into());
            event.version = Some(version.as_str().into());
            event.actor = first(said, &["/_npmUser/name", "/maintainers/0/name"]);
            event.commit = text(said, "/gitHead");
            event.digest = text(said, "/dist/integrity");
            event.install_script = flag(said, "/hasInstallScript").or_else(|| {
                let scripts = said.get("scripts")?.as_object()?;
                Some(["preinstall", "install", "postinstall"].iter().any(|name| scripts.contains_key(*name)))
            });
            event.assurance = Some(assurance(said).into());
            event.repository =
                first(said, &["/repository/url", "/repository"]).map(|url| repository(&url).into());
            let maintainers = said.get("maintainers").and_then(Value::as_array);
            event.names =
                maintainers.into_iter().flatten().filter_map(|person| text(person, "/name")).collect();
            events.push(whole(event, said));
        }
        // A package without versions is one that was taken down.
        if events.is_empty() {
            let at = time(document, "/time/modified").ok_or_else(|| missing("$.time.modified"))?;
            let mut event = Event::new(Source::Registry, Action::Unpublished, at);
            event.package = Some(format!("pkg:npm/{}", name.replace('@', "%40")).into());
            events.push(whole(event, document));
        }
        Ok(events)
    }
}

/// The best proof that a version came with.
fn assurance(said: &Value) -> &'static str {
    if said.pointer("/_npmUser/trustedPublisher").is_some() {
        "trusted"
    } else if said.pointer("/dist/attestations").is_some() {
        "provenance"
    } else {
        "none"
    }
}

/// `git+https://host/owner/name.git` as `owner/name`.
fn repository(url: &str) -> String {
    let path = url.rsplit_once("://").map_or(url, |(_, rest)| rest);
    let path = path.split_once(['/', ':']).map_or(path, |(_, rest)| rest);
    path.trim_end_matches(".git").split('#').next().unwrap_or(path).to_owned()
}

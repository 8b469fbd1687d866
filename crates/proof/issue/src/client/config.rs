//! `signing_config.v0.2.json`: which services there are, and how many of each a signature needs.

use std::collections::BTreeSet;

use linkward_model::{Code, Instant};
use serde_json::Value;

use crate::sigstore::Refused;

/// Most services of one kind.
const MAX_SERVICES: usize = 64;
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

/// The services of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningConfig {
    authorities: Vec<Service>,
    logs: (Vec<Service>, Need),
    stamps: (Vec<Service>, Need),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Service {
    url: String,
    version: u64,
    start: Option<Instant>,
    end: Option<Instant>,
    operator: String,
}

/// How many of the services must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Any,
    All,
    Exactly(usize),
}

/// The services to sign with now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// None for a key of one's own.
    pub authority: Option<String>,
    pub logs: Vec<String>,
    pub stamps: Vec<String>,
}

impl SigningConfig {
    /// # Errors
    /// Not a signing configuration of version 0.2.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let media = value.get("mediaType").and_then(Value::as_str).unwrap_or("");
        if media != MEDIA_TYPE {
            return Err(malformed(format!("mediaType is `{media}`, expected `{MEDIA_TYPE}`")));
        }
        Ok(Self {
            authorities: services(&value, "caUrls")?,
            logs: (services(&value, "rekorTlogUrls")?, need(&value, "rekorTlogConfig")?),
            stamps: (services(&value, "tsaUrls")?, need(&value, "tsaConfig")?),
        })
    }

    /// The services that are valid now and speak a version that we do.
    ///
    /// # Errors
    /// One kind has too few.
    pub fn choose(&self, now: Instant, certificate: bool) -> Result<Chosen, Refused> {
        let authority = match pick(&self.authorities, Need::Any, 1, now) {
            Some(urls) => urls.into_iter().next().filter(|_| certificate),
            None if certificate => return Err(missing("certificate authority of API version 1", "caUrls")),
            None => None,
        };
        let (logs, need) = &self.logs;
        let logs = pick(logs, *need, 2, now)
            .ok_or_else(|| missing("transparency log of API version 2", "rekorTlogUrls"))?;
        let (stamps, need) = &self.stamps;
        let stamps = match pick(stamps, *need, 1, now) {
            Some(stamps) => stamps,
            // A key needs no time to be trusted at; a certificate of ten minutes proves nothing without one.
            None if !certificate && stamps.is_empty() => Vec::new(),
            None => return Err(missing("timestamp authority of API version 1", "tsaUrls")),
        };
        Ok(Chosen { authority, logs, stamps })
    }
}

fn malformed(message: String) -> Refused {
    Refused::new(Code::SigningConfigMalformed, message)
}

fn missing(what: &str, field: &str) -> Refused {
    let message = format!("the signing configuration names too few services now: no {what} in {field}");
    Refused::new(Code::SigningServiceMissing, message)
}

fn services(value: &Value, field: &str) -> Result<Vec<Service>, Refused> {
    let listed = match value.get(field) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(listed)) if listed.len() <= MAX_SERVICES => listed,
        Some(_) => return Err(malformed(format!("{field} is no list of at most {MAX_SERVICES} services"))),
    };
    let service = |(place, value): (usize, &Value)| {
        let wrong = |what: &str| malformed(format!("{field}[{place}].{what}"));
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let time = |name: &str| match value.pointer(&format!("/validFor/{name}")) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => {
                text.parse().map(Some).map_err(|_| wrong(&format!("validFor.{name} is no time")))
            }
            Some(_) => Err(wrong(&format!("validFor.{name} is no string"))),
        };
        Ok(Service {
            url: text("url").ok_or_else(|| wrong("url is missing"))?.trim_end_matches('/').to_owned(),
            version: value
                .get("majorApiVersion")
                .and_then(Value::as_u64)
                .ok_or_else(|| wrong("majorApiVersion is no number"))?,
            start: time("start")?,
            end: time("end")?,
            operator: text("operator").unwrap_or("").to_owned(),
        })
    };
    listed.iter().enumerate().map(service).collect()
}

fn need(value: &Value, field: &str) -> Result<Need, Refused> {
    let Some(config) = value.get(field).filter(|config| !config.is_null()) else { return Ok(Need::Any) };
    match config.get("selector").and_then(Value::as_str) {
        Some("ANY") => Ok(Need::Any),
        Some("ALL") => Ok(Need::All),
        Some("EXACT") => {
            let count = config.get("count").and_then(Value::as_u64).and_then(|count| count.try_into().ok());
            count
                .filter(|count| (1..=MAX_SERVICES).contains(count))
                .map(Need::Exactly)
                .ok_or_else(|| malformed(format!("{field}.count must be 1 to {MAX_SERVICES}")))
        }
        other => Err(malformed(format!("{field}.selector is {other:?}; there are ANY, ALL, EXACT"))),
    }
}

/// The newest valid services of this version, one for each operator; `None` where they are too few.
fn pick(services: &[Service], need: Need, version: u64, now: Instant) -> Option<Vec<String>> {
    let valid = |service: &&Service| {
        service.version == version
            && service.start.is_none_or(|start| start <= now)
            && service.end.is_none_or(|end| now <= end)
    };
    let mut valid: Vec<&Service> = services.iter().filter(valid).collect();
    valid.sort_by_key(|service| std::cmp::Reverse(service.start));
    let mut seen = BTreeSet::new();
    // Two services of one operator fall together: they vouch for no more than one does.
    let distinct: Vec<&Service> =
        valid.iter().copied().filter(|service| seen.insert(service.operator.as_str())).collect();
    let (from, count) = match need {
        Need::Any => (distinct, 1),
        Need::Exactly(count) => (distinct, count),
        Need::All => (valid.clone(), valid.len().max(1)),
    };
    (from.len() >= count).then(|| from.iter().take(count).map(|service| service.url.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use linkward_testkit::noon;
    use serde_json::json;

    fn service(url: &str, version: u64, operator: &str) -> Value {
        json!({ "url": url, "majorApiVersion": version, "operator": operator,
                "validFor": { "start": "2020-01-01T00:00:00Z" } })
    }

    fn config() -> Value {
        json!({
            "mediaType": MEDIA_TYPE,
            "caUrls": [service("https://ca.example/", 1, "a")],
            "rekorTlogUrls": [service("https://old.example", 1, "a"), service("https://log.example", 2, "a"),
                              service("https://log2.example", 2, "a"), service("https://b.example", 2, "b")],
            "rekorTlogConfig": { "selector": "ANY" },
            "tsaUrls": [service("https://tsa.example/api/v1/timestamp", 1, "a")],
            "tsaConfig": { "selector": "ANY" },
        })
    }

    fn chosen(change: impl Fn(&mut Value)) -> Result<Chosen, Code> {
        let mut value = config();
        change(&mut value);
        SigningConfig::parse(value.to_string().as_bytes())
            .and_then(|config| config.choose(noon(), true))
            .map_err(|refused| refused.code)
    }

    #[test]
    fn services_are_chosen_by_version_time_and_operator() {
        let any = chosen(|_| {}).unwrap();
        assert_eq!(any.authority.as_deref(), Some("https://ca.example"));
        assert_eq!(any.logs, ["https://log.example"]);
        let two = chosen(|v| v["rekorTlogConfig"] = json!({ "selector": "EXACT", "count": 2 })).unwrap();
        assert_eq!(two.logs, ["https://log.example", "https://b.example"]);
        let all = chosen(|v| v["rekorTlogConfig"] = json!({ "selector": "ALL" })).unwrap();
        assert_eq!(all.logs.len(), 3);
        let ended = |v: &mut Value| {
            v["rekorTlogUrls"][1]["validFor"] =
                json!({ "start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z" });
        };
        assert_eq!(chosen(ended).unwrap().logs, ["https://log2.example"]);
    }

    #[test]
    fn what_is_missing_or_malformed_is_said_with_its_code() {
        let missing = Err(Code::SigningServiceMissing);
        assert_eq!(chosen(|v| v["caUrls"] = json!([])), missing);
        assert_eq!(chosen(|v| v["tsaUrls"] = json!([])), missing);
        assert_eq!(chosen(|v| v["rekorTlogUrls"] = json!([service("https://old.example", 1, "a")])), missing);
        assert_eq!(
            chosen(|v| v["rekorTlogConfig"] = json!({ "selector": "EXACT", "count": 3 })),
            missing,
            "two of one operator count once"
        );
        let malformed = Err(Code::SigningConfigMalformed);
        assert_eq!(chosen(|v| v["mediaType"] = json!("x")), malformed);
        assert_eq!(chosen(|v| v["caUrls"] = json!({})), malformed);
        assert_eq!(chosen(|v| v["caUrls"] = json!([{}])), malformed);
        assert_eq!(chosen(|v| v["tsaConfig"] = json!({ "selector": "SOME" })), malformed);
        assert_eq!(chosen(|v| v["tsaConfig"] = json!({ "selector": "EXACT", "count": 0 })), malformed);
        assert_eq!(chosen(|v| v["tsaUrls"][0]["validFor"]["end"] = json!("soon")), malformed);
        assert!(SigningConfig::parse(b"{").is_err());
    }

    #[test]
    fn a_key_of_ones_own_needs_neither_authority_nor_timestamp() {
        let mut value = config();
        value["caUrls"] = json!([]);
        value["tsaUrls"] = json!([]);
        let config = SigningConfig::parse(value.to_string().as_bytes()).unwrap();
        let chosen = config.choose(noon(), false).unwrap();
        assert_eq!((chosen.authority, chosen.stamps.len(), chosen.logs.len()), (None, 0, 1));
    }
}

//! Alertmanager, API v2: alerts are held as long as they are sent again, so an open one is told every minute.

use linkward_model::Instant;
use serde_json::{Value, json};

use super::{Ask, Notice, Telling};

/// How long an alert stays without being told again; three tellings.
const HOLD: i64 = 3 * 60_000;

/// All of them in one request. Labels are the alert's identity, so nothing that changes may stand in them.
pub fn alerts(notices: &[(&Notice, Telling)], now: Instant) -> Ask {
    let list: Vec<Value> = notices.iter().map(|(notice, telling)| alert(notice, *telling, now)).collect();
    Ask::json("/api/v2/alerts", &Value::Array(list))
}

fn alert(notice: &Notice, telling: Telling, now: Instant) -> Value {
    let ends = match telling {
        Telling::Trigger => now.plus_millis(HOLD),
        Telling::Resolve => now,
    };
    let mut labels = json!({
        "alertname": name(&notice.rule), "rule_id": notice.rule, "artifact": notice.subject,
        "tier": if notice.integrity { "integrity" } else { "coverage" }, "severity": notice.severity.as_str(),
        "deployment": notice.deployment, "cluster": notice.cluster, "environment": notice.environment,
        "team": notice.owner, "criticality": notice.criticality,
    });
    if let Some(labels) = labels.as_object_mut() {
        // Alertmanager takes an empty label for an absent one; null it refuses.
        labels.retain(|_, value| value.as_str().is_some_and(|text| !text.is_empty()));
    }
    json!({
        "labels": labels,
        "annotations": {
            "summary": notice.title, "description": notice.text(), "key": notice.key,
            "evidence_url": notice.link, "action": notice.action,
        },
        "startsAt": notice.noticed, "endsAt": ends, "generatorURL": notice.link,
    })
}

/// `tag-moved` as `LinkwardTagMoved`.
fn name(rule: &str) -> String {
    let mut out = String::from("Linkward");
    for word in rule.split('-') {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

#[cfg(test)]
mod tests {
    use linkward_testkit::noon;

    use super::super::tests::notice;
    use super::*;

    #[test]
    fn identity_stays_the_same_from_firing_to_resolved() {
        let mut later = notice();
        later.count = 9;
        later.last = noon().plus_millis(60_000);
        let body = |notice: &Notice, telling, now| -> Value {
            serde_json::from_slice(&alerts(&[(notice, telling)], now).body).unwrap()
        };
        let (now, end) = (noon(), noon().plus_millis(60_000));
        let (one, two) = (body(&notice(), Telling::Trigger, now), body(&later, Telling::Resolve, end));
        assert_eq!(one[0]["labels"], two[0]["labels"]);
        assert_eq!(one[0]["startsAt"], two[0]["startsAt"]);
        assert_eq!(two[0]["endsAt"], json!(end));
        assert_eq!(one[0]["labels"]["alertname"], "LinkwardTagMoved");
        assert!(one[0]["labels"].as_object().unwrap().values().all(Value::is_string));
    }
}

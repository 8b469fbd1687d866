//! PagerDuty, Events API v2: the key deduplicates, so that a telling that is repeated wakes nobody again.

use serde_json::json;

use super::{Ask, Notice, Severity, Telling, one_line};

const MAX_SUMMARY: usize = 1024;

pub fn event(notice: &Notice, telling: Telling, routing_key: &str) -> Ask {
    let summary: String = notice.line().chars().take(MAX_SUMMARY).collect();
    let severity = match (notice.severity, notice.criticality.as_deref()) {
        (Severity::Page, _) => "critical",
        (Severity::Ticket, Some("critical" | "high")) => "error",
        (Severity::Ticket, _) => "warning",
    };
    let mut body = json!({
        "routing_key": routing_key, "event_action": telling.as_str(), "dedup_key": notice.key,
        "client": "Linkward", "client_url": notice.link,
    });
    if telling == Telling::Trigger
        && let Some(body) = body.as_object_mut()
    {
        let details: serde_json::Map<_, _> =
            notice.facts.iter().map(|fact| (fact.name.clone(), fact.value.clone().into())).collect();
        let payload = json!({
            "summary": summary, "source": one_line(&notice.subject), "severity": severity,
            "timestamp": notice.noticed, "component": notice.deployment, "group": notice.cluster,
            "class": notice.rule,
            "custom_details": { "facts": details, "action": notice.action, "owner": notice.owner, "record": notice.record },
        });
        body.insert("payload".to_owned(), payload);
    }
    Ask::json("/v2/enqueue", &body)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::tests::notice;
    use super::*;

    #[test]
    fn trigger_and_resolve_share_the_key_and_lengths_are_kept() {
        let mut long = notice();
        long.title = "x".repeat(5000);
        let body = |telling| -> Value { serde_json::from_slice(&event(&long, telling, "rk").body).unwrap() };
        let (trigger, resolve) = (body(Telling::Trigger), body(Telling::Resolve));
        assert_eq!(trigger["dedup_key"], resolve["dedup_key"]);
        assert!(trigger["dedup_key"].as_str().unwrap().len() <= 255);
        assert!(trigger["payload"]["summary"].as_str().unwrap().chars().count() <= 1024);
        assert_eq!(trigger["payload"]["severity"], "critical");
        assert_eq!((&resolve["event_action"], resolve.get("payload")), (&json!("resolve"), None));
    }
}

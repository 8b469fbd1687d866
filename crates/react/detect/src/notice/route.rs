//! Whom a notice goes to: services with their owners, routes by scope, and who hears of it when nobody answers.

use serde::{Deserialize, Serialize};

use super::{Notice, Severity};
use crate::glob::{any, covers};

/// Something that runs, who looks after it, and whom it serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub name: String,
    /// Subjects that belong to it: packages, images, repositories, roles; `*` allowed.
    pub subjects: Vec<String>,
    pub owner: String,
    /// `critical`, `high`, `medium` or `low`.
    #[serde(default = "medium")]
    pub criticality: String,
    /// Customers or tenants that it serves.
    #[serde(default)]
    pub customers: Vec<String>,
}

fn medium() -> String {
    "medium".to_owned()
}

/// Which notices go to which channels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Routed {
    /// Subjects or services; everything where it is left out.
    #[serde(default = "everything")]
    pub scope: Vec<String>,
    /// `page` or `ticket`; both where it is left out.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// Environments; all where it is left out.
    #[serde(default = "everything")]
    pub environments: Vec<String>,
    pub channels: Vec<String>,
    /// Minutes until a page that nobody answered goes further.
    #[serde(default)]
    pub escalate_after: Option<u32>,
    #[serde(default)]
    pub escalate_to: Vec<String>,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

/// What is wrong with services and routes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingFault {
    #[error("a route names the channel `{0}`, which is not among [[channel]]")]
    Channel(String),
    #[error("a route escalates after {0} minutes to nobody; name channels in escalate-to")]
    EscalatesToNobody(u32),
    #[error("a route names escalate-to without escalate-after; say after how many minutes")]
    EscalatesNever,
    #[error("service `{0}` is `{1}`; criticality is critical, high, medium or low")]
    Criticality(String, String),
    #[error("service `{0}` stands twice")]
    Twice(String),
}

/// Services and routes, checked against each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    services: Vec<Service>,
    routes: Vec<Routed>,
    channels: Vec<String>,
}

impl Routes {
    /// # Errors
    /// A route to nowhere, or an escalation to nobody: better known at the start than at night.
    pub fn new(
        services: Vec<Service>,
        routes: Vec<Routed>,
        channels: Vec<String>,
    ) -> Result<Self, SettingFault> {
        for (index, service) in services.iter().enumerate() {
            if !["critical", "high", "medium", "low"].contains(&service.criticality.as_str()) {
                return Err(SettingFault::Criticality(service.name.clone(), service.criticality.clone()));
            }
            if services.iter().take(index).any(|other| other.name == service.name) {
                return Err(SettingFault::Twice(service.name.clone()));
            }
        }
        for route in &routes {
            let unknown =
                route.channels.iter().chain(&route.escalate_to).find(|name| !channels.contains(name));
            match (unknown, route.escalate_after, route.escalate_to.is_empty()) {
                (Some(name), ..) => return Err(SettingFault::Channel(name.clone())),
                (_, Some(minutes), true) => return Err(SettingFault::EscalatesToNobody(minutes)),
                (_, None, false) => return Err(SettingFault::EscalatesNever),
                _ => {}
            }
        }
        Ok(Self { services, routes, channels })
    }

    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service that a subject belongs to.
    pub fn service(&self, subject: &str) -> Option<&Service> {
        self.services.iter().find(|service| any(&service.subjects, subject))
    }

    fn fitting(&self, notice: &Notice) -> impl Iterator<Item = &Routed> {
        let about = |scope: &String| covers(scope, &notice.subject) || covers(scope, &notice.deployment);
        self.routes.iter().filter(move |route| {
            route.scope.iter().any(about)
                && route.severity.is_none_or(|severity| severity == notice.severity)
                && any(&route.environments, &notice.environment)
        })
    }

    /// Channels of every route that fits. Where no route is written, each channel hears everything; a page that no route
    /// wants goes to every channel rather than to nobody.
    pub fn channels(&self, notice: &Notice) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for channel in self.fitting(notice).flat_map(|route| &route.channels) {
            if !found.contains(channel) {
                found.push(channel.clone());
            }
        }
        if found.is_empty() && (self.routes.is_empty() || notice.severity == Severity::Page) {
            return self.channels.clone();
        }
        found
    }

    /// Channels that a page goes to when it was left unanswered for so many minutes.
    pub fn escalation(&self, notice: &Notice, minutes: i64) -> Vec<String> {
        let due = |route: &&Routed| route.escalate_after.is_some_and(|after| i64::from(after) <= minutes);
        let mut found: Vec<String> =
            self.fitting(notice).filter(due).flat_map(|route| route.escalate_to.clone()).collect();
        found.sort();
        found.dedup();
        if notice.severity == Severity::Page { found } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::notice;
    use super::*;

    fn routes(text: &str) -> Result<Routes, SettingFault> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            service: Vec<Service>,
            #[serde(default)]
            route: Vec<Routed>,
        }
        let file: File = serde_json::from_str(text).unwrap();
        Routes::new(file.service, file.route, vec!["ops".to_owned(), "boss".to_owned()])
    }

    #[test]
    fn scope_severity_and_environment_choose() {
        let routes = routes(
            r#"{"route": [{"scope": ["payments"], "severity": "page", "channels": ["ops"], "escalate-after": 15, "escalate-to": ["boss"]},
                {"environments": ["staging"], "channels": ["boss"]}]}"#,
        )
        .unwrap();
        let page = notice();
        assert_eq!(routes.channels(&page), ["ops"]);
        assert_eq!(routes.escalation(&page, 14), Vec::<String>::new());
        assert_eq!(routes.escalation(&page, 15), ["boss"]);
        let ticket = Notice { severity: Severity::Ticket, ..notice() };
        assert_eq!((routes.channels(&ticket).len(), routes.escalation(&ticket, 99).len()), (0, 0));
        let elsewhere = Notice { deployment: "search".to_owned(), ..notice() };
        assert_eq!(routes.channels(&elsewhere), ["ops", "boss"], "a page that nobody wants goes to all");
    }

    #[test]
    fn without_routes_everybody_hears_everything() {
        let routes = routes("{}").unwrap();
        assert_eq!(routes.channels(&Notice { severity: Severity::Ticket, ..notice() }).len(), 2);
    }

    #[test]
    fn routes_to_nowhere_are_faults() {
        for (text, fault) in [
            (r#"{"route": [{"channels": ["opz"]}]}"#, "opz"),
            (r#"{"route": [{"channels": ["ops"], "escalate-after": 5}]}"#, "to nobody"),
            (r#"{"route": [{"channels": ["ops"], "escalate-to": ["boss"]}]}"#, "how many minutes"),
            (r#"{"service": [{"name": "a", "subjects": [], "owner": "o", "criticality": "huge"}]}"#, "huge"),
            (
                r#"{"service": [{"name": "a", "subjects": [], "owner": "o"}, {"name": "a", "subjects": [], "owner": "o"}]}"#,
                "twice",
            ),
        ] {
            let error = routes(text).unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
    }
}

//! Issues, by GitHub's REST API and what speaks like it. Before one is opened, one with the same label is looked for.

use serde_json::{Value, json};

use super::{Ask, Notice};

/// The requests about one notice's issue in one repository.
#[derive(Clone, Debug)]
pub struct Issue<'a> {
    pub notice: &'a Notice,
    /// `owner/name`.
    pub repository: &'a str,
    pub token: &'a str,
}

impl Issue<'_> {
    fn label(&self) -> String {
        format!("linkward-{}", self.notice.key)
    }

    fn ask(&self, method: &'static str, below: &str, body: Option<&Value>) -> Ask {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        Ask {
            method,
            path: format!("/repos/{}/issues{below}", self.repository),
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("accept", "application/vnd.github+json".to_owned()),
                ("authorization", format!("Bearer {}", self.token)),
                ("user-agent", "linkward".to_owned()),
            ],
            body,
        }
    }

    pub fn find(&self) -> Ask {
        self.ask("GET", &format!("?labels={}&state=all&per_page=1", self.label()), None)
    }

    pub fn open(&self) -> Ask {
        let text = self.notice.text();
        let title: String = self.notice.line().chars().take(250).collect();
        let body = json!({ "title": title, "body": fenced(&text), "labels": ["linkward", self.label()] });
        self.ask("POST", "", Some(&body))
    }

    pub fn close(&self, number: u64) -> Ask {
        let body = json!({ "state": "closed", "state_reason": "completed" });
        self.ask("PATCH", &format!("/{number}"), Some(&body))
    }

    /// The number of the issue that is there already, from the answer to `find`.
    pub fn number(answer: &[u8]) -> Option<u64> {
        let value: Value = serde_json::from_slice(answer).ok()?;
        value.get(0)?.get("number")?.as_u64()
    }
}

/// As code: what a finding quotes must not become markup, links or mentions. The fence is longer than any within.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::super::tests::notice;
    use super::*;

    #[test]
    fn one_is_looked_for_before_it_is_opened() {
        let notice = notice();
        let issue = Issue { notice: &notice, repository: "acme/alerts", token: "t" };
        assert!(issue.find().path.contains(&format!("labels=linkward-{}", notice.key)));
        let opened: Value = serde_json::from_slice(&issue.open().body).unwrap();
        assert_eq!(opened["labels"][1], format!("linkward-{}", notice.key));
        assert_eq!(Issue::number(br#"[{"number":12}]"#), Some(12));
        assert_eq!(Issue::number(b"[]"), None);
        assert_eq!(issue.close(12).path, "/repos/acme/alerts/issues/12");
    }

    #[test]
    fn a_quoted_fence_does_not_end_ours() {
        let text = fenced("a ```` b @everybody");
        assert!(text.starts_with("`````text\n") && text.ends_with("`````\n"), "{text}");
    }
}

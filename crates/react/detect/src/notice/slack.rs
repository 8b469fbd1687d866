//! Slack's incoming webhooks, and what speaks like them. They know no keys: the key stands in the text.

use serde_json::json;

use super::{Ask, Notice, Telling};

pub fn message(notice: &Notice, telling: Telling, again: bool) -> Ask {
    let text = match telling {
        Telling::Trigger => escaped(&notice.text()),
        Telling::Resolve => {
            let why = notice.answered.as_deref().unwrap_or("it is no longer so");
            format!("Resolved: {}\n{}", escaped(&notice.line()), escaped(why))
        }
    };
    // A process that was killed between telling and noting down that it told has to tell again.
    let again = if again { " (may be told twice)" } else { "" };
    Ask::json("", &json!({ "text": format!("{text}`{}`{again}", notice.key) }))
}

/// The three characters that its markup knows: a subject must not become a link or a call to everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::tests::notice;
    use super::*;

    #[test]
    fn text_from_outside_calls_nobody() {
        let mut bad = notice();
        bad.subject = "<!channel> & <https://evil.example|here>".to_owned();
        let ask = message(&bad, Telling::Trigger, false);
        let text = String::from_utf8(ask.body).unwrap();
        assert!(!text.contains("<!channel>") && !text.contains("<https"), "{text}");
        assert!(text.contains(&bad.key));
    }
}

//! Mail: one plain message. Its Message-ID is made from the key, so that a repeated one is shown once.

use linkward_model::Instant;

use super::{Notice, Telling, one_line};

/// The message with its headers, lines ended by CRLF; a dot at a line's start is the sender's to double.
pub fn message(notice: &Notice, telling: Telling, from: &str, to: &[String], now: Instant) -> String {
    let (word, id) = match telling {
        Telling::Trigger => ("", format!("<{}@linkward>", notice.key)),
        Telling::Resolve => ("Resolved: ", format!("<{}-resolved@linkward>", notice.key)),
    };
    let mut out = String::new();
    let mut header = |name: &str, value: &str| out.push_str(&format!("{name}: {}\r\n", one_line(value)));
    header("Date", &date(now));
    header("From", from);
    header("To", &to.join(", "));
    header("Subject", &encoded(&format!("{word}{}", one_line(&notice.line()))));
    header("Message-ID", &id);
    if telling == Telling::Resolve {
        header("In-Reply-To", &format!("<{}@linkward>", notice.key));
    }
    header("Auto-Submitted", "auto-generated");
    header("MIME-Version", "1.0");
    header("Content-Type", "text/plain; charset=utf-8");
    header("Content-Transfer-Encoding", "8bit");
    out.push_str("\r\n");
    let text = match telling {
        Telling::Trigger => notice.text(),
        Telling::Resolve => {
            format!(
                "{}\n{}\n",
                notice.line(),
                one_line(notice.answered.as_deref().unwrap_or("It is no longer so."))
            )
        }
    };
    for line in text.lines() {
        out.push_str(line);
        out.push_str("\r\n");
    }
    out
}

/// A header of ASCII alone as it is; anything else as RFC 2047 wants it, in words of few enough characters.
fn encoded(text: &str) -> String {
    let text: String = text.chars().take(200).collect();
    if text.is_ascii() {
        return text;
    }
    let letters: Vec<char> = text.chars().collect();
    let words = letters.chunks(10).map(|chunk| {
        let bytes: String = chunk.iter().collect();
        let hex: String = bytes.bytes().map(|byte| format!("={byte:02X}")).collect();
        format!("=?utf-8?q?{hex}?=")
    });
    words.collect::<Vec<_>>().join(" ")
}

/// RFC 5322: `Wed, 25 Nov 2026 12:00:00 +0000`.
fn date(now: Instant) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = now.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or("");
    let month = part(5, 7).parse::<usize>().unwrap_or(1).saturating_sub(1);
    let day = usize::try_from(now.seconds().div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    format!(
        "{}, {} {} {} {} +0000",
        DAYS.get(day).unwrap_or(&"Thu"),
        part(8, 10),
        MONTHS.get(month).unwrap_or(&"Jan"),
        part(0, 4),
        part(11, 19)
    )
}

#[cfg(test)]
mod tests {
    use linkward_testkit::noon;

    use super::super::tests::notice;
    use super::*;

    #[test]
    fn headers_cannot_be_injected_and_are_well_formed() {
        let to = vec!["ops@acme.example".to_owned()];
        let mail = message(&notice(), Telling::Trigger, "linkward@acme.example", &to, noon());
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        assert!(head.contains(&format!("Message-ID: <{}@linkward>", notice().key)));
        assert!(body.contains("Do first"));
        assert!(mail.split("\r\n").all(|line| !line.contains('\n')));
    }

    #[test]
    fn dates_and_words_are_those_of_the_standards() {
        let at: Instant = "2026-11-25T12:34:56Z".parse().unwrap();
        assert_eq!(date(at), "Wed, 25 Nov 2026 12:34:56 +0000");
        assert_eq!(encoded("plain"), "plain");
        assert_eq!(encoded("\u{fc}"), "=?utf-8?q?=C3=BC?=");
    }
}

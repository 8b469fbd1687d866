//! Characters that no editor shows can turn the order of code around for a reader, or carry a payload: CVE-2021-42574, and worms
//! of 2025 that hid their whole body in variation selectors.

use linkward_model::Code;

use crate::{Look, Report, Rule, Weight};

pub(crate) const RULE: Rule =
    Rule { code: Code::HiddenUnicode, weight: Weight::High, looks: &[Look::Text(look)] };

/// A few variation selectors belong to emoji; more in one line carry something.
const MANY: usize = 8;

fn look(text: &str, report: &mut Report<'_>) {
    // Almost every text is plain: nothing below starts with another byte in UTF-8.
    if !text.bytes().any(|byte| matches!(byte, 0xe2 | 0xef | 0xf3)) {
        return;
    }
    for (index, line) in text.lines().enumerate() {
        if let Some(c) = line.chars().find(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        {
            report.add(
                index + 1,
                format!("U+{:04X} changes the order in which this line is shown", u32::from(c)),
            );
        }
        let hidden = line.chars().filter(|c| {
            matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{e0000}'..='\u{e007f}' | '\u{200b}' | '\u{2060}'..='\u{2064}')
        });
        let count = hidden.count();
        if count > MANY {
            report.add(index + 1, format!("{count} characters of this line are invisible"));
        }
    }
}

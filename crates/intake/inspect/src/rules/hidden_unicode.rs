//! Characters that no editor shows can turn the order of code around for a reader, or carry a payload: CVE-2021-42574, and worms
//! of 2025 that hid their whole body in variation selectors.

use linkward_model::Code;

use crate::{Look, Report, Rule, Weight};

pub(crate) const RULE: Rule =
    Rule { code: Code::HiddenUnicode, weight: Weight::High, looks: &[Look::Text(look)] };

/// So many in a row carry something; so do so many in a line, where that is more than one of [`SPARSE`] characters.
const MANY: usize = 8;
/// Tables of entities name what is invisible among thousands of others.
const SPARSE: usize = 200;

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
        let (count, longest, all) = hidden(line);
        if longest > MANY || (count > MANY && count * SPARSE > all) {
            report.add(index + 1, format!("{count} characters of this line are invisible"));
        }
    }
}

/// Invisible characters that belong to no visible one, the longest run of them, and all characters. A variation selector that Unicode
/// lists (1 to 3 for letters and signs, 15 and 16 for emoji) behind a symbol chooses how that is drawn, tags behind a black flag name a country: emoji are made of them.
fn hidden(line: &str) -> (usize, usize, usize) {
    let (mut count, mut longest, mut run, mut all) = (0, 0, 0, 0);
    let mut before = ' ';
    let mut tags = FLAG;
    for c in line.chars() {
        all += 1;
        let invisible = match c {
            '\u{fe00}'..='\u{fe02}' | '\u{fe0e}' | '\u{fe0f}' => {
                is_invisible(before) || before.is_ascii_alphabetic() || before.is_whitespace()
            }
            '\u{e0020}'..='\u{e007f}' => {
                tags = if before == '\u{1f3f4}' { 1 } else { tags + 1 };
                !(1..=FLAG).contains(&tags)
            }
            c => is_invisible(c),
        };
        if !is_tag(c) {
            // Tags count from the flag before them; without one there is none to belong to.
            tags = FLAG;
        }
        run = if invisible { run + 1 } else { 0 };
        longest = longest.max(run);
        count += usize::from(invisible);
        before = c;
    }
    (count, longest, all)
}

/// Most tags of one flag: six letters and digits, and the end.
const FLAG: usize = 7;

fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{e0000}'..='\u{e007f}' | '\u{200b}' | '\u{2060}'..='\u{2064}')
}

//! Tables and sentences for people. Colour only on a terminal; every state is a word too.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use crate::wire::{Chain, Line, Outcome, Reason};

/// Whether escape sequences are welcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) colour: bool,
}

impl Style {
    /// For standard output as it is now; `NO_COLOR` is honoured.
    pub(crate) fn of_stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { colour: terminal && std::env::var_os("NO_COLOR").is_none() }
    }

    pub(crate) fn outcome(self, outcome: Outcome) -> String {
        let (mark, colour) = match outcome {
            Outcome::Allow => ("+", "32"),
            Outcome::Deny => ("x", "31"),
            Outcome::Unknown => ("?", "33"),
            Outcome::Noted => ("-", "2"),
        };
        self.paint(colour, &format!("{mark} {}", outcome.as_str()))
    }

    pub(crate) fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The chain: one row a thing, then for everything not allowed the reason, its code and the next command.
pub(crate) fn chain(chain: &Chain, style: Style) -> String {
    let head = ["THING", "DIGEST", "SBOM", "PROVENANCE", "SIGNATURE", "LOG", "VERDICT"];
    let mut rows: Vec<[String; 7]> = vec![head.map(str::to_owned)];
    for line in &chain.lines {
        rows.push([
            visible(&line.thing),
            line.digest.clone().unwrap_or_else(|| "-".to_owned()),
            line.sbom.clone(),
            line.provenance.clone(),
            line.signature.clone(),
            line.log.clone(),
            style.outcome(line.verdict),
        ]);
    }
    let mut out = format!(
        "{}  environment {}, policy {}, log {} at {} records\n\n",
        style.strong(&visible(&chain.project)),
        chain.environment,
        chain.policy.short(),
        chain.log.origin,
        chain.log.size
    );
    out.push_str(&grid(&rows));
    let mut todo = chain.lines.iter().filter(|line| !line.reasons.is_empty()).peekable();
    if todo.peek().is_some() {
        out.push('\n');
    }
    for line in todo {
        explain(&mut out, line, style);
    }
    for refused in &chain.refused {
        let code = refused.code.map_or("refused", |code| code.as_str());
        let _ = writeln!(out, "{}: {code}: {}", visible(&refused.name), refused.message);
    }
    out
}

fn explain(out: &mut String, line: &Line, style: Style) {
    let _ = writeln!(out, "{} {}", style.strong(&visible(&line.thing)), style.outcome(line.verdict));
    out.push_str(&reasons(&line.reasons));
}

/// Reasons as an indented list, each with what leads on; said once where the same thing mends several in a row.
pub(crate) fn reasons(reasons: &[Reason]) -> String {
    let mut out = String::new();
    let following = reasons.iter().skip(1).map(Some).chain([None]);
    for (reason, next) in reasons.iter().zip(following) {
        let _ = writeln!(out, "  {}: {}", reason.code, visible(&reason.detail));
        if !reason.next.is_empty() && next.is_none_or(|next| next.next != reason.next) {
            let _ = writeln!(out, "    next: {}", visible(&reason.next));
        }
    }
    out
}

/// Columns as wide as their widest cell, two spaces apart.
pub(crate) fn grid<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(shown_width(cell));
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let pad = width - shown_width(cell) + 2;
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', pad));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// Width without escape sequences.
fn shown_width(cell: &str) -> usize {
    let mut inside = false;
    cell.chars()
        .filter(|c| {
            let counts = !inside && *c != '\u{1b}';
            inside = (inside && *c != 'm') || *c == '\u{1b}';
            counts
        })
        .count()
}

/// Text from outside with everything that could move a terminal's cursor or its reading order made visible.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            let hidden = c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
            if hidden { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() }
        })
        .collect()
}

/// A number with its noun.
pub(crate) fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number: u64 = number.try_into().unwrap_or(u64::MAX);
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_made_visible() {
        assert_eq!(visible("a\u{202e}b\u{1b}[2J\n"), "a\\u{202e}b\\u{1b}[2J\\u{a}");
        assert_eq!(visible("grün"), "grün");
    }

    #[test]
    fn columns_line_up_with_colour() {
        let style = Style { colour: true };
        let rows = [["A".to_owned(), "B".to_owned()], [style.outcome(Outcome::Allow), "x".to_owned()]];
        let lines: Vec<String> = grid(&rows).lines().map(str::to_owned).collect();
        assert_eq!(lines.first().map(String::as_str), Some("A        B"));
        assert_eq!(lines.get(1).map(|line| shown_width(line)), Some(10));
    }
}

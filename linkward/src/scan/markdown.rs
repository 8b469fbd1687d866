//! A scan as a comment on a pull request.

use std::fmt::Write as _;

use linkward_advisory::Report;

use crate::table::visible;

/// Most rows: a comment that nobody reads to its end helps nobody.
const MAX_ROWS: usize = 50;

pub(super) fn of(report: &Report) -> String {
    let totals = &report.totals;
    let mut out = format!(
        "### Linkward scan of `{}`\n\n{} components: **{} affected**, {} not affected, **{} unknown**, {:.1} % vulnerable\n",
        cell(&report.target),
        totals.components,
        totals.affected,
        totals.not_affected,
        totals.unknown,
        totals.vulnerable_ratio * 100.0
    );
    if totals.findings > 0 {
        out.push_str("\n| package | advisory | severity | fixed in | do |\n|---|---|---|---|---|\n");
    }
    for (judged, finding) in report.findings().take(MAX_ROWS) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            cell(&judged.id),
            cell(&finding.id),
            finding.priority(),
            cell(finding.fixed.as_deref().unwrap_or("-")),
            super::table::advice(judged.fix())
        );
    }
    if totals.findings > MAX_ROWS {
        let _ = writeln!(out, "\n{} more findings are not shown.", totals.findings - MAX_ROWS);
    }
    let unknown = report
        .components
        .iter()
        .flat_map(|judged| judged.doubts().iter().map(move |doubt| format!("{}: {}", judged.id, doubt.code)));
    let doubts: Vec<String> = report
        .doubts
        .iter()
        .map(|doubt| format!("{}: {}", doubt.code, doubt.detail))
        .chain(unknown)
        .collect();
    if !doubts.is_empty() {
        out.push_str("\nCould not be said:\n");
    }
    for doubt in doubts.iter().take(MAX_ROWS) {
        let _ = writeln!(out, "- {}", cell(doubt));
    }
    if doubts.len() > MAX_ROWS {
        let _ = writeln!(out, "- and {} more", doubts.len() - MAX_ROWS);
    }
    match &report.database {
        Some(data) => {
            let ages: Vec<String> = data
                .coverage
                .iter()
                .map(|covered| match covered.age_days {
                    Some(days) => format!("{} {days} d", cell(&covered.ecosystem)),
                    None => format!("{} not covered", cell(&covered.ecosystem)),
                })
                .collect();
            let _ = writeln!(out, "\nData `{}`; age: {}", data.digest.short(), ages.join(", "));
        }
        None => out.push_str("\n**There is no advisory database: nothing is known to be clean.**\n"),
    }
    out
}

/// Text from outside in a table: it must neither end the cell nor become markup or a mention.
pub(crate) fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in visible(text).chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("@\u{2060}"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn hostile_names_stay_in_their_cell() {
        assert_eq!(super::cell("a|b<img>\n[x](y)"), "a\\|b&lt;img&gt;\\\\u{a}\\[x\\](y)");
    }
}

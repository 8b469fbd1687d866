//! Where something stands in a text.

/// The line, from one, of the first place behind `after` lines that holds the text; the line before it where none does.
pub fn find(text: &str, wanted: &str, after: usize) -> usize {
    let wanted = wanted.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(wanted);
    let found = text.lines().enumerate().skip(after).find(|(_, line)| line.contains(wanted));
    found.map_or(after.max(1), |(index, _)| index + 1)
}

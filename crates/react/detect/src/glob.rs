//! Patterns of names: `*` stands for any run of characters. Always of the whole name.

/// Whether the pattern covers the text.
pub(crate) fn covers(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut tail = None;
    for part in parts {
        if let Some(middle) = tail.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = rest.get(at + middle.len()..).unwrap_or(""),
                None => return false,
            }
        }
    }
    match tail {
        Some(tail) => rest.ends_with(tail),
        None => rest.is_empty(),
    }
}

/// Whether one of the patterns covers the text.
pub(crate) fn any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| covers(pattern, text))
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn of_the_whole_name() {
        for (pattern, text) in
            [("main", "main"), ("release/*", "release/1"), ("*", ""), ("a*b*c", "a-b-b-c"), ("v*.*", "v1.0")]
        {
            assert!(covers(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("main", "main2"),
            ("main", "xmain"),
            ("release/*", "prerelease/1"),
            ("a*b*c", "a-c"),
            ("ab*ba", "aba"),
        ] {
            assert!(!covers(pattern, text), "{pattern} {text}");
        }
    }
}

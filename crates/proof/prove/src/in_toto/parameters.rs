//! Parameters (specification 4.6): `{NAME}` in rules and commands is replaced by what the verifier gives.

use std::collections::BTreeMap;

use linkward_evidence::in_toto::{Layout, Rule};
use linkward_model::Code;

/// Replaces every placeholder of a layout.
///
/// One that has no value is refused: as it stands, a DISALLOW of `{NAME}` would forbid nothing.
pub(super) fn substitute(
    layout: &mut Layout,
    values: &BTreeMap<String, String>,
) -> Result<(), (Code, String)> {
    let mut words: Vec<&mut String> = Vec::new();
    for step in &mut layout.steps {
        words.extend(step.materials.iter_mut().chain(&mut step.products).flat_map(Rule::words_mut));
        words.extend(&mut step.command);
    }
    for inspection in &mut layout.inspections {
        words.extend(
            inspection.materials.iter_mut().chain(&mut inspection.products).flat_map(Rule::words_mut),
        );
        words.extend(&mut inspection.run);
    }
    for word in words {
        *word = replace(word, values)?;
    }
    Ok(())
}

fn replace(text: &str, values: &BTreeMap<String, String>) -> Result<String, (Code, String)> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        // Doubled braces stand for themselves.
        if let Some(after) = after.strip_prefix("{{") {
            out.push('{');
            rest = after;
            continue;
        }
        if let Some(after) = after.strip_prefix("}}") {
            out.push('}');
            rest = after;
            continue;
        }
        let name = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        match name.filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                let value = values.get(name).ok_or_else(|| {
                    let why = format!("the layout asks for `{name}`, which was not given a value");
                    (Code::LayoutParameterMissing, why)
                })?;
                out.push_str(value);
                rest = after;
            }
            None => {
                let (brace, after) = after.split_at(1);
                out.push_str(brace);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders() {
        let values = BTreeMap::from([("V".to_owned(), "1.2".to_owned())]);
        let read = |text: &str| replace(text, &values).ok();
        assert_eq!(read("app-{V}.tar").as_deref(), Some("app-1.2.tar"));
        assert_eq!(read("{{V}}").as_deref(), Some("{V}"));
        assert_eq!(read("{V}{V}").as_deref(), Some("1.21.2"));
        assert_eq!(read("a{ b").as_deref(), Some("a{ b"));
        assert_eq!(replace("{W}", &values).err().map(|(code, _)| code), Some(Code::LayoutParameterMissing));
    }
}

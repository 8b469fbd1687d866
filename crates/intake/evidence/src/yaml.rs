//! YAML as lockfiles, advisories and workflows use it: mappings, lists and scalars, every scalar kept as the text that it is.

use linkward_model::Code;
use saphyr::{ScalarStyle, ScanError, Yaml, YamlLoader};
use saphyr_parser::{BufferedInput, Parser};
use serde_json::{Map, Value};

use crate::Fault;

/// Such files nest by a handful of levels.
const MAX_DEPTH: usize = 32;

/// Reads one document. `1.10` stays `1.10`: a version is no number.
///
/// # Errors
/// Not one document, deeper than any such file, or with aliases; the fault carries `code`.
pub fn read(text: &str, code: Code) -> Result<Value, Fault> {
    if deep(text) {
        return Err(Fault::new(code, "$", format!("is nested deeper than {MAX_DEPTH}")));
    }
    let mut loader: YamlLoader<'_, Yaml<'_>> = YamlLoader::default();
    loader.early_parse(false);
    // No tool writes aliases into such a file, and a few nested ones would grow without bound.
    loader.alias_limit(0);
    let mut parser = Parser::new(BufferedInput::new(text.chars()));
    parser.load(&mut loader, true).map_err(|error| fault(&error, code))?;
    if let Some(error) = loader.error() {
        return Err(fault(error, code));
    }
    let mut documents = loader.into_documents();
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => convert(&document, 0, code),
        _ => Err(Fault::new(code, "$", "is not one YAML document")),
    }
}

fn fault(error: &ScanError, code: Code) -> Fault {
    let at = error.marker();
    let place = format!("line {}, column {}", at.line(), at.col().saturating_add(1));
    Fault::new(code, place, error.info())
}

/// Whether brackets or indentation go deeper than any lockfile: looked at before the parser keeps a level for each.
fn deep(text: &str) -> bool {
    let mut open = 0usize;
    let mut levels: Vec<usize> = Vec::new();
    for line in text.lines() {
        let content = line.trim_start_matches([' ', '-']);
        let indent = line.len().saturating_sub(content.len());
        if !content.is_empty() {
            while levels.last().is_some_and(|level| *level >= indent) {
                levels.pop();
            }
            levels.push(indent);
        }
        let dashes =
            line.len().saturating_sub(content.len()).saturating_sub(line.len() - line.trim_start().len());
        for c in line.chars() {
            match c {
                '[' | '{' => open = open.saturating_add(1),
                ']' | '}' => open = open.saturating_sub(1),
                _ => {}
            }
        }
        if open > 256 || dashes > 2 * MAX_DEPTH || levels.len() > 4 * MAX_DEPTH {
            return true;
        }
    }
    false
}

fn convert(node: &Yaml<'_>, depth: usize, code: Code) -> Result<Value, Fault> {
    let wrong = |what: &str| Fault::new(code, "$", what.to_owned());
    if depth > MAX_DEPTH {
        return Err(wrong("is nested too deep"));
    }
    Ok(match node {
        Yaml::Representation(text, style, _)
            if *style == ScalarStyle::Plain && matches!(&**text, "" | "~" | "null") =>
        {
            Value::Null
        }
        Yaml::Representation(text, ..) => Value::String(text.clone().into_owned()),
        Yaml::Sequence(items) => {
            Value::Array(items.iter().map(|item| convert(item, depth + 1, code)).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(members) => {
            let mut map = Map::new();
            for (key, value) in members {
                let Yaml::Representation(name, ..) = key else {
                    return Err(wrong("has a key that is no text"));
                };
                map.insert(name.clone().into_owned(), convert(value, depth + 1, code)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(_, inner) => convert(inner, depth + 1, code)?,
        _ => return Err(wrong("holds something that is neither mapping, list nor text")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_stay_text() {
        let found = read("a: 1.10\nb: 'yes'\nc: {d: [1e5, ~]}\ne:\n", Code::LockfileMalformed).unwrap();
        assert_eq!(
            found,
            serde_json::json!({ "a": "1.10", "b": "yes", "c": { "d": ["1e5", null] }, "e": null })
        );
    }

    #[test]
    fn what_no_lockfile_holds_is_refused() {
        let nested = "[".repeat(100_000);
        let dashes = "- ".repeat(100_000);
        let steps: String = (0..2000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
        for bad in ["a: &x 1\nb: *x", "a: 1\na: 2", "a: [", "--- 1\n--- 2", "", &nested, &dashes, &steps] {
            let head: String = bad.chars().take(20).collect();
            assert!(read(bad, Code::LockfileMalformed).is_err(), "{head}");
        }
    }
}

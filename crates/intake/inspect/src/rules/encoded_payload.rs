//! Code that is kept encoded and run by decoding it hides from readers and from rules. Long encoded text alone is often data; beside a
//! call that runs text it is a payload.

use linkward_model::Code;

use crate::{Kind, Look, Report, Rule, Weight};

pub(crate) const RULE: Rule =
    Rule { code: Code::EncodedPayload, weight: Weight::High, looks: &[Look::Of(&[Kind::Source], look)] };

/// What runs text, as a word of its own: `isFunction(` runs none.
const CALLS: &[&str] = &["eval(", "Function(", "execSync(", "loadstring("];
/// The same, and of nothing: `re.compile(` and the `exec(` of a regular expression run none.
const ALONE: &[&str] = &["exec(", "compile("];
/// The same, wherever it stands.
const RUNS: &[&str] = &[
    "child_process",
    "builtins.exec(",
    "os.system(",
    "subprocess.",
    "__import__(",
    "Invoke-Expression",
    "IEX ",
];
const DECODES: &[&str] = &[
    "base64",
    "atob(",
    "b64decode",
    "unhexlify",
    "fromhex(",
    "fromCharCode",
    "'hex'",
    "\"hex\"",
    "zlib.decompress",
    "FromBase64String",
    "rot13",
];
/// Shorter texts are names, keys and digests.
const LONG: usize = 512;
/// Within so many bytes a call belongs to the text: some five lines, or a part of a line that holds the whole program.
const NEAR: usize = 2000;

fn look(text: &str, report: &mut Report<'_>) {
    if text.len() < LONG || !runs(text) {
        return;
    }
    let mut start = 0;
    for (index, line) in text.split('\n').enumerate() {
        for (at, length) in encoded(line) {
            let around = |from: usize, to: usize| {
                let from = (from..=to).find(|at| text.is_char_boundary(*at)).unwrap_or(to);
                let to = (to..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
                text.get(from..to).unwrap_or_default()
            };
            let (from, to) = (start + at, start + at + length);
            let (before, behind) =
                (around(from.saturating_sub(NEAR), from), around(to, (to + NEAR).min(text.len())));
            let decodes = |part: &str| DECODES.iter().any(|word| part.contains(word));
            if (runs(before) || runs(behind)) && (decodes(before) || decodes(behind)) {
                report.add(
                    index + 1,
                    format!("{length} encoded characters stand beside a call that runs text"),
                );
                break;
            }
        }
        start += line.len() + 1;
    }
}

fn runs(text: &str) -> bool {
    let any = |calls: &[&str], not_behind: &[char]| {
        calls.iter().flat_map(|call| text.match_indices(call)).any(|(at, _)| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            !before.is_some_and(|c| c.is_alphanumeric() || not_behind.contains(&c))
        })
    };
    RUNS.iter().any(|word| text.contains(word)) || any(CALLS, &['_', '$']) || any(ALONE, &['_', '$', '.'])
}

/// The runs of what encodings are made of, within quotes, that are long: where they begin, and how long they are.
fn encoded(line: &str) -> impl Iterator<Item = (usize, usize)> {
    let parts = if line.len() < LONG { "" } else { line }.split(['"', '\'', '`']);
    let mut start = 0;
    parts.filter_map(move |part| {
        let at = start;
        start += part.len() + 1;
        let encoded = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-' | b'\\')
        };
        (part.len() >= LONG && part.bytes().all(encoded)).then_some((at, part.len()))
    })
}

//! Code that is kept encoded and run by decoding it hides from readers and from rules. Long encoded text alone is often data; beside a
//! call that runs text it is a payload.

use linkward_model::Code;

use crate::{Kind, Look, Report, Rule, Weight};

pub(crate) const RULE: Rule =
    Rule { code: Code::EncodedPayload, weight: Weight::High, looks: &[Look::Of(&[Kind::Source], look)] };

/// What runs text, and what decodes it.
const RUNS: &[&str] = &[
    "eval(",
    "exec(",
    "new Function(",
    "Function(",
    "execSync(",
    "os.system(",
    "subprocess.",
    "__import__(",
    "compile(",
    "loadstring(",
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
/// Within so many lines a call belongs to the text.
const NEAR: usize = 5;

fn look(text: &str, report: &mut Report<'_>) {
    if !RUNS.iter().any(|call| text.contains(call)) {
        return;
    }
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let length = longest(line);
        if length < LONG {
            continue;
        }
        let near =
            lines.get(index.saturating_sub(NEAR)..lines.len().min(index + NEAR + 1)).unwrap_or_default();
        let has = |words: &[&str]| words.iter().any(|word| near.iter().any(|line| line.contains(word)));
        if has(RUNS) && has(DECODES) {
            report.add(index + 1, format!("{length} encoded characters stand beside a call that runs text"));
        }
    }
}

/// The longest run of what encodings are made of, within quotes.
fn longest(line: &str) -> usize {
    if line.len() < LONG {
        return 0;
    }
    let of = |part: &str| {
        let encoded = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_' | b'-' | b'\\')
        };
        if part.len() >= LONG && part.bytes().all(encoded) { part.len() } else { 0 }
    };
    line.split(['"', '\'', '`']).map(of).max().unwrap_or_default()
}

//! Keys and tokens in files, histories and logs are found by machines within minutes. Each kind is known by its form; whether it
//! still works is not tried.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use linkward_model::Code;

use crate::{Look, Report, Rule, Weight};

pub(crate) const RULE: Rule =
    Rule { code: Code::SecretExposed, weight: Weight::High, looks: &[Look::Text(look)] };

/// What it is, how it begins, which further characters it has, and how many.
struct Form {
    what: &'static str,
    begins: &'static str,
    also: &'static str,
    length: std::ops::RangeInclusive<usize>,
}

const fn form(
    what: &'static str,
    begins: &'static str,
    also: &'static str,
    length: std::ops::RangeInclusive<usize>,
) -> Form {
    Form { what, begins, also, length }
}

const FORMS: &[Form] = &[
    form("an access key of AWS", "AKIA", "", 16..=16),
    form("a temporary access key of AWS", "ASIA", "", 16..=16),
    form("a token of GitHub", "ghp_", "", 36..=36),
    form("a token of GitHub", "gho_", "", 36..=36),
    form("a token of GitHub", "ghs_", "", 36..=36),
    form("a token of GitHub", "ghu_", "", 36..=36),
    form("a token of GitHub", "github_pat_", "_", 82..=82),
    form("a token of GitLab", "glpat-", "_-", 20..=60),
    form("a token of npm", "npm_", "", 36..=36),
    form("a token of PyPI", "pypi-AgE", "_-", 50..=300),
    form("a token of crates.io", "cio", "", 32..=32),
    form("a token of Slack", "xoxb-", "-", 40..=80),
    form("a token of Slack", "xoxp-", "-", 60..=90),
    form("a key of Google", "AIza", "_-", 35..=35),
    form("a live key of Stripe", "sk_live_", "", 24..=100),
    form("a live key of Stripe", "rk_live_", "", 24..=100),
    form("a token of Docker Hub", "dckr_pat_", "_-", 27..=27),
    form("a token of Hugging Face", "hf_", "", 34..=34),
    form("a key of SendGrid", "SG.", "._-", 66..=66),
    form("a token of DigitalOcean", "dop_v1_", "", 64..=64),
    form("a key of age", "AGE-SECRET-KEY-1", "", 58..=58),
    form("a token of HashiCorp Vault", "hvs.", "_-", 90..=120),
];

/// How private keys begin.
const KEYS: &[&str] = &[
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "-----BEGIN DSA PRIVATE KEY-----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----",
];

static BEGINNINGS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(FORMS.iter().map(|form| form.begins).chain(KEYS.iter().copied())).ok());

fn look(text: &str, report: &mut Report<'_>) {
    let Some(beginnings) = BEGINNINGS.as_ref() else { return };
    let mut line = (0, 1);
    for found in beginnings.find_iter(text) {
        let (start, pattern) = (found.start(), found.pattern().as_usize());
        let before = text.get(..start).and_then(|before| before.chars().next_back());
        // In the middle of a word it is something else.
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            continue;
        }
        let what = match FORMS.get(pattern) {
            Some(form) => {
                let rest = text.get(start + form.begins.len()..).unwrap_or_default();
                let fits = |c: char| c.is_ascii_alphanumeric() || form.also.contains(c);
                let body = rest.split(|c| !fits(c)).next().unwrap_or_default();
                (form.length.contains(&body.len()) && is_random(body)).then_some(form.what)
            }
            None => {
                // Programs that read keys name how they begin; a key has base64 behind it.
                let rest = text.get(start..).unwrap_or_default();
                let behind = rest
                    .split_once("KEY-----")
                    .or_else(|| rest.split_once("BLOCK-----"))
                    .map(|(_, behind)| behind);
                let body: usize = behind
                    .unwrap_or_default()
                    .replace("\\n", "\n")
                    .lines()
                    .skip(1)
                    .take(4)
                    .map(|line| {
                        line.trim()
                            .bytes()
                            .take_while(|byte| {
                                byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
                            })
                            .count()
                    })
                    .sum();
                (body >= 64).then_some("a private key")
            }
        };
        if let Some(what) = what {
            line.1 += text.get(line.0..start).unwrap_or_default().matches('\n').count();
            line.0 = start;
            // What is found is not repeated: reports are kept and shared.
            report.add(line.1, format!("holds {what}; revoke it, and keep secrets elsewhere"));
        }
    }
}

/// Samples repeat themselves or count.
fn is_random(body: &str) -> bool {
    let kinds: std::collections::BTreeSet<char> = body.chars().collect();
    let lower = body.to_ascii_lowercase();
    let sample = ["example", "xxxx", "0000", "1234567", "abcdef", "placeholder"]
        .iter()
        .any(|word| lower.contains(word));
    kinds.len() >= (body.len() / 4).clamp(5, 12) && !sample
}

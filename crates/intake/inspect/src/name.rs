//! Names that are made to be taken for others: a letter off a popular package, a brand that it does not belong to, a name that is
//! one's own but came from outside, a version that no release ever reaches.

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::Fault;
use linkward_model::{Code, Purl};
use toml::{Table, Value};

use crate::{Finding, Weight};

/// What names are held against; lists beyond the built-in ones come from the user, never from what is inspected.
#[derive(Debug, Default)]
pub struct Names {
    popular: BTreeMap<String, BTreeSet<String>>,
    /// By kind of purl: namespaces and beginnings of names that belong to the user.
    reserved: BTreeMap<String, Vec<String>>,
    brands: Vec<String>,
}

/// Shorter names are a letter off each other by nature.
const SHORTEST: usize = 5;
const LONG: usize = 7;

const POPULAR: &[(&str, &[&str])] = &[
    (
        "npm",
        &[
            "express",
            "react",
            "lodash",
            "axios",
            "chalk",
            "commander",
            "webpack",
            "typescript",
            "eslint",
            "prettier",
            "moment",
            "request",
            "jquery",
            "angular",
            "bootstrap",
            "dotenv",
            "mongoose",
            "nodemon",
            "socket.io",
            "body-parser",
            "cross-env",
            "rimraf",
            "electron",
            "puppeteer",
            "playwright",
            "discord.js",
            "ethers",
            "web3",
            "next",
            "vite",
            "rollup",
            "babel-core",
            "jsonwebtoken",
            "bcrypt",
            "passport",
            "sequelize",
            "redux",
            "vue",
            "svelte",
            "tailwindcss",
            "postcss",
            "autoprefixer",
            "styled-components",
            "minimist",
            "colors",
            "debug",
            "semver",
            "yargs",
            "inquirer",
            "enquirer",
            "node-fetch",
            "underscore",
            "async",
            "bluebird",
            "classnames",
            "immutable",
            "react-dom",
            "react-router",
            "react-native",
            "graphql",
            "apollo-server",
            "jest",
            "mocha",
            "cypress",
            "storybook",
            "nestjs",
            "fastify",
            "winston",
            "morgan",
            "helmet",
            "validator",
            "nodemailer",
            "stripe",
            "firebase",
            "mysql2",
            "mongodb",
            "ioredis",
        ],
    ),
    (
        "pypi",
        &[
            "requests",
            "numpy",
            "pandas",
            "django",
            "flask",
            "urllib3",
            "boto3",
            "botocore",
            "setuptools",
            "cryptography",
            "pyyaml",
            "python-dateutil",
            "certifi",
            "charset-normalizer",
            "typing-extensions",
            "packaging",
            "jinja2",
            "sqlalchemy",
            "pillow",
            "scipy",
            "matplotlib",
            "tensorflow",
            "pytorch",
            "transformers",
            "fastapi",
            "uvicorn",
            "pydantic",
            "selenium",
            "beautifulsoup4",
            "scrapy",
            "colorama",
            "pytest",
            "coverage",
            "virtualenv",
            "paramiko",
            "psycopg2",
            "pymongo",
            "redis",
            "celery",
            "gunicorn",
            "aiohttp",
            "httpx",
            "websockets",
            "openai",
            "anthropic",
            "langchain",
            "discord.py",
            "opencv-python",
            "scikit-learn",
            "keras",
            "jupyter",
            "notebook",
            "ipython",
            "tqdm",
            "click",
            "markupsafe",
            "werkzeug",
            "protobuf",
            "grpcio",
            "google-api-core",
            "pycryptodome",
        ],
    ),
    (
        "cargo",
        &[
            "serde",
            "tokio",
            "serde_json",
            "regex",
            "clap",
            "anyhow",
            "thiserror",
            "reqwest",
            "hyper",
            "futures",
            "rayon",
            "crossbeam",
            "itertools",
            "chrono",
            "tracing",
            "actix-web",
            "diesel",
            "rustls",
            "openssl",
            "num-traits",
            "lazy_static",
            "once_cell",
            "bitflags",
            "parking_lot",
            "rust_decimal",
            "async-trait",
            "env_logger",
            "tempfile",
            "indexmap",
            "hashbrown",
            "proc-macro2",
            "wasm-bindgen",
        ],
    ),
    (
        "gem",
        &[
            "rails",
            "activesupport",
            "nokogiri",
            "bundler",
            "devise",
            "sidekiq",
            "faraday",
            "puppet",
            "sinatra",
            "capistrano",
            "rubocop",
        ],
    ),
];

const BRANDS: &[&str] =
    &["google", "microsoft", "amazon", "facebook", "github", "paypal", "coinbase", "metamask", "cloudflare"];

impl Names {
    /// The built-in lists, and those of a file: `[popular]` and `[reserved]` by kind of purl, `brands`.
    ///
    /// # Errors
    /// Not such a file.
    pub fn read(text: Option<&str>) -> Result<Self, Fault> {
        let mut names =
            Self { brands: BRANDS.iter().map(|brand| (*brand).to_owned()).collect(), ..Self::default() };
        for (kind, listed) in POPULAR {
            names.popular.insert((*kind).to_owned(), listed.iter().map(|name| (*name).to_owned()).collect());
        }
        let Some(text) = text else { return Ok(names) };
        let wrong = |place: &str, what: &str| Fault::new(Code::ConfigMalformed, place, what);
        let document: Table = text.parse().map_err(|error: toml::de::Error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(text);
            wrong(&format!("line {}", before.matches('\n').count() + 1), error.message())
        })?;
        let words = |place: &str, value: &Value| -> Result<Vec<String>, Fault> {
            let all = value.as_array().ok_or_else(|| wrong(place, "must be a list of names"))?;
            all.iter()
                .map(|word| {
                    word.as_str().map(str::to_owned).ok_or_else(|| wrong(place, "must be a list of names"))
                })
                .collect()
        };
        for (key, value) in &document {
            match (key.as_str(), value) {
                ("popular", Value::Table(table)) => {
                    for (kind, listed) in table {
                        names.popular.entry(kind.clone()).or_default().extend(words("popular", listed)?);
                    }
                }
                ("reserved", Value::Table(table)) => {
                    for (kind, listed) in table {
                        names.reserved.entry(kind.clone()).or_default().extend(words("reserved", listed)?);
                    }
                }
                ("brands", listed) => names.brands.extend(words("brands", listed)?),
                _ => return Err(wrong(key, "is none of [popular], [reserved] and brands")),
            }
        }
        Ok(names)
    }

    /// What is suspicious about one package. `here` says whether it came from a place of the user's own.
    pub fn judge(&self, purl: &Purl, place: &str) -> Vec<Finding> {
        let full = match purl.namespace() {
            Some(namespace) => format!("{namespace}/{}", purl.name()),
            None => purl.name().to_owned(),
        };
        let mut found = Vec::new();
        let mut add = |code, weight, message: String| {
            found.push(Finding { path: place.to_owned(), line: 1, code, weight, message });
        };
        if let Some(popular) = self.popular.get(purl.kind())
            && let Some(target) = squatted(&full, popular)
        {
            add(
                Code::NameSquat,
                Weight::Medium,
                format!("`{full}` is one letter off `{target}`, which many more people use"),
            );
        }
        let scope = full.strip_prefix('@').and_then(|rest| rest.split_once('/')).map(|(scope, _)| scope);
        let bare = full.trim_start_matches('@');
        let brand = self.brands.iter().find(|brand| {
            let parts = || bare.split(['-', '_', '/', '.']);
            parts().count() > 1 && scope.is_none() && parts().any(|part| slip(part, brand).is_some())
        });
        if let Some(brand) = brand {
            add(
                Code::NameSquat,
                Weight::Medium,
                format!("`{full}` is spelled to be taken for something of `{brand}`"),
            );
        }
        let reserved = self.reserved.get(purl.kind()).map(Vec::as_slice).unwrap_or_default();
        let own = reserved.iter().find(|pattern| match pattern.strip_suffix('*') {
            Some(start) => full.starts_with(start),
            None => full == **pattern || full.starts_with(&format!("{pattern}/")),
        });
        let elsewhere = ["repository_url", "vcs_url", "download_url"]
            .iter()
            .any(|key| purl.qualifiers().contains_key(*key));
        if let Some(pattern) = own.filter(|_| !elsewhere) {
            add(
                Code::DependencyConfusion,
                Weight::High,
                format!(
                    "`{full}` is reserved as `{pattern}`, and nothing says that it came from a registry of your own"
                ),
            );
        }
        if let Some(version) = purl.version().filter(|version| is_inflated(version)) {
            add(
                Code::VersionSuspicious,
                Weight::Medium,
                format!("`{full}` {version}: so high a number wins against every real release"),
            );
        }
        found
    }
}

/// 99.x, 999.9.9, 1000 and beyond: numbers that win by being high. Years and dates are how many projects count.
fn is_inflated(version: &str) -> bool {
    let parts: Vec<&str> = version.trim_start_matches('v').split(['.', '-', '+']).collect();
    let major: Option<u64> = parts.first().and_then(|part| part.parse().ok());
    let nines = parts.len() >= 2
        && parts.iter().take(3).all(|part| part.len() >= 2 && part.bytes().all(|byte| byte == b'9'));
    match major {
        Some(99 | 999 | 9999 | 99999) => true,
        Some(major) => {
            nines || (1000..1990).contains(&major) || (2100..19_900_000).contains(&major) && major > 9000
        }
        None => false,
    }
}

fn squatted<'a>(name: &str, popular: &'a BTreeSet<String>) -> Option<&'a str> {
    if name.len() < SHORTEST || popular.contains(name) || name.starts_with('@') {
        return None;
    }
    popular.iter().map(String::as_str).find(|target| match slip(name, target) {
        Some(Slip::Typed) => target.len() >= SHORTEST,
        Some(Slip::Letter) => target.len() >= LONG,
        None => false,
    })
}

/// How one name became the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slip {
    /// Two neighbours changed places, or a letter stands twice: what fingers do.
    Typed,
    /// A letter more, less or another: short words are a letter off each other by nature.
    Letter,
}

/// One letter added, left out, changed, or two neighbours swapped. A number or an `s` at the end is how people name successors
/// and several of a thing.
fn slip(name: &str, target: &str) -> Option<Slip> {
    if name.eq_ignore_ascii_case(target) || name.len().abs_diff(target.len()) > 1 {
        return None;
    }
    let (a, b): (Vec<char>, Vec<char>) = (name.chars().collect(), target.chars().collect());
    let start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    // Of what both share, a letter counts once: at the start or at the end.
    let end = end.min(a.len().min(b.len()).saturating_sub(start));
    let rest = |all: &[char]| all.get(start..all.len() - end).unwrap_or_default().to_vec();
    let before = start.checked_sub(1).and_then(|at| a.get(at));
    match (rest(&a).as_slice(), rest(&b).as_slice()) {
        ([one], []) | ([], [one]) if before == Some(one) => Some(Slip::Typed),
        ([added], []) if end == 0 && (*added == 's' || added.is_ascii_digit()) => None,
        ([], ['s']) if end == 0 => None,
        ([one], []) if one.is_ascii_digit() => None,
        ([_], []) | ([], [_]) => Some(Slip::Letter),
        ([one], [other]) if !one.is_ascii_digit() && !other.is_ascii_digit() => Some(Slip::Letter),
        ([one, two], [other, another]) if one == another && two == other => Some(Slip::Typed),
        _ => None,
    }
}

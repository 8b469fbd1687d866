//! `linkward.toml`: a raw document walked into valid settings; every fault is reported with its place.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use linkward_deploy::{CustomImages, GlassKeys, OnTag, OnUnknown, Scope, Settings};
use linkward_ledger::key::NoteKey;
use linkward_model::{Environment, Tenant};
use linkward_prove::Pattern;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Valid settings.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) tenant: Tenant,
    /// Lockfiles under these paths are samples, not dependencies; `up` names what it leaves out.
    pub(crate) exclude: Vec<Pattern>,
    pub(crate) environment: Environment,
    pub(crate) listen: Listen,
    pub(crate) admission: Listen,
    /// Names beside localhost that the webhook's certificate is for.
    pub(crate) admission_names: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) gates: Gates,
    /// How long a revision must have been ready to count as good.
    pub(crate) soak_seconds: i64,
    pub(crate) builtin_root_max_age_days: i64,
    /// Where clients reach the signing services, where that is not the console's own address.
    pub(crate) sigstore_url: Option<String>,
    /// Whether this home issues identity tokens for tests.
    pub(crate) dangerous_test_issuer: bool,
    pub(crate) issuers: Vec<crate::issuers::Issuer>,
    /// Who may sign commits: a file that the operator names, never one that a checkout names.
    pub(crate) allowed_signers: Option<PathBuf>,
    /// Where `advisory update` takes the database, or the records to make it from.
    pub(crate) advisory_mirror: Option<PathBuf>,
    pub(crate) advisory_max_age_days: i64,
}

/// How the gates behave, beyond what they do with the unknown.
#[derive(Clone, Debug)]
pub(crate) struct Gates {
    pub(crate) on_stale: OnUnknown,
    pub(crate) on_tag: OnTag,
    pub(crate) lease_seconds: i64,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) images: Vec<CustomImages>,
    pub(crate) glass: GlassKeys,
    /// Whether the admission listener serves the feed; the console's always does.
    pub(crate) feed: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            on_stale: OnUnknown::Deny,
            on_tag: OnTag::Deny,
            lease_seconds: 86_400,
            scopes: Vec::new(),
            images: Vec::new(),
            glass: GlassKeys { keys: Vec::new(), people: 1 },
            feed: false,
        }
    }
}

/// Where to listen. A default may move to a free port, an explicit address may not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listen {
    pub(crate) address: SocketAddr,
    pub(crate) explicit: bool,
}

/// One fault of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigFault {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// What a fresh home gets.
pub(crate) const DEFAULT: &str = r#"# Linkward's settings. Every line shows its default; remove the # to change it.
# A fault in this file is reported with line and column when Linkward starts.

[home]
# tenant = "default"               # whose evidence this is
# environment = "development"      # which policy decides where a command names no environment

[project]
# exclude = ["testdata/**", "**/testdata/**"]  # lockfiles that are no dependencies of this project; `up` counts them

[console]
# listen = "127.0.0.1:7070"        # console, API, log tiles, /metrics: loopback only
# hosts = []                       # further Host names that the console answers to

[admission]
# listen = "127.0.0.1:7443"        # the Kubernetes admission webhook, TLS with this home's own authority
# names = []                       # DNS names and addresses, beside localhost, that its certificate is for
# on_unknown = "deny"              # when enforcing: "deny", or "warn" to allow what could not be decided
# on_stale = "deny"                # a gate that has not heard from the record for its lease: "deny" or "warn"
# on_tag = "deny"                  # an image without a digest: "deny", or "node" where every node has the verifier
# lease_seconds = 86400            # how long a gate that follows the feed trusts what it heard last
# modes = []                       # by namespace: ["dev-*=warn", "sandbox=audit"]; the first that matches counts
# images = []                      # where custom resources hold images: ["argoproj.io/Rollout:spec.template.spec"]
# break_glass_keys = []            # who may break the glass: keys as `linkward admit break-glass key` prints them
# break_glass_people = 1           # how many of them it takes
# feed = "off"                     # "on": this listener also serves verdicts and revocations to other gates

[deploy]
# soak_seconds = 300               # how long a revision must have been ready to be one to go back to

[trust]
# builtin_root_max_age_days = 365  # older than this, the built-in Sigstore trust root proves nothing
# allowed_signers = ""             # file of ssh-keygen(1) ALLOWED SIGNERS: whose signed commits are proven

[advisory]
# mirror = ""                      # a database (.lwa) or records that `linkward advisory update` takes
# max_age_days = 7                 # older than this, advisory data proves nothing to be unaffected
[sigstore]
# url = "http://127.0.0.1:7070"    # where clients reach the signing services; the console's address by default
# dangerous_test_issuer = false    # true: whoever may use this home can mint any identity. For tests alone

# Whose identity tokens get signing certificates; none by default. kind: github, gitlab, kubernetes, buildkite, generic.
## [[issuer]]
## url = "https://token.actions.githubusercontent.com"
## kind = "github"
## jwks = "issuers/github.json"    # its key set, a file; relative to the home
## audience = "sigstore"
## reuse = false                   # true: one token may certify several keys, as where CI gives a job one token
"#;

/// By convention of several tools, samples for tests.
const EXCLUDED: &[&str] = &["testdata/**", "**/testdata/**"];

/// The tables and keys there are, for the "did you mean" of an unknown one.
const KNOWN: &[(&str, &[&str])] = &[
    ("home", &["tenant", "environment"]),
    ("project", &["exclude"]),
    ("console", &["listen", "hosts"]),
    (
        "admission",
        &[
            "listen",
            "names",
            "on_unknown",
            "on_stale",
            "on_tag",
            "lease_seconds",
            "modes",
            "images",
            "break_glass_keys",
            "break_glass_people",
            "feed",
        ],
    ),
    ("deploy", &["soak_seconds"]),
    ("trust", &["builtin_root_max_age_days", "allowed_signers"]),
    ("advisory", &["mirror", "max_age_days"]),
    ("sigstore", &["url", "dangerous_test_issuer"]),
];

impl Default for Config {
    fn default() -> Self {
        let local = |port| Listen { address: SocketAddr::from(([127, 0, 0, 1], port)), explicit: false };
        Self {
            tenant: Tenant::default(),
            exclude: EXCLUDED.iter().filter_map(|glob| Pattern::parse(glob).ok()).collect(),
            environment: Environment::default(),
            listen: local(7070),
            admission: local(7443),
            admission_names: Vec::new(),
            hosts: Vec::new(),
            on_unknown: OnUnknown::Deny,
            gates: Gates::default(),
            soak_seconds: 300,
            builtin_root_max_age_days: 365,
            sigstore_url: None,
            dangerous_test_issuer: false,
            issuers: Vec::new(),
            allowed_signers: None,
            advisory_mirror: None,
            advisory_max_age_days: 7,
        }
    }
}

impl Config {
    /// Reads the file, then `LINKWARD_SECTION_KEY` variables over it.
    ///
    /// # Errors
    /// Every fault that the file has.
    pub(crate) fn parse(
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<ConfigFault>> {
        let mut reader = Reader { text, faults: Vec::new() };
        let mut config = Self::default();
        match DeTable::parse(text) {
            Ok(document) => reader.document(document.get_ref(), &mut config),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                reader.fault(at, error.message().to_owned());
            }
        }
        for (section, keys) in KNOWN {
            for key in *keys {
                let name = format!("LINKWARD_{}_{}", section.to_uppercase(), key.to_uppercase());
                let Some(value) = variable(&name) else { continue };
                if let Err(message) = set(&mut config, section, key, &Given::Text(&value)) {
                    reader.faults.push(ConfigFault {
                        line: 0,
                        column: 0,
                        message: format!("{name}: {message}"),
                    });
                }
            }
        }
        if reader.faults.is_empty() { Ok(config) } else { Err(reader.faults) }
    }

    /// The settings of a gate; one that follows a feed has a lease.
    pub(crate) fn gate_settings(&self, lease_millis: Option<i64>) -> Settings {
        Settings {
            environment: self.environment.clone(),
            on_unknown: self.on_unknown,
            on_stale: self.gates.on_stale,
            on_tag: self.gates.on_tag,
            lease_millis,
            scopes: self.gates.scopes.clone(),
            custom: self.gates.images.clone(),
            glass: self.gates.glass.clone(),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    faults: Vec<ConfigFault>,
}

/// A value as the file or a variable gives it.
enum Given<'a> {
    Text(&'a str),
    Integer(i64),
    List(Vec<&'a str>),
    Boolean(bool),
    Other(&'static str),
}

impl Reader<'_> {
    fn document(&mut self, document: &DeTable<'_>, config: &mut Config) {
        for (section, value) in document {
            let name = section.get_ref().as_ref();
            if name == "issuer" {
                let (issuers, faults) = crate::issuers::read(value);
                config.issuers = issuers;
                for (at, message) in faults {
                    self.fault(at, message);
                }
                continue;
            }
            let Some((_, keys)) = KNOWN.iter().find(|(known, _)| *known == name) else {
                let names: Vec<_> = KNOWN.iter().map(|(known, _)| *known).collect();
                self.fault(section.span().start, unknown("section", name, &names));
                continue;
            };
            let DeValue::Table(table) = value.get_ref() else {
                self.fault(value.span().start, format!("`{name}` must be a section: write [{name}]"));
                continue;
            };
            for (key, value) in table {
                let key_name = key.get_ref().as_ref();
                if !keys.contains(&key_name) {
                    self.fault(key.span().start, unknown("key", key_name, keys));
                } else if let Err(message) = set(config, name, key_name, &given(value)) {
                    self.fault(value.span().start, format!("{key_name}: {message}"));
                }
            }
        }
    }

    fn fault(&mut self, offset: usize, message: String) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        self.faults.push(ConfigFault { line, column, message });
    }
}

fn given<'a>(value: &'a Spanned<DeValue<'a>>) -> Given<'a> {
    match value.get_ref() {
        DeValue::String(text) => Given::Text(text),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Given::Other("a number out of range"), Given::Integer),
        DeValue::Array(items) => items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map_or(Given::Other("a list with something else than strings"), Given::List),
        DeValue::Boolean(value) => Given::Boolean(*value),
        DeValue::Float(_) => Given::Other("a fraction"),
        DeValue::Datetime(_) => Given::Other("a date"),
        DeValue::Table(_) => Given::Other("a table"),
    }
}

fn set(config: &mut Config, section: &str, key: &str, given: &Given<'_>) -> Result<(), String> {
    match (section, key) {
        ("home", "tenant") => config.tenant = text(given)?.parse().map_err(|e| format!("{e}"))?,
        ("home", "environment") => config.environment = text(given)?.parse().map_err(|e| format!("{e}"))?,
        ("project", "exclude") => {
            let globs = list(given)?;
            let parsed = globs.iter().map(|glob| Pattern::parse(glob)).collect::<Result<_, _>>();
            config.exclude = parsed.map_err(|error| error.to_string())?;
        }
        ("console", "listen") => config.listen = listen(given)?,
        ("console", "hosts") => config.hosts = list(given)?,
        // The webhook speaks TLS and tells nobody anything but a decision: API servers reach it from elsewhere.
        ("admission", "listen") => config.admission = address(given)?,
        ("admission", "names") => config.admission_names = list(given)?,
        ("admission", "on_unknown") => config.on_unknown = deny_or_warn(given)?,
        ("admission", key) => set_gate(&mut config.gates, key, given)?,
        ("deploy", "soak_seconds") => config.soak_seconds = number(given, 0, 30 * 86_400, "seconds")?,
        ("sigstore", "url") => {
            let url = text(given)?.trim_end_matches('/');
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                return Err(format!("`{url}` is no URL; write it as https://sigstore.example.com"));
            }
            config.sigstore_url = Some(url.to_owned());
        }
        ("sigstore", "dangerous_test_issuer") => {
            config.dangerous_test_issuer = match given {
                Given::Boolean(value) => *value,
                given => match text(given)? {
                    "true" => true,
                    "false" => false,
                    other => return Err(format!("`{other}` must be true or false")),
                },
            }
        }
        ("trust", "builtin_root_max_age_days") => config.builtin_root_max_age_days = days(given)?,
        ("trust", "allowed_signers") => {
            config.allowed_signers = Some(text(given)?).filter(|path| !path.is_empty()).map(PathBuf::from);
        }
        ("advisory", "mirror") => {
            config.advisory_mirror = Some(text(given)?).filter(|text| !text.is_empty()).map(Into::into);
        }
        ("advisory", "max_age_days") => config.advisory_max_age_days = days(given)?,
        _ => return Err("is not a setting".to_owned()),
    }
    Ok(())
}

fn set_gate(gates: &mut Gates, key: &str, given: &Given<'_>) -> Result<(), String> {
    match key {
        "on_stale" => gates.on_stale = deny_or_warn(given)?,
        "on_tag" => {
            gates.on_tag = match text(given)? {
                "deny" => OnTag::Deny,
                "node" => OnTag::Node,
                other => return Err(format!("`{other}` must be \"deny\" or \"node\"")),
            }
        }
        "lease_seconds" => gates.lease_seconds = number(given, 1, 30 * 86_400, "seconds")?,
        "modes" => gates.scopes = each(given, scope)?,
        "images" => gates.images = each(given, |text| text.parse().map_err(|error| format!("{error}")))?,
        "break_glass_keys" => {
            gates.glass.keys =
                each(given, |text| text.parse::<NoteKey>().map_err(|error| error.to_string()))?;
        }
        "break_glass_people" => {
            gates.glass.people = usize::try_from(number(given, 1, 10, "people")?).unwrap_or(1);
        }
        "feed" => {
            gates.feed = match text(given)? {
                "on" => true,
                "off" => false,
                other => return Err(format!("`{other}` must be \"on\" or \"off\"")),
            }
        }
        _ => return Err("is not a setting".to_owned()),
    }
    Ok(())
}

fn each<T>(given: &Given<'_>, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    list(given)?.iter().filter(|item| !item.is_empty()).map(|item| read(item)).collect()
}

/// `dev-*=warn`.
fn scope(text: &str) -> Result<Scope, String> {
    use linkward_decide::{Mode, Pattern};
    let wrong = || format!("`{text}` must be NAMESPACE=MODE, with enforce, warn or audit");
    let (namespaces, mode) = text.split_once('=').ok_or_else(wrong)?;
    let mode = [Mode::Enforce, Mode::Warn, Mode::Audit].into_iter().find(|known| known.as_str() == mode);
    let namespaces = Pattern::parse(namespaces).map_err(|error| error.to_string())?;
    Ok(Scope { namespaces, mode: mode.ok_or_else(wrong)? })
}

fn deny_or_warn(given: &Given<'_>) -> Result<OnUnknown, String> {
    match text(given)? {
        "deny" => Ok(OnUnknown::Deny),
        "warn" => Ok(OnUnknown::Warn),
        other => Err(format!("`{other}` must be \"deny\" or \"warn\"")),
    }
}

fn text<'a>(given: &Given<'a>) -> Result<&'a str, String> {
    match given {
        Given::Text(text) => Ok(text),
        other => Err(format!("expected a string in quotes, found {}", describe(other))),
    }
}

fn list(given: &Given<'_>) -> Result<Vec<String>, String> {
    match given {
        Given::List(items) => Ok(items.iter().map(|item| (*item).to_owned()).collect()),
        Given::Text(text) => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
        other => Err(format!("expected a list of strings, found {}", describe(other))),
    }
}

fn address(given: &Given<'_>) -> Result<Listen, String> {
    let text = text(given)?;
    let address =
        text.parse().map_err(|_| format!("`{text}` is not an address; write it as 127.0.0.1:7070"))?;
    Ok(Listen { address, explicit: true })
}

fn listen(given: &Given<'_>) -> Result<Listen, String> {
    let listen = address(given)?;
    if listen.address.ip().is_loopback() {
        Ok(listen)
    } else {
        Err(format!(
            "`{}` is not a loopback address; there is no login yet, so put a proxy with one in front",
            listen.address
        ))
    }
}

fn days(given: &Given<'_>) -> Result<i64, String> {
    number(given, 1, 3650, "days")
}

fn number(given: &Given<'_>, least: i64, most: i64, unit: &str) -> Result<i64, String> {
    let number = match given {
        Given::Integer(number) => *number,
        Given::Text(text) => text.parse().map_err(|_| format!("`{text}` is not a whole number"))?,
        other => return Err(format!("expected a whole number of {unit}, found {}", describe(other))),
    };
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{number} must be {least} to {most} {unit}"))
    }
}

fn describe(given: &Given<'_>) -> String {
    match given {
        Given::Text(text) => format!("the string \"{text}\""),
        Given::Integer(number) => format!("the number {number}"),
        Given::List(_) => "a list".to_owned(),
        Given::Boolean(value) => value.to_string(),
        Given::Other(what) => (*what).to_owned(),
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    format!("`{name}` is not a {what} here; there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_default_file_is_valid_with_and_without_its_comment_marks() {
        assert!(Config::parse(DEFAULT, none).is_ok());
        let active: String = DEFAULT
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let config = Config::parse(&active, none).unwrap();
        assert!(config.listen.explicit);
        assert_eq!(config.builtin_root_max_age_days, 365);
    }

    #[test]
    fn every_fault_is_reported_with_its_place() {
        let text = "[home]\ntenant = \"Big Corp\"\ncolour = 1\n\n[consol]\n\n[console]\nlisten = \"0.0.0.0:80\"\n\
                    [trust]\nbuiltin_root_max_age_days = true\n";
        let faults = Config::parse(text, none).unwrap_err();
        let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
        assert_eq!(places.len(), 5, "{faults:?}");
        for place in [(2, 10), (3, 1), (5, 2), (8, 10), (10, 29)] {
            assert!(places.contains(&place), "{place:?} in {faults:?}");
        }
        let broken = Config::parse("[home\n", none).unwrap_err();
        assert_eq!(broken.first().map(|fault| fault.line), Some(1));
    }

    #[test]
    fn gates_are_set_as_strictly_as_they_are_written() {
        let text = "[admission]\nmodes = [\"dev-*=warn\"]\non_tag = \"node\"\nlease_seconds = 5\n\
                    images = [\"tekton.dev/Task:spec.steps[].image\"]\n[deploy]\nsoak_seconds = 0\n";
        let config = Config::parse(text, none).unwrap();
        assert_eq!((config.gates.scopes.len(), config.gates.images.len()), (1, 1));
        assert_eq!((config.gates.lease_seconds, config.soak_seconds), (5, 0));
        for bad in [
            "modes = [\"dev-*\"]",
            "modes = [\"dev=off\"]",
            "on_stale = \"allow\"",
            "on_tag = \"warn\"",
            "lease_seconds = 0",
            "images = [\"Rollout\"]",
            "break_glass_keys = [\"ann\"]",
            "break_glass_people = 0",
            "feed = true",
        ] {
            let faults = Config::parse(&format!("[admission]\n{bad}\n"), none).unwrap_err();
            assert_eq!(faults.len(), 1, "{bad}: {faults:?}");
            assert_eq!(faults[0].line, 2, "{bad}");
        }
    }

    #[test]
    fn variables_override_the_file() {
        let config =
            Config::parse("", |name| (name == "LINKWARD_HOME_ENVIRONMENT").then(|| "production".to_owned()));
        assert_eq!(config.unwrap().environment.as_str(), "production");
        let fault = Config::parse("", |name| (name == "LINKWARD_CONSOLE_LISTEN").then(|| "x".to_owned()));
        assert!(fault.unwrap_err()[0].message.starts_with("LINKWARD_CONSOLE_LISTEN"));
    }
}

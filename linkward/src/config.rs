//! `linkward.toml`, long because it is one table of every setting: a raw document walked into valid settings; every fault is
//! reported with its place.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cluster::Cluster;
use linkward_deploy::{Automatic, CustomImages, GlassKeys, OnTag, OnUnknown, Scope, Settings};
use linkward_ledger::LogName;
use linkward_ledger::cosigner::CosignerKey;
use linkward_ledger::key::NoteKey;
use linkward_ledger::retention::Rules;
use linkward_model::{Environment, Tenant};
use linkward_prove::Pattern;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::client::Url;

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
    /// Whether only those who are logged in see the console.
    pub(crate) login: bool,
    pub(crate) console_tls: ConsoleTls,
    /// Who may log in by an identity provider, and how long a login lasts.
    pub(crate) oidc: crate::login::Settings,
    pub(crate) login_hours: i64,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) gates: Gates,
    /// The API server that is watched, and where rollbacks are applied.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) automatic: Automatic,
    /// Who revokes and takes back, and how many of them it takes; with one, nobody has to sign.
    pub(crate) revoke: GlassKeys,
    /// How long a revision must have been ready to count as good.
    pub(crate) soak_seconds: i64,
    pub(crate) builtin_root_max_age_days: i64,
    /// How long a trust root that a repository confirmed may be used without asking it again.
    pub(crate) trust_max_age_days: i64,
    /// Where clients reach the signing services, where that is not the console's own address.
    pub(crate) sigstore_url: Option<String>,
    /// Whether this home issues identity tokens for tests.
    pub(crate) dangerous_test_issuer: bool,
    pub(crate) issuers: Vec<crate::issuers::Issuer>,
    pub(crate) telemetry: Telemetry,
    /// Who may sign commits: a file that the operator names, never one that a checkout names.
    pub(crate) allowed_signers: Option<PathBuf>,
    /// Whose OpenPGP signatures of commits count, beside those.
    pub(crate) keyring: Option<PathBuf>,
    /// Certificate authorities whose S/MIME certificates sign commits.
    pub(crate) commit_authorities: Option<PathBuf>,
    /// Files that say whom evidence in other forms than the bundle must be by, by their names in [trust].
    pub(crate) form_trust: crate::forms::Files,
    /// Whose Sigstore certificates sign commits, and for which addresses.
    pub(crate) commit_identities: Option<PathBuf>,
    /// Where `advisory update` takes the database, or the records to make it from.
    pub(crate) advisory_mirror: Option<PathBuf>,
    /// Who signs the mirror's list of deltas.
    pub(crate) advisory_mirror_key: Option<NoteKey>,
    pub(crate) advisory_max_age_days: i64,
    pub(crate) witness: WitnessSettings,
    pub(crate) exports: Exports,
    /// How long documents are kept, by the kind of record.
    pub(crate) retention: Rules,
}

/// What `advisory update` fetches where no mirror is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exports {
    /// Where exports by ecosystem lie; OSV's own by default.
    pub(crate) url: Option<String>,
    pub(crate) ecosystems: Vec<String>,
    /// A file or URL: CISA's catalogue of what is exploited, and FIRST's scores.
    pub(crate) kev: Option<String>,
    pub(crate) epss: Option<String>,
}

/// Which logs this home witnesses, and which witnesses its own logs ask.
#[derive(Clone, Debug)]
pub(crate) struct WitnessSettings {
    pub(crate) logs: Vec<NoteKey>,
    pub(crate) ask: Vec<(CosignerKey, Url)>,
    /// How many must cosign before anything is acknowledged; 0 shows the lack and goes on.
    pub(crate) at_least: usize,
    pub(crate) of: BTreeSet<LogName>,
    pub(crate) patience_ms: u64,
    /// PEM of the authorities of witnesses on other machines; those of this system where absent.
    pub(crate) ca: Option<PathBuf>,
}

impl Default for WitnessSettings {
    fn default() -> Self {
        Self {
            logs: Vec::new(),
            ask: Vec::new(),
            at_least: 0,
            of: LOGS.iter().copied().collect(),
            patience_ms: 2000,
            ca: None,
        }
    }
}

/// The logs of a home.
const LOGS: &[LogName] = &[LogName::Evidence, LogName::Signing, LogName::Certificates];

/// How the console speaks TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConsoleTls {
    pub(crate) on: bool,
    /// PEM of the certificate's chain and its key; without them one by this home's own authority.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
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

/// Where `run` tells what it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Telemetry {
    /// Base URL of an OTLP/HTTP endpoint.
    pub(crate) otlp: Option<String>,
    /// A sink of CloudEvents.
    pub(crate) cdevents: Option<String>,
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
# listen = "127.0.0.1:7070"        # console, API, log tiles, /metrics; beyond loopback it takes login and tls
# hosts = []                       # further Host names that the console answers to
# login = "off"                    # "on": only who is logged in sees the console; tokens by `linkward token add`
# tls = "off"                      # "on": by this home's own authority, or by the two files below
# certificate = ""                 # PEM: the console's certificate with its chain
# key = ""                         # PEM: its key

[login]
# issuer = ""                      # an OpenID provider for people, beside tokens: its issuer URL
# client_id = "linkward"           # as it is registered there, with CONSOLE/login/back as its redirect
# client_secret = ""               # file with the client's secret; a public client has none
# ca = ""                          # PEM of the provider's authority; by default those of this system
# scopes = ["openid", "email", "profile"]
# roles = []                       # who is what: ["groups=oncall:responder", "email=ann@example.com:admin"]
# hours = 8                        # how long a login lasts

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

[cluster]
# server = ""                      # the API server that is watched and where rollbacks go: a URL, or "in-cluster"
# ca = ""                          # its authority, PEM
# token = ""                       # file with the account's token; or a client certificate:
# certificate = ""
# key = ""

[revoke]
# people = 1                       # how many people it takes to revoke, and to take a revocation back
# keys = []                        # theirs, where it takes several: as `linkward admit break-glass key` prints them

[rollback]
# auto = "off"                     # "on": workloads that run what is revoked go back by themselves
# environments = []                # where: ["staging", "production"]
# most_per_hour = 10               # how many
# presence_minutes = 480           # only for this long after `linkward rollback --present`

[trust]
# builtin_root_max_age_days = 365  # older than this, the built-in Sigstore trust root proves nothing
# max_age_days = 30                # how long a root of `linkward trust` counts after its repository confirmed it
# allowed_signers = ""             # file of ssh-keygen(1) ALLOWED SIGNERS: whose signed commits are proven
# keyring = ""                     # file of `gpg --export`: whose OpenPGP signatures of commits are proven
# commit_authorities = ""          # PEM certificates of authorities: whose S/MIME signatures of commits are proven
# commit_identities = ""           # lines of ADDRESSES NAME ISSUER: whose gitsign signatures of commits are proven
# notation_authorities = ""        # PEM certificates: whose Notation signatures are proven, and
# notation_identities = ""         # lines of `x509.subject: C=US, ST=WA, O=example.com` or `*`: for which subjects
# notation_signing_authorities = "" # PEM certificates: for the scheme notary.x509.signingAuthority
# notation_timestamp_authorities = "" # PEM certificates: whose timestamps on Notation signatures count
# layout_keys = ""                 # PEM public keys: by all of which an in-toto layout must be signed
# layout_parameters = ""           # lines of NAME=VALUE: what the parameters of layouts stand for
# archive_keyring = ""             # file of `gpg --export`: whose InRelease files are proven

[advisory]
# mirror = ""                      # a database (.lwa) or records that `linkward advisory update` takes
# mirror_key = ""                  # who signs the mirror's list of deltas, as `linkward advisory key` prints it; the mirror may be a URL then
# max_age_days = 7                 # older than this, advisory data proves nothing to be unaffected
# url = ""                         # without a mirror: where exports lie as ECOSYSTEM/all.zip; OSV's public ones by default
# ecosystems = []                  # which to fetch, as OSV spells them: ["npm", "Debian"]; those of languages by default
# kev = ""                         # CISA's catalogue of what is exploited, JSON: a file or a URL
# epss = ""                        # FIRST's scores, CSV, packed or not: a file or a URL

[sigstore]
# url = "http://127.0.0.1:7070"    # where clients reach the signing services; the console's address by default
# dangerous_test_issuer = false    # true: whoever may use this home can mint any identity. For tests alone

[witness]
# logs = []                        # logs of others that this home witnesses: their verifier keys
# ask = []                         # witnesses that this home's logs ask: "VKEY URL", as their `linkward witness` prints it
# at_least = 0                     # how many must cosign before anything is acknowledged; 0: publish and show the lack
# of = ["evidence", "signing", "certificates"]  # which of this home's logs ask them
# patience_ms = 2000               # how long they may take
# ca = ""                          # PEM of the authorities of https witnesses; by default those of this system

[retention]
# events_days = 0                  # for how many days documents of records of a kind are kept; 0: for ever. Also of
# decisions_days = 0               # claim, proof, refusal, sbom and observation: `linkward retention plan` shows what goes

[telemetry]
# otlp = ""                        # OTLP/HTTP endpoint that `run` sends a span of each step to
# cdevents = ""                    # sink of CloudEvents that `run` sends a CDEvent of each step to

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
    ("console", &["listen", "hosts", "login", "tls", "certificate", "key"]),
    ("login", &["issuer", "client_id", "client_secret", "ca", "scopes", "roles", "hours"]),
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
    (
        "trust",
        &[
            "builtin_root_max_age_days",
            "max_age_days",
            "allowed_signers",
            "keyring",
            "commit_authorities",
            "commit_identities",
            "notation_authorities",
            "notation_identities",
            "notation_signing_authorities",
            "notation_timestamp_authorities",
            "layout_keys",
            "layout_parameters",
            "archive_keyring",
        ],
    ),
    ("advisory", &["mirror", "mirror_key", "max_age_days", "url", "ecosystems", "kev", "epss"]),
    ("cluster", &["server", "ca", "token", "certificate", "key"]),
    ("revoke", &["people", "keys"]),
    ("rollback", &["auto", "environments", "most_per_hour", "presence_minutes"]),
    ("sigstore", &["url", "dangerous_test_issuer"]),
    ("telemetry", &["otlp", "cdevents"]),
    ("retention", crate::retention::KEYS),
    ("witness", &["logs", "ask", "at_least", "of", "patience_ms", "ca"]),
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
            login: false,
            console_tls: ConsoleTls::default(),
            oidc: crate::login::Settings {
                client_id: "linkward".to_owned(),
                scopes: ["openid", "email", "profile"].map(str::to_owned).to_vec(),
                ..crate::login::Settings::default()
            },
            login_hours: 8,
            on_unknown: OnUnknown::Deny,
            gates: Gates::default(),
            cluster: None,
            automatic: Automatic {
                on: false,
                environments: Vec::new(),
                most_per_hour: 10,
                presence_millis: 480 * 60_000,
            },
            revoke: GlassKeys { keys: Vec::new(), people: 1 },
            soak_seconds: 300,
            builtin_root_max_age_days: 365,
            trust_max_age_days: 30,
            sigstore_url: None,
            dangerous_test_issuer: false,
            issuers: Vec::new(),
            telemetry: Telemetry::default(),
            allowed_signers: None,
            keyring: None,
            commit_authorities: None,
            form_trust: crate::forms::Files::default(),
            commit_identities: None,
            advisory_mirror: None,
            advisory_mirror_key: None,
            advisory_max_age_days: 7,
            witness: WitnessSettings::default(),
            exports: Exports::default(),
            retention: Rules::default(),
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
            Ok(document) => {
                reader.document(document.get_ref(), &mut config);
                if let Some(message) = config.exposed() {
                    let listen =
                        document.get_ref().get("console").and_then(|section| match section.get_ref() {
                            DeValue::Table(table) => table.get("listen"),
                            _ => None,
                        });
                    // Where a variable says it, the last check below tells.
                    if let Some(listen) = listen {
                        reader.fault(listen.span().start, format!("listen: {message}"));
                    }
                }
            }
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
        if reader.faults.is_empty()
            && let Some(message) = config.exposed()
        {
            reader.faults.push(ConfigFault { line: 0, column: 0, message });
        }
        if reader.faults.is_empty() { Ok(config) } else { Err(reader.faults) }
    }

    /// Why the console may not listen where it is told to.
    fn exposed(&self) -> Option<String> {
        let address = self.listen.address;
        let lacking = match (self.login, self.console_tls.on) {
            _ if address.ip().is_loopback() => return None,
            (true, true) => return None,
            (false, false) => "login = \"on\" and tls = \"on\"",
            (false, true) => "login = \"on\"",
            (true, false) => "tls = \"on\"",
        };
        Some(format!("`{address}` is not a loopback address: that takes {lacking} in [console]"))
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
        ("console", "listen") => config.listen = address(given)?,
        ("console", "hosts") => config.hosts = list(given)?,
        ("console", "login") => config.login = switch(given)?,
        ("console", "tls") => config.console_tls.on = switch(given)?,
        ("console", "certificate") => config.console_tls.certificate = file(given)?,
        ("console", _) => config.console_tls.key = file(given)?,
        ("login", "hours") => config.login_hours = number(given, 1, 168, "hours")?,
        ("login", key) => set_login(&mut config.oidc, key, given)?,
        // The webhook speaks TLS and tells nobody anything but a decision: API servers reach it from elsewhere.
        ("admission", "listen") => config.admission = address(given)?,
        ("admission", "names") => config.admission_names = list(given)?,
        ("admission", "on_unknown") => config.on_unknown = deny_or_warn(given)?,
        ("admission", key) => set_gate(&mut config.gates, key, given)?,
        ("deploy", "soak_seconds") => config.soak_seconds = number(given, 0, 30 * 86_400, "seconds")?,
        ("cluster", key) => set_cluster(&mut config.cluster, key, text(given)?),
        ("revoke", "people") => {
            config.revoke.people = usize::try_from(number(given, 1, 10, "people")?).unwrap_or(1);
        }
        ("revoke", _) => {
            config.revoke.keys =
                each(given, |text| text.parse::<NoteKey>().map_err(|error| error.to_string()))?;
        }
        ("rollback", key) => set_rollback(&mut config.automatic, key, given)?,
        ("sigstore", "url") => {
            let url = text(given)?.trim_end_matches('/');
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                return Err(format!("`{url}` is no URL; write it as https://sigstore.example.com"));
            }
            config.sigstore_url = Some(url.to_owned());
        }
        ("telemetry", key) => {
            let url = text(given)?;
            let wanted = (!url.is_empty()).then(|| crate::client::Url::parse(url).map(|_| url.to_owned()));
            let url = wanted.transpose().map_err(|error| error.to_string())?;
            match key {
                "otlp" => config.telemetry.otlp = url,
                _ => config.telemetry.cdevents = url,
            }
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
        ("trust", "max_age_days") => config.trust_max_age_days = days(given)?,
        ("trust", "allowed_signers") => {
            config.allowed_signers = Some(text(given)?).filter(|path| !path.is_empty()).map(PathBuf::from);
        }
        ("trust", "keyring") => {
            config.keyring = Some(text(given)?).filter(|path| !path.is_empty()).map(PathBuf::from);
        }
        ("trust", "commit_authorities") => {
            config.commit_authorities = Some(text(given)?).filter(|path| !path.is_empty()).map(PathBuf::from);
        }
        ("trust", "commit_identities") => {
            config.commit_identities = Some(text(given)?).filter(|path| !path.is_empty()).map(PathBuf::from);
        }
        ("trust", key) if crate::forms::KEYS.contains(&key) => {
            config.form_trust.set(key, Some(text(given)?).filter(|path| !path.is_empty()));
        }
        ("advisory", "mirror") => {
            config.advisory_mirror = Some(text(given)?).filter(|text| !text.is_empty()).map(Into::into);
        }
        ("advisory", "mirror_key") => {
            let key = Some(text(given)?).filter(|text| !text.is_empty()).map(str::parse).transpose();
            config.advisory_mirror_key =
                key.map_err(|error: linkward_ledger::key::NoteKeyError| error.to_string())?;
        }
        ("advisory", "url") => {
            let url = Some(text(given)?).filter(|text| !text.is_empty());
            url.map(crate::client::Url::parse).transpose().map_err(|error| error.to_string())?;
            config.exports.url = url.map(str::to_owned);
        }
        ("advisory", "ecosystems") => config.exports.ecosystems = list(given)?,
        ("advisory", "kev") => {
            config.exports.kev = Some(text(given)?).filter(|text| !text.is_empty()).map(str::to_owned);
        }
        ("advisory", "epss") => {
            config.exports.epss = Some(text(given)?).filter(|text| !text.is_empty()).map(str::to_owned);
        }
        ("advisory", "max_age_days") => config.advisory_max_age_days = days(given)?,
        ("retention", key) => {
            let days = u32::try_from(number(given, 0, 36_500, "days")?).unwrap_or(0);
            crate::retention::set(&mut config.retention, key, days)?;
        }
        ("witness", key) => set_witness(&mut config.witness, key, given)?,
        _ => return Err("is not a setting".to_owned()),
    }
    Ok(())
}

fn set_login(login: &mut crate::login::Settings, key: &str, given: &Given<'_>) -> Result<(), String> {
    match key {
        "issuer" => {
            let issuer = Some(text(given)?).filter(|text| !text.is_empty());
            issuer.map(Url::parse).transpose().map_err(|error| error.to_string())?;
            login.issuer = issuer.map(str::to_owned);
        }
        "client_id" => text(given)?.clone_into(&mut login.client_id),
        "client_secret" => login.client_secret = file(given)?,
        "ca" => login.ca = file(given)?,
        "scopes" => {
            login.scopes = list(given)?;
            if !login.scopes.iter().any(|scope| scope == "openid") {
                return Err("one of the scopes must be \"openid\"".to_owned());
            }
        }
        _ => login.roles = each(given, str::parse)?,
    }
    Ok(())
}

/// A file's path; nothing where the text is empty.
fn file(given: &Given<'_>) -> Result<Option<PathBuf>, String> {
    Ok(Some(text(given)?).filter(|path| !path.is_empty()).map(PathBuf::from))
}

fn set_witness(witness: &mut WitnessSettings, key: &str, given: &Given<'_>) -> Result<(), String> {
    match key {
        "logs" => {
            witness.logs = each(given, |text| text.parse::<NoteKey>().map_err(|error| error.to_string()))?
        }
        "ask" => witness.ask = each(given, asked)?,
        "at_least" => witness.at_least = usize::try_from(number(given, 0, 64, "witnesses")?).unwrap_or(0),
        "of" => {
            let log = |text: &str| {
                let names: Vec<_> = LOGS.iter().map(|log| log.as_str()).collect();
                let found = LOGS.iter().copied().find(|log| log.as_str() == text);
                found.ok_or_else(|| format!("`{text}` is not a log; there are {}", names.join(", ")))
            };
            witness.of = each(given, log)?.into_iter().collect();
        }
        "patience_ms" => {
            witness.patience_ms = u64::try_from(number(given, 10, 60_000, "milliseconds")?).unwrap_or(2000);
        }
        "ca" => witness.ca = Some(text(given)?).filter(|path| !path.is_empty()).map(PathBuf::from),
        _ => return Err("is not a setting".to_owned()),
    }
    Ok(())
}

/// `VKEY URL`.
fn asked(text: &str) -> Result<(CosignerKey, Url), String> {
    let (key, url) = text.split_once(' ').ok_or_else(|| format!("`{text}` must be VKEY URL"))?;
    let key = key.parse::<CosignerKey>().map_err(|error| error.to_string())?;
    Ok((key, Url::parse(url.trim()).map_err(|error| format!("{error:#}"))?))
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
            gates.feed = switch(given)?;
        }
        _ => return Err("is not a setting".to_owned()),
    }
    Ok(())
}

fn set_cluster(cluster: &mut Option<Cluster>, key: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    let cluster = cluster.get_or_insert_default();
    match key {
        "server" => value.clone_into(&mut cluster.server),
        "ca" => cluster.ca = Some(value.into()),
        "token" => cluster.token = Some(value.into()),
        "certificate" => cluster.certificate = Some(value.into()),
        _ => cluster.key = Some(value.into()),
    }
}

fn set_rollback(automatic: &mut Automatic, key: &str, given: &Given<'_>) -> Result<(), String> {
    match key {
        "auto" => automatic.on = switch(given)?,
        "environments" => {
            automatic.environments = each(given, |text| text.parse().map_err(|error| format!("{error}")))?;
        }
        "most_per_hour" => {
            automatic.most_per_hour = usize::try_from(number(given, 1, 100_000, "rollbacks")?).unwrap_or(1);
        }
        _ => automatic.presence_millis = number(given, 1, 7 * 1440, "minutes")? * 60_000,
    }
    Ok(())
}

/// `on` or `off`.
fn switch(given: &Given<'_>) -> Result<bool, String> {
    match text(given)? {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("`{other}` must be \"on\" or \"off\"")),
    }
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
mod tests;

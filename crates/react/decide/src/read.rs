//! Reading `policy.yaml`: every fault with its line and column, all at once.

use linkward_model::{Digest, Instant};
use linkward_prove::Pattern;
use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

use crate::policy::{Exception, Mode, Policy, PolicyFault, Rule, Scope};
use crate::rego::Rego;
use crate::requirement::{Accepted, Completeness, Requirement};

/// Largest policy that is read.
const MAX_POLICY: usize = 4 << 20;

/// Requirements by their names in the file.
const NAMES: &[&str] = &["signed", "logged", "provenance", "sbom", "max_age", "slsa", "no_downgrade", "rego"];

type Node<'a> = MarkedYaml<'a>;

pub(crate) fn policy(bytes: &[u8]) -> Result<Policy, Vec<PolicyFault>> {
    let whole = |message: &str| vec![PolicyFault { line: 1, column: 1, message: message.to_owned() }];
    if bytes.len() > MAX_POLICY {
        return Err(whole("the policy is larger than 4 MiB"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| whole("the policy is not UTF-8 text"))?;
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        let marker = error.marker();
        vec![PolicyFault { line: marker.line(), column: marker.col() + 1, message: error.info().to_owned() }]
    })?;
    let [document] = documents.as_slice() else {
        return Err(whole("the policy must be one YAML document"));
    };
    let mut reader = Reader { faults: Vec::new() };
    let policy = reader.policy(document, Digest::sha256(bytes));
    if reader.faults.is_empty() {
        Ok(policy)
    } else {
        reader.faults.sort_by_key(|fault| (fault.line, fault.column));
        Err(reader.faults)
    }
}

struct Reader {
    faults: Vec<PolicyFault>,
}

impl Reader {
    fn fault(&mut self, node: &Node<'_>, message: impl Into<String>) {
        let at = node.span.start;
        self.faults.push(PolicyFault { line: at.line(), column: at.col() + 1, message: message.into() });
    }

    /// The members of a mapping; those that are not known are faults.
    fn members<'a, 'b>(
        &mut self,
        node: &'b Node<'a>,
        what: &str,
        known: &[&str],
    ) -> Vec<(String, &'b Node<'a>)> {
        let YamlData::Mapping(mapping) = &node.data else {
            self.fault(node, format!("{what} must be a mapping with {}", known.join(", ")));
            return Vec::new();
        };
        let mut found: Vec<(String, &'b Node<'a>)> = Vec::new();
        for (key, value) in mapping {
            let name = text_of(key).unwrap_or_default();
            if !known.contains(&name.as_str()) {
                let hint = nearest(&name, known)
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                self.fault(
                    key,
                    format!("`{name}` is not known in {what}: there are {}{hint}", known.join(", ")),
                );
            } else {
                found.push((name, value));
            }
        }
        found
    }

    fn items<'a, 'b>(&mut self, node: &'b Node<'a>, what: &str) -> &'b [Node<'a>] {
        if let YamlData::Sequence(items) = &node.data {
            items
        } else {
            self.fault(node, format!("{what} must be a list"));
            &[]
        }
    }

    fn text(&mut self, node: &Node<'_>, what: &str) -> String {
        text_of(node).unwrap_or_else(|| {
            self.fault(node, format!("{what} must be text"));
            String::new()
        })
    }

    fn patterns(&mut self, node: &Node<'_>, what: &str) -> Vec<Pattern> {
        let mut found = Vec::new();
        for item in self.items(node, what) {
            let text = self.text(item, what);
            match Pattern::parse(&text) {
                Ok(pattern) => found.push(pattern),
                Err(error) => self.fault(item, error.to_string()),
            }
        }
        found
    }

    fn digest(&mut self, node: &Node<'_>, what: &str) -> Option<Digest> {
        let text = self.text(node, what);
        match text.parse() {
            Ok(digest) => Some(digest),
            Err(error) => {
                self.fault(node, format!("{error}"));
                None
            }
        }
    }

    fn policy(&mut self, node: &Node<'_>, digest: Digest) -> Policy {
        let mut policy = Policy { digest, rules: Vec::new(), denied: Vec::new(), exceptions: Vec::new() };
        let mut mode = Mode::Enforce;
        let members =
            self.members(node, "the policy", &["version", "defaults", "rules", "denied", "exceptions"]);
        if !members.iter().any(|(name, _)| name == "version") {
            self.fault(node, "`version: 1` is missing");
        }
        for (name, value) in &members {
            match name.as_str() {
                "version" if !matches!(value.data, YamlData::Value(Scalar::Integer(1))) => {
                    self.fault(value, "version must be 1");
                }
                "defaults" => {
                    for (_, value) in self.members(value, "defaults", &["mode"]) {
                        mode = self.mode(value);
                    }
                }
                _ => {}
            }
        }
        for (name, value) in &members {
            match name.as_str() {
                "rules" => {
                    for item in self.items(value, "rules") {
                        let rule = self.rule(item, mode);
                        if policy.rules.iter().any(|known| known.name == rule.name) {
                            self.fault(item, format!("a rule named `{}` stands twice", rule.name));
                        }
                        policy.rules.push(rule);
                    }
                }
                "denied" => {
                    for item in self.items(value, "denied") {
                        let mut denied = (None, String::new());
                        for (name, value) in self.members(item, "a denied digest", &["digest", "reason"]) {
                            match name.as_str() {
                                "digest" => denied.0 = self.digest(value, "digest"),
                                _ => denied.1 = self.text(value, "reason"),
                            }
                        }
                        match denied {
                            (Some(digest), reason) => policy.denied.push((digest, reason)),
                            (None, _) => self.fault(item, "a denied entry needs a `digest`"),
                        }
                    }
                }
                "exceptions" => {
                    for item in self.items(value, "exceptions") {
                        policy.exceptions.extend(self.exception(item));
                    }
                }
                _ => {}
            }
        }
        policy
    }

    fn mode(&mut self, node: &Node<'_>) -> Mode {
        match self.text(node, "mode").as_str() {
            "enforce" => Mode::Enforce,
            "warn" => Mode::Warn,
            "audit" => Mode::Audit,
            other => {
                self.fault(node, format!("mode `{other}` must be enforce, warn or audit"));
                Mode::Enforce
            }
        }
    }

    fn scope(&mut self, node: &Node<'_>) -> Scope {
        let mut scope = Scope::default();
        for (name, value) in self.members(node, "match", &["artifacts", "environments", "tenants", "digests"])
        {
            match name.as_str() {
                "artifacts" => scope.artifacts = self.patterns(value, "artifacts"),
                "environments" => scope.environments = self.patterns(value, "environments"),
                "tenants" => scope.tenants = self.patterns(value, "tenants"),
                _ => {
                    for item in self.items(value, "digests") {
                        scope.digests.extend(self.digest(item, "digests"));
                    }
                }
            }
        }
        scope
    }

    fn rule(&mut self, node: &Node<'_>, mode: Mode) -> Rule {
        let mut rule = Rule { name: String::new(), scope: Scope::default(), mode, requirements: Vec::new() };
        let mut required = false;
        for (name, value) in self.members(node, "a rule", &["name", "match", "mode", "require"]) {
            match name.as_str() {
                "name" => rule.name = self.text(value, "name"),
                "match" => rule.scope = self.scope(value),
                "mode" => rule.mode = self.mode(value),
                _ => {
                    required = true;
                    rule.requirements = self.requirements(value);
                }
            }
        }
        if rule.name.is_empty() {
            self.fault(node, "a rule needs a `name`");
        }
        if !required {
            // A rule without requirements would allow everything by oversight.
            self.fault(node, "a rule needs `require`; to allow without evidence, write an exception");
        }
        rule
    }

    fn requirements(&mut self, node: &Node<'_>) -> Vec<Requirement> {
        let mut found = Vec::new();
        let known = NAMES;
        let members = self.members(node, "require", known);
        for (name, value) in &members {
            match name.as_str() {
                "signed" => found.push(self.signed(value)),
                "logged" => found.extend(self.logged(value)),
                "provenance" => found.push(self.provenance(value)),
                "sbom" => {
                    let complete = match self.text(value, "sbom").as_str() {
                        "present" => Completeness::Present,
                        "complete" => Completeness::Complete,
                        other => {
                            self.fault(value, format!("sbom `{other}` must be present or complete"));
                            Completeness::Complete
                        }
                    };
                    found.push(Requirement::Sbom { complete });
                }
                "slsa" => found.push(self.slsa(value)),
                "no_downgrade" if matches!(value.data, YamlData::Value(Scalar::Boolean(true))) => {
                    found.push(Requirement::NoDowngrade { builders: Vec::new() });
                }
                "no_downgrade" => self.fault(value, "no_downgrade must be true; leave it out otherwise"),
                "rego" => found.extend(self.rego(value)),
                _ => found.push(Requirement::MaxAge { millis: self.duration(value) }),
            }
        }
        // What a builder is worth is said once, by `slsa`.
        let worth = found.iter().find_map(|requirement| match requirement {
            Requirement::Slsa { builders, .. } => Some(builders.clone()),
            _ => None,
        });
        for requirement in &mut found {
            if let Requirement::NoDowngrade { builders } = requirement {
                *builders = worth.clone().unwrap_or_default();
            }
        }
        if found.is_empty() {
            self.fault(node, "`require` is empty: it would allow everything");
        } else if !members.iter().any(|(name, _)| name == "signed") {
            self.fault(node, "`require` needs `signed`: evidence counts only by signers that are named");
        }
        found
    }

    fn signed(&mut self, node: &Node<'_>) -> Requirement {
        let (mut by, mut count) = (Vec::new(), 1);
        for (name, value) in self.members(node, "signed", &["by", "count"]) {
            if name == "count" {
                match value.data {
                    YamlData::Value(Scalar::Integer(number)) if number > 0 => count = number as usize,
                    _ => self.fault(value, "count must be a whole number of at least 1"),
                }
                continue;
            }
            for item in self.items(value, "by") {
                by.extend(self.accepted(item));
            }
        }
        if by.is_empty() {
            self.fault(node, "`signed` needs `by`: a list of keys, or of subjects with issuers");
        } else if by.len() < count && by.iter().all(|accepted| matches!(accepted, Accepted::Key(_))) {
            self.fault(node, format!("count is {count}, but only {} keys are named", by.len()));
        }
        Requirement::Signed { by, count }
    }

    fn accepted(&mut self, node: &Node<'_>) -> Option<Accepted> {
        let (mut key, mut subject, mut issuer) = (None, None, None);
        for (name, value) in self.members(node, "a signer", &["key", "subject", "issuer"]) {
            if name == "key" {
                key = self.digest(value, "key");
                continue;
            }
            let text = self.text(value, &name);
            match Pattern::parse(&text) {
                Ok(pattern) if name == "subject" => subject = Some(pattern),
                Ok(pattern) => issuer = Some(pattern),
                Err(error) => self.fault(value, error.to_string()),
            }
        }
        match (key, subject, issuer) {
            (Some(key), None, None) => Some(Accepted::Key(key)),
            (None, Some(subject), Some(issuer)) => Some(Accepted::Certificate { subject, issuer }),
            _ => {
                self.fault(node, "a signer is either a `key`, or a `subject` with an `issuer`");
                None
            }
        }
    }

    fn logged(&mut self, node: &Node<'_>) -> Option<Requirement> {
        if let YamlData::Value(Scalar::Boolean(wanted)) = node.data {
            if !wanted {
                self.fault(node, "`logged: false` asks for nothing; leave it out");
            }
            return wanted.then_some(Requirement::Logged { origins: Vec::new() });
        }
        let mut origins = Vec::new();
        for (_, value) in self.members(node, "logged", &["origins"]) {
            origins = self.patterns(value, "origins");
        }
        Some(Requirement::Logged { origins })
    }

    fn provenance(&mut self, node: &Node<'_>) -> Requirement {
        let (mut builders, mut sources) = (Vec::new(), Vec::new());
        for (name, value) in self.members(node, "provenance", &["builders", "sources"]) {
            match name.as_str() {
                "builders" => builders = self.patterns(value, "builders"),
                _ => sources = self.patterns(value, "sources"),
            }
        }
        if builders.is_empty() {
            self.fault(node, "`provenance` needs `builders`: any builder at all proves nothing");
        }
        Requirement::Provenance { builders, sources }
    }

    fn slsa(&mut self, node: &Node<'_>) -> Requirement {
        let (mut level, mut builders) = (0, Vec::new());
        for (name, value) in self.members(node, "slsa", &["level", "builders"]) {
            if name == "level" {
                level = self.level(value);
                continue;
            }
            for item in self.items(value, "builders") {
                let (mut id, mut worth) = (None, 0);
                for (name, value) in self.members(item, "a builder", &["id", "level"]) {
                    if name == "level" {
                        worth = self.level(value);
                        continue;
                    }
                    let text = self.text(value, "id");
                    match Pattern::parse(&text) {
                        Ok(pattern) => id = Some(pattern),
                        Err(error) => self.fault(value, error.to_string()),
                    }
                }
                match id {
                    Some(id) if worth > 0 => builders.push((id, worth)),
                    _ => self.fault(item, "a builder needs an `id` and the `level` that it reaches"),
                }
            }
        }
        if level == 0 {
            self.fault(node, "`slsa` needs a `level` from 1 to 3");
        } else if level > 1 && !builders.iter().any(|(_, worth)| *worth >= level) {
            self.fault(node, format!("no builder is said to reach level {level}: nothing could meet this"));
        }
        Requirement::Slsa { level, builders }
    }

    fn level(&mut self, node: &Node<'_>) -> u8 {
        if let YamlData::Value(Scalar::Integer(number)) = node.data
            && let Ok(level @ 1..=3) = u8::try_from(number)
        {
            return level;
        }
        self.fault(node, "a SLSA build level is 1, 2 or 3");
        0
    }

    /// A module; its faults are named by their line in this file.
    fn rego(&mut self, node: &Node<'_>) -> Option<Requirement> {
        let text = self.text(node, "rego");
        match Rego::compile(&text) {
            Ok(rego) => Some(Requirement::Rego(Box::new(rego))),
            Err((line, message)) => {
                // A block scalar's span starts with its content, behind the `|`.
                let at = node.span.start.line() + line.saturating_sub(1);
                self.faults.push(PolicyFault {
                    line: at,
                    column: 1,
                    message: format!("rego, line {line}: {message}"),
                });
                None
            }
        }
    }

    fn duration(&mut self, node: &Node<'_>) -> i64 {
        let text = self.text(node, "max_age");
        let split = text.len().saturating_sub(1);
        let parsed =
            text.get(..split).and_then(|number| number.parse::<i64>().ok()).filter(|number| *number > 0);
        let unit = match text.get(split..) {
            Some("d") => Some(86_400_000),
            Some("h") => Some(3_600_000),
            Some("m") => Some(60_000),
            _ => None,
        };
        match (parsed, unit) {
            (Some(number), Some(unit)) => number.saturating_mul(unit),
            _ => {
                self.fault(node, format!("max_age `{text}` must be a number with d, h or m, as in 90d"));
                1
            }
        }
    }

    fn exception(&mut self, node: &Node<'_>) -> Option<Exception> {
        let known = ["name", "match", "allow_without", "owner", "reason", "until"];
        let names = NAMES;
        let (mut scope, mut without, mut until) = (None, Vec::new(), None);
        let (mut name, mut owner, mut reason) = (String::new(), String::new(), String::new());
        for (key, value) in self.members(node, "an exception", &known) {
            match key.as_str() {
                "name" => name = self.text(value, "name"),
                "owner" => owner = self.text(value, "owner"),
                "reason" => reason = self.text(value, "reason"),
                "match" => scope = Some(self.scope(value)),
                "until" => until = self.day(value),
                _ => {
                    for item in self.items(value, "allow_without") {
                        let text = self.text(item, "allow_without");
                        if names.contains(&text.as_str()) {
                            without.push(text);
                        } else {
                            self.fault(
                                item,
                                format!("`{text}` is no requirement: there are {}", names.join(", ")),
                            );
                        }
                    }
                }
            }
        }
        if scope.as_ref().is_some_and(|scope| scope.artifacts.is_empty() && scope.digests.is_empty()) {
            self.fault(
                node,
                "an exception needs `artifacts` or `digests` in its match: it is for something, not for all",
            );
        }
        let lacking = [
            ("name", name.is_empty()),
            ("match", scope.is_none()),
            ("allow_without", without.is_empty()),
            ("owner", owner.is_empty()),
            ("reason", reason.is_empty()),
            ("until", until.is_none()),
        ];
        for (what, missing) in lacking {
            if missing {
                self.fault(node, format!("an exception needs `{what}`"));
            }
        }
        Some(Exception { name, scope: scope?, without, owner, reason, until: until? })
    }

    /// The end of a day, UTC.
    fn day(&mut self, node: &Node<'_>) -> Option<Instant> {
        let text = self.text(node, "until");
        let end = format!("{text}T23:59:59Z").parse::<Instant>().or_else(|_| text.parse()).ok();
        if end.is_none() {
            self.fault(node, format!("until `{text}` is no day; write it as 2027-01-31"));
        }
        end
    }
}

fn text_of(node: &Node<'_>) -> Option<String> {
    match &node.data {
        YamlData::Value(Scalar::String(text)) => Some(text.to_string()),
        YamlData::Representation(text, _, _) => Some(text.to_string()),
        _ => None,
    }
}

/// The known name that shares most with this one.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let shared = |other: &str| {
        let same_start = name.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
        let common = other.chars().filter(|c| name.contains(*c)).count();
        same_start * 3 + common
    };
    known
        .iter()
        .copied()
        .max_by_key(|other| shared(other))
        .filter(|other| shared(other) * 2 > other.len() * 2)
}

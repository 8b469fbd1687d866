//! Dockerfiles (the frontend's reference, syntax 1): instructions, and which images a build takes from elsewhere. Variables count
//! with their defaults; one that has none is given at the build, and what it names then nobody can say here.

use std::collections::BTreeMap;

/// One instruction, its continued lines joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    pub line: usize,
    /// In capitals.
    pub name: String,
    pub text: String,
}

#[derive(Clone, Debug, Default)]
pub struct Dockerfile {
    pub instructions: Vec<Instruction>,
    /// The image that reads the file itself: it runs before anything else does.
    pub syntax: Option<(usize, String)>,
    /// What is wrong with it, by line.
    pub faults: Vec<(usize, String)>,
}

/// An image that a build takes from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    pub line: usize,
    /// With variables replaced by their defaults.
    pub image: String,
    /// The variable that has no default, if one stands in the name.
    pub open: Option<String>,
}

const NAMES: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// By its name, as builders look for it.
pub fn is_dockerfile(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    matches!(name.as_str(), "dockerfile" | "containerfile")
        || name.starts_with("dockerfile.")
        || name.ends_with(".dockerfile")
}

/// Reads whatever can be read; what is wrong is in `faults`.
pub fn read(text: &str) -> Dockerfile {
    let mut file = Dockerfile::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let escape = directives(text, &mut file);
    let mut lines = text.lines().enumerate();
    while let Some((index, raw)) = lines.next() {
        let mut line = raw.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut whole = String::new();
        // Comments and empty lines between continued ones are passed over.
        while let Some(part) = line.strip_suffix(escape) {
            whole.push_str(part);
            whole.push(' ');
            let next = lines
                .by_ref()
                .map(|(_, next)| next.trim())
                .find(|next| !next.is_empty() && !next.starts_with('#'));
            let Some(next) = next else {
                line = "";
                break;
            };
            line = next;
        }
        whole.push_str(line);
        let (name, rest) = whole.split_once(char::is_whitespace).unwrap_or((&whole, ""));
        let name = name.to_ascii_uppercase();
        if !NAMES.contains(&name.as_str()) {
            file.faults.push((index + 1, format!("`{}` is no instruction", shown(&name))));
            continue;
        }
        if matches!(name.as_str(), "RUN" | "COPY" | "ADD" | "ONBUILD") {
            for end in heredocs(rest) {
                if !lines.by_ref().any(|(_, line)| line.trim_start_matches('\t') == end || line == end) {
                    file.faults
                        .push((index + 1, format!("ends within the text that `{}` closes", shown(&end))));
                }
            }
        }
        file.instructions.push(Instruction { line: index + 1, name, text: rest.trim().to_owned() });
    }
    file
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// `# syntax=` and `# escape=` count before anything else stands in the file. Returns what continues a line.
fn directives(text: &str, file: &mut Dockerfile) -> char {
    let mut escape = '\\';
    for (index, line) in text.lines().enumerate() {
        let Some((name, value)) = line.trim().strip_prefix('#').and_then(|rest| rest.split_once('=')) else {
            break;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "syntax" => file.syntax = Some((index + 1, value.trim().to_owned())),
            "escape" if value.trim() == "`" => escape = '`',
            "escape" | "check" => {}
            _ => break,
        }
    }
    escape
}

/// What closes each text that follows: `<<EOF`, `<<-"EOF"`.
fn heredocs(text: &str) -> Vec<String> {
    let mut ends = Vec::new();
    for word in text.split_whitespace() {
        let Some(rest) = word.split_once("<<").map(|(_, rest)| rest.strip_prefix('-').unwrap_or(rest)) else {
            continue;
        };
        let end: String = rest
            .trim_matches(['"', '\''])
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect();
        // `<<<` and shifts are of the shell.
        if !end.is_empty() && end.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            ends.push(end);
        }
    }
    ends
}

impl Dockerfile {
    /// Images that stages start from, that files are copied from, and that are mounted, in the order of the file.
    pub fn images(&self) -> Vec<Used> {
        let mut found: Vec<Used> = Vec::new();
        let mut stages: Vec<String> = Vec::new();
        let mut defaults: BTreeMap<String, String> = BTreeMap::new();
        if let Some((line, image)) = &self.syntax {
            found.push(Used { line: *line, image: image.clone(), open: None });
        }
        for instruction in &self.instructions {
            let (mut name, mut text) = (instruction.name.as_str(), instruction.text.as_str());
            let inner;
            if name == "ONBUILD" {
                let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
                inner = first.to_ascii_uppercase();
                (name, text) = (&inner, rest);
            }
            let words: Vec<&str> = text.split_whitespace().collect();
            let known = |image: &str, stages: &[String]| {
                stages.iter().any(|stage| stage.eq_ignore_ascii_case(image))
                    || image.parse::<usize>().is_ok_and(|number| number < stages.len())
            };
            match name {
                // Only what stands before the first stage counts in FROM.
                "ARG" if stages.is_empty() => {
                    for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
                        let value = expand(value.trim_matches(['"', '\'']), &defaults).0;
                        defaults.insert(name.to_owned(), value);
                    }
                }
                "FROM" => {
                    let words: Vec<&str> = words.into_iter().filter(|word| !word.starts_with("--")).collect();
                    let (image, open) = expand(words.first().copied().unwrap_or_default(), &defaults);
                    let stage = words
                        .get(1)
                        .filter(|word| word.eq_ignore_ascii_case("as"))
                        .and_then(|_| words.get(2));
                    // A number is an image here; stages are named before they are numbered.
                    let of_stage =
                        stages.iter().any(|stage| !stage.is_empty() && stage.eq_ignore_ascii_case(&image));
                    if !of_stage && image != "scratch" {
                        found.push(Used { line: instruction.line, image, open });
                    }
                    stages.push(stage.map_or_else(String::new, |stage| (*stage).to_owned()));
                }
                "COPY" | "ADD" => {
                    let from = words.iter().find_map(|word| word.strip_prefix("--from="));
                    found.extend(
                        from.filter(|image| !known(image, &stages))
                            .map(|image| taken(instruction.line, image)),
                    );
                }
                "RUN" => {
                    for mount in words.iter().filter_map(|word| word.strip_prefix("--mount=")) {
                        let from = mount.split(',').find_map(|part| part.strip_prefix("from="));
                        found.extend(
                            from.filter(|image| !known(image, &stages))
                                .map(|image| taken(instruction.line, image)),
                        );
                    }
                }
                _ => {}
            }
        }
        found
    }
}

fn taken(line: usize, image: &str) -> Used {
    let (image, open) = expand(image, &BTreeMap::new());
    Used { line, image, open }
}

/// `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:+other}`. The second is a variable that stays open.
fn expand(text: &str, values: &BTreeMap<String, String>) -> (String, Option<String>) {
    let (mut out, mut open) = (String::new(), None);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (whole, tail) = match after.strip_prefix('{') {
            Some(inner) => {
                let Some((inside, tail)) = inner.split_once('}') else {
                    open = Some(after.to_owned());
                    rest = "";
                    break;
                };
                (inside, tail)
            }
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                after.split_at_checked(end).unwrap_or((after, ""))
            }
        };
        let end = whole.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(whole.len());
        let (name, modifier) = whole.split_at_checked(end).unwrap_or((whole, ""));
        let value = values.get(name);
        let set = value.filter(|value| !value.is_empty());
        let replaced = match (modifier.split_at_checked(2), modifier) {
            (_, "") => value.cloned(),
            (Some((":-", default)), _) => Some(set.map_or_else(|| default.to_owned(), Clone::clone)),
            (Some((":+", other)), _) => Some(set.map(|_| other.to_owned()).unwrap_or_default()),
            _ => None,
        };
        match replaced {
            Some(value) => out.push_str(&value),
            None => open = open.or_else(|| Some(name.to_owned())),
        }
        rest = tail;
    }
    out.push_str(rest);
    (out, open)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(text: &str) -> Vec<(usize, String, bool)> {
        read(text).images().into_iter().map(|used| (used.line, used.image, used.open.is_some())).collect()
    }

    #[test]
    fn stages_variables_and_mounts() {
        let text = "# syntax=docker/dockerfile:1\nARG TAG=12\nARG BASE=debian:${TAG}\nFROM --platform=$BUILDPLATFORM rust:1 AS build\n\
            RUN --mount=type=bind,from=cache:1,target=/x \\\n  # why\n\n  cargo build\nFROM build AS test\nFROM $BASE\nCOPY --from=build /a /b\n\
            COPY --from=0 /a /b\ncopy --from=tools:2 /a /b\nFROM ${OTHER:-alpine:3}\nFROM $OPEN\nFROM scratch\nONBUILD COPY --from=late:1 / /\n";
        assert_eq!(
            images(text),
            [
                (1, "docker/dockerfile:1".to_owned(), false),
                (4, "rust:1".to_owned(), false),
                (5, "cache:1".to_owned(), false),
                (10, "debian:12".to_owned(), false),
                (13, "tools:2".to_owned(), false),
                (14, "alpine:3".to_owned(), false),
                (15, String::new(), true),
                (17, "late:1".to_owned(), false),
            ]
        );
        assert!(read(text).faults.is_empty(), "{:?}", read(text).faults);
    }

    #[test]
    fn heredocs_hold_no_instructions() {
        let file = read(
            "FROM a\nRUN <<EOF\nFROM b\nnot an instruction\nEOF\nCOPY <<-\"X\" /y\n\tFROM c\n\tX\nUSER u\n",
        );
        assert!(file.faults.is_empty(), "{:?}", file.faults);
        assert_eq!(file.images().len(), 1);
        assert_eq!(file.instructions.len(), 4);
        let open = read("FROM a\nRUN <<EOF\nFROM b\n");
        assert_eq!(open.faults.len(), 1);
    }

    #[test]
    fn another_character_may_continue_lines() {
        let file = read("# escape=`\nFROM a\nRUN x `\n  y\nCOPY a c:\\\nUSER u\n");
        assert_eq!(file.instructions.len(), 4, "{file:?}");
    }
}

//! What packages declare of their licence, as an SPDX expression where that is certain. What is not is kept as it was
//! written: `BSD` names two licences at least, and a guess would stand in the SBOM as a fact.

use serde_json::Value;

/// Longest name of a licence; what is longer is its text.
const MAX_NAME: usize = 160;

/// Names that the databases of packages use, in lower case, for what the SPDX list calls otherwise. Sources: Debian's
/// copyright format 1.0 (license specification), Fedora's short names of before 2022, PyPI's classifiers.
const NAMES: &[(&str, &str)] = &[
    ("agpl-3", "AGPL-3.0-only"),
    ("agpl-3+", "AGPL-3.0-or-later"),
    ("agplv3", "AGPL-3.0-only"),
    ("agplv3+", "AGPL-3.0-or-later"),
    ("apache 2", "Apache-2.0"),
    ("apache 2.0", "Apache-2.0"),
    ("apache license 2.0", "Apache-2.0"),
    ("apache license, version 2.0", "Apache-2.0"),
    ("apache license version 2.0", "Apache-2.0"),
    ("apache software license 2.0", "Apache-2.0"),
    ("apache-2", "Apache-2.0"),
    ("apache-2.0", "Apache-2.0"),
    ("apache2", "Apache-2.0"),
    ("apache2.0", "Apache-2.0"),
    ("asl 2.0", "Apache-2.0"),
    ("the apache license, version 2.0", "Apache-2.0"),
    ("the apache software license, version 2.0", "Apache-2.0"),
    ("0bsd", "0BSD"),
    ("bsd 2-clause", "BSD-2-Clause"),
    ("bsd 2-clause license", "BSD-2-Clause"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("simplified bsd license", "BSD-2-Clause"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("bsd 3-clause license", "BSD-3-Clause"),
    ("3-clause bsd license", "BSD-3-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("modified bsd license", "BSD-3-Clause"),
    ("new bsd license", "BSD-3-Clause"),
    ("bsd-4-clause", "BSD-4-Clause"),
    ("bsl-1.0", "BSL-1.0"),
    ("boost software license 1.0", "BSL-1.0"),
    ("boost software license 1.0 (bsl-1.0)", "BSL-1.0"),
    ("cc0", "CC0-1.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("cc-by-3.0", "CC-BY-3.0"),
    ("cc-by-4.0", "CC-BY-4.0"),
    ("cc-by-sa-3.0", "CC-BY-SA-3.0"),
    ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
    ("epl-1.0", "EPL-1.0"),
    ("epl-2.0", "EPL-2.0"),
    ("eclipse public license 1.0", "EPL-1.0"),
    ("eclipse public license 2.0", "EPL-2.0"),
    ("eclipse public license - v 1.0", "EPL-1.0"),
    ("eclipse public license - v 2.0", "EPL-2.0"),
    ("gfdl-1.2", "GFDL-1.2-only"),
    ("gfdl-1.2+", "GFDL-1.2-or-later"),
    ("gfdl-1.3", "GFDL-1.3-only"),
    ("gfdl-1.3+", "GFDL-1.3-or-later"),
    ("gpl-1", "GPL-1.0-only"),
    ("gpl-1+", "GPL-1.0-or-later"),
    ("gpl-2", "GPL-2.0-only"),
    ("gpl-2+", "GPL-2.0-or-later"),
    ("gpl-2.0+", "GPL-2.0-or-later"),
    ("gpl-3", "GPL-3.0-only"),
    ("gpl-3+", "GPL-3.0-or-later"),
    ("gpl-3.0+", "GPL-3.0-or-later"),
    ("gplv2", "GPL-2.0-only"),
    ("gplv2+", "GPL-2.0-or-later"),
    ("gplv3", "GPL-3.0-only"),
    ("gplv3+", "GPL-3.0-or-later"),
    ("gnu general public license v2 (gplv2)", "GPL-2.0-only"),
    ("gnu general public license v2 or later (gplv2+)", "GPL-2.0-or-later"),
    ("gnu general public license v3 (gplv3)", "GPL-3.0-only"),
    ("gnu general public license v3 or later (gplv3+)", "GPL-3.0-or-later"),
    ("gnu lesser general public license v2 (lgplv2)", "LGPL-2.0-only"),
    ("gnu lesser general public license v2 or later (lgplv2+)", "LGPL-2.0-or-later"),
    ("gnu lesser general public license v3 (lgplv3)", "LGPL-3.0-only"),
    ("gnu lesser general public license v3 or later (lgplv3+)", "LGPL-3.0-or-later"),
    ("gnu affero general public license v3", "AGPL-3.0-only"),
    ("gnu affero general public license v3 or later (agplv3+)", "AGPL-3.0-or-later"),
    ("isc", "ISC"),
    ("isc license", "ISC"),
    ("isc license (iscl)", "ISC"),
    ("the isc license", "ISC"),
    ("lgpl-2", "LGPL-2.0-only"),
    ("lgpl-2+", "LGPL-2.0-or-later"),
    ("lgpl-2.0+", "LGPL-2.0-or-later"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-2.1+", "LGPL-2.1-or-later"),
    ("lgpl-3", "LGPL-3.0-only"),
    ("lgpl-3+", "LGPL-3.0-or-later"),
    ("lgpl-3.0+", "LGPL-3.0-or-later"),
    ("lgplv2", "LGPL-2.0-only"),
    ("lgplv2+", "LGPL-2.0-or-later"),
    ("lgplv3", "LGPL-3.0-only"),
    ("lgplv3+", "LGPL-3.0-or-later"),
    ("expat", "MIT"),
    ("mit", "MIT"),
    ("mit license", "MIT"),
    ("the mit license", "MIT"),
    ("the mit license (mit)", "MIT"),
    ("mit-0", "MIT-0"),
    ("mit no attribution license (mit-0)", "MIT-0"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2.0", "MPL-2.0"),
    ("mplv1.1", "MPL-1.1"),
    ("mplv2.0", "MPL-2.0"),
    ("mpl 2.0", "MPL-2.0"),
    ("mozilla public license 2.0", "MPL-2.0"),
    ("mozilla public license 2.0 (mpl 2.0)", "MPL-2.0"),
    ("artistic-1.0", "Artistic-1.0"),
    ("artistic-2", "Artistic-2.0"),
    ("artistic-2.0", "Artistic-2.0"),
    ("artistic 2.0", "Artistic-2.0"),
    ("ofl-1.1", "OFL-1.1"),
    ("openssl", "OpenSSL"),
    ("postgresql", "PostgreSQL"),
    ("psf-2.0", "PSF-2.0"),
    ("python-2.0", "Python-2.0"),
    ("the unlicense (unlicense)", "Unlicense"),
    ("the unlicense", "Unlicense"),
    ("unlicense", "Unlicense"),
    ("w3c", "W3C"),
    ("wtfpl", "WTFPL"),
    ("zlib", "Zlib"),
    ("zlib license", "Zlib"),
    ("zpl-2.1", "ZPL-2.1"),
    ("zpl 2.1", "ZPL-2.1"),
];

/// What a package declares, an SPDX expression or a name; `None` where that is nothing, or the text of a licence.
pub(crate) fn declared(text: &str) -> Option<String> {
    let text = text.trim();
    let nothing = ["", "unknown", "noassertion", "none", "n/a", "null", "undefined"];
    if nothing.contains(&text.to_ascii_lowercase().as_str()) || text.len() > MAX_NAME || text.contains('\n') {
        return None;
    }
    Some(expression(text).unwrap_or_else(|| text.to_owned()))
}

/// One of several: any of them may be chosen.
pub(crate) fn any_of<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut all: Vec<String> = names.into_iter().filter_map(declared).collect();
    all.dedup();
    if all.len() < 2 {
        return all;
    }
    vec![joined(&all, " OR ").unwrap_or_else(|| all.join(" or "))]
}

/// Several that all apply: one expression where one of them is a choice, which a list beside others cannot say.
pub(crate) fn all_of(licences: Vec<String>) -> Vec<String> {
    if licences.len() < 2 || !licences.iter().any(|one| one.contains(' ')) {
        return licences;
    }
    joined(&licences, " AND ").map_or(licences, |one| vec![one])
}

/// One expression of several; `None` where one of them is none.
fn joined(several: &[String], word: &str) -> Option<String> {
    let part = |one: &String| {
        spdx::Expression::parse(one).ok()?;
        Some(if one.contains(' ') { format!("({one})") } else { one.clone() })
    };
    Some(several.iter().map(part).collect::<Option<Vec<_>>>()?.join(word))
}

/// `license` and `licenses` as npm and Composer have them: a text, an object, or a list of either.
pub(crate) fn of_json(entry: &Value) -> Vec<String> {
    fn names<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::String(text) => found.push(text),
            Value::Object(object) => found.extend(object.get("type").and_then(Value::as_str)),
            Value::Array(items) => items.iter().for_each(|item| names(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for name in ["license", "licenses"] {
        if found.is_empty()
            && let Some(value) = entry.get(name)
        {
            names(value, &mut found);
        }
    }
    any_of(found)
}

/// As SPDX writes it, where every name in it is known.
fn expression(text: &str) -> Option<String> {
    if spdx::Expression::parse(text).is_ok() {
        return Some(text.to_owned());
    }
    if let Some(known) = known(text) {
        return Some(known.to_owned());
    }
    // Debian's comma binds weaker than both words, which SPDX says with parentheses.
    if text.contains(',') {
        return None;
    }
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace(['|', '/'], " or ");
    let mut out: Vec<String> = Vec::new();
    let mut name: Vec<&str> = Vec::new();
    let flush = |name: &mut Vec<&str>, out: &mut Vec<String>| -> Option<()> {
        if !name.is_empty() {
            let text = name.join(" ");
            let single =
                known(&text).or_else(|| spdx::Expression::parse(&text).is_ok().then_some(text.as_str()));
            out.push(single?.to_owned());
            name.clear();
        }
        Some(())
    };
    for word in spaced.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            operator @ ("and" | "or" | "(" | ")") => {
                flush(&mut name, &mut out)?;
                out.push(operator.to_ascii_uppercase());
            }
            _ => name.push(word),
        }
    }
    flush(&mut name, &mut out)?;
    let joined = out.join(" ").replace("( ", "(").replace(" )", ")");
    spdx::Expression::parse(&joined).is_ok().then_some(joined)
}

fn known(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

/// A trove classifier of PyPI, `License :: OSI Approved :: MIT License`; families such as `BSD License` stay what they are.
pub(crate) fn of_classifier(value: &str) -> Option<String> {
    let rest = value.strip_prefix("License ::")?;
    let name = rest.rsplit("::").next()?.trim();
    // `License :: OSI Approved` alone says that it is one.
    (name != "OSI Approved").then(|| declared(name)).flatten()
}

/// Debian's copyright file. In its machine-readable form each group of files names its licence, and all of them apply;
/// otherwise the licences are known whose texts it refers to, though not whether a later version may be chosen.
pub(crate) fn of_debian(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut more = false;
    let mut add = |name: Option<String>| {
        if let Some(name) = name.filter(|name| !found.contains(name)) {
            if found.len() < MAX_LICENCES { found.push(name) } else { more = true }
        }
    };
    let head = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().to_ascii_lowercase();
    if head.starts_with("format:") || head.starts_with("format-specification:") {
        for line in text.lines() {
            let Some((field, value)) = line.split_once(':') else { continue };
            if field.eq_ignore_ascii_case("license") {
                add(declared(value));
            }
        }
    } else {
        for part in text.split("/usr/share/common-licenses/").skip(1) {
            let end =
                part.find(|c: char| !(c.is_ascii_alphanumeric() || "-.+".contains(c))).unwrap_or(part.len());
            let name = part.get(..end).unwrap_or_default().trim_end_matches('.');
            // `GPL` is a link to the newest of them.
            let exact = ["Apache-2.0", "BSD", "Artistic", "MPL-1.1", "MPL-2.0", "CC0-1.0"].contains(&name);
            add(if exact {
                declared(name)
            } else {
                (!name.is_empty()).then(|| format!("{name} (text in common-licenses)"))
            });
        }
    }
    found.sort();
    found.extend(more.then(|| format!("more than these {MAX_LICENCES} licences")));
    found
}

/// Licences that one package has: a copyright file can name hundreds of parts, and few licences.
const MAX_LICENCES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_expressions_where_that_is_certain() {
        for (text, says) in [
            ("MIT", "MIT"),
            ("mit license", "MIT"),
            (" Apache License, Version 2.0 ", "Apache-2.0"),
            ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
            ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
            ("(MIT or GPL-2+) and Expat", "(MIT OR GPL-2.0-or-later) AND MIT"),
            ("GPLv2+ and LGPLv2+ and MIT", "GPL-2.0-or-later AND LGPL-2.0-or-later AND MIT"),
            ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
            // Which of them nobody knows.
            ("BSD", "BSD"),
            ("GPL-2+ with OpenSSL exception", "GPL-2+ with OpenSSL exception"),
            ("SEE LICENSE IN LICENSE.txt", "SEE LICENSE IN LICENSE.txt"),
            ("GPL-2+, and Expat or BSD-3-clause", "GPL-2+, and Expat or BSD-3-clause"),
            ("MIT and something-else", "MIT and something-else"),
            ("MIT and", "MIT and"),
            ("(MIT", "(MIT"),
        ] {
            assert_eq!(declared(text).as_deref(), Some(says), "{text}");
        }
        for nothing in ["", "UNKNOWN", " none ", "Permission is\nhereby granted", &"x".repeat(200)] {
            assert_eq!(declared(nothing), None, "{nothing}");
        }
    }

    /// Every right side of the table is on the SPDX list, every left side is in lower case and there once.
    #[test]
    fn the_table_names_what_spdx_has() {
        let mut left: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        for (name, id) in NAMES {
            assert!(spdx::license_id(id).is_some() || spdx::Expression::parse(id).is_ok(), "{id}");
            assert_eq!(*name, name.to_ascii_lowercase());
        }
        left.sort_unstable();
        left.dedup();
        assert_eq!(left.len(), NAMES.len());
    }

    #[test]
    fn lists_are_choices() {
        let of = |text: &str| of_json(&serde_json::from_str(text).unwrap_or_default());
        assert_eq!(of(r#"{"license":"MIT"}"#), ["MIT"]);
        assert_eq!(of(r#"{"license":{"type":"BSD-3-Clause","url":"x"}}"#), ["BSD-3-Clause"]);
        assert_eq!(of(r#"{"licenses":[{"type":"MIT"},{"type":"Apache-2.0"}]}"#), ["MIT OR Apache-2.0"]);
        assert_eq!(of(r#"{"license":["MIT","GPL-2.0-only OR ISC"]}"#), ["MIT OR (GPL-2.0-only OR ISC)"]);
        assert_eq!(of(r#"{"licenses":["MIT","BSD"]}"#), ["MIT or BSD"]);
        assert_eq!(of(r#"{"license":7}"#), Vec::<String>::new());
        assert_eq!(of("{}"), Vec::<String>::new());
    }

    #[test]
    fn a_choice_among_others_is_one_expression() {
        let of = |list: &[&str]| all_of(list.iter().map(|one| (*one).to_owned()).collect());
        assert_eq!(of(&["ISC", "MIT OR Zlib"]), ["ISC AND (MIT OR Zlib)"]);
        assert_eq!(of(&["ISC", "MIT"]), ["ISC", "MIT"]);
        assert_eq!(of(&["MIT OR Zlib"]), ["MIT OR Zlib"]);
        assert_eq!(of(&["MIT OR Zlib", "of its own"]), ["MIT OR Zlib", "of its own"]);
    }

    #[test]
    fn classifiers_say_what_they_can() {
        assert_eq!(of_classifier("License :: OSI Approved :: MIT License").as_deref(), Some("MIT"));
        assert_eq!(of_classifier("License :: OSI Approved :: BSD License").as_deref(), Some("BSD License"));
        assert_eq!(of_classifier("License :: OSI Approved"), None);
        assert_eq!(of_classifier("Topic :: Software"), None);
    }

    #[test]
    fn debian_names_the_licences_of_all_files() {
        let readable = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\n\
                        Copyright: 2020 A\nLicense: GPL-2+\n This is free.\n License: no field\n\nFiles: b/*\n\
                        License: Expat\n\nLicense: GPL-2+\n text\n";
        assert_eq!(of_debian(readable), ["GPL-2.0-or-later", "MIT"]);
        let prose = "This was packaged by A.\n\nOn Debian systems see\n/usr/share/common-licenses/GPL-2.\n\
                     and /usr/share/common-licenses/Apache-2.0, `/usr/share/common-licenses/GPL'.\n";
        assert_eq!(
            of_debian(prose),
            ["Apache-2.0", "GPL (text in common-licenses)", "GPL-2 (text in common-licenses)"]
        );
        let many: String = (0..100).map(|number| format!("License: own-{number}\n")).collect();
        let found = of_debian(&format!("Format: x\n{many}"));
        assert_eq!((found.len(), found.last().unwrap().as_str()), (65, "more than these 64 licences"));
        assert_eq!(of_debian("License: MIT\n"), Vec::<String>::new());
        assert_eq!(of_debian(""), Vec::<String>::new());
    }
}

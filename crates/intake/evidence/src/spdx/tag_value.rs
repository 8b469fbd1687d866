//! SPDX 2.2 and 2.3 as tag-value text, turned into the tree that the JSON form has.

use linkward_model::Code;
use serde_json::{Map, Value, json};

use crate::sbom::Sbom;
use crate::{Fault, MAX_DOCUMENT};

/// Tags of the document, and the JSON member that each is.
const DOCUMENT: &[(&str, &str)] = &[
    ("SPDXVersion", "spdxVersion"),
    ("DataLicense", "dataLicense"),
    ("SPDXID", "SPDXID"),
    ("DocumentName", "name"),
    ("DocumentNamespace", "documentNamespace"),
    ("DocumentComment", "comment"),
];

const PACKAGE: &[(&str, &str)] = &[
    ("SPDXID", "SPDXID"),
    ("PackageVersion", "versionInfo"),
    ("PackageDownloadLocation", "downloadLocation"),
    ("FilesAnalyzed", "filesAnalyzed"),
    ("PackageLicenseConcluded", "licenseConcluded"),
    ("PackageLicenseDeclared", "licenseDeclared"),
    ("PrimaryPackagePurpose", "primaryPackagePurpose"),
    ("PackageSupplier", "supplier"),
    ("PackageOriginator", "originator"),
    ("PackageSummary", "summary"),
    ("PackageDescription", "description"),
    ("PackageComment", "comment"),
    ("PackageHomePage", "homepage"),
    ("PackageFileName", "packageFileName"),
    ("PackageCopyrightText", "copyrightText"),
    ("PackageVerificationCode", "packageVerificationCode"),
    ("PackageSourceInfo", "sourceInfo"),
    ("PackageLicenseComments", "licenseComments"),
    ("PackageLicenseInfoFromFiles", "licenseInfoFromFiles"),
    ("PackageAttributionText", "attributionTexts"),
    ("BuiltDate", "builtDate"),
    ("ReleaseDate", "releaseDate"),
    ("ValidUntilDate", "validUntilDate"),
];

/// Whether a text is meant to be of this form.
pub(crate) fn recognise(bytes: &[u8]) -> bool {
    let line = bytes
        .split(|b| *b == b'\n')
        .map(<[u8]>::trim_ascii)
        .find(|line| !line.is_empty() && !line.starts_with(b"#"));
    line.is_some_and(|line| line.starts_with(b"SPDXVersion:"))
}

/// # Errors
/// Not valid; the fault names the line.
pub fn read(bytes: &[u8]) -> Result<Sbom, Fault> {
    if bytes.len() > MAX_DOCUMENT {
        return Err(Fault::new(Code::TooLarge, "$", format!("document is larger than {MAX_DOCUMENT} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Fault::new(Code::MalformedField, format!("byte {}", error.valid_up_to()), "is not UTF-8")
    })?;
    let mut reader = Reader::default();
    for (line, tag, value) in Tags::new(text) {
        reader.tag(line, tag?, &value)?;
    }
    let (document, lines) = reader.finish();
    super::read(&document).map_err(|fault| {
        let known = lines.iter().rev().find(|(path, _)| fault.place.starts_with(path.as_str()));
        let line = known.map_or(1, |(_, line)| *line);
        Fault::new(fault.code, format!("line {line} ({})", fault.place), fault.message)
    })
}

/// Tags with their values; a value in `<text>` may go over many lines.
struct Tags<'a> {
    lines: std::iter::Enumerate<std::str::Lines<'a>>,
}

impl<'a> Tags<'a> {
    fn new(text: &'a str) -> Self {
        Self { lines: text.lines().enumerate() }
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = (usize, Result<&'a str, Fault>, String);

    fn next(&mut self) -> Option<Self::Item> {
        let (index, line) =
            self.lines.find(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
        let number = index + 1;
        let place = || format!("line {number}");
        let Some((tag, value)) = line.split_once(':') else {
            let fault = Fault::new(Code::MalformedField, place(), "is not `Tag: value`");
            return Some((number, Err(fault), String::new()));
        };
        let value = value.trim();
        let Some(open) = value.strip_prefix("<text>") else {
            return Some((number, Ok(tag.trim()), value.to_owned()));
        };
        let mut text = String::new();
        let mut rest = open;
        loop {
            if let Some((inside, _)) = rest.split_once("</text>") {
                text.push_str(inside);
                return Some((number, Ok(tag.trim()), text));
            }
            text.push_str(rest);
            text.push('\n');
            match self.lines.next() {
                // One that opens inside another was never closed: up to its end, packages would be swallowed as text.
                Some((_, line)) if !line.contains("<text>") => rest = line,
                _ => {
                    let fault = Fault::new(Code::MalformedField, place(), "`<text>` is not closed");
                    return Some((number, Err(fault), String::new()));
                }
            }
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Document,
    Package,
    File,
    Snippet,
    Licence,
}

#[derive(Default)]
struct Reader {
    section: Section,
    document: Map<String, Value>,
    packages: Vec<Map<String, Value>>,
    files: Vec<Map<String, Value>>,
    snippets: usize,
    licences: Vec<Map<String, Value>>,
    annotations: Vec<Value>,
    relationships: Vec<Value>,
    lines: Vec<(String, usize)>,
}

impl Reader {
    fn tag(&mut self, line: usize, tag: &str, value: &str) -> Result<(), Fault> {
        let fault = |message: String| Fault::new(Code::MalformedField, format!("line {line}"), message);
        let words: Vec<&str> = value.split_whitespace().collect();
        match tag {
            "PackageName" => {
                self.section = Section::Package;
                self.lines.push((format!("$.packages[{}]", self.packages.len()), line));
                self.packages.push(Map::from_iter([("name".to_owned(), value.into())]));
            }
            "FileName" => {
                self.section = Section::File;
                self.lines.push((format!("$.files[{}]", self.files.len()), line));
                self.files.push(Map::from_iter([("fileName".to_owned(), value.into())]));
            }
            "SnippetSPDXID" => {
                self.section = Section::Snippet;
                self.snippets += 1;
            }
            "LicenseID" => {
                self.section = Section::Licence;
                self.licences.push(Map::from_iter([("licenseId".to_owned(), value.into())]));
            }
            "Relationship" => {
                let [from, kind, to] = words.as_slice() else {
                    return Err(fault(format!(
                        "`{value}` is not two elements with a relationship between them"
                    )));
                };
                self.lines.push((format!("$.relationships[{}]", self.relationships.len()), line));
                self.relationships.push(
                    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to }),
                );
            }
            "AnnotationComment" => self.annotations.push(json!({ "comment": value })),
            _ => match self.section {
                Section::Package => self.package(tag, value, &words).map_err(fault)?,
                Section::Document => self.head(line, tag, value).map_err(fault)?,
                Section::File if tag == "SPDXID" => {
                    put(self.files.last_mut(), "SPDXID", value).map_err(fault)?
                }
                Section::Licence if tag == "LicenseName" => {
                    put(self.licences.last_mut(), "name", value).map_err(fault)?;
                }
                _ => {}
            },
        }
        Ok(())
    }

    fn head(&mut self, line: usize, tag: &str, value: &str) -> Result<(), String> {
        if tag == "Created" {
            self.lines.push(("$.creationInfo".to_owned(), line));
            self.document.insert("creationInfo".to_owned(), json!({ "created": value }));
        } else if let Some((_, member)) = DOCUMENT.iter().find(|(known, _)| *known == tag) {
            self.lines.push((format!("$.{member}"), line));
            put(Some(&mut self.document), member, value)?;
        }
        Ok(())
    }

    fn package(&mut self, tag: &str, value: &str, words: &[&str]) -> Result<(), String> {
        let package = self.packages.last_mut();
        match tag {
            "PackageChecksum" => {
                let (name, hex) =
                    value.split_once(':').ok_or(format!("`{value}` is not a function and a value"))?;
                add(package, "checksums", json!({ "algorithm": name.trim(), "checksumValue": hex.trim() }));
            }
            "ExternalRef" => {
                let [category, kind, locator] = words else {
                    return Err(format!("`{value}` is not a category, a type and a locator"));
                };
                add(
                    package,
                    "externalRefs",
                    json!({ "referenceCategory": category, "referenceType": kind, "referenceLocator": locator }),
                );
            }
            _ => {
                if let Some((_, member)) = PACKAGE.iter().find(|(known, _)| *known == tag) {
                    // Some may stand several times; none of those is carried.
                    if matches!(*member, "licenseInfoFromFiles" | "attributionTexts") {
                        add(package, member, value.into());
                    } else {
                        put(package, member, value)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(mut self) -> (Value, Vec<(String, usize)>) {
        let mut put = |name: &str, value: Value| {
            self.document.insert(name.to_owned(), value);
        };
        put("packages", self.packages.into_iter().map(Value::Object).collect());
        put("files", self.files.into_iter().map(Value::Object).collect());
        put("snippets", vec![json!({}); self.snippets].into());
        put("hasExtractedLicensingInfos", self.licences.into_iter().map(Value::Object).collect());
        put("annotations", self.annotations.into());
        put("relationships", self.relationships.into());
        (Value::Object(self.document), self.lines)
    }
}

fn put(object: Option<&mut Map<String, Value>>, name: &str, value: &str) -> Result<(), String> {
    match object.map(|object| object.insert(name.to_owned(), value.into())) {
        Some(Some(_)) => Err(format!("`{name}` stands twice")),
        _ => Ok(()),
    }
}

fn add(object: Option<&mut Map<String, Value>>, name: &str, value: Value) {
    let list = object.map(|object| object.entry(name).or_insert_with(|| Value::Array(Vec::new())));
    if let Some(Value::Array(items)) = list {
        items.push(value);
    }
}

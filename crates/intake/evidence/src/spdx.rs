//! SPDX (ISO/IEC 5962): 2.2 and 2.3 as JSON and tag-value, 3.0 as JSON-LD; 2.3 JSON out.

pub mod graph;
pub mod tag_value;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use linkward_model::{Algorithm, Code, Digest};
use serde_json::Value;

use crate::field::Field;
use crate::sbom::{Component, MAX_COMPONENTS, Relation, Sbom};
use crate::{Claim, Fault};

pub use write::{losses, write};

const VERSIONS: &[&str] = &["SPDX-2.2", "SPDX-2.3"];

/// Hash functions as SPDX 2, SPDX 3 and CycloneDX spell them, and the length in hexadecimal digits where it is fixed.
pub(crate) const HASHES: &[(&str, &str, &str, Option<usize>)] = &[
    ("MD5", "md5", "MD5", Some(32)),
    ("SHA1", "sha1", "SHA-1", Some(40)),
    ("SHA256", "sha256", "SHA-256", Some(64)),
    ("SHA384", "sha384", "SHA-384", Some(96)),
    ("SHA512", "sha512", "SHA-512", Some(128)),
    ("SHA3-256", "sha3_256", "SHA3-256", Some(64)),
    ("SHA3-384", "sha3_384", "SHA3-384", Some(96)),
    ("SHA3-512", "sha3_512", "SHA3-512", Some(128)),
    ("BLAKE2b-256", "blake2b256", "BLAKE2b-256", Some(64)),
    ("BLAKE2b-384", "blake2b384", "BLAKE2b-384", Some(96)),
    ("BLAKE2b-512", "blake2b512", "BLAKE2b-512", Some(128)),
    ("BLAKE3", "blake3", "BLAKE3", None),
    ("SHA224", "sha224", "SHA-224", Some(56)),
    ("MD2", "md2", "MD2", Some(32)),
    ("MD4", "md4", "MD4", Some(32)),
    ("MD6", "md6", "MD6", None),
    ("ADLER32", "adler32", "ADLER32", Some(8)),
];

/// Purposes of packages as SPDX 2 spells them, and the kind of component that each is.
pub(crate) const PURPOSES: &[(&str, &str)] = &[
    ("APPLICATION", "application"),
    ("FRAMEWORK", "framework"),
    ("LIBRARY", "library"),
    ("CONTAINER", "container"),
    ("OPERATING-SYSTEM", "operating-system"),
    ("DEVICE", "device"),
    ("FIRMWARE", "firmware"),
    ("FILE", "file"),
];

pub(crate) struct Format;

impl crate::Format for Format {
    fn name(&self) -> &'static str {
        "SPDX"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("spdxVersion").is_some() || graph::recognise(document)
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        let sbom = if graph::recognise(document) { graph::read(document) } else { read(document) };
        sbom.map(Claim::Sbom)
    }
}

/// # Errors
/// Not a valid document; the fault says where.
pub fn read(document: &Value) -> Result<Sbom, Fault> {
    let root = Field::root(document);
    let version = root.required("spdxVersion")?;
    if !VERSIONS.contains(&version.text()?) {
        let message = format!("`{}` is not one of {}", version.text()?, VERSIONS.join(", "));
        return Err(Fault::new(Code::UnsupportedVersion, version.place(), message));
    }
    let own = root.required("SPDXID")?;
    if own.text()? != "SPDXRef-DOCUMENT" {
        return Err(own.fault("must be SPDXRef-DOCUMENT"));
    }
    for name in ["name", "dataLicense"] {
        root.required(name)?.text()?;
    }
    let namespace = root.required("documentNamespace")?;
    if namespace.text()?.contains('#') || !namespace.text()?.contains(':') {
        return Err(namespace.fault("must be a URI without `#`"));
    }
    let created = root.required("creationInfo")?.required("created")?;
    let time = created.text()?.parse().map_err(|error| created.fault(format!("{error}")))?;
    let packages = root.list("packages")?;
    if packages.len() > MAX_COMPONENTS {
        return Err(Fault::new(Code::TooLarge, "$.packages", format!("more than {MAX_COMPONENTS} packages")));
    }
    let mut sbom = Sbom {
        spec: version.text()?.to_owned(),
        serial: Some(namespace.text()?.to_owned()),
        created: Some(time),
        ..Sbom::default()
    };
    let extracted = extracted(&root)?;
    let mut ids = BTreeSet::new();
    for field in &packages {
        let component = package(field, &mut ids, &extracted, &mut sbom)?;
        sbom.components.push(component);
    }
    // Files are named by relations; they are no components.
    for field in root.list("files")? {
        identifier(&field, &mut ids)?;
        sbom.pass_over("files");
    }
    for name in ["snippets", "externalDocumentRefs", "reviewers", "revieweds"] {
        (0..root.list(name)?.len()).for_each(|_| sbom.pass_over(name));
    }
    for item in root.list("annotations")? {
        match item.optional_text("comment")?.and_then(|text| text.strip_prefix("linkward:gap ")) {
            Some(gap) => sbom.gaps.push(gap.to_owned()),
            None => sbom.pass_over("annotations"),
        }
    }
    let mut described = relationships(&root, &ids, &mut sbom)?;
    for field in root.list("documentDescribes")? {
        described.insert(field.text()?.to_owned());
    }
    take_subject(&mut sbom, &described);
    Ok(sbom)
}

/// The one package that the document describes becomes the subject.
pub(crate) fn take_subject(sbom: &mut Sbom, described: &BTreeSet<String>) {
    if described.len() == 1
        && let Some(index) = sbom.components.iter().position(|component| described.contains(&component.id))
    {
        sbom.subject = Some(sbom.components.remove(index));
    }
}

fn identifier(field: &Field<'_>, ids: &mut BTreeSet<String>) -> Result<String, Fault> {
    let id = field.required("SPDXID")?;
    let text = id.text()?;
    let sound = |rest: &str| {
        !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'))
    };
    if !text.strip_prefix("SPDXRef-").is_some_and(sound) || !ids.insert(text.to_owned()) {
        return Err(
            id.fault(format!("`{text}` must be SPDXRef- with letters, digits, `.` and `-`, and stand once"))
        );
    }
    Ok(text.to_owned())
}

/// Names of licences that the document itself brings, by their LicenseRef.
fn extracted(root: &Field<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let mut found = BTreeMap::new();
    for item in root.list("hasExtractedLicensingInfos")? {
        if let Some(name) = item.optional_text("name")? {
            found.insert(item.required("licenseId")?.text()?.to_owned(), name.to_owned());
        }
    }
    Ok(found)
}

const CARRIED: &[&str] = &[
    "SPDXID",
    "name",
    "versionInfo",
    "downloadLocation",
    "filesAnalyzed",
    "externalRefs",
    "checksums",
    "licenseConcluded",
    "licenseDeclared",
    "primaryPackagePurpose",
];

fn package(
    field: &Field<'_>,
    ids: &mut BTreeSet<String>,
    extracted: &BTreeMap<String, String>,
    sbom: &mut Sbom,
) -> Result<Component, Fault> {
    let id = identifier(field, ids)?;
    field.required("downloadLocation")?.text()?;
    for name in field.object()?.keys().filter(|name| !CARRIED.contains(&name.as_str())) {
        sbom.pass_over(format!("package.{name}"));
    }
    let mut purl = None;
    for reference in field.list("externalRefs")? {
        let kind = reference.required("referenceType")?.text()?;
        let locator = reference.required("referenceLocator")?;
        if kind != "purl" && !kind.ends_with("/purl") {
            sbom.pass_over(format!("package.externalRefs.{kind}"));
            continue;
        }
        match locator.text()?.parse() {
            Ok(found) if purl.is_none() => purl = Some(found),
            Ok(_) => sbom.pass_over("package.externalRefs.purl (a second one)"),
            Err(error) => sbom.gaps.push(format!("{}: {error}", locator.place())),
        }
    }
    let mut hashes = Hashes::default();
    for item in field.list("checksums")? {
        let name = item.required("algorithm")?;
        let Some((_, _, spelling, length)) = HASHES.iter().find(|(known, ..)| Ok(*known) == name.text())
        else {
            return Err(name.fault(format!("`{}` is not a hash function", name.text()?)));
        };
        hashes.add(spelling, *length, &item.required("checksumValue")?)?;
    }
    let stated = |name: &str| -> Result<Option<String>, Fault> {
        Ok(field
            .optional_text(name)?
            .filter(|text| !matches!(*text, "" | "NOASSERTION" | "NONE"))
            .map(str::to_owned))
    };
    let (concluded, declared) = (stated("licenseConcluded")?, stated("licenseDeclared")?);
    if concluded.is_some() && declared.is_some() && concluded != declared {
        sbom.pass_over("package.licenseDeclared (licenseConcluded is carried)");
    }
    let licence = concluded.or(declared).map(|text| extracted.get(&text).cloned().unwrap_or(text));
    let kind = match field.optional_text("primaryPackagePurpose")? {
        None => "library",
        Some(purpose) => {
            let spelled = purpose.replace('_', "-");
            let known = PURPOSES.iter().find(|(name, _)| *name == spelled);
            if known.is_none() {
                sbom.pass_over(format!("package.primaryPackagePurpose {purpose}"));
            }
            known.map_or("library", |(_, kind)| kind)
        }
    };
    Ok(Component {
        id,
        kind: kind.to_owned(),
        name: field.required("name")?.text()?.to_owned(),
        version: stated("versionInfo")?,
        purl,
        digests: hashes.digests,
        other_hashes: hashes.others,
        licences: licence.into_iter().collect(),
        scope: None,
        occurrences: Vec::new(),
    })
}

#[derive(Default)]
pub(crate) struct Hashes {
    pub(crate) digests: Vec<Digest>,
    pub(crate) others: Vec<(String, String)>,
}

impl Hashes {
    /// Adds one, by CycloneDX' spelling of its function.
    pub(crate) fn add(&mut self, name: &str, length: Option<usize>, value: &Field<'_>) -> Result<(), Fault> {
        let hex = value.text()?.to_ascii_lowercase();
        if length.is_some_and(|length| length != hex.len()) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(value.fault(format!("is not a value of {name} in hexadecimal digits")));
        }
        let algorithm = match name {
            "SHA-256" => Algorithm::Sha256,
            "SHA-384" => Algorithm::Sha384,
            "SHA-512" => Algorithm::Sha512,
            _ => {
                self.others.push((name.to_owned(), hex));
                return Ok(());
            }
        };
        self.digests.push(Digest::from_hex(algorithm, &hex).map_err(|error| value.fault(error.to_string()))?);
        Ok(())
    }
}

/// What the document describes; dependencies and containments go into the SBOM.
fn relationships(
    root: &Field<'_>,
    ids: &BTreeSet<String>,
    sbom: &mut Sbom,
) -> Result<BTreeSet<String>, Fault> {
    let mut edges = Edges::default();
    let mut described = BTreeSet::new();
    for item in root.list("relationships")? {
        let from = item.required("spdxElementId")?.text()?;
        let to = item.required("relatedSpdxElement")?.text()?;
        for end in [from, to] {
            let known = ids.contains(end) || matches!(end, "SPDXRef-DOCUMENT" | "NONE" | "NOASSERTION");
            if !known && !end.starts_with("DocumentRef-") {
                sbom.gaps.push(format!("{}: `{end}` stands nowhere in the document", item.place()));
            }
        }
        if matches!(to, "NONE" | "NOASSERTION") {
            if to == "NOASSERTION" {
                sbom.gaps.push(format!("the author does not say what {from} depends on"));
            }
            continue;
        }
        let kind = item.required("relationshipType")?.text()?;
        match kind {
            "DEPENDS_ON" => edges.depends(from, to),
            "DEPENDENCY_OF" => edges.depends(to, from),
            "CONTAINS" => edges.contains(from, to),
            "CONTAINED_BY" => edges.contains(to, from),
            "DESCRIBES" => {
                described.insert(to.to_owned());
            }
            "DESCRIBED_BY" => {
                described.insert(from.to_owned());
            }
            _ if kind.ends_with("_DEPENDENCY_OF") => {
                edges.depends(to, from);
                sbom.pass_over(format!("relationship {kind} (carried as a dependency)"));
            }
            _ => sbom.pass_over(format!("relationship {kind}")),
        }
    }
    edges.into_sbom(sbom);
    Ok(described)
}

/// Relations by where they start, each once.
#[derive(Default)]
pub(crate) struct Edges {
    depends: BTreeMap<String, BTreeSet<String>>,
    contains: BTreeMap<String, BTreeSet<String>>,
}

impl Edges {
    pub(crate) fn depends(&mut self, from: &str, to: &str) {
        self.depends.entry(from.to_owned()).or_default().insert(to.to_owned());
    }

    pub(crate) fn contains(&mut self, from: &str, to: &str) {
        self.contains.entry(from.to_owned()).or_default().insert(to.to_owned());
    }

    pub(crate) fn into_sbom(self, sbom: &mut Sbom) {
        let list = |edges: BTreeMap<String, BTreeSet<String>>| {
            edges.into_iter().map(|(from, to)| Relation { from, to: to.into_iter().collect() }).collect()
        };
        sbom.relations = list(self.depends);
        sbom.contains = list(self.contains);
    }
}

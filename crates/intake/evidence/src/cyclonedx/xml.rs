//! CycloneDX XML 1.0 to 1.7, turned into the tree that the JSON form has.
//!
//! Document types are refused: a DTD can name files of the reader's machine (XXE) and blow up by nested entities.
//! Elements and attributes of other namespaces are passed over, as the schema allows them anywhere.

use std::collections::HashMap;

use linkward_model::Code;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value};

use super::VERSIONS;
use crate::sbom::Sbom;
use crate::{Fault, MAX_DOCUMENT};

const NAMESPACE: &str = "http://cyclonedx.org/schema/bom/";
/// The extension by which 1.1 documents say what depends on what.
const GRAPH: &str = "http://cyclonedx.org/schema/ext/dependency-graph/1.0";
/// Deepest nesting that is read.
const MAX_DEPTH: usize = 96;
/// Most elements and texts of one document.
const MAX_NODES: u32 = 20_000_000;

/// Elements that are lists, and what they hold.
const LISTS: &[(&str, &[&str])] = &[
    ("components", &["component"]),
    ("services", &["service"]),
    ("hashes", &["hash"]),
    ("licenses", &["license", "expression", "expression-detailed"]),
    ("dependencies", &["dependency"]),
    ("properties", &["property"]),
    ("ancestors", &["component"]),
    ("descendants", &["component"]),
    ("variants", &["component"]),
    ("patches", &["patch"]),
    ("resolves", &["issue"]),
    ("tools", &["tool"]),
    ("data", &["classification", "dataflow"]),
    ("externalReferences", &["reference"]),
    ("compositions", &["composition"]),
    ("vulnerabilities", &["vulnerability"]),
    ("affects", &["target"]),
    ("versions", &["version"]),
    ("ratings", &["rating"]),
    ("responses", &["response"]),
    ("citations", &["citation"]),
    ("pointers", &["pointer"]),
    ("expressions", &["expression"]),
    ("authors", &["author"]),
    ("lifecycles", &["lifecycle"]),
    ("occurrences", &["occurrence"]),
];

/// Elements that stand once at most in the named one; a second would say something that no reader agrees on.
const ONCE: &[(&str, &[&str])] = &[
    ("bom", &["metadata", "components", "services", "dependencies", "vulnerabilities", "compositions"]),
    (
        "component",
        &[
            "group",
            "name",
            "version",
            "purl",
            "cpe",
            "scope",
            "hashes",
            "licenses",
            "swid",
            "pedigree",
            "components",
        ],
    ),
    ("license", &["id", "name", "text", "url"]),
    ("metadata", &["timestamp", "component", "licenses"]),
];

/// # Errors
/// Not XML, not CycloneDX, or not valid; the fault names line and column.
pub fn read(bytes: &[u8]) -> Result<Sbom, Fault> {
    let value = tree(bytes)?;
    super::read(&value.0).map_err(|fault| locate(bytes, fault))
}

/// The document as the JSON form has it.
///
/// # Errors
/// As for [`read`], the rules of the schema apart.
pub(crate) fn tree(bytes: &[u8]) -> Result<(Value, HashMap<String, String>), Fault> {
    convert(bytes, false)
}

/// Where the element of a fault stands. The places are only collected when there is a fault to locate.
fn locate(bytes: &[u8], fault: Fault) -> Fault {
    let Ok((_, places)) = convert(bytes, true) else { return fault };
    let mut path = fault.place.as_str();
    loop {
        if let Some(place) = places.get(path) {
            return Fault::new(fault.code, format!("{place} ({})", fault.place), fault.message);
        }
        match path.rfind(['.', '[']) {
            Some(end) => path = path.get(..end).unwrap_or_default(),
            None => return fault,
        }
    }
}

fn convert(bytes: &[u8], locating: bool) -> Result<(Value, HashMap<String, String>), Fault> {
    if bytes.len() > MAX_DOCUMENT {
        return Err(Fault::new(Code::TooLarge, "$", format!("document is larger than {MAX_DOCUMENT} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Fault::new(Code::MalformedXml, format!("byte {}", error.valid_up_to()), "is not UTF-8")
    })?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let at = error.pos();
        Fault::new(Code::MalformedXml, format!("line {}, column {}", at.row, at.col), error.to_string())
    })?;
    let root = document.root_element();
    let namespace = root.tag_name().namespace().unwrap_or("");
    let version = namespace.strip_prefix(NAMESPACE).filter(|_| root.tag_name().name() == "bom");
    let Some(version) = version else {
        let message = format!("`{}` in `{namespace}` is not a CycloneDX document", root.tag_name().name());
        return Err(Fault::new(Code::UnsupportedFormat, position(root), message));
    };
    if !VERSIONS.contains(&version) {
        let message = format!("`{version}` is not one of {}", VERSIONS.join(", "));
        return Err(Fault::new(Code::UnsupportedVersion, position(root), message));
    }
    let mut converter = Converter { namespace, places: HashMap::new(), locating, graph: Vec::new() };
    let mut value = converter.object(root, "$", 0)?;
    value.insert("bomFormat".to_owned(), "CycloneDX".into());
    value.insert("specVersion".to_owned(), version.into());
    if let Some(Value::String(number)) = value.get("version") {
        let number: u64 = number.parse().map_err(|_| {
            Fault::new(Code::MalformedField, position(root), format!("version `{number}` is not a number"))
        })?;
        value.insert("version".to_owned(), number.into());
    }
    value
        .retain(|name, _| super::MEMBERS.contains(&name.as_str()) || root.attribute(name.as_str()).is_none());
    if !converter.graph.is_empty() {
        value.insert("dependencies".to_owned(), converter.dependencies());
    }
    Ok((Value::Object(value), converter.places))
}

fn position(node: Node<'_, '_>) -> String {
    let at = node.document().text_pos_at(node.range().start);
    format!("line {}, column {}", at.row, at.col)
}

struct Converter<'a> {
    namespace: &'a str,
    places: HashMap<String, String>,
    locating: bool,
    /// Edges of the dependency graph extension.
    graph: Vec<(String, Option<String>)>,
}

impl Converter<'_> {
    fn value(&mut self, node: Node<'_, '_>, place: &str, depth: usize) -> Result<Value, Fault> {
        if depth > MAX_DEPTH {
            let message = format!("elements are nested deeper than {MAX_DEPTH}");
            return Err(Fault::new(Code::TooLarge, position(node), message));
        }
        if self.locating {
            self.places.insert(place.to_owned(), position(node));
        }
        let name = node.tag_name().name();
        let list = LISTS.iter().find(|(list, _)| *list == name).map(|(_, held)| *held);
        if let Some(held) = list
            && self.children(node).all(|child| held.contains(&child.tag_name().name()))
            && (name != "data" || is_service(node) || self.children(node).next().is_some())
        {
            let children: Vec<_> = self.children(node).collect();
            self.extension(node, None, depth)?;
            let items = children.into_iter().enumerate().map(|(index, child)| {
                let place = format!("{place}[{index}]");
                self.item(name, child, &place, depth + 1)
            });
            return items.collect::<Result<Vec<_>, _>>().map(Value::Array);
        }
        if self.children(node).next().is_none() && node.attributes().len() == 0 {
            return Ok(text(node).into());
        }
        self.object(node, place, depth).map(Value::Object)
    }

    /// An item of a list, in the shape that the JSON form gives it.
    fn item(&mut self, list: &str, node: Node<'_, '_>, place: &str, depth: usize) -> Result<Value, Fault> {
        let name = node.tag_name().name();
        let mut object = Map::new();
        match (list, name) {
            ("licenses", "license") => {
                object.insert("license".to_owned(), self.value(node, &format!("{place}.license"), depth)?);
                if object.get("license").is_some_and(Value::is_string) {
                    object.insert("license".to_owned(), Value::Object(Map::new()));
                }
            }
            ("licenses", "expression") => {
                object.insert("expression".to_owned(), text(node).into());
            }
            ("dependencies", _) => {
                if let Some(from) = node.attribute("ref") {
                    object.insert("ref".to_owned(), from.into());
                }
                // What it provides (1.6) stands beside what it depends on.
                let below = self.children(node).filter(|child| child.tag_name().name() == "dependency");
                let to: Vec<Value> = below.map(|child| child.attribute("ref").unwrap_or("").into()).collect();
                object.insert("dependsOn".to_owned(), to.into());
            }
            ("hashes" | "properties" | "data", "hash" | "property" | "classification") => {
                for attribute in node.attributes().filter(|attribute| attribute.namespace().is_none()) {
                    if list != "properties" || attribute.name() == "name" {
                        object.insert(attribute.name().to_owned(), attribute.value().into());
                    }
                }
                let content = match list {
                    "hashes" => "content",
                    "properties" => "value",
                    _ => "classification",
                };
                object.insert(content.to_owned(), text(node).into());
            }
            ("components" | "ancestors" | "descendants" | "variants" | "services", _) => {
                object = self.object(node, place, depth)?;
            }
            _ => return self.value(node, place, depth),
        }
        if self.locating {
            self.places.insert(place.to_owned(), position(node));
        }
        Ok(Value::Object(object))
    }

    fn object(&mut self, node: Node<'_, '_>, place: &str, depth: usize) -> Result<Map<String, Value>, Fault> {
        if self.locating {
            self.places.insert(place.to_owned(), position(node));
        }
        let name = node.tag_name().name();
        let mut object = Map::new();
        for attribute in node.attributes().filter(|attribute| attribute.namespace().is_none()) {
            // XML spells what JSON writes as contentType with a hyphen.
            let name = if attribute.name() == "content-type" { "contentType" } else { attribute.name() };
            object.insert(name.to_owned(), attribute.value().into());
        }
        let once = ONCE.iter().find(|(parent, _)| *parent == name).map_or(&[][..], |(_, once)| *once);
        let own = if name == "component" { node.attribute("bom-ref") } else { None };
        self.extension(node, own, depth)?;
        let children: Vec<_> = self.children(node).collect();
        for child in &children {
            let name = child.tag_name().name();
            let value = self.value(*child, &format!("{place}.{name}"), depth + 1)?;
            match object.get_mut(name) {
                // An attribute of the same name gives way to the element.
                Some(Value::String(_)) if node.attribute(name).is_some() && !once.contains(&name) => {
                    object.insert(name.to_owned(), value);
                }
                Some(_) if once.contains(&name) => {
                    return Err(Fault::new(
                        Code::MalformedField,
                        position(*child),
                        format!("`{name}` stands twice"),
                    ));
                }
                Some(Value::Array(items)) => items.push(value),
                Some(other) => {
                    let first = other.take();
                    *other = Value::Array(vec![first, value]);
                }
                None => {
                    object.insert(name.to_owned(), value);
                }
            }
        }
        if children.is_empty() {
            let content = text(node);
            let key = match (name, content.is_empty()) {
                ("classification", _) => "classification",
                (_, true) => return Ok(object),
                _ => "content",
            };
            object.insert(key.to_owned(), content.into());
        }
        Ok(object)
    }

    fn children<'b, 'c>(&self, node: Node<'b, 'c>) -> impl Iterator<Item = Node<'b, 'c>> + use<'b, 'c> {
        let namespace = self.namespace.to_owned();
        node.children().filter(move |child| {
            child.is_element() && child.tag_name().namespace() == Some(namespace.as_str())
        })
    }

    /// Reads `dependencies` of the extension's namespace below a document or a component.
    fn extension(&mut self, node: Node<'_, '_>, from: Option<&str>, depth: usize) -> Result<(), Fault> {
        let dependencies = |child: &Node<'_, '_>| {
            child.is_element()
                && child.tag_name().namespace() == Some(GRAPH)
                && child.tag_name().name() == "dependencies"
        };
        for child in node.children().filter(dependencies) {
            self.edges(child, from, depth)?;
        }
        Ok(())
    }

    fn edges(&mut self, node: Node<'_, '_>, from: Option<&str>, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::new(Code::TooLarge, position(node), "dependencies are nested too deep"));
        }
        for child in node.children().filter(Node::is_element) {
            let Some(to) = child.attribute("ref").filter(|to| !to.is_empty()) else {
                return Err(Fault::new(Code::MalformedField, position(child), "a dependency has no `ref`"));
            };
            self.graph.push(match from {
                Some(from) => (from.to_owned(), Some(to.to_owned())),
                None => (to.to_owned(), None),
            });
            self.edges(child, Some(to), depth + 1)?;
        }
        Ok(())
    }

    fn dependencies(&self) -> Value {
        let mut below: std::collections::BTreeMap<&str, Vec<&str>> = std::collections::BTreeMap::new();
        for (from, to) in &self.graph {
            let known = below.entry(from).or_default();
            known.extend(to.as_deref().filter(|to| !known.contains(to)));
        }
        below.into_iter().map(|(from, to)| serde_json::json!({ "ref": from, "dependsOn": to })).collect()
    }
}

/// The text of an element; CDATA sections are part of it.
fn text(node: Node<'_, '_>) -> String {
    let parts = node.children().filter(Node::is_text).filter_map(|child| child.text());
    parts.collect::<String>().trim().to_owned()
}

/// `data` is a list below a service, and an entry of a list below a component.
fn is_service(node: Node<'_, '_>) -> bool {
    node.parent().is_some_and(|parent| parent.tag_name().name() == "service")
}

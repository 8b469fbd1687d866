//! pom.xml: what a project of Maven asks for itself. What that needs in turn, and what a parent elsewhere sets, Maven finds out
//! when it builds: it is said to be missing.

use std::collections::BTreeMap;

use linkward_evidence::Fault;
use linkward_evidence::sbom::Scope;
use linkward_model::Code;
use roxmltree::{Document, Node, ParsingOptions};

use crate::{Format, Lock, Package, name};

pub(crate) const FORMAT: Format = Format { kind: "pom.xml", named: |path| name(path) == "pom.xml", read };

const MAX_NODES: u32 = 1_000_000;
/// Properties that name properties.
const MAX_STEPS: usize = 16;

fn read(text: &str) -> Result<Lock, Fault> {
    // A document type can name files of the reader's machine, and grow by entities.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let at = error.pos();
        Fault::new(Code::LockfileMalformed, format!("line {}, column {}", at.row, at.col), error.to_string())
    })?;
    let project = document.root_element();
    if project.tag_name().name() != "project" {
        return Err(Fault::new(Code::LockfileMalformed, "$", "is no `project` of Maven"));
    }
    let parent = child(project, "parent");
    let own = |name: &str| value(project, name).or_else(|| value(parent?, name));
    let mut properties: BTreeMap<String, String> = child(project, "properties")
        .into_iter()
        .flat_map(|properties| properties.children().filter(Node::is_element))
        .filter_map(|property| {
            Some((property.tag_name().name().to_owned(), property.text()?.trim().to_owned()))
        })
        .collect();
    for name in ["groupId", "artifactId", "version"] {
        if let Some(value) = own(name) {
            properties.insert(format!("project.{name}"), value.to_owned());
            properties.insert(format!("pom.{name}"), value.to_owned());
        }
        if let Some(value) = parent.and_then(|parent| value(parent, name)) {
            properties.insert(format!("project.parent.{name}"), value.to_owned());
        }
    }
    let mut lock = Lock::default();
    let listed = |of: Option<Node<'_, '_>>| -> Vec<_> {
        let dependencies = of.and_then(|of| child(of, "dependencies"));
        let all = dependencies.into_iter().flat_map(|list| list.children().collect::<Vec<_>>());
        all.filter(|node| node.tag_name().name() == "dependency").map(|node| node.id()).collect()
    };
    let managed: BTreeMap<(String, String), String> = listed(child(project, "dependencyManagement"))
        .into_iter()
        .filter_map(|id| document.get_node(id))
        .filter_map(|node| {
            let text = |name: &str| value(node, name).and_then(|text| resolved(text, &properties));
            Some(((text("groupId")?, text("artifactId")?), text("version")?))
        })
        .collect();
    for id in listed(Some(project)) {
        let Some(node) = document.get_node(id) else { continue };
        let row = document.text_pos_at(node.range().start).row;
        let text = |name: &str| value(node, name).and_then(|text| resolved(text, &properties));
        let (Some(group), Some(artifact)) = (text("groupId"), text("artifactId")) else {
            let what = "a dependency has no `groupId` or `artifactId` that is set here";
            return Err(Fault::new(Code::LockfileMalformed, format!("line {row}"), what));
        };
        let version = text("version").or_else(|| managed.get(&(group.clone(), artifact.clone())).cloned());
        let Some(version) = version.filter(|version| !version.contains(['[', '(', ',', '$'])) else {
            lock.hide(format!("{group}:{artifact} has no version that is set here"));
            continue;
        };
        let scope = match value(node, "scope") {
            Some("test") => Some(Scope::Excluded),
            _ if value(node, "optional") == Some("true") => Some(Scope::Optional),
            _ => None,
        };
        lock.packages.push(Package {
            scope,
            ..Package::named("maven", &format!("{group}/{artifact}"), Some(&version))?
        });
    }
    lock.hide("names direct dependencies alone: what they need in turn is not known".to_owned());
    if parent.is_some() {
        lock.gaps.push("has a parent, which may add dependencies".to_owned());
    }
    Ok(lock)
}

fn child<'a, 'd>(node: Node<'a, 'd>, name: &str) -> Option<Node<'a, 'd>> {
    node.children().find(|child| child.tag_name().name() == name)
}

fn value<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text().map(str::trim).filter(|text| !text.is_empty())
}

/// A text with its `${properties}` filled in; `None` where one is not set here.
fn resolved(text: &str, properties: &BTreeMap<String, String>) -> Option<String> {
    const LONGEST: usize = 4096;
    let mut text = text.to_owned();
    for _ in 0..MAX_STEPS {
        let Some((before, rest)) = text.split_once("${") else { return Some(text) };
        let (name, after) = rest.split_once('}')?;
        text = format!("{before}{}{after}", properties.get(name)?);
        if text.len() > LONGEST {
            return None;
        }
    }
    None
}

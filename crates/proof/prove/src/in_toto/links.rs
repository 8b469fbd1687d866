//! Whose links count for a step: those of different functionaries that the layout names, signed, of this step, agreeing.

use std::collections::BTreeMap;

use linkward_evidence::in_toto::{Content, Layout, Link, Signed, Step};
use linkward_model::{Code, Digest};

use super::rules::same;
use super::{Fault, MAX_DEPTH, Run, StepDone, Trusted, here};
use crate::scheme::{SchemeKey, short};

/// A functionary's word that counts.
struct Counted {
    key: SchemeKey,
    signed: Signed,
    /// Where the links of a layout within lie.
    folder: String,
}

/// Why a functionary's word does not count, the more telling first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    Signature,
    OtherStep,
    Malformed,
    Repeated,
    Key,
    Missing,
}

impl Lack {
    const fn code(self) -> Code {
        match self {
            Self::Signature => Code::LinkSignatureInvalid,
            Self::OtherStep => Code::LinkStepMismatch,
            Self::Malformed => Code::LinkMalformed,
            Self::Repeated => Code::LayoutThreshold,
            Self::Key => Code::KeyUnsupported,
            Self::Missing => Code::LayoutLinkMissing,
        }
    }
}

impl Run<'_> {
    /// The link of one step, once enough functionaries vouch for it.
    pub(super) fn step(
        &mut self,
        layout: &Layout,
        step: &Step,
        folder: &str,
        within: &str,
    ) -> Result<Link, Fault> {
        self.failed = "links";
        let mut counted: Vec<Counted> = Vec::new();
        let mut lacks: Vec<(Lack, String)> = Vec::new();
        for id in &step.functionaries {
            match self.functionary(layout, step, id, folder) {
                Ok(one) if counted.iter().any(|other| other.key.id() == one.key.id()) => {
                    let why = format!("{} is a key that counted already", short(id));
                    lacks.push((Lack::Repeated, why));
                }
                Ok(one) => counted.push(one),
                Err(lack) => lacks.push(lack),
            }
        }
        if counted.len() < step.threshold {
            lacks.sort_by_key(|(lack, _)| *lack);
            let code = lacks.first().map_or(Code::LayoutThreshold, |(lack, _)| lack.code());
            let whys: Vec<_> = lacks.iter().take(8).map(|(_, why)| why.as_str()).collect();
            let why = format!(
                "`{}`: {} of {} functionaries; {}",
                step.name,
                counted.len(),
                step.threshold,
                whys.join("; ")
            );
            return Err((code, here(within, &why)));
        }
        let functionaries: Vec<Digest> = counted.iter().map(|one| one.key.id()).collect();
        let names: Vec<_> = functionaries.iter().map(Digest::short).collect();
        let detail =
            format!("`{}`: {} of {}, by {}", step.name, counted.len(), step.threshold, names.join(", "));
        self.passed("links", here(within, &detail));

        let mut links = Vec::new();
        for one in counted {
            let link = match one.signed.content {
                Content::Link(link) => link,
                Content::Layout(_) => self.delegated(one, step, within)?,
            };
            links.push(link);
        }
        self.failed = "agreement";
        let mut all = links.into_iter();
        let Some(mut link) = all.next() else {
            // A layout's threshold is at least one.
            return Err((Code::LayoutThreshold, here(within, &format!("`{}` has no link", step.name))));
        };
        for other in all {
            let sides = [
                (&link.materials, &other.materials, "materials"),
                (&link.products, &other.products, "products"),
            ];
            for (one, two, side) in sides {
                if let Some(path) = difference(one, two) {
                    let why = format!("`{}`: not the same {side}: `{}`", step.name, path.escape_debug());
                    return Err((Code::LayoutLinksDisagree, here(within, &why)));
                }
            }
        }
        let command = if step.command.is_empty() || step.command == link.command {
            String::new()
        } else {
            // The specification makes this a warning: a functionary can call anything by any name.
            let ran = link.command.join(" ");
            format!("; the command is not the expected one: `{}`", ran.escape_debug())
        };
        self.passed(
            "agreement",
            here(within, &format!("`{}`: {} of one word{command}", step.name, names.len())),
        );
        let path = if within.is_empty() { step.name.clone() } else { format!("{within}/{}", step.name) };
        self.done.push(StepDone { name: path, functionaries, command: link.command.clone() });
        link.name.clone_from(&step.name);
        Ok(link)
    }

    fn functionary(
        &self,
        layout: &Layout,
        step: &Step,
        id: &str,
        folder: &str,
    ) -> Result<Counted, (Lack, String)> {
        let listed = layout.keys.iter().find(|key| key.id == id);
        let listed = listed.ok_or_else(|| (Lack::Key, format!("key {} is not in the layout", short(id))))?;
        let key = SchemeKey::of(listed).map_err(|why| (Lack::Key, why))?;
        let stem = format!("{folder}{}.{}", step.name, short(id));
        let path = format!("{stem}.link");
        let bytes = match self.question.links.read(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err((Lack::Missing, format!("no {path}"))),
            Err(why) => return Err((Lack::Missing, format!("{path}: {why}"))),
        };
        let signed = Signed::parse(&bytes).map_err(|fault| (Lack::Malformed, format!("{path}: {fault}")))?;
        let mut sigs = signed.signatures.iter().filter_map(|one| one.sig.as_deref());
        if !sigs.any(|sig| key.signed(&signed.message, sig)) {
            return Err((Lack::Signature, format!("{path} is not signed by {}", key.id().short())));
        }
        match &signed.content {
            Content::Link(link) if link.name != step.name => {
                Err((Lack::OtherStep, format!("{path} is of `{}`", link.name.escape_debug())))
            }
            _ => Ok(Counted { key, signed, folder: format!("{stem}/") }),
        }
    }

    /// A functionary may answer with a layout of its own, whose links lie in a folder below.
    fn delegated(&mut self, one: Counted, step: &Step, within: &str) -> Result<Link, Fault> {
        let inside = if within.is_empty() { step.name.clone() } else { format!("{within}/{}", step.name) };
        if inside.split('/').count() > MAX_DEPTH {
            return Err((Code::TooLarge, format!("layouts within layouts go deeper than {MAX_DEPTH}")));
        }
        let trusted = [Trusted::Listed(one.key)];
        // Parameters are the question's, not the functionary's: a layout within has none.
        let (summary, links, layout) =
            self.layout(one.signed, &trusted, &one.folder, &inside, &BTreeMap::new())?;
        self.inspections(&layout, links, &inside)?;
        Ok(summary)
    }
}

/// The first path that is not there on both sides with the same content.
fn difference<'a>(
    one: &'a linkward_evidence::in_toto::Artifacts,
    other: &'a linkward_evidence::in_toto::Artifacts,
) -> Option<&'a String> {
    let here = one.iter().find(|(path, digests)| {
        other.get(*path).is_none_or(|twin| *digests != twin && same(digests, twin) != Some(true))
    });
    here.map(|(path, _)| path).or_else(|| other.keys().find(|path| !one.contains_key(*path)))
}

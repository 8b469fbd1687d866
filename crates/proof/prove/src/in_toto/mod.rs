//! The proof of an in-toto layout: every step was done by whom the owner said, and what went from step to step is what
//! the owner allowed (specification 5.2).
//!
//! Beyond the reference implementation: a link must name its step, so that a true link of one step cannot stand for
//! another; functionaries count by key and not by id; whatever several functionaries say of one step must agree, also
//! where the threshold is one; an artifact whose functions do not identify content matches nothing.

mod glob;
mod links;
mod parameters;
mod rules;

use std::collections::BTreeMap;

use linkward_evidence::in_toto::{Artifacts, Content, Layout, Link, Side, Signed};
use linkward_model::{Check, Code, Digest, Identity, Instant};

use crate::key::PublicKey;
use crate::proven::{Proven, Refusal};
use crate::scheme::SchemeKey;

/// Deepest nesting of layouts in layouts.
const MAX_DEPTH: usize = 8;
/// Most steps of a layout with all the layouts within.
const MAX_STEPS: usize = 10_000;

/// The checks of a layout, in order; those behind a failed one are listed as skipped.
const ORDER: &[&str] = &[
    "layout-shape",
    "layout-signature",
    "layout-expiry",
    "parameters",
    "links",
    "agreement",
    "materials",
    "products",
    "artifact",
    "inspection",
];

/// Where links lie. Names are those of in-toto: `STEP.KEYID.link`, and `STEP.KEYID/` for those of a layout within.
pub trait Folder {
    /// `None` where there is no such file.
    ///
    /// # Errors
    /// It is there and cannot be read: a sentence.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String>;
}

/// Whether a step's rules let it start from these materials; how many of them no rule speaks of. Rules that match with
/// another step's link find none here.
///
/// # Errors
/// The rule that is not met.
pub fn expected_materials(
    step: &linkward_evidence::in_toto::Step,
    materials: Artifacts,
) -> Result<usize, (Code, String)> {
    let (name, command) = (step.name.clone(), step.command.clone());
    let own = Link { name, command, materials, products: Artifacts::new() };
    rules::apply(&step.materials, Side::Materials, &own, &BTreeMap::new())
}

/// Runs an inspection's command. It is the layout's owner who wrote it.
pub trait Inspector {
    /// # Errors
    /// It could not be started, or what it made cannot be read.
    fn run(&self, command: &[String]) -> Result<Inspected, String>;
}

/// What lay there before an inspection and after it.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    pub materials: Artifacts,
    pub products: Artifacts,
    /// Whether the command ended well.
    pub succeeded: bool,
}

/// What happens with commands that a layout wants to have run.
#[derive(Clone, Copy)]
pub enum Inspections<'a> {
    /// Nothing is decided where there are any.
    Undecided,
    /// They are listed as skipped, and the person who asked for that accepts it.
    Skipped,
    Run(&'a dyn Inspector),
}

impl std::fmt::Debug for Inspections<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Undecided => "Undecided",
            Self::Skipped => "Skipped",
            Self::Run(_) => "Run",
        })
    }
}

/// What is asked.
#[derive(Clone, Copy)]
pub struct LayoutQuestion<'a> {
    pub layout: &'a [u8],
    /// Every one must have signed the layout.
    pub keys: &'a [PublicKey],
    pub links: &'a dyn Folder,
    pub parameters: &'a BTreeMap<String, String>,
    pub inspections: Inspections<'a>,
    /// Digests of the one artifact that must be a product of the last step.
    pub artifact: &'a [Digest],
    pub now: Instant,
}

impl std::fmt::Debug for LayoutQuestion<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayoutQuestion")
            .field("keys", &self.keys)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// A supply chain that went as its layout demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupplyChain {
    pub(crate) steps: Vec<StepDone>,
    pub(crate) products: Artifacts,
    pub(crate) not_run: Vec<String>,
}

/// One step, and whose word it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepDone {
    /// With the steps that it is within: `vendor/build`.
    pub name: String,
    pub functionaries: Vec<Digest>,
    pub command: Vec<String>,
}

impl SupplyChain {
    pub fn steps(&self) -> &[StepDone] {
        &self.steps
    }

    /// The products of the last step, by path.
    pub fn products(&self) -> &Artifacts {
        &self.products
    }

    /// Inspections that nobody ran.
    pub fn not_run(&self) -> &[String] {
        &self.not_run
    }
}

type Fault = (Code, String);

/// Proves that an artifact came about as its layout demands.
///
/// # Errors
/// The first check that fails, with those before it.
pub fn layout(question: LayoutQuestion<'_>) -> Result<Proven<SupplyChain>, Box<Refusal>> {
    prove(question, false)
}

/// As [`layout`], whatever the products of the last step are; no artifact is asked for.
pub(crate) fn layout_of_any(question: LayoutQuestion<'_>) -> Result<Proven<SupplyChain>, Box<Refusal>> {
    prove(question, true)
}

fn prove(question: LayoutQuestion<'_>, any: bool) -> Result<Proven<SupplyChain>, Box<Refusal>> {
    let document = Digest::sha256(question.layout);
    let mut run = Run {
        question,
        any,
        checks: Vec::new(),
        done: Vec::new(),
        not_run: Vec::new(),
        failed: "layout-shape",
    };
    let trusted: Vec<Trusted> = question.keys.iter().cloned().map(Trusted::Given).collect();
    let ids: Vec<Digest> = question.keys.iter().map(PublicKey::id).collect();
    let outcome = run.whole(&trusted);
    let Run { mut checks, done, not_run, failed, .. } = run;
    match (outcome, ids.first()) {
        (Ok(summary), Some(first)) => Ok(Proven {
            claim: SupplyChain { steps: done, products: summary.products, not_run },
            checks,
            signer: Identity::Key { id: *first },
            proven_at: None,
            verified_at: question.now,
            roots: Digest::sha256(ids.iter().map(|id| format!("{id}\n")).collect::<String>().as_bytes()),
            root_documents: ids,
            document,
            key: None,
        }),
        (Ok(_), None) => unsigned(checks, document),
        (Err((code, message)), _) => {
            checks.push(Check::failed(failed, code, message.clone()));
            let rest: Vec<_> =
                ORDER.iter().filter(|name| checks.iter().all(|check| check.name != **name)).collect();
            checks.extend(rest.into_iter().map(|name| Check::skipped(name, format!("{failed} failed"))));
            let subjects = question.artifact.to_vec();
            Err(Box::new(Refusal { code, message, checks, document, subjects }))
        }
    }
}

/// Unreachable through [`Run::whole`], which refuses a question without keys; stated so that no proof can do without.
fn unsigned(checks: Vec<Check>, document: Digest) -> Result<Proven<SupplyChain>, Box<Refusal>> {
    let message = "no layout key was named".to_owned();
    Err(Box::new(Refusal { code: Code::IdentityMissing, message, checks, document, subjects: Vec::new() }))
}

/// A key that a layout must be signed with.
#[derive(Clone, Debug)]
enum Trusted {
    Given(PublicKey),
    /// A functionary's, as the layout above lists it.
    Listed(SchemeKey),
}

impl Trusted {
    fn signed(&self, message: &[u8], sig: &[u8]) -> bool {
        match self {
            Self::Given(key) => key.signed(message, sig),
            Self::Listed(key) => key.signed(message, sig),
        }
    }

    fn id(&self) -> Digest {
        match self {
            Self::Given(key) => key.id(),
            Self::Listed(key) => key.id(),
        }
    }
}

struct Run<'a> {
    question: LayoutQuestion<'a>,
    /// Whether no artifact is asked for.
    any: bool,
    checks: Vec<Check>,
    done: Vec<StepDone>,
    not_run: Vec<String>,
    /// The check that is being made.
    failed: &'static str,
}

impl Run<'_> {
    fn passed(&mut self, name: &'static str, detail: impl Into<String>) {
        self.checks.push(Check::passed(name, detail));
    }

    fn whole(&mut self, trusted: &[Trusted]) -> Result<Link, Fault> {
        let signed = Signed::parse(self.question.layout)
            .map_err(|fault| (Code::LayoutMalformed, fault.to_string()))?;
        let (summary, links, layout) = self.layout(signed, trusted, "", "", self.question.parameters)?;
        self.failed = "artifact";
        let mine = |digests| {
            let strong = linkward_evidence::in_toto::link::strong(digests);
            strong.iter().any(|digest| self.question.artifact.contains(digest))
        };
        if self.any {
            let what = format!("all {} products of the last step", summary.products.len());
            self.passed("artifact", what);
            self.inspections(&layout, links, "")?;
            return Ok(summary);
        }
        let Some((path, _)) = summary.products.iter().find(|(_, digests)| mine(digests)) else {
            let why = format!("it is not among the {} products of the last step", summary.products.len());
            return Err((Code::SubjectMissing, why));
        };
        self.passed("artifact", format!("product `{}` of the last step", path.escape_debug()));
        self.inspections(&layout, links, "")?;
        Ok(summary)
    }

    /// One layout with its steps: what it amounts to as a link, the links of its steps, and the layout itself.
    ///
    /// `folder` is where its links lie; `within` names the steps above.
    fn layout(
        &mut self,
        signed: Signed,
        trusted: &[Trusted],
        folder: &str,
        within: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<(Link, BTreeMap<String, Link>, Layout), Fault> {
        self.failed = "layout-shape";
        let Content::Layout(mut layout) = signed.content else {
            return Err((Code::LayoutMalformed, "it is a link, not a layout".to_owned()));
        };
        if self.done.len().saturating_add(layout.steps.len()) > MAX_STEPS {
            return Err((Code::TooLarge, format!("more than {MAX_STEPS} steps, counting layouts within")));
        }
        let counts = format!("{} steps, {} inspections", layout.steps.len(), layout.inspections.len());
        self.passed("layout-shape", here(within, &counts));

        self.failed = "layout-signature";
        if trusted.is_empty() {
            return Err((Code::IdentityMissing, "no layout key was named".to_owned()));
        }
        for key in trusted {
            let sigs = signed.signatures.iter().filter_map(|one| one.sig.as_deref());
            if !sigs.into_iter().any(|sig| key.signed(&signed.message, sig)) {
                let why = format!("no signature on it is by key {}", key.id().short());
                return Err((Code::LayoutSignatureInvalid, here(within, &why)));
            }
        }
        let names: Vec<_> = trusted.iter().map(|key| key.id().short()).collect();
        self.passed("layout-signature", here(within, &format!("by {}", names.join(", "))));

        self.failed = "layout-expiry";
        if layout.expires <= self.question.now {
            let why = format!("it expired at {}, and now is {}", layout.expires, self.question.now);
            return Err((Code::LayoutExpired, here(within, &why)));
        }
        self.passed("layout-expiry", here(within, &format!("until {}", layout.expires)));

        self.failed = "parameters";
        parameters::substitute(&mut layout, parameters)?;
        self.passed("parameters", here(within, &format!("{} given", parameters.len())));

        let mut links = BTreeMap::new();
        for step in &layout.steps {
            let link = self.step(&layout, step, folder, within)?;
            links.insert(step.name.clone(), link);
        }
        for step in &layout.steps {
            let Some(own) = links.get(&step.name) else { continue };
            for (side, rules) in [(Side::Materials, &step.materials), (Side::Products, &step.products)] {
                self.rules(side, rules, own, &links, within)?;
            }
        }
        let first = layout.steps.first().and_then(|step| links.get(&step.name));
        let last = layout.steps.last().and_then(|step| links.get(&step.name));
        let summary = Link {
            name: String::new(),
            command: last.map(|link| link.command.clone()).unwrap_or_default(),
            materials: first.map(|link| link.materials.clone()).unwrap_or_default(),
            products: last.map(|link| link.products.clone()).unwrap_or_default(),
        };
        Ok((summary, links, layout))
    }

    fn rules(
        &mut self,
        side: Side,
        rules: &[linkward_evidence::in_toto::Rule],
        own: &Link,
        links: &BTreeMap<String, Link>,
        within: &str,
    ) -> Result<(), Fault> {
        self.failed = side.as_str();
        let left = rules::apply(rules, side, own, links).map_err(|(code, why)| (code, here(within, &why)))?;
        let detail = match (rules.len(), left) {
            (_, 0) => format!("`{}`: every artifact is accounted for by {} rules", own.name, rules.len()),
            (count, left) => {
                format!("`{}`: {count} rules hold; {left} artifacts are under none of them", own.name)
            }
        };
        self.passed(side.as_str(), here(within, &detail));
        Ok(())
    }

    /// Last of all, so that nothing is run for a supply chain that fails anyway.
    fn inspections(
        &mut self,
        layout: &Layout,
        mut links: BTreeMap<String, Link>,
        within: &str,
    ) -> Result<(), Fault> {
        self.failed = "inspection";
        if layout.inspections.is_empty() {
            self.passed("inspection", here(within, "the layout demands none"));
            return Ok(());
        }
        let name = |name: &str| here(within, &format!("`{name}`"));
        let inspector = match self.question.inspections {
            Inspections::Run(inspector) => inspector,
            Inspections::Skipped => {
                for inspection in &layout.inspections {
                    let why = format!("{}: not run, as asked", name(&inspection.name));
                    self.checks.push(Check::skipped("inspection", why));
                    self.not_run.push(inspection.name.clone());
                }
                return Ok(());
            }
            Inspections::Undecided => {
                let shown = layout.inspections.iter().take(8).map(|inspection| {
                    format!("`{}` ({})", inspection.name, inspection.run.join(" ").escape_debug())
                });
                let listed: Vec<_> = shown.collect();
                return Err((
                    Code::InspectionNotRun,
                    here(within, &format!("not run: {}", listed.join(", "))),
                ));
            }
        };
        for inspection in &layout.inspections {
            let failed = |why: String| (Code::InspectionFailed, format!("{}: {why}", name(&inspection.name)));
            let Inspected { materials, products, succeeded } =
                inspector.run(&inspection.run).map_err(failed)?;
            if !succeeded {
                return Err(failed("its command failed".to_owned()));
            }
            let (own, command) = (inspection.name.clone(), inspection.run.clone());
            links.insert(own.clone(), Link { name: own, command, materials, products });
        }
        for inspection in &layout.inspections {
            let Some(own) = links.get(&inspection.name) else { continue };
            for (side, rules) in
                [(Side::Materials, &inspection.materials), (Side::Products, &inspection.products)]
            {
                rules::apply(rules, side, own, &links).map_err(|(code, why)| (code, here(within, &why)))?;
            }
            self.passed("inspection", format!("{}: ran, and its rules hold", name(&inspection.name)));
        }
        Ok(())
    }
}

/// A sentence with the steps that it is about.
fn here(within: &str, what: &str) -> String {
    if within.is_empty() { what.to_owned() } else { format!("within {within}: {what}") }
}

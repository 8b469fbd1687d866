//! Exploitability statements (VEX): OpenVEX, CSAF VEX and CycloneDX VEX as one claim.
//!
//! A statement speaks of a vulnerability *in a component of a product*. Taking one by its CVE alone would let a true
//! statement about somebody else's product silence a finding in ours.

pub mod csaf;
pub mod cyclonedx;
pub mod openvex;

use linkward_model::{Digest, Instant, Purl};

use crate::Fault;
use crate::statement::Statement;

/// Most statements of one document.
pub(crate) const MAX_STATEMENTS: usize = 100_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vex {
    /// Format and version as the document says.
    pub spec: String,
    pub id: String,
    pub author: Option<String>,
    pub issued: Option<Instant>,
    pub statements: Vec<Exploitability>,
}

/// One statement. Nothing but [`Vex::about`] should ask what it applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exploitability {
    /// The vulnerability's id and its aliases.
    pub vulnerabilities: Vec<String>,
    /// Products; with none it applies to nothing.
    pub products: Vec<Product>,
    pub status: Status,
    pub justification: Option<String>,
    pub impact: Option<String>,
    pub action: Option<String>,
    pub at: Option<Instant>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    pub itself: Named,
    /// The components that the statement is about; all of the product's where there are none.
    pub components: Vec<Named>,
}

/// How a statement names something. What it names in no way that can be compared, it does not name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub purl: Option<Purl>,
    pub digests: Vec<Digest>,
    /// The versions that are meant, where the document lists them.
    pub versions: Option<Vec<String>>,
}

/// What a statement is held against.
#[derive(Clone, Debug, Default)]
pub struct Thing<'a> {
    pub purl: Option<&'a Purl>,
    pub digests: &'a [Digest],
}

/// Ordered by how much it forbids: where two statements of one time disagree, the later in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    NotAffected,
    Fixed,
    UnderInvestigation,
    Affected,
}

impl Vex {
    /// The VEX in a statement; `None` where the predicate is something else.
    ///
    /// # Errors
    /// The predicate says that it is VEX but is not.
    pub fn from_statement(statement: &Statement) -> Result<Option<Self>, Fault> {
        if statement.predicate_type.starts_with("https://openvex.dev/ns") {
            return openvex::read(&statement.predicate).map(Some);
        }
        if statement.predicate_type == "https://cyclonedx.org/bom" {
            return cyclonedx::read(&statement.predicate);
        }
        Ok(None)
    }

    /// The statement that counts for a vulnerability in a component of a product: the newest that applies.
    pub fn about(
        &self,
        vulnerability: &str,
        product: &Thing<'_>,
        component: &Thing<'_>,
    ) -> Option<&Exploitability> {
        let applying =
            self.statements.iter().filter(|statement| statement.applies(vulnerability, product, component));
        applying.max_by_key(|statement| (statement.at.or(self.issued), statement.status))
    }
}

impl Exploitability {
    fn applies(&self, vulnerability: &str, product: &Thing<'_>, component: &Thing<'_>) -> bool {
        let named = self.vulnerabilities.iter().any(|known| known.eq_ignore_ascii_case(vulnerability));
        named
            && self.products.iter().any(|known| {
                if known.components.is_empty() {
                    // The component's own maker speaks of it as a product.
                    known.itself.names(product) || known.itself.names(component)
                } else {
                    known.itself.names(product) && known.components.iter().any(|known| known.names(component))
                }
            })
    }
}

impl Named {
    /// Every way of naming that both sides have must agree, and there must be one.
    fn names(&self, thing: &Thing<'_>) -> bool {
        let digest = self.digests.iter().any(|digest| thing.digests.contains(digest));
        let comparable =
            |one: &Digest| thing.digests.iter().any(|other| other.algorithm() == one.algorithm());
        if self.digests.iter().any(comparable) && !digest {
            return false;
        }
        if let (Some(versions), Some(purl)) = (&self.versions, thing.purl)
            && !purl.version().is_some_and(|version| versions.iter().any(|known| known == version))
        {
            return false;
        }
        match (&self.purl, thing.purl) {
            (Some(known), Some(purl)) => covers(known, purl),
            _ => digest,
        }
    }
}

/// A purl without a version means every version; qualifiers that it names must be the same.
fn covers(known: &Purl, purl: &Purl) -> bool {
    known.kind() == purl.kind()
        && known.namespace() == purl.namespace()
        && known.name() == purl.name()
        && (known.version().is_none() || known.version() == purl.version())
        && (known.subpath().is_none() || known.subpath() == purl.subpath())
        && known.qualifiers().iter().all(|(key, value)| purl.qualifiers().get(key) == Some(value))
}

//! Simple signing payloads (containers/image, containers-signature.5; cosign, SIGNATURE_SPEC.md): which image was signed.

use linkward_model::Digest;

use crate::Fault;
use crate::field::Field;
use crate::statement::Subject;

const COSIGN: &str = "cosign container image signature";

/// The image that a payload names.
///
/// # Errors
/// Not a payload of cosign's: of another type it would promise other things.
pub fn subject(payload: &[u8]) -> Result<Subject, Fault> {
    let document = crate::json(payload)?;
    let critical = Field::root(&document).required("critical")?;
    let kind = critical.required("type")?;
    if kind.text()? != COSIGN {
        return Err(kind.fault(format!("must be `{COSIGN}`")));
    }
    let digest = critical.required("image")?.required("docker-manifest-digest")?;
    let parsed: Digest =
        digest.text()?.parse().map_err(|error| digest.fault(format!("is not a digest: {error}")))?;
    let name = critical.optional("identity").map(|identity| identity.optional_text("docker-reference"));
    let name = name.transpose()?.flatten().unwrap_or("");
    Ok(Subject { name: name.to_owned(), digests: vec![parsed] })
}

//! A signature's own chain (signature-specification.md, "Certificate Requirements"): in order, whole, and made for code.

use linkward_model::{Code, Instant};

use crate::certificate::Certificate;

/// Every certificate fit for its place, valid at the time, and issued by the next; the last by itself.
pub(super) fn holds(certificates: &[Certificate], time: Instant) -> Result<(), (Code, String)> {
    let untrusted =
        |what: &str, place: usize| (Code::CertificateUntrusted, format!("certificate {place}: {what}"));
    for (place, certificate) in certificates.iter().enumerate() {
        let number = place.saturating_add(1);
        let usage = |what: &str| (Code::CertificateUsage, format!("certificate {number}: {what}"));
        if !certificate.valid_at(time) {
            let (from, to) = (certificate.not_before, certificate.not_after);
            return Err((
                Code::CertificateExpired,
                format!("certificate {number} holds from {from} to {to}, not at {time}"),
            ));
        }
        match place.checked_sub(1) {
            None => certificate.signs_code().map_err(usage)?,
            Some(below) if !certificate.issues_code(below as u64) => {
                return Err(usage("it may not issue certificates for signing code at this place"));
            }
            Some(_) => {}
        }
        match certificates.get(number) {
            Some(next) if certificate.is_self_issued() && certificate.issued(certificate) => {
                let _ = next;
                return Err(untrusted("it issued itself, and stands below another", number));
            }
            Some(next) if !next.issued(certificate) => {
                return Err(untrusted("it was not issued by the next one", number));
            }
            None if !(certificate.is_self_issued() && certificate.issued(certificate)) => {
                return Err(untrusted(
                    "the last one must have issued itself: the chain is not whole",
                    number,
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

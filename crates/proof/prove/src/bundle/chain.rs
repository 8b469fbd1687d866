//! The certificate: its chain at every proven time, its usage, and the log that saw it.

use linkward_model::{Code, Instant};

use super::{Fault, Run};
use crate::certificate::{CODE_SIGNING, Certificate, PathError, path};
use crate::roots::AuthorityRoot;
use crate::sct;

impl Run<'_> {
    /// The chain must hold at every time that was proven: an attacker could add a timestamp, not remove one.
    pub(super) fn certificate(
        &mut self,
        leaf: &Certificate,
        between: &[Certificate],
        times: &[Instant],
    ) -> Result<(), Fault> {
        let mut issuer = None;
        let mut expired = None;
        // The authority whose chain names the leaf's issuer first: the others would only cost signatures.
        let names = |authority: &&AuthorityRoot| authority.chain.iter().any(|one| one.may_have_issued(leaf));
        let (likely, others): (Vec<_>, Vec<_>) = self.instance.authorities.iter().partition(names);
        for authority in likely.into_iter().chain(others) {
            match path(leaf, between, authority, CODE_SIGNING, times) {
                Ok(by) => {
                    issuer = Some(by);
                    break;
                }
                Err(PathError::Expired) => {
                    let outside = times.iter().find(|time| !leaf.valid_at(**time));
                    expired = outside.or(times.iter().min()).copied();
                }
                Err(PathError::Untrusted) => {}
            }
        }
        let issuer = match (issuer, expired) {
            (Some(issuer), _) => issuer,
            (None, Some(time)) => {
                let what = format!(
                    "signed at {time}, but the certificate is valid from {} to {}, or its authority not then",
                    leaf.not_before, leaf.not_after
                );
                return Err((Code::CertificateExpired, what));
            }
            (None, None) => {
                let what = "no trusted authority issued the signing certificate".to_owned();
                return Err((Code::CertificateUntrusted, what));
            }
        };
        self.passed(format!("valid from {} to {}", leaf.not_before, leaf.not_after));
        leaf.signs_for(CODE_SIGNING).map_err(|why| {
            (Code::CertificateUsage, format!("the certificate is not for code signing: {why}"))
        })?;
        self.passed("code signing");
        if self.instance.certificate_logs.is_empty() {
            self.skipped("the trust root names no certificate log");
            return Ok(());
        }
        match sct::embedded(leaf, issuer, &self.instance.certificate_logs) {
            Ok(host) => self.passed(format!("by {host}")),
            Err(sct::SctError::Missing) => {
                return Err((Code::SctMissing, "the certificate carries no signed timestamp".to_owned()));
            }
            Err(sct::SctError::Invalid) => {
                return Err((
                    Code::SctInvalid,
                    "no signed timestamp in the certificate is by a trusted log".to_owned(),
                ));
            }
        }
        Ok(())
    }
}

//! A role's keys, and whether enough of them signed.

use std::collections::BTreeSet;

use linkward_evidence::metadata::KeyedSignature;
use linkward_evidence::tuf::{Role, Root};
use linkward_model::{Code, Digest};

use crate::scheme::SchemeKey;

pub(super) struct Keys {
    role: Role,
    threshold: usize,
    keys: Vec<(String, SchemeKey)>,
    /// Why others were left out.
    unusable: Vec<String>,
}

impl Keys {
    pub(super) fn of(root: &Root, role: Role) -> Result<Self, (Code, String)> {
        let listed = root.roles.get(&role);
        let listed = listed.ok_or_else(|| {
            (Code::TrustMetadataMalformed, format!("the root has no role {}", role.as_str()))
        })?;
        let mut found = Self { role, threshold: listed.threshold, keys: Vec::new(), unusable: Vec::new() };
        for id in &listed.key_ids {
            let Some(key) = root.keys.iter().find(|key| key.id == *id) else { continue };
            match SchemeKey::of(key) {
                Ok(key) => found.keys.push((id.clone(), key)),
                Err(why) => found.unusable.push(why),
            }
        }
        Ok(found)
    }

    /// Which keys signed, each once: two ids of one key, or two signatures by one, count once.
    fn signers(&self, message: &[u8], signatures: &[KeyedSignature]) -> BTreeSet<Digest> {
        let mut found = BTreeSet::new();
        for (id, key) in &self.keys {
            let mut sigs =
                signatures.iter().filter(|one| one.key_id == *id).filter_map(|one| one.sig.as_deref());
            if sigs.any(|sig| key.signed(message, sig)) {
                found.insert(key.id());
            }
        }
        found
    }

    /// # Errors
    /// Fewer different keys than the threshold signed.
    pub(super) fn met(
        &self,
        message: &[u8],
        signatures: &[KeyedSignature],
        by: &str,
    ) -> Result<BTreeSet<Digest>, (Code, String)> {
        let signers = self.signers(message, signatures);
        if signers.len() >= self.threshold {
            return Ok(signers);
        }
        let unusable = self.unusable.first().map(|why| format!("; {why}")).unwrap_or_default();
        let why = format!(
            "{} of {} keys of role {} signed, as {by} demands{unusable}",
            signers.len(),
            self.threshold,
            self.role.as_str()
        );
        Err((Code::TrustMetadataSignatures, why))
    }

    /// Whether both let the same keys speak.
    pub(super) fn same(&self, other: &Self) -> bool {
        let ids = |keys: &Self| keys.keys.iter().map(|(_, key)| key.id()).collect::<BTreeSet<_>>();
        self.threshold == other.threshold && ids(self) == ids(other)
    }
}

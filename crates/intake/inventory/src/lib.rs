//! Lockfiles to components to a deterministic SBOM.

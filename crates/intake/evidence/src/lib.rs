//! Evidence formats: DSSE, in-toto, SLSA, Sigstore bundles, CycloneDX, SPDX; never fetches.

//! Signatures, certificates, log proofs, timestamps: claims become Proven.

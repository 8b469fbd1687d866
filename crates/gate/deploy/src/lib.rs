//! Kubernetes admission from recorded verdicts.

//! Logs, blobs, the rebuildable index, and state.

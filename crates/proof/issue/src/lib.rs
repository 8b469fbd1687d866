//! The signing side: keys, the signer process, the build-step recorder.

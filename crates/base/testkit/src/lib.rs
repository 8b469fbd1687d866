//! For tests: fixtures, keys, vectors, a scratch folder.

//! Brings bytes in and says where they came from; never parses evidence.

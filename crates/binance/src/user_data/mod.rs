//! Events of the private streams.

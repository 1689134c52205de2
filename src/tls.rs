//! Connections that this machine lets in: their bytes, by TCP or by TLS, and who it says it is.

pub mod certificate;
pub mod wire;

//! Who this machine says it is: the venue's certificate, for RTMPS and RTSPS. Read whenever a door
//! is opened, on the door's own thread; and by a check of the venue file.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::venue::Tls;

/// Reads the certificate and its key. The error says which file is at fault, and why.
pub fn load(tls: &Tls) -> Result<Arc<ServerConfig>, String> {
    let (certificate, key) = (&tls.certificate, &tls.private_key);
    let bad_chain = |error| {
        let file = certificate.display();
        format!("this machine's certificate {file} is no good: {error}")
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad_chain(error.to_string()))?;
    if chain.is_empty() {
        return Err(bad_chain("there is none in it".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        format!(
            "the key {} of this machine's certificate is no good: {error}",
            key.display()
        )
    })?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| bad_chain(error.to_string()))?;
    Ok(Arc::new(config))
}

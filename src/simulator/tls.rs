//! The certificate of a simulator that serves TLS.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

/// A certificate of its own for loopback, made anew at every start.
pub(crate) struct Certificate {
    /// In PEM; it is its own authority.
    pub(crate) pem: String,
    pub(crate) acceptor: TlsAcceptor,
}

impl Certificate {
    /// Offers HTTP/2 and HTTP/1.1, as an API server does.
    pub(crate) fn make(host: String) -> Result<Self, String> {
        let failed = |error: &dyn std::error::Error| format!("no certificate can be made: {error}");
        let made = rcgen::generate_simple_self_signed(vec![host, "localhost".to_owned()])
            .map_err(|error| failed(&error))?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .map_err(|error| failed(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { pem: made.cert.pem(), acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// As a kubeconfig holds it.
    pub(crate) fn base64(pem: &str) -> String {
        STANDARD.encode(pem)
    }
}

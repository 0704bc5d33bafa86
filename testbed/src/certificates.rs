//! Certificates for a server on loopback: an authority that nobody knows, and a server certificate signed by
//! it.
//!
//! `redis-test` would make them with `openssl`, which takes seconds (large RSA keys) and a program that may not
//! be installed.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use redis_test::utils::TlsFilePaths;

/// Writes a key, a certificate for 127.0.0.1 and the authority's certificate into a folder.
pub(crate) fn write_to(folder: &Path) -> TlsFilePaths {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();

    let write = |name: &str, pem: String| {
        let path = folder.join(name);
        fs::write(&path, pem).unwrap();
        path
    };
    TlsFilePaths {
        redis_crt: write("redis.crt", certificate.pem()),
        redis_key: write("redis.key", key.serialize_pem()),
        ca_crt: write("ca.crt", root.pem()),
    }
}

//! A server whose certificate comes from an authority that only its company knows.

use std::sync::Arc;

use agentexec_agent_core::model::ModelErrorKind;
use agentexec_runner_http::{RetryPolicy, Transport};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::support::{ask, json_of};

/// What a server on loopback needs to speak TLS, and the authority's certificate as PEM. The server speaks the first of
/// these protocols that the client does too.
pub(crate) fn acceptor(protocols: &[&[u8]]) -> (TlsAcceptor, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), root)
}

/// Serves `{}` over TLS. Returns the address, and the authority's certificate as PEM.
async fn serve() -> (String, String) {
    let (acceptor, root) = acceptor(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (address, root)
}

#[tokio::test]
async fn an_unknown_authority_is_refused_until_it_is_trusted() {
    let (address, root) = serve().await;
    let builder = || Transport::builder(format!("https://{address}")).retry(RetryPolicy::none());

    let error = ask(&builder().build().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ModelErrorKind::Unreachable);
    let message = error.to_string();
    assert!(message.contains(&format!("no connection to {address}: TLS failed: ")), "{message}");
    assert!(message.contains("certificate") && !message.contains("local server"), "{message}");

    let reply = ask(&builder().root_certificate_pem(root).build().unwrap()).await.unwrap();
    assert_eq!(json_of(reply).bytes(), b"{}");
}

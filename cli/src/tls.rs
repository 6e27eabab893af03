//! A connection whose other end shows a certificate: TLS 1.2 and 1.3 as a client, for handing anchors to a witness. The
//! certificate must be for the name that was asked for, of now, and of somebody who is trusted: whom the machine trusts, or
//! whom one file names and nobody else.

use crate::failure::shown;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, RootCertStore,
    StreamOwned,
};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

/// Bytes of a file of certificates at most: what machines have is a fifth of a megabyte.
const MOST_CERTIFICATES: u64 = 4 << 20;

/// What is wrong, and what to do.
pub type Trouble = (String, &'static str);

/// One end of connections that are not open yet.
pub struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Client {
    /// For a witness of this name or address. Nothing is sent.
    ///
    /// # Errors
    /// When the name cannot stand in a certificate, or nobody is trusted.
    pub fn new(host: &str, authorities: Option<&Path>) -> Result<Client, Trouble> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            (
                "no certificate can be for a host of this name".to_owned(),
                "write the name or the address that is in the witness's certificate",
            )
        })?;
        let roots = match authorities {
            Some(file) => named(file)?,
            None => of_machine()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let unusable =
            |error: Error| (error.to_string(), "hand the anchor over by another program");
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        Ok(Client { config, name })
    }

    /// Speaks over this stream.
    ///
    /// # Errors
    /// When there is no connection to be had of what was set up, which [`trouble`] explains.
    pub fn over<T: Read + Write>(&self, stream: T) -> io::Result<StreamOwned<ClientConnection, T>> {
        let client = ClientConnection::new(self.config.clone(), self.name.clone());
        let client = client.map_err(io::Error::other)?;
        Ok(StreamOwned::new(client, stream))
    }
}

/// Those whom the machine trusts: `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set, else where distributions keep them.
fn of_machine() -> Result<RootCertStore, Trouble> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err((
            "this machine trusts nobody: it has no certificates of authorities".to_owned(),
            "install ca-certificates, or give the authority of the witness with --ca FILE",
        ));
    }
    Ok(roots)
}

fn named(file: &Path) -> Result<RootCertStore, Trouble> {
    const REMEDY: &str =
        "give a file with certificates in PEM (-----BEGIN CERTIFICATE-----) with --ca FILE";
    let failed = |why: &dyn std::fmt::Display| (format!("{}: {why}", shown(file)), REMEDY);
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| failed(&error))?;
    let read = opened.take(MOST_CERTIFICATES + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| failed(&error))?;
    if read as u64 > MOST_CERTIFICATES {
        return Err(failed(&"more than 4 MiB are no file of certificates"));
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error: pem::Error| failed(&error))?;
        let added = roots.add(certificate);
        added.map_err(|error| failed(&format!("no certificate of an authority: {error}")))?;
    }
    if roots.is_empty() {
        return Err(failed(&"there is no certificate in it"));
    }
    Ok(roots)
}

/// What went wrong between the two ends, where it was not the connection itself.
pub fn trouble(error: &io::Error) -> Option<(&'static str, &'static str)> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => (
            "it does not speak TLS",
            "see whether the port is that of the witness; where it takes no TLS, write http://",
        ),
        Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
        ) => (
            "it wants a certificate of its client, and there is none",
            "hand the anchor over by a program that has one: afterimage anchor FILE | curl --cert …",
        ),
        Error::AlertReceived(_) | Error::PeerIncompatible(_) => (
            "the two ends have no version or cipher of TLS in common",
            "the witness must speak TLS 1.2 or 1.3",
        ),
        _ => (
            "it breaks the rules of TLS",
            "see what the witness says of it, then hand the anchor over again",
        ),
    })
}

fn certificate(error: &CertificateError) -> (&'static str, &'static str) {
    use CertificateError as E;
    match error {
        E::NotValidForName | E::NotValidForNameContext { .. } => (
            "its certificate is for another name",
            "write the name that the certificate is for; if it is the right one, somebody else answers there",
        ),
        E::Expired | E::ExpiredContext { .. } => (
            "its certificate has expired",
            "the witness needs a new one; see also whether the clock of this machine is right",
        ),
        E::NotValidYet | E::NotValidYetContext { .. } => (
            "its certificate is not valid yet",
            "see whether the clock of this machine is right",
        ),
        E::UnknownIssuer => (
            "its certificate comes from nobody who is trusted here",
            "give the certificate of the witness's authority with --ca FILE",
        ),
        E::Revoked => (
            "its certificate was revoked",
            "do not trust it: ask those who run the witness",
        ),
        _ => (
            "its certificate cannot be believed",
            "ask those who run the witness; openssl s_client -connect HOST:PORT shows what it sends",
        ),
    }
}

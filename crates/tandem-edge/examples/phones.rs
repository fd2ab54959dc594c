//! A crowd of phones on TLS: all connect at once, are served (a double CRLF is answered), and stay until told. It measures the client's side.
//!
//! `phones ADDRESS COUNT`, then lines on standard input: `again` drops all connections and makes them anew (with the tickets that were
//! given), `end` ends. One JSON object a round. A phone that waits too long or is refused tries again, as phones do.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::Resumption;
use rustls::crypto::{ring, verify_tls12_signature, verify_tls13_signature, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme};
use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tandem_sys::epoll::{Epoll, Interest};
use tandem_sys::socket;

/// After which a phone gives a connection up and tries again.
const PATIENCE: Duration = Duration::from_secs(10);

struct Phone {
    stream: TcpStream,
    session: ClientConnection,
    tried: Instant,
    asked: bool,
    served: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (at, count): (SocketAddr, usize) = (arguments[1].parse().unwrap(), arguments[2].parse().unwrap());
    let _ = socket::raise_descriptor_limit();
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let anyone = Arc::new(Anyone(provider));
    let mut config = builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(count * 16);
    let config = Arc::new(config);
    let mut lines = std::io::stdin().lock().lines();
    loop {
        let mut round = Round::new(at, count, &config);
        round.run(&config);
        loop {
            match lines.next().and_then(Result::ok).as_deref() {
                Some("again") => break,
                Some(_) => {}
                None => return,
            }
        }
    }
}

struct Round {
    at: SocketAddr,
    epoll: Epoll,
    phones: Vec<Option<Phone>>,
    begin: Instant,
    latencies: Vec<Duration>,
    resumed: usize,
    retries: usize,
}

impl Round {
    fn new(at: SocketAddr, count: usize, config: &Arc<ClientConfig>) -> Round {
        let phones = (0..count).map(|_| None).collect();
        let (epoll, begin) = (Epoll::new().unwrap(), Instant::now());
        let mut round = Round { at, epoll, phones, begin, latencies: Vec::new(), resumed: 0, retries: 0 };
        (0..count).for_each(|number| round.dial(number, config));
        round
    }

    fn dial(&mut self, number: usize, config: &Arc<ClientConfig>) {
        // A name each, so that each has a ticket of its own.
        let name = ServerName::try_from(format!("p{number}.phone.example")).unwrap();
        let session = ClientConnection::new(config.clone(), name).unwrap();
        let stream = TcpStream::from(socket::connect(self.at, None).unwrap());
        self.epoll.add(stream.as_raw_fd(), number as u64, Interest { read: true, write: true }).unwrap();
        self.phones[number] = Some(Phone { stream, session, tried: Instant::now(), asked: false, served: false });
    }

    fn run(&mut self, config: &Arc<ClientConfig>) {
        let mut ready = Vec::new();
        while self.latencies.len() < self.phones.len() {
            self.epoll.wait(200, &mut ready).unwrap();
            for event in ready.drain(..) {
                let number = event.token as usize;
                if !self.turn(number) {
                    self.retries += 1;
                    self.dial(number, config);
                }
            }
            for number in 0..self.phones.len() {
                if self.phones[number].as_ref().is_some_and(|phone| !phone.served && phone.tried.elapsed() > PATIENCE) {
                    self.retries += 1;
                    self.dial(number, config);
                }
            }
        }
        self.latencies.sort();
        let milliseconds = |share: f64| self.latencies[((self.latencies.len() - 1) as f64 * share) as usize].as_millis();
        println!(
            r#"{{"phones": {}, "resumed": {}, "retries": {}, "seconds": {:.3}, "p50_ms": {}, "p99_ms": {}}}"#,
            self.phones.len(),
            self.resumed,
            self.retries,
            self.begin.elapsed().as_secs_f64(),
            milliseconds(0.5),
            milliseconds(0.99)
        );
    }

    /// False: the connection is gone.
    fn turn(&mut self, number: usize) -> bool {
        let Some(phone) = &mut self.phones[number] else { return true };
        if phone.served {
            return true;
        }
        let mut room = [0; 16 * 1024];
        match phone.stream.read(&mut room) {
            Ok(0) => return false,
            Ok(count) => {
                let mut bytes = &room[..count];
                while !bytes.is_empty() {
                    if phone.session.read_tls(&mut bytes).is_err() || phone.session.process_new_packets().is_err() {
                        return false;
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        if !phone.session.is_handshaking() && !phone.asked {
            phone.asked = true;
            phone.session.writer().write_all(b"\r\n\r\n").unwrap();
        }
        let mut answer = [0; 2];
        if phone.asked && phone.session.reader().read(&mut answer).is_ok_and(|count| count > 0) {
            phone.served = true;
            self.resumed += usize::from(phone.session.handshake_kind() == Some(HandshakeKind::Resumed));
            self.latencies.push(self.begin.elapsed());
        }
        let mut out = Vec::new();
        while phone.session.wants_write() {
            phone.session.write_tls(&mut out).unwrap();
        }
        if !out.is_empty() && phone.stream.write_all(&out).is_err() {
            return phone.served;
        }
        if phone.asked || !out.is_empty() {
            let _ = self.epoll.modify(phone.stream.as_raw_fd(), number as u64, Interest { read: true, write: false });
        }
        true
    }
}

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

//! What TLS an edge speaks: versions, suites, certificates by name, and sessions that are resumed at another edge or after a death.

mod common;

use common::authority::Authority;
use common::{open_policy, write, Place, Running, PATIENCE};
use rustls::client::Resumption;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, StreamOwned, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

fn phone(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = builder.with_root_certificates(authority.roots()).with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

/// Opens a connection, pings over it and closes it: how it was opened, and what was spoken.
fn visit(config: &Arc<ClientConfig>, at: SocketAddr, name: &'static str) -> std::io::Result<(HandshakeKind, ProtocolVersion, Vec<u8>)> {
    let connection = ClientConnection::new(config.clone(), name.try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(b"\r\n\r\n")?;
    let mut room = [0; 2];
    stream.read_exact(&mut room)?;
    let shown = stream.conn.peer_certificates().map(|chain| chain[0].to_vec()).unwrap_or_default();
    Ok((stream.conn.handshake_kind().unwrap(), stream.conn.protocol_version().unwrap(), shown))
}

#[test]
fn a_session_is_resumed_at_any_edge_with_the_same_keys_and_after_a_death() {
    let place = Place::new();
    let authority = Authority::new();
    let config = authority.config(&place, "");
    let mut first = Running::start(&place, &open_policy(""), &["tls"], &config);
    let second = Running::start(&place, &open_policy(""), &["tls"], &config);
    for versions in [TLS12, TLS13] {
        let phone = phone(&authority, versions);
        let kind = |at| visit(&phone, at, "edge.example").unwrap().0;
        assert_eq!(HandshakeKind::Full, kind(first.locals[0]));
        assert_eq!(HandshakeKind::Resumed, kind(second.locals[0]));
        assert_eq!(HandshakeKind::Resumed, kind(first.locals[0]));
        first.stop();
        first = Running::start(&place, &open_policy(""), &["tls"], &config);
        assert_eq!(HandshakeKind::Resumed, kind(first.locals[0]));
    }
}

#[test]
fn a_ticket_of_other_keys_or_another_certificate_opens_nothing_but_a_full_handshake() {
    let place = Place::new();
    let authority = Authority::new();
    let config = authority.config(&place, "");
    let phone = phone(&authority, TLS13);
    let mut edge = Running::start(&place, &open_policy(""), &["tls"], &config);
    visit(&phone, edge.locals[0], "edge.example").unwrap();
    edge.stop();
    let (certificate, key) = authority.issue(&["edge.example"]);
    write(&place.path("certificate.pem"), &certificate);
    write(&place.path("key.pem"), &key);
    let mut edge = Running::start(&place, &open_policy(""), &["tls"], &config);
    assert_eq!(HandshakeKind::Full, visit(&phone, edge.locals[0], "edge.example").unwrap().0);
    edge.stop();
    let keys = std::fs::read_to_string(place.path("keys.json")).unwrap();
    write(&place.path("keys.json"), &keys.replace("000102", "999999"));
    let edge = Running::start(&place, &open_policy(""), &["tls"], &config);
    assert_eq!(HandshakeKind::Full, visit(&phone, edge.locals[0], "edge.example").unwrap().0);
}

#[test]
fn the_least_version_and_the_suites_are_those_configured() {
    let place = Place::new();
    let authority = Authority::new();
    let more = r#", "min_version": "1.3", "suites": ["TLS_AES_128_GCM_SHA256"]"#;
    let edge = Running::start(&place, &open_policy(""), &["tls"], &authority.config(&place, more));
    assert!(visit(&phone(&authority, TLS12), edge.locals[0], "edge.example").is_err());
    assert_eq!(ProtocolVersion::TLSv1_3, visit(&phone(&authority, TLS13), edge.locals[0], "edge.example").unwrap().1);
    for (more, named) in [(r#", "min_version": "1.1""#, "tls.min_version"), (r#", "suites": ["RC4"]"#, "TLS13_AES_128_GCM_SHA256")] {
        let json = format!(
            r#"{{"edge": 3, "link": "l", "keys": "{}", "listen": [{{"transport": "tls", "bound": "127.0.0.1:0"}}]{}}}"#,
            place.path("keys.json").display(),
            authority.config(&place, more)
        );
        let refused = tandem_edge::Edge::open(tandem_edge::Config::read(json.as_bytes()).unwrap()).err().unwrap().to_string();
        assert!(refused.contains(named), "{refused}");
    }
}

#[test]
fn each_peer_is_shown_the_certificate_of_the_name_that_it_asks_for() {
    let place = Place::new();
    let authority = Authority::new();
    let (certificate, key) = authority.issue(&["*.other.example"]);
    write(&place.path("other.pem"), &certificate);
    write(&place.path("other.key"), &key);
    let at = |name: &str| place.path(name).display().to_string();
    let more = format!(r#", "more": [{{"certificate": "{}", "key": "{}"}}]"#, at("other.pem"), at("other.key"));
    let edge = Running::start(&place, &open_policy(""), &["tls"], &authority.config(&place, &more));
    let phone = phone(&authority, TLS13);
    let shown = |name| visit(&phone, edge.locals[0], name).unwrap().2;
    assert_ne!(shown("edge.example"), shown("sip.other.example"));
}

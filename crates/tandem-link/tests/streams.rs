//! Streams between two ends on loopback: what is written comes, whoever is not of the cluster gets nothing.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tandem_link::{accept, edge_name, node_name, Files, Got, Listener, Place, Stage, Stream, Tls};

const PATIENCE: Duration = Duration::from_secs(10);

struct Authority(KeyPair, CertificateParams, String);

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority(key, params, pem)
}

impl Authority {
    /// Files of one end with this name, in a directory of their own.
    fn issue(&self, place: &Path, name: &str) -> Files {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.1, &self.0);
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let write = |kind: &str, text: String| {
            let path = place.join(format!("{name}.{kind}"));
            std::fs::write(&path, text).unwrap();
            path
        };
        Files { certificate: write("pem", certificate.pem()), key: write("key", key.serialize_pem()), ca: write("ca", self.2.clone()) }
    }
}

fn place(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("tandem-link-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Both ends of a connection to a fresh listener.
fn pair(at: &str, owner: Option<&Tls>, edge: Option<&Tls>) -> (Stream, Stream) {
    let listener = Listener::open(&Place::read(at, false).unwrap()).unwrap();
    listener.set_nonblocking().unwrap();
    let near = Stream::connect(&listener.place().unwrap(), edge).unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        match accept(&listener, owner) {
            Ok(far) => return (near, far),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs both ends until both are open, or one says why not.
fn open(near: &mut Stream, far: &mut Stream) -> io::Result<()> {
    let (mut room, until) = (vec![0; 1 << 18], Instant::now() + PATIENCE);
    while (near.stage(), far.stage()) != (Stage::Open, Stage::Open) {
        assert!(Instant::now() < until, "never open");
        near.connected()?;
        for end in [&mut *near, &mut *far] {
            if end.read(&mut room)? == Got::End {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    // TLS 1.3: the client learns only now whether the server takes its certificate.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(1));
        if near.read(&mut room)? == Got::End {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Sends a megabyte and reads it at the other end, whatever the kernel has room for.
fn carry(from: &mut Stream, to: &mut Stream) {
    let bytes: Vec<u8> = (0..1_000_003u32).map(|n| (n % 251) as u8).collect();
    let (mut sent, mut read, mut room, until) = (0, Vec::new(), vec![0; 1 << 18], Instant::now() + PATIENCE);
    while read.len() < bytes.len() {
        assert!(Instant::now() < until, "{} of {} came", read.len(), bytes.len());
        sent += from.write(&bytes[sent..]).unwrap();
        from.flush().unwrap();
        if let Got::Bytes(count) = to.read(&mut room).unwrap() {
            read.extend_from_slice(&room[..count]);
        }
    }
    assert!(read == bytes && from.unsent() == 0);
}

#[test]
fn every_kind_of_link_carries_both_ways() {
    let (directory, ca) = (place("carry"), authority());
    let (owner, edge) = (Tls::open(ca.issue(&directory, &node_name(1))).unwrap(), Tls::open(ca.issue(&directory, &edge_name(2))).unwrap());
    let unix = format!("unix:{}", directory.join("s").display());
    for at in [&unix, "tcp:127.0.0.1:0", "tls:127.0.0.1:0", "tls:[::1]:0"] {
        let (mut near, mut far) = pair(at, Some(&owner), Some(&edge));
        open(&mut near, &mut far).unwrap();
        carry(&mut near, &mut far);
        carry(&mut far, &mut near);
        drop(near);
        let (mut room, until) = (vec![0; 1 << 18], Instant::now() + PATIENCE);
        while far.read(&mut room).unwrap() != Got::End {
            assert!(Instant::now() < until, "{at}: no end");
        }
    }
    let _ = std::fs::remove_dir_all(directory);
}

#[test]
fn both_ends_prove_their_names() {
    let (directory, ca) = (place("names"), authority());
    let (owner, edge) = (Tls::open(ca.issue(&directory, &node_name(1))).unwrap(), Tls::open(ca.issue(&directory, &edge_name(2))).unwrap());
    let (mut near, mut far) = pair("tls:127.0.0.1:0", Some(&owner), Some(&edge));
    open(&mut near, &mut far).unwrap();
    assert_eq!((true, false, false), (near.proves(&node_name(1)), near.proves(&node_name(2)), near.proves(&edge_name(1))));
    assert_eq!((true, false, false), (far.proves(&edge_name(2)), far.proves(&edge_name(1)), far.proves(&node_name(2))));
    let _ = std::fs::remove_dir_all(directory);
}

#[test]
fn whoever_is_not_of_the_cluster_gets_nothing() {
    let (directory, ca, other) = (place("strangers"), authority(), authority());
    let own = ca.issue(&directory, &node_name(1));
    let owner = Tls::open(own.clone()).unwrap();
    let strange = other.issue(&directory, &edge_name(2));
    // It trusts us, we do not trust it; and the other way round.
    for files in [Files { ca: own.ca.clone(), ..strange.clone() }, strange] {
        let edge = Tls::open(files).unwrap();
        let (mut near, mut far) = pair("tls:127.0.0.1:0", Some(&owner), Some(&edge));
        assert!(open(&mut near, &mut far).is_err());
        assert!(!far.proves(&edge_name(2)) || far.stage() != Stage::Open);
    }
    let (mut near, mut far) = pair("tls:127.0.0.1:0", Some(&owner), Some(&owner));
    near.connected().unwrap();
    drop(near);
    let mut room = vec![0; 1 << 18];
    let until = Instant::now() + PATIENCE;
    while !matches!(far.read(&mut room), Ok(Got::End) | Err(_)) {
        assert!(Instant::now() < until);
    }
    let _ = std::fs::remove_dir_all(directory);
}

#[test]
fn new_certificates_are_in_force_without_a_restart_and_bad_ones_change_nothing() {
    let (directory, ca) = (place("reload"), authority());
    let files = ca.issue(&directory, &node_name(1));
    let mut owner = Tls::open(files.clone()).unwrap();
    let edge = Tls::open(ca.issue(&directory, &edge_name(2))).unwrap();
    assert!(!owner.reload().unwrap());
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    let touch = |path: &Path, text: &str| {
        std::fs::write(path, text).unwrap();
        std::fs::File::open(path).unwrap().set_modified(later).unwrap();
    };
    touch(&files.certificate, "no certificate");
    let error = owner.reload().unwrap_err().to_string();
    assert!(error.contains("node-1"), "{error}");
    let (mut near, mut far) = pair("tls:127.0.0.1:0", Some(&owner), Some(&edge));
    open(&mut near, &mut far).unwrap();
    assert!(near.proves(&node_name(1)));
    let fresh = ca.issue(&directory, &node_name(7));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let later = later + Duration::from_secs(5);
    for (path, text) in [(&files.certificate, read(&fresh.certificate)), (&files.key, read(&fresh.key))] {
        std::fs::write(path, text).unwrap();
        std::fs::File::open(path).unwrap().set_modified(later).unwrap();
    }
    assert!(owner.reload().unwrap());
    let (mut near, mut far) = pair("tls:127.0.0.1:0", Some(&owner), Some(&edge));
    open(&mut near, &mut far).unwrap();
    assert!(near.proves(&node_name(7)));
    let _ = std::fs::remove_dir_all(directory);
}

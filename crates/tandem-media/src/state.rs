//! What survives the process: a row for each call, one for each endpoint that runs, and the certificate. It decides nothing.

use std::collections::HashMap;
use std::path::Path;

use tandem_rtp::plan::EndpointId;
use tandem_rtp::relay::Live;
use tandem_store::{Options, Put, Store};

use crate::config::RelayError;
use crate::spool::TapeName;
use crate::tapes::Tape;

const CALL: &[u8] = b"call/";
const LIVE: &[u8] = b"live/";
const TAPE: &[u8] = b"tape/";
const CERTIFICATE: &[u8] = b"certificate";

/// The journal of one relay.
pub struct State {
    store: Store,
}

/// What a predecessor left.
#[derive(Default)]
pub struct Left {
    /// Calls by their id, as they were kept.
    pub calls: Vec<(String, Vec<u8>)>,
    /// What was known of endpoints.
    pub live: HashMap<EndpointId, Live>,
    /// Recordings that ran.
    pub tapes: Vec<Tape>,
}

impl State {
    /// Opens the journal. `at`: microseconds since 1970.
    pub fn open(directory: &Path, at: u64) -> Result<State, RelayError> {
        std::fs::create_dir_all(directory).map_err(|why| RelayError::Store(format!("{}: {why}", directory.display())))?;
        let (store, _) = Store::open(directory, Options::default(), at).map_err(said)?;
        Ok(State { store })
    }

    /// What is there.
    pub fn left(&self) -> Left {
        let mut left = Left::default();
        self.store.scan(CALL, |key, row| {
            let id = key.get(CALL.len()..).unwrap_or_default();
            left.calls.push((String::from_utf8_lossy(id).into_owned(), row.to_vec()));
        });
        self.store.scan(LIVE, |_, row| {
            if let Ok(live) = postcard::from_bytes::<Live>(row) {
                left.live.insert(live.id, live);
            }
        });
        self.store.scan(TAPE, |_, row| left.tapes.extend(postcard::from_bytes(row).ok()));
        left
    }

    /// Keeps a recording that runs, or forgets it.
    pub fn tape(&self, (room, name): &TapeName, tape: Option<&Tape>) -> Result<(), RelayError> {
        let key = key(TAPE, format!("{}/{name}", if *room { "room" } else { "call" }).as_bytes());
        let row = tape.and_then(|tape| postcard::to_stdvec(tape).ok());
        self.store.put(&[(&key, row.as_deref(), 0)]).map_err(said)
    }

    /// Keeps a call, or forgets it.
    pub fn call(&self, id: &str, row: Option<&[u8]>) -> Result<(), RelayError> {
        self.store.put(&[(&key(CALL, id.as_bytes()), row, 0)]).map_err(said)
    }

    /// Keeps what is known of endpoints now.
    pub fn live(&self, all: &[Live]) -> Result<(), RelayError> {
        let rows: Vec<_> =
            all.iter().filter_map(|live| Some((key(LIVE, live.id.0.to_string().as_bytes()), postcard::to_stdvec(live).ok()?))).collect();
        let puts: Vec<Put<'_>> = rows.iter().map(|(key, row)| (&key[..], Some(&row[..]), 0)).collect();
        self.store.put(&puts).map_err(said)
    }

    /// Forgets endpoints.
    pub fn ended(&self, ids: &[EndpointId]) -> Result<(), RelayError> {
        let keys: Vec<_> = ids.iter().map(|id| key(LIVE, id.0.to_string().as_bytes())).collect();
        let puts: Vec<Put<'_>> = keys.iter().map(|key| (&key[..], None, 0)).collect();
        self.store.put(&puts).map_err(said)
    }

    /// The certificate of DTLS with its key, as it was kept.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        self.store.load(CERTIFICATE).map(|row| row.bytes)
    }

    /// Keeps it.
    pub fn keep_certificate(&self, bytes: &[u8]) -> Result<(), RelayError> {
        self.store.put(&[(CERTIFICATE, Some(bytes), 0)]).map_err(said)
    }

    /// The clock of the journal, microseconds since 1970.
    pub fn advance(&self, at: u64) {
        self.store.advance(at);
    }
}

fn key(kind: &[u8], id: &[u8]) -> Vec<u8> {
    [kind, id].concat()
}

fn said(error: tandem_store::StoreError) -> RelayError {
    RelayError::Store(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::State;
    use tandem_rtp::plan::EndpointId;
    use tandem_rtp::relay::Live;

    #[test]
    fn a_successor_finds_calls_and_endpoints_and_not_those_that_ended() {
        let directory = tempfile::tempdir().unwrap();
        let live = |id| Live {
            id: EndpointId(id),
            learned: [None; 2],
            counts: Default::default(),
            drops: Default::default(),
            lock: None,
            meeting: None,
            heard: vec![],
            passes: false,
            sent: vec![],
            desk: None,
        };
        let state = State::open(directory.path(), 1).unwrap();
        state.call("a", Some(b"row")).unwrap();
        state.call("b", Some(b"row")).unwrap();
        state.live(&[live(1), live(2)]).unwrap();
        state.call("b", None).unwrap();
        state.ended(&[EndpointId(2)]).unwrap();
        drop(state);
        let left = State::open(directory.path(), 2).unwrap().left();
        assert_eq!(vec![("a".to_string(), b"row".to_vec())], left.calls);
        assert_eq!(vec![EndpointId(1)], left.live.keys().copied().collect::<Vec<_>>());
    }
}

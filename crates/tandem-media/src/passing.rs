//! The streams of one thread that the kernel carries, by the endpoint that they come to and by the one that they leave. It asks no kernel.

use std::collections::HashMap;

use tandem_kernel::Counters;
use tandem_rtp::relay::{Key, Plain};

/// One direction of a call.
pub struct Stream {
    /// How it is forwarded.
    pub plain: Plain,
    /// What has been counted into the relay.
    pub seen: Counters,
    to: Key,
}

impl Stream {
    /// Of which nothing is counted yet. `to`: the endpoint that it leaves.
    pub fn new(plain: Plain, to: Key) -> Stream {
        Stream { plain, to, seen: Counters::default() }
    }

    /// The endpoint that it leaves.
    pub fn to(&self) -> Key {
        self.to
    }
}

/// All of them. An endpoint that many leave, as one with subscribers has, costs no more than those.
#[derive(Default)]
pub struct Passing {
    streams: HashMap<Key, Stream>,
    leaving: HashMap<Key, Vec<Key>>,
}

impl Passing {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The one that comes to an endpoint.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Stream> {
        self.streams.get_mut(&key)
    }

    /// Whether one comes to it.
    pub fn contains(&self, key: Key) -> bool {
        self.streams.contains_key(&key)
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.streams.values()
    }

    /// One that comes to an endpoint, instead of whichever did.
    pub fn put(&mut self, key: Key, stream: Stream) {
        self.remove(key);
        self.leaving.entry(stream.to).or_default().push(key);
        self.streams.insert(key, stream);
    }

    /// It passes no more.
    pub fn remove(&mut self, key: Key) -> Option<Stream> {
        let stream = self.streams.remove(&key)?;
        self.unlink(key, stream.to);
        Some(stream)
    }

    /// It leaves another endpoint now.
    pub fn redirect(&mut self, key: Key, to: Key) {
        let Some(stream) = self.streams.get_mut(&key).filter(|stream| stream.to != to) else { return };
        let before = std::mem::replace(&mut stream.to, to);
        self.unlink(key, before);
        self.leaving.entry(to).or_default().push(key);
    }

    /// Those that come to an endpoint or leave it, by where they come.
    pub fn about(&self, key: Key) -> Vec<Key> {
        let own = self.contains(key).then_some(key);
        let leaving = self.leaving.get(&key).into_iter().flatten().copied();
        own.into_iter().chain(leaving.filter(|from| *from != key)).collect()
    }

    fn unlink(&mut self, key: Key, to: Key) {
        let Some(all) = self.leaving.get_mut(&to) else { return };
        all.retain(|from| *from != key);
        if all.is_empty() {
            self.leaving.remove(&to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Passing, Stream};
    use proptest::prelude::*;
    use tandem_rtp::relay::{Key, Plain};

    fn stream(to: Key) -> Stream {
        let at = "127.0.0.1:9".parse().unwrap();
        Stream::new(Plain { local: at, remote: at, new_source: at, new_destination: at, tos: 0, clock_hz: None }, to)
    }

    proptest! {
        #[test]
        fn what_is_about_an_endpoint_is_what_a_look_at_all_finds(steps in prop::collection::vec((0..3u8, 0..6u32, 0..6u32), 0..60)) {
            let (mut passing, mut plain) = (Passing::default(), std::collections::BTreeMap::new());
            for (what, key, to) in steps {
                match what {
                    0 => {
                        passing.put(key, stream(to));
                        plain.insert(key, to);
                    }
                    1 => {
                        passing.redirect(key, to);
                        plain.entry(key).and_modify(|at| *at = to);
                    }
                    _ => prop_assert_eq!(plain.remove(&key), passing.remove(key).map(|one| one.to())),
                }
                for key in 0..6 {
                    let mut about = passing.about(key);
                    about.sort_unstable();
                    let all: Vec<Key> = plain.iter().filter_map(|(from, to)| (*from == key || *to == key).then_some(*from)).collect();
                    prop_assert_eq!(all, about);
                }
                prop_assert_eq!(plain.is_empty(), passing.is_empty());
            }
            plain.keys().for_each(|key| {
                passing.remove(*key);
            });
            prop_assert!(passing.leaving.is_empty(), "an ended stream leaves nothing behind");
        }
    }
}

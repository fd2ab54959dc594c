//! The edge's links to owners, one each: which of them frames go to. It obeys no frame.

use crate::config::Config;
use crate::link::{Link, OUT_BYTES};
use tandem_link::{BadTls, Place, Tls};

/// Owners that one edge has links to, at most.
pub const OWNERS: usize = 7;
/// How long a second way to an owner that stands already rests, in microseconds.
pub const TWIN_REST_US: u64 = 5_000_000;

/// All links, in the order of the configuration.
pub struct Links {
    links: Vec<Link>,
    tls: Option<Tls>,
}

impl Links {
    /// Links to the owners that the configuration names. Reads the link's certificates, if it names any.
    pub fn open(config: &Config) -> Result<Links, BadTls> {
        let links = config.places().into_iter().map(Link::new).collect();
        Ok(Links { links, tls: config.link_tls.clone().map(Tls::open).transpose()? })
    }

    /// How many owners there are; 0: nobody will ever take a frame.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// One of them.
    pub fn get(&mut self, link: usize) -> Option<&mut Link> {
        self.links.get_mut(link)
    }

    /// One of them, with what it is connected with.
    pub fn with_tls(&mut self, link: usize) -> Option<(&mut Link, Option<&Tls>)> {
        Some((self.links.get_mut(link)?, self.tls.as_ref()))
    }

    /// Reads the certificates again if they changed; true when new ones are in force.
    pub fn reload(&mut self) -> Result<bool, BadTls> {
        self.tls.as_mut().map_or(Ok(false), Tls::reload)
    }

    /// Where frames for one owner are appended, while its link stands.
    pub fn output(&mut self, link: usize) -> Option<&mut Vec<u8>> {
        self.links.get_mut(link)?.output()
    }

    /// Tells every owner whose link stands.
    pub fn tell(&mut self, mut what: impl FnMut(&mut Vec<u8>)) {
        self.links.iter_mut().filter_map(Link::output).for_each(&mut what);
    }

    /// Whether any owner can be told something.
    pub fn up(&self) -> bool {
        self.links.iter().any(Link::up)
    }

    /// Bytes that wait to be written, on all.
    pub fn waiting(&self) -> usize {
        self.links.iter().map(Link::waiting).sum()
    }

    /// More waits for an owner than may.
    pub fn full(&self) -> bool {
        self.links.iter().any(|link| link.waiting() > OUT_BYTES)
    }

    /// When one must be tried again; `None` while all are connected.
    pub fn retry_at(&self) -> Option<u64> {
        self.links.iter().filter_map(Link::retry_at).min()
    }

    /// Where each owner listens, and whether it has been heard.
    pub fn view(&self) -> impl Iterator<Item = (&Place, bool)> {
        self.links.iter().map(|link| (link.place(), link.stands()))
    }
}

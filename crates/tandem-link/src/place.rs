//! Where an owner listens for edges: `unix:/path`, `tcp:address:port` or `tls:address:port`. It opens nothing.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One listening place of an owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// A Unix stream socket on this machine.
    Unix(PathBuf),
    /// Plain TCP: neither secret nor proven.
    Tcp(SocketAddr),
    /// TLS 1.3, both ends with certificates of the cluster's authority.
    Tls(SocketAddr),
}

/// Why a text is no place; it quotes the text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPlace {
    /// It has another form.
    #[error("`{0}`: write unix:/path, tcp:address:port or tls:address:port (IPv6 in brackets)")]
    Form(String),
    /// Plain TCP would leave this machine.
    #[error("`{0}` leaves this machine, and plain TCP neither hides nor proves anything: use tls:, or set `insecure`")]
    Insecure(String),
}

impl Place {
    /// Reads one. `insecure`: plain TCP may leave this machine.
    ///
    /// ```
    /// use tandem_link::Place;
    /// assert!(Place::read("tls:192.0.2.7:5070", false).is_ok());
    /// assert!(Place::read("tcp:192.0.2.7:5070", false).is_err());
    /// ```
    ///
    /// # Errors
    /// The text is none, or names another machine in the clear.
    pub fn read(text: &str, insecure: bool) -> Result<Place, BadPlace> {
        let form = || BadPlace::Form(text.into());
        let (kind, rest) = text.split_once(':').ok_or_else(form)?;
        match kind {
            "unix" if !rest.is_empty() => Ok(Place::Unix(rest.into())),
            "tcp" => {
                let address: SocketAddr = rest.parse().map_err(|_| form())?;
                if insecure || address.ip().to_canonical().is_loopback() {
                    Ok(Place::Tcp(address))
                } else {
                    Err(BadPlace::Insecure(text.into()))
                }
            }
            "tls" => rest.parse().map(Place::Tls).map_err(|_| form()),
            _ => Err(form()),
        }
    }

    /// Whether it is a socket of this machine only: nothing on it can be lost or cut off.
    pub fn is_local(&self) -> bool {
        matches!(self, Place::Unix(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
            Place::Tcp(address) => write!(f, "tcp:{address}"),
            Place::Tls(address) => write!(f, "tls:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_written() {
        for text in ["unix:/run/link.sock", "tcp:127.0.0.1:5070", "tcp:[::1]:5070", "tls:192.0.2.7:5070", "tls:[2001:db8::1]:5070"] {
            assert_eq!(text, Place::read(text, false).unwrap().to_string());
        }
    }

    #[test]
    fn what_is_no_place_is_quoted() {
        for text in ["", "unix:", "tcp:host:5070", "udp:127.0.0.1:1", "tls:127.0.0.1", "127.0.0.1:5070"] {
            assert_eq!(Err(BadPlace::Form(text.into())), Place::read(text, true));
        }
    }

    #[test]
    fn plain_tcp_leaves_this_machine_only_when_that_is_wanted() {
        assert_eq!(Err(BadPlace::Insecure("tcp:192.0.2.7:5070".into())), Place::read("tcp:192.0.2.7:5070", false));
        assert_eq!(Err(BadPlace::Insecure("tcp:0.0.0.0:5070".into())), Place::read("tcp:0.0.0.0:5070", false));
        assert!(Place::read("tcp:192.0.2.7:5070", true).is_ok());
    }
}

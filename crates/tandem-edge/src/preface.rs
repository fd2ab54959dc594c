//! The balancer's header before a connection's first byte: who the peer is. Who the balancers are is the configuration's.

use crate::connection::End;
use crate::edge::Edge;
use std::net::SocketAddr;
use tandem_sip::proxy_protocol::{self, Preface};

impl Edge {
    /// Reads on a connection whose header has not come whole. No header, a wrong one, or none in time: closed and counted.
    pub(crate) fn preface_ready(&mut self, flow: u64) {
        let Some(connection) = self.connections.get(flow) else { return };
        let mut header = connection.preface.take().unwrap_or_default();
        let count = match connection.read_raw(&mut self.scratch, self.now) {
            Ok(count) => count,
            Err(end) => return self.end(flow, end),
        };
        header.extend_from_slice(self.scratch.get(..count).unwrap_or_default());
        let (source, used) = match proxy_protocol::read(&header) {
            Preface::NeedMore => {
                connection.preface = Some(header);
                return;
            }
            Preface::Bad(_) => return self.end(flow, End::ProxyHeader),
            Preface::Local { used } => (connection.remote, used),
            Preface::Proxied { source, used } => (source, used),
        };
        connection.begin();
        if !self.proxied(flow, source) {
            return self.end(flow, End::ProxyHeader);
        }
        let rest = header.get(used..).unwrap_or_default();
        if !rest.is_empty() {
            self.came(flow, rest);
        }
    }

    /// The connection is that of `source` from now on; false: it may have none.
    fn proxied(&mut self, flow: u64, source: SocketAddr) -> bool {
        let Some(mut connection) = self.connections.remove(flow) else { return true };
        let barred = source != connection.remote && !self.admits(source.ip());
        connection.remote = source;
        if self.config.local_net.contains(source.ip()) {
            connection.local = self.locals.within(connection.local);
        }
        self.connections.add(connection);
        !barred
    }
}

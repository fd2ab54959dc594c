//! What follows a ban: its line for fail2ban, its element in the kernel, the end of its connections; and how a ban ends. It bans nobody itself.

use crate::connection::End;
use crate::edge::Edge;
use crate::nft::News;
use std::net::{IpAddr, SocketAddr};
use tandem_sip::abuse::Reason;
use tandem_sip::cidr::{key_source, source_key};
use tandem_sys::socket;

impl Edge {
    /// Does what follows the ban that the last message or order began, if it began one.
    pub(crate) fn after_ban(&mut self) {
        let Some(ban) = self.judge.abuse.take_ban() else { return };
        self.counters.bans += 1;
        self.notes.keep(ban.source, "");
        // One exempt address in a banned /64 must still be heard.
        if let Some(firewall) = self.firewall.as_ref().filter(|_| !self.judge.policy.spares_near(ban.source)) {
            firewall.ban(ban.source, ban.seconds);
        }
        self.end_connections_of(ban.source);
        // What an operator says is said to all; what was told is told no further.
        if let Some(front) = self.front.as_mut().filter(|_| !matches!(ban.why, Reason::Told | Reason::Asked)) {
            front.tell_ban(ban.source, ban.seconds);
        }
        // Whoever told us has written it.
        let Some(path) = self.config.ban_log.as_ref().filter(|_| ban.why != Reason::Told) else { return };
        if let Err(error) = crate::files::note_ban(path, self.at, ban.source, ban.why.name(), ban.seconds) {
            self.log.say(self.at, "ban not written", &[("why", &error)]);
        }
    }

    /// Counts a credential that proved nothing, and tells fail2ban.
    pub(crate) fn after_failure(&mut self, remote: SocketAddr, challenge: &[u8]) {
        let Some(failure) = self.judge.guessed(remote, challenge, self.at) else { return };
        let path = self.config.ban_log.as_ref().filter(|_| failure.told && self.log.may(self.at, "credentials refused"));
        if let Some(Err(error)) = path.map(|path| crate::files::note_failure(path, self.at, remote.ip())) {
            self.log.say(self.at, "failure not written", &[("why", &error)]);
        }
        if failure.banned {
            self.after_ban();
        }
    }

    /// A sibling bans: so does this edge, unless its own policy exempts the source or it knows better.
    pub(crate) fn ban_told(&mut self, source: IpAddr, seconds: u32) {
        if !self.judge.abuse.banned(source, self.at) && self.judge.abuse.ban(&self.judge.policy, source, Reason::Told, seconds, self.at) {
            self.after_ban();
        }
    }

    /// Bans because somebody said so, with their words; false: the policy exempts the source.
    pub(crate) fn ban_by_hand(&mut self, source: IpAddr, seconds: u32, note: &str) -> bool {
        let banned = self.judge.abuse.ban(&self.judge.policy, source, Reason::Asked, seconds, self.at);
        self.after_ban();
        if banned {
            self.notes.keep(key_source(source_key(source)), note);
        }
        banned
    }

    /// Ends a ban here and in the kernel, where it may stand without us knowing; true: there was one here.
    pub(crate) fn unban(&mut self, source: IpAddr) -> bool {
        if let Some(firewall) = &self.firewall {
            firewall.unban(source);
        }
        self.judge.abuse.unban(source, self.at)
    }

    /// Whom the policy in force exempts is heard again.
    pub(crate) fn pardon(&mut self) {
        for source in self.judge.abuse.pardon(&self.judge.policy, self.at) {
            self.unban(source);
            self.log.say(self.at, "ban ended, its source is exempt now", &[("source", &source)]);
        }
    }

    /// What the kernel's side has to tell.
    pub(crate) fn firewall_news(&mut self) {
        while let Some(news) = self.firewall.as_ref().and_then(|firewall| firewall.news()) {
            match news {
                News::Holds => self.log.say(self.at, "bans go to the kernel", &[("table", &crate::nft::TABLE)]),
                News::Rebuilt => self.log.say(self.at, "the kernel's table was gone and stands again", &[("table", &crate::nft::TABLE)]),
                News::Failed(why) => self.log.say(self.at, "bans do not go to the kernel, they hold in this process", &[("why", &why)]),
                News::Found(found) => {
                    self.log.say(self.at, "bans found in the kernel", &[("sources", &found.len())]);
                    for (source, seconds) in found {
                        match self.judge.abuse.ban(&self.judge.policy, source, Reason::Told, seconds, self.at) {
                            true => drop(self.judge.abuse.take_ban()), // it stands there already
                            false => drop(self.unban(source)),
                        }
                    }
                }
            }
        }
    }

    /// With a reset: a goodbye would wait for acknowledgements that the kernel drops.
    fn end_connections_of(&mut self, source: IpAddr) {
        let policy = &self.judge.policy;
        let theirs = self.connections.of(source).filter(|connection| !policy.spares(connection.remote.ip()));
        let flows: Vec<(u64, i32)> = theirs.map(|connection| (connection.flow, connection.fd())).collect();
        for (flow, fd) in flows {
            let _ = socket::reset_at_close(fd);
            self.end(flow, End::Banned);
        }
    }
}

//! What owners say and what becomes of it: links that begin and end, their frames. What may pass is the keeper's; `down` sends it.

use crate::connection::End;
use crate::edge::{Edge, LINK};
use crate::files;
use crate::link::{self, Heard};
use crate::links::TWIN_REST_US;
use crate::trunks::Trunks;
use tandem_link::node_name;
use tandem_sip::frame::{self, Down};
use tandem_sip::keeper::Passage;
use tandem_sip::policy::Policy;
use tandem_sys::epoll::{Interest, Ready};

impl Edge {
    pub(crate) fn connect_links(&mut self) {
        for number in 0..self.links.len() {
            let Some((link, tls)) = self.links.with_tls(number) else { continue };
            let Some(fd) = link.connect(tls, self.now) else { continue };
            let (read, write) = (true, !link.place().is_local());
            let _ = self.epoll.add(fd, LINK + number as u64, Interest { read, write });
            self.begin_link(number);
        }
    }

    pub(crate) fn link_ready(&mut self, number: usize, event: Ready) {
        let Some(link) = self.links.get(number) else { return };
        if event.write {
            if let Err(error) = link.connected() {
                return self.lose_link(number, &error);
            }
        }
        if !event.read {
            return self.begin_link(number);
        }
        let heard = link.fill(self.now);
        self.begin_link(number);
        match heard {
            Heard::Nothing => {}
            Heard::Bytes => self.frames(number),
            Heard::Gone(why) => self.lose_link(number, &why),
        }
    }

    /// A connection that has just opened gets HELLO, and what each owner must know first. Frames follow when the owner claims their shards.
    fn begin_link(&mut self, number: usize) {
        let Some(link) = self.links.get(number) else { return };
        if !link.begins() {
            return;
        }
        let Some(output) = link.output() else { return };
        frame::push_up_hello(output, self.config.edge, self.incarnation, &self.locals.hello(), self.keeper.fence().highest());
        let (incarnation, count) = self.keeper.heard(number);
        frame::push_heard(output, incarnation, count);
        for connection in self.connections.named() {
            frame::push_peer(output, connection.flow, &connection.names);
        }
        link.told = count;
        self.counters.links += 1;
        self.unreached.remove(&number);
        let place = link.place().to_string();
        self.log.say(self.at, "link up", &[("owner", &place), ("kept_frames", &self.keeper.frames())]);
    }

    /// One write per turn and link; what was heard is said first.
    pub(crate) fn flush_links(&mut self) {
        for number in 0..self.links.len() {
            let (incarnation, count) = self.keeper.heard(number);
            let Some(link) = self.links.get(number) else { continue };
            if link.stands() && link.told != count {
                link.told = count;
                if let Some(output) = link.output() {
                    frame::push_heard(output, incarnation, count);
                }
            }
            if let Err(error) = link.flush() {
                self.lose_link(number, &error);
                continue;
            }
            if let Some((fd, interest)) = link.changed_interest() {
                let _ = self.epoll.modify(fd, LINK + number as u64, interest);
            }
        }
    }

    /// Links on which nothing was heard for too long end, and certificates are read again.
    pub(crate) fn tend_links(&mut self) {
        for number in 0..self.links.len() {
            let now = self.now;
            if let Some(why) = self.links.get(number).and_then(|link| link.overdue(now)) {
                self.lose_link(number, &why);
            }
        }
        match self.links.reload() {
            Ok(false) => {}
            Ok(true) => self.log.say(self.at, "link certificates read again", &[]),
            Err(error) => self.log.say(self.at, "link certificates not usable, the old ones stay", &[("why", &error)]),
        }
    }

    /// All links begin anew, and what is kept goes again: HELLO has something else to say.
    pub(crate) fn renew_links(&mut self, why: &'static str) {
        for number in 0..self.links.len() {
            if self.links.get(number).is_some_and(|link| link.up()) {
                self.lose_link(number, &why);
            }
        }
    }

    fn lose_link(&mut self, number: usize, why: &dyn std::fmt::Display) {
        let Some(link) = self.links.get(number) else { return };
        let (was, place) = (link.up(), link.place().to_string());
        link.drop_stream(self.now);
        self.keeper.lost(number);
        // A way on which nobody answers is tried for ever: its first time is worth a line.
        if was || self.unreached.insert(number) {
            self.log.say(self.at, "link lost", &[("owner", &place), ("why", &why), ("kept_frames", &self.keeper.frames())]);
        }
    }

    fn frames(&mut self, number: usize) {
        let Some(link) = self.links.get(number) else { return };
        let (input, mut at, end) = link.borrow_input();
        let mut broken = None;
        loop {
            match link::next(&input, at, end) {
                Ok(None) => break,
                Ok(Some((body, next))) => {
                    at = next;
                    match frame::read_down(body) {
                        Ok(frame) => broken = self.obey(number, frame).err(),
                        Err(error) => broken = Some(error.to_string()),
                    }
                }
                Err(error) => broken = Some(error.to_string()),
            }
            if broken.is_some() {
                break;
            }
        }
        if let Some(link) = self.links.get(number) {
            link.return_input(input, at);
        }
        if let Some(why) = broken {
            self.log.say(self.at, "frame not understood", &[("why", &why)]);
            self.lose_link(number, &why);
        }
    }

    /// An error ends the link.
    fn obey(&mut self, number: usize, frame: Down<'_>) -> Result<(), String> {
        if let Down::Hello { node, incarnation } = frame {
            return self.greet(number, node, incarnation);
        }
        if !self.links.get(number).is_some_and(|link| link.stands()) {
            return Err("a frame before HELLO".into());
        }
        match frame {
            Down::Sip(sip) => match self.keeper.down(number, &sip) {
                Passage::Pass => self.send(&sip),
                Passage::DropStale => self.counters.down_stale += 1,
                Passage::NotClaimed => self.counters.down_unclaimed += 1,
            },
            Down::Taken(taken) => {
                let counters = &mut self.counters;
                self.keeper.taken(number, taken.seqs().inspect(|_| counters.taken += 1));
            }
            Down::Claim { epoch, shards } => {
                let refused = self.keeper.claims_refused();
                self.keeper.claim(number, epoch, shards.iter());
                if self.keeper.claims_refused() > refused {
                    let shards = self.keeper.claims_refused() - refused;
                    self.log.say(self.at, "claim refused, another owner has them", &[("epoch", &epoch), ("shards", &shards)]);
                }
                self.hand_over();
            }
            Down::Policy(_) | Down::Keys(_) | Down::Close { .. } if !self.keeper.speaks(number) => self.counters.down_stale += 1,
            Down::Policy(json) => self.take_policy(json),
            Down::Close { flow } => self.end(flow, End::Owner),
            Down::Keys(json) => match self.keyring.told(number, json) {
                Ok(false) => {}
                Ok(true) => self.renew_keys(),
                Err(error) => {
                    self.log.say(self.at, "keys refused or not kept", &[("why", &error)]);
                    self.renew_keys();
                }
            },
            Down::Watch(watches) => watches.iter().for_each(|watch| self.watch_flow(number, &watch)),
            Down::Forget(flows) if flows.is_rest() => self.watches.forget_rest(number as u8),
            Down::Forget(flows) => flows.iter().for_each(|flow| self.watches.forget(&flow)),
            Down::Hello { .. } | Down::Alive => {}
        }
        Ok(())
    }

    fn greet(&mut self, number: usize, node: u16, incarnation: u64) -> Result<(), String> {
        if !self.links.get(number).is_some_and(|link| link.greeted(&node_name(node))) {
            return Err(format!("its certificate is not that of {}", node_name(node)));
        }
        if let Some(twin) = self.keeper.twin(number, (node, incarnation)) {
            self.lose_link(twin, &"another link to the same owner");
            let now = self.now;
            if let Some(link) = self.links.get(twin) {
                link.rest_for(now, TWIN_REST_US);
            }
        }
        self.watches.began(number as u8);
        if self.keeper.hello(number, node, incarnation) {
            self.log.say(self.at, "new owner", &[("node", &node)]);
        }
        Ok(())
    }

    /// Frames whose shard has an owner (again) go to it.
    fn hand_over(&mut self) {
        for number in 0..self.links.len() {
            let Some(output) = self.links.output(number) else { continue };
            let counters = &mut self.counters;
            self.keeper.hand(number, |frame| {
                output.extend_from_slice(frame);
                counters.redelivered += 1;
            });
        }
    }

    /// Keys whose file changed, or whose time has come.
    pub(crate) fn tend_keys(&mut self) {
        match self.keyring.look() {
            Ok(false) if !self.keyring.is_due(self.at) => {}
            Ok(_) => self.renew_keys(),
            Err(error) => self.log.say(self.at, "keys not usable, the old ones stay", &[("why", &error)]),
        }
    }

    fn renew_keys(&mut self) {
        let keys = self.keyring.keys(self.at);
        if keys == self.judge.keys {
            return;
        }
        let signs = keys.keys.signing.first().map_or('-', |key| char::from(key.id));
        self.log.say(self.at, "keys in force", &[("signs", &signs), ("verify", &keys.keys.signing.len())]);
        self.tls.rekey(&keys);
        if let Some(front) = &mut self.front {
            front.set_keys(&keys.keys);
        }
        self.judge.keys = keys;
    }

    fn take_policy(&mut self, json: &[u8]) {
        match Policy::from_json(json) {
            Ok(policy) => {
                self.log.say(self.at, "policy in force", &[("version", &policy.version)]);
                self.judge.take_policy(policy);
                self.pardon();
                self.trunks = Trunks::read(json);
            }
            Err(error) => return self.log.say(self.at, "policy refused", &[("why", &error)]),
        }
        let Some(path) = &self.config.policy else { return };
        if let Err(error) = files::keep_policy(path, json) {
            self.log.say(self.at, "policy not kept", &[("why", &error)]);
        }
    }
}

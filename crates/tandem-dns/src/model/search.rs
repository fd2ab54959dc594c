//! One search: which questions RFC 3263 asks for a wish, and what their answers amount to. It asks nobody.
//!
//! `questions` gives what is to be asked now, `answered` takes each answer, `outcome` is there once nothing more is to be asked.

use super::found::{Choice, Found};
use super::naptr::{usable, Service};
use super::question::{Answer, Data, Failure, Kind, Question, Records, Srv};
use super::wish::{srv_name, usual_port, Wish};
use std::collections::HashMap;
use std::mem::take;
use std::net::IpAddr;
use std::sync::Arc;
use tandem_sip::frame::Transport;

/// Most NAPTR records that are looked at, and most hosts that SRV records lead to.
pub const CHOICES: usize = 32;
/// Most addresses of one host and family.
const ADDRESSES: usize = 8;

/// What the one who sends can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct How {
    /// Transports, the one that we like best first: it decides where the other side's records do not.
    pub transports: Vec<Transport>,
    /// Families, the preferred one first (RFC 7984 4: SRV decides first, families within a host).
    pub families: Vec<Kind>,
}

impl Default for How {
    fn default() -> Self {
        How { transports: vec![Transport::Udp, Transport::Tcp, Transport::Tls], families: vec![Kind::Aaaa, Kind::A] }
    }
}

/// Where to send, or why that is not known.
pub type Outcome = Result<Arc<Found>, Failure>;

#[derive(Debug)]
enum Stage {
    Naptr,
    Srv,
    Addresses,
    Done(Outcome),
}

/// A search under way.
#[derive(Debug)]
pub struct Search {
    wish: Wish,
    how: How,
    stage: Stage,
    /// To be asked, and not yet given out.
    ask: Vec<Question>,
    /// Asked and not yet answered.
    waiting: usize,
    answers: HashMap<Question, Result<Records, Failure>>,
    services: Vec<Service>,
    choices: Vec<Choice>,
    ttl_seconds: u32,
    stale: bool,
    /// Each step and its reason, when somebody wants to read them.
    steps: Option<Vec<String>>,
}

impl Search {
    /// Begins; `explain`: the steps are written down.
    pub fn new(wish: Wish, how: How, explain: bool) -> Search {
        let mut search = Search {
            stage: Stage::Naptr,
            ask: Vec::new(),
            waiting: 0,
            answers: HashMap::new(),
            services: Vec::new(),
            choices: Vec::new(),
            ttl_seconds: u32::MAX,
            stale: false,
            steps: explain.then(Vec::new),
            wish,
            how,
        };
        search.begin();
        search
    }

    /// What is to be asked now; all of it can be asked at once.
    pub fn questions(&mut self) -> Vec<Question> {
        let asked = take(&mut self.ask);
        self.waiting += asked.len();
        asked
    }

    /// One of them is answered.
    pub fn answered(&mut self, question: Question, answer: Answer) {
        let ttl = match &answer {
            Ok(records) => records.ttl_seconds,
            Err((_, seconds)) => *seconds,
        };
        self.ttl_seconds = self.ttl_seconds.min(ttl);
        self.stale |= answer.as_ref().is_ok_and(|records| records.stale);
        self.said(|| describe(&question, &answer));
        self.answers.insert(question, answer.map_err(|(why, _)| why));
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting > 0 || !self.ask.is_empty() {
            return;
        }
        match self.stage {
            Stage::Naptr => self.naptr(),
            Stage::Srv => self.srv(),
            Stage::Addresses => self.addresses(),
            Stage::Done(_) => {}
        }
    }

    /// Once nothing more is to be asked.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.stage {
            Stage::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// What was done and why, where that was wished.
    pub fn steps(&mut self) -> Vec<String> {
        self.steps.take().unwrap_or_default()
    }

    fn begin(&mut self) {
        let usual = self.wish.usual();
        if let Some(transport) = self.wish.transport.filter(|transport| !self.how.transports.contains(transport)) {
            self.said(|| format!("{} is not spoken from here", transport.via()));
            return self.end(Err(Failure::NoTransport));
        }
        if let Some(address) = self.wish.address() {
            let port = self.wish.port.unwrap_or(usual_port(usual));
            self.said(|| format!("{address} is an address: no look-up; {} (4.1), port {port} (4.2)", usual.via()));
            let host = self.wish.host.to_string().into();
            self.choices.push(Choice { rank: 0, weight: 0, transport: usual, host, port, addresses: vec![address] });
            return self.finish();
        }
        if let Some(port) = self.wish.port {
            self.said(|| format!("the port {port} is given: no NAPTR and no SRV; {} (4.1, 4.2)", usual.via()));
            return self.plain(usual, port);
        }
        if let Some(transport) = self.wish.transport {
            self.said(|| format!("the transport {} is given: no NAPTR (4.1)", transport.via()));
            return self.guess(&[transport]);
        }
        self.ask.push(Question::new(Kind::Naptr, self.wish.host.clone()));
    }

    fn naptr(&mut self) {
        let mut records = Vec::new();
        for data in self.data(Kind::Naptr, &self.wish.host) {
            if let (Data::Naptr(naptr), true) = (data, records.len() < CHOICES) {
                records.push(naptr.clone());
            }
        }
        let (any, mut said) = (!records.is_empty(), Vec::new());
        self.services = usable(records, &self.wish, &self.how.transports, |record, why| {
            said.push(format!("NAPTR {} {} {}: passed over, {why}", record.order, record.preference, record.service));
        });
        self.said_all(said);
        if self.services.is_empty() {
            self.said(|| format!("no usable NAPTR{}: SRV of the transports that we speak (4.1)", if any { "" } else { " record" }));
            let spoken = self.how.transports.clone();
            return self.guess(&spoken);
        }
        let named: Vec<String> = self.services.iter().map(|service| format!("{} at {}", service.transport.via(), service.name)).collect();
        self.said(|| format!("by NAPTR: {}", named.join(", then ")));
        self.ask_srv();
    }

    /// SRV names made from transports, where no NAPTR gave any.
    fn guess(&mut self, transports: &[Transport]) {
        let fits = |transport: &&Transport| !self.wish.sips || matches!(transport, Transport::Tls | Transport::Wss);
        let service = |transport: &Transport| {
            srv_name(*transport, &self.wish.host).map(|name| Service { transport: *transport, name, addresses: false })
        };
        self.services = transports.iter().filter(fits).filter_map(service).collect();
        self.ask_srv();
    }

    fn ask_srv(&mut self) {
        self.stage = Stage::Srv;
        let asked: Vec<Question> =
            self.services.iter().filter(|one| !one.addresses).map(|one| Question::new(Kind::Srv, one.name.clone())).collect();
        for question in asked {
            self.want(question);
        }
        if self.ask.is_empty() {
            self.srv();
        }
    }

    fn srv(&mut self) {
        let (mut declined, mut temporary) = (false, None);
        for (number, service) in take(&mut self.services).into_iter().enumerate() {
            let first_rank = u16::try_from(number * CHOICES).unwrap_or(u16::MAX);
            if service.addresses {
                let port = usual_port(service.transport);
                let choice = Choice {
                    rank: first_rank,
                    weight: 0,
                    transport: service.transport,
                    host: (&*service.name).into(),
                    port,
                    addresses: vec![],
                };
                self.choices.push(choice);
                continue;
            }
            match self.answers.get(&Question::new(Kind::Srv, service.name)) {
                Some(Ok(records)) => {
                    let mut records: Vec<Srv> = records.data.iter().filter_map(srv).cloned().collect();
                    declined |= records.iter().all(|record| record.target.is_empty());
                    records.retain(|record| !record.target.is_empty());
                    records.sort_by_key(|record| record.priority);
                    records.truncate(CHOICES);
                    let mut rank = first_rank;
                    let mut before = None;
                    for record in records {
                        rank += u16::from(before.is_some_and(|before| before != record.priority));
                        before = Some(record.priority);
                        let (host, port) = ((&*record.target).into(), record.port);
                        self.choices.push(Choice {
                            rank,
                            weight: record.weight,
                            transport: service.transport,
                            host,
                            port,
                            addresses: vec![],
                        });
                    }
                }
                Some(Err(why)) if why.is_temporary() => temporary = Some(*why),
                _ => {}
            }
        }
        self.choices.truncate(CHOICES);
        match (self.choices.is_empty(), temporary) {
            (false, _) => self.ask_addresses(),
            // silence is not "no records": the service may be on another port and another host
            (true, Some(why)) => self.end(Err(why)),
            (true, None) if declined => {
                self.said(|| "SRV says that the service is not offered (RFC 2782: target \".\")".into());
                self.end(Err(Failure::NotOffered));
            }
            (true, None) => {
                let (usual, host) = (self.wish.usual(), self.wish.host.clone());
                let port = usual_port(usual);
                self.said(|| format!("no SRV record: addresses of {host}, {} port {port} (4.1, 4.2)", usual.via()));
                self.plain(usual, port);
            }
        }
    }

    /// The wished host itself.
    fn plain(&mut self, transport: Transport, port: u16) {
        if !self.how.transports.contains(&transport) {
            self.said(|| format!("{} is not spoken from here", transport.via()));
            return self.end(Err(Failure::NoTransport));
        }
        let host = (&*self.wish.host).into();
        self.choices.push(Choice { rank: 0, weight: 0, transport, host, port, addresses: vec![] });
        self.ask_addresses();
    }

    fn ask_addresses(&mut self) {
        self.stage = Stage::Addresses;
        for host in self.choices.iter().map(|choice| choice.host.clone()).collect::<Vec<_>>() {
            if host.parse::<IpAddr>().is_err() {
                for kind in self.how.families.clone() {
                    self.want(Question::new(kind, &*host));
                }
            }
        }
        if self.ask.is_empty() {
            self.addresses();
        }
    }

    fn addresses(&mut self) {
        let mut choices = take(&mut self.choices);
        let mut failures = Vec::new();
        for choice in &mut choices {
            if let Ok(address) = choice.host.parse() {
                choice.addresses.push(address); // against RFC 2782, but seen, and meant
                continue;
            }
            for kind in &self.how.families {
                match self.answers.get(&Question::new(*kind, &*choice.host)) {
                    Some(Ok(records)) => choice.addresses.extend(records.data.iter().filter_map(address).take(ADDRESSES)),
                    Some(Err(why)) => failures.push(*why),
                    None => {}
                }
            }
        }
        choices.retain(|choice| !choice.addresses.is_empty());
        self.choices = choices;
        if self.choices.is_empty() {
            // one server that was silent says more than another name that is not there
            let worst = failures.iter().find(|why| why.is_temporary()).or_else(|| failures.iter().find(|why| **why == Failure::NoRecords));
            let why = worst.or(failures.first()).copied().unwrap_or(Failure::NoRecords);
            return self.end(Err(why));
        }
        self.finish();
    }

    fn finish(&mut self) {
        let mut choices = take(&mut self.choices);
        choices.sort_by_key(|choice| choice.rank);
        let name = (&*self.wish.host).into();
        self.end(Ok(Arc::new(Found { choices, name, ttl_seconds: self.ttl_seconds, stale: self.stale })));
    }

    fn end(&mut self, outcome: Outcome) {
        self.stage = Stage::Done(outcome);
    }

    fn want(&mut self, question: Question) {
        if !self.answers.contains_key(&question) && !self.ask.contains(&question) {
            self.ask.push(question);
        }
    }

    fn data(&self, kind: Kind, name: &str) -> impl Iterator<Item = &Data> + use<'_> {
        let found = self.answers.get(&Question::new(kind, name)).and_then(|answer| answer.as_ref().ok());
        found.into_iter().flat_map(|records| &records.data)
    }

    fn said(&mut self, step: impl FnOnce() -> String) {
        if self.steps.is_some() {
            let step = step();
            self.said_all(vec![step]);
        }
    }

    fn said_all(&mut self, said: Vec<String>) {
        if let Some(steps) = &mut self.steps {
            steps.extend(said);
        }
    }
}

fn srv(data: &Data) -> Option<&Srv> {
    match data {
        Data::Srv(srv) => Some(srv),
        _ => None,
    }
}

fn address(data: &Data) -> Option<IpAddr> {
    match data {
        Data::Address(address) => Some(*address),
        _ => None,
    }
}

/// One answer in one line.
fn describe(question: &Question, answer: &Answer) -> String {
    match answer {
        Err((why, seconds)) => format!("{question}: {why} ({seconds} s)"),
        Ok(records) => {
            let said: Vec<String> = records
                .data
                .iter()
                .map(|data| match data {
                    Data::Naptr(naptr) => {
                        format!("{} {} \"{}\" \"{}\" {}", naptr.order, naptr.preference, naptr.flags, naptr.service, naptr.replacement)
                    }
                    Data::Srv(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, srv.target),
                    Data::Address(address) => address.to_string(),
                })
                .collect();
            let stale = if records.stale { ", stale: no server answers" } else { "" };
            format!("{question}: {} (TTL {} s{stale})", said.join(" | "), records.ttl_seconds)
        }
    }
}

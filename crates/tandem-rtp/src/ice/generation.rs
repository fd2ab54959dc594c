//! What belongs to one pair of credentials: a restart of ICE begins a new one (RFC 8445 9). Messages are read and written elsewhere.

use std::net::SocketAddr;

use super::selected::Selected;
use super::{Component, Destination, Event, AGGRESSIVE_US, COMPONENTS};
use crate::plan::Credentials;

/// A check whose credentials are right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check<'a> {
    pub(super) component: Component,
    pub(super) from: SocketAddr,
    /// ufrag of its sender.
    pub(super) peer: &'a str,
    pub(super) priority: u32,
    pub(super) nominates: bool,
}

/// Credentials and the addresses that were selected under them.
#[derive(Debug, Clone)]
pub(super) struct Generation {
    pub(super) local: Credentials,
    pub(super) remote: Option<Credentials>,
    /// The peer checks for consent, so that its silence means something.
    pub(super) consents: bool,
    rtp: Option<Selected>,
    rtcp: Option<Selected>,
}

impl Generation {
    pub(super) fn new(local: Credentials, remote: Option<Credentials>) -> Generation {
        Generation { local, remote, consents: false, rtp: None, rtcp: None }
    }

    pub(super) fn selected(&self, component: Component) -> Option<&Selected> {
        match component {
            Component::Rtp => self.rtp.as_ref(),
            Component::Rtcp => self.rtcp.as_ref(),
        }
    }

    pub(super) fn place(&mut self, component: Component) -> &mut Option<Selected> {
        match component {
            Component::Rtp => &mut self.rtp,
            Component::Rtcp => &mut self.rtcp,
        }
    }

    /// Whether it still carries anything.
    pub(super) fn is_bare(&self) -> bool {
        self.rtp.is_none() && self.rtcp.is_none()
    }

    pub(super) fn destination(&self, component: Component) -> Destination {
        self.selected(component).map_or(Destination::Unselected, Selected::destination)
    }

    /// The peer that answered at last is known: what another one nominated is void.
    pub(super) fn meet(&mut self, remote: Credentials) {
        for component in COMPONENTS {
            self.place(component).take_if(|selected| *selected.peer != *remote.ufrag);
        }
        self.remote = Some(remote);
    }

    /// A check came that is right.
    pub(super) fn checked(&mut self, now: u64, check: Check<'_>) -> Option<Event> {
        let event = Event::Selected { component: check.component, remote: check.from };
        let place = self.place(check.component);
        if let Some(selected) = place.as_mut().filter(|selected| selected.remote == check.from) {
            if check.nominates {
                selected.priority = check.priority;
                selected.peer = check.peer.into();
            }
            let (shown, renewed) = (selected.shows_consent(now), selected.renew(now));
            self.consents |= shown;
            return renewed.then_some(event);
        }
        let stays = |selected: &Selected| {
            !selected.expired && check.priority < selected.priority && now < selected.since.saturating_add(AGGRESSIVE_US)
        };
        if !check.nominates || place.as_ref().is_some_and(stays) {
            return None;
        }
        // The time of the first nomination stays for as long as it decides.
        let since = place.as_ref().map(|selected| selected.since).filter(|since| now < since.saturating_add(AGGRESSIVE_US));
        let mut selected = Selected::new(now, check.from, check.priority, check.peer);
        selected.since = since.unwrap_or(now);
        *place = Some(selected);
        Some(event)
    }

    /// Consent that has ended by `now`: one address a call.
    pub(super) fn lapse(&mut self, now: u64) -> Option<Event> {
        if !self.consents {
            return None;
        }
        COMPONENTS.into_iter().find_map(|component| {
            let selected = self.place(component).as_mut()?;
            if selected.ends()? > now {
                return None;
            }
            selected.expired = true;
            Some(Event::Expired { component, remote: selected.remote })
        })
    }

    /// When consent ends next, microseconds.
    pub(super) fn wants(&self) -> Option<u64> {
        if !self.consents {
            return None;
        }
        COMPONENTS.into_iter().filter_map(|component| self.selected(component)?.ends()).min()
    }
}

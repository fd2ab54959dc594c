//! A REGISTER as it came, made a wish or a refusal (RFC 3261 10.3, steps 1 to 6). It binds nothing.

use super::contact::{address, read_expires, uri_parts, BadContact, Contacts};
use super::gruu::{self, Gr};
use super::{Flow, Outcome, Registrar, Wish, PATH_BYTES};
use crate::ids::Keys;
use crate::message::Message;
use crate::name::Name;
use crate::policy::Policy;
use crate::question::{aor_of, Aor};

/// Why a REGISTER cannot be done; the text is the reason of its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadRegister {
    /// The To names no address of record.
    #[error("Bad Request (To is no address of record)")]
    To,
    /// RFC 3261 10.3, 4: one user registers for itself only.
    #[error("Forbidden")]
    NotYours,
    /// RFC 3261 10.3, 5.
    #[error("Not Found")]
    NotHere,
    /// A Contact that cannot be bound.
    #[error("Bad Request ({0})")]
    Contact(#[from] BadContact),
    /// RFC 5627 5.1: what we call the phone is not where it is.
    #[error("Forbidden (Contact is a GRUU)")]
    Gruu,
    /// More Path than is kept.
    #[error("Bad Request (Path is longer than {PATH_BYTES} bytes)")]
    Path,
    /// RFC 5626 6.
    #[error("First Hop Lacks Outbound Support")]
    FirstHop,
}

impl BadRegister {
    /// Its status.
    pub fn status(self) -> u16 {
        match self {
            BadRegister::To | BadRegister::Contact(_) | BadRegister::Path => 400,
            BadRegister::NotYours | BadRegister::Gruu => 403,
            BadRegister::NotHere => 404,
            BadRegister::FirstHop => 439,
        }
    }
}

impl Registrar {
    /// Does a REGISTER whose sender is proven to be `user` (`user@domain`, from `auth::check`); trunks register nobody: 403.
    /// `headers` gets the lines to add to the answer, whatever its status.
    ///
    /// # Errors
    /// It is refused before any binding is looked at; `Outcome` has the refusals after that.
    #[allow(clippy::too_many_arguments)]
    pub fn answer(
        &mut self,
        message: &Message<'_>,
        user: Option<&[u8]>,
        policy: &Policy,
        flow: &Flow,
        keys: &Keys,
        now_us: u64,
        headers: &mut Vec<u8>,
    ) -> Result<Outcome, BadRegister> {
        let aor = address_of_record(message, user, policy)?;
        let mut path = Vec::new();
        let wish = wish(message, &aor, policy, &mut path)?;
        Ok(self.register(&wish, flow, keys, now_us, headers))
    }
}

/// The To's address of record, if `user` may bind it. Who is no user may bind none, whatever the To (RFC 3261 10.3: step 4 before 5).
pub fn address_of_record(message: &Message<'_>, user: Option<&[u8]>, policy: &Policy) -> Result<Aor, BadRegister> {
    let user = user.ok_or(BadRegister::NotYours)?;
    let (uri, _) = message.first(Name::To).and_then(address).ok_or(BadRegister::To)?;
    let (_, host, _) = uri_parts(uri).ok_or(BadRegister::To)?;
    let aor = aor_of(uri, policy).ok_or(BadRegister::To)?;
    if policy.domain(host).is_none() {
        return Err(BadRegister::NotHere);
    }
    if user == &aor[..] {
        Ok(aor)
    } else {
        Err(BadRegister::NotYours)
    }
}

/// Reads the rest; `path` is room for the Path values.
pub fn wish<'a>(message: &Message<'a>, aor: &'a [u8], policy: &Policy, path: &'a mut Vec<u8>) -> Result<Wish<'a>, BadRegister> {
    for value in message.all(Name::Path) {
        let comma: &[u8] = if path.is_empty() { b"" } else { b", " };
        path.extend_from_slice(comma);
        path.extend(value.iter().map(|&c| if c < b' ' { b' ' } else { c })); // folds become spaces
    }
    if path.len() > PATH_BYTES {
        return Err(BadRegister::Path);
    }
    let contacts = Contacts::parse(message.all(Name::Contact))?;
    let supports = |tag: &[u8]| message.values(Name::Supported).any(|option| option.eq_ignore_ascii_case(tag));
    let outbound = supports(b"outbound");
    if let Contacts::Some(list) = &contacts {
        let with_reg_id = list.iter().any(|contact| contact.reg_id.is_some());
        if outbound && with_reg_id && message.values(Name::Via).count() > 1 && !first_hop_is_outbound(path) {
            return Err(BadRegister::FirstHop);
        }
        if list.iter().any(|contact| is_gruu(contact.uri, policy)) {
            return Err(BadRegister::Gruu);
        }
    }
    Ok(Wish {
        aor,
        call_id: message.call_id(),
        cseq: message.cseq().0,
        expires: message.first(Name::Expires).map(read_expires),
        contacts,
        path,
        outbound,
        gruu: supports(b"gruu"),
        rport: message.top_via().params.get(b"rport").is_some(),
    })
}

fn is_gruu(uri: &[u8], policy: &Policy) -> bool {
    gruu::form(uri) != Gr::No && uri_parts(uri).is_some_and(|(_, host, _)| policy.domain(host).is_some())
}

/// RFC 5626 6: behind a proxy, its URI in the Path has the parameter `ob`.
fn first_hop_is_outbound(path: &[u8]) -> bool {
    let first = path.rsplit(|&c| c == b',').next().unwrap_or_default();
    let parameters = address(first).and_then(|(uri, _)| uri_parts(uri)).map(|(_, _, parameters)| parameters);
    parameters.is_some_and(|parameters| crate::question::parameter(parameters, b"ob").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Index;
    use crate::limits::Limits;
    use crate::registrar::Config;

    const AT: u64 = 1_795_000_000_000_000;

    fn answer(to: &str, more: &str) -> (u16, String, Registrar) {
        answer_to(Some(b"alice@demo.example"), to, more)
    }

    fn answer_to(user: Option<&[u8]>, to: &str, more: &str) -> (u16, String, Registrar) {
        let text = format!(
            "REGISTER sip:demo.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{more}f: <sip:alice@demo.example>;tag=1\r\nt: {to}\r\ni: c@h\r\nCSeq: 7 REGISTER\r\n\r\n"
        );
        let policy = Policy::from_json(br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}}"#).unwrap();
        let (mut index, mut headers) = (Index::default(), Vec::new());
        let message = Message::parse(text.as_bytes(), &Limits::default(), &mut index).unwrap();
        let flow = Flow { edge: 1, connection: 0, transport: 1, local: 0, remote: "192.0.2.1:5060".parse().unwrap() };
        let mut registrar = Registrar::new(Config::default(), [1; 16]);
        let keys = Keys { hash: [1; 16], signing: vec![crate::ids::Key { id: b'a', secret: [2; 16] }] };
        let outcome = registrar.answer(&message, user, &policy, &flow, &keys, AT, &mut headers);
        (outcome.map_or_else(BadRegister::status, |outcome| outcome.status), String::from_utf8(headers).unwrap(), registrar)
    }

    #[test]
    fn a_whole_register_binds_with_short_names_and_folds() {
        let more = "m: <sip:alice@10.0.0.1>;q=0.5,\r\n <sip:alice@10.0.0.2>\r\nExpires: 600\r\nk: path, outbound\r\nPath: <sip:p1;lr>\r\nPath: <sip:p2;lr>\r\n";
        let (outcome, headers, registrar) = answer("<sip:%61lice@DEMO.example>", more);
        assert_eq!(200, outcome);
        assert!(headers.contains("Contact: <sip:alice@10.0.0.2>;expires=600\r\n"), "{headers}");
        let list = registrar.lookup(b"alice@demo.example", AT);
        assert_eq!((2, &b"<sip:p1;lr>, <sip:p2;lr>"[..], 7), (list.len(), list[0].path, list[0].cseq));
    }

    #[test]
    fn nobody_registers_for_another_nor_in_a_strange_domain() {
        assert_eq!(403, answer("<sip:bob@demo.example>", "m: <sip:x@h>\r\n").0);
        assert_eq!(404, answer("<sip:alice@other.example>", "m: <sip:x@h>\r\n").0);
        assert_eq!(200, answer("<sip:alice@192.0.2.9>", "m: <sip:x@h>\r\n").0, "an address is the default domain");
    }

    #[test]
    fn a_trusted_peer_that_is_no_user_learns_nothing_but_403() {
        for to in ["<sip:alice@demo.example>", "<sip:nobody@demo.example>", "<sip:alice@other.example>", "<isbn:2983792873>"] {
            assert_eq!(403, answer_to(None, to, "m: <sip:x@h>\r\n").0, "{to}");
        }
    }

    #[test]
    fn what_cannot_be_bound_is_400() {
        for more in
            ["m: <sip:x@h\r\n", "m: *, <sip:x@h>\r\n", "m: *\r\n", &format!("m: <sip:x@h>\r\nPath: <sip:{}>\r\n", "p".repeat(PATH_BYTES))]
        {
            assert_eq!(400, answer("<sip:alice@demo.example>", more).0, "{more}");
        }
        assert_eq!(400, answer("<tel:+4930>", "m: <sip:x@h>\r\n").0);
    }

    #[test]
    fn a_proxy_without_outbound_in_front_is_439() {
        let contact = "m: <sip:x@h>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\nk: outbound\r\n";
        let via = "Via: SIP/2.0/UDP phone;branch=z9hG4bK0\r\n";
        assert_eq!(200, answer("<sip:alice@demo.example>", contact).0);
        assert_eq!(439, answer("<sip:alice@demo.example>", &format!("{via}{contact}")).0);
        let good = format!("{via}{contact}Path: <sip:p2;lr>, <sip:p1;lr;ob>\r\n");
        assert_eq!(200, answer("<sip:alice@demo.example>", &good).0);
    }

    #[test]
    fn a_contact_that_is_a_gruu_of_ours_is_403() {
        assert_eq!(403, answer("<sip:alice@demo.example>", "m: <sip:alice@demo.example;gr=urn:uuid:1>\r\n").0);
        assert_eq!(200, answer("<sip:alice@demo.example>", "m: <sip:alice@other.example;gr=urn:uuid:1>\r\n").0);
    }
}

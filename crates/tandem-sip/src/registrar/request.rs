//! A REGISTER as it came, made a wish or a refusal (RFC 3261 10.3, steps 1 to 6). It binds nothing.

use super::contact::{address, read_expires, uri_parts, Contacts};
use super::{Dirty, Flow, Outcome, Registrar, Wish, PATH_BYTES};
use crate::message::Message;
use crate::name::Name;
use crate::policy::Policy;
use crate::question::{aor_of, Aor};

impl Registrar {
    /// Does a REGISTER whose sender is proven to be `user` (`user@domain`, from `auth::check`); trunks register nobody: 403.
    /// `headers` gets the lines to add to the answer, whatever its status.
    ///
    /// Status: 200; 400 malformed To, Contact, Path or `*`; 403 for another's address; 404 no domain of ours; 423 too brief;
    /// 439 first hop without outbound (RFC 5626 11.6); 500 an overtaken CSeq.
    pub fn answer(
        &mut self,
        message: &Message<'_>,
        user: Option<&[u8]>,
        policy: &Policy,
        flow: &Flow,
        now_us: u64,
        headers: &mut Vec<u8>,
    ) -> Outcome {
        let refused = |status| Outcome { status, dirty: Dirty::None };
        let aor = match address_of_record(message, user, policy) {
            Ok(aor) => aor,
            Err(status) => return refused(status),
        };
        let mut path = Vec::new();
        let outcome = match wish(message, &aor, &mut path) {
            Ok(wish) => self.register(&wish, flow, now_us, headers),
            Err(status) => refused(status),
        };
        outcome
    }
}

/// The To's address of record, if `user` may bind it.
pub fn address_of_record(message: &Message<'_>, user: Option<&[u8]>, policy: &Policy) -> Result<Aor, u16> {
    let (uri, _) = message.first(Name::To).and_then(address).ok_or(400u16)?;
    let (_, host, _) = uri_parts(uri).ok_or(400u16)?;
    let aor = aor_of(uri, policy).ok_or(400u16)?;
    if policy.domain(host).is_none() {
        return Err(404); // 10.3, 5
    }
    if user != Some(&aor) {
        Err(403)
    } else {
        Ok(aor)
    } // 10.3, 4: no third-party registration
}

/// Reads the rest; `path` is room for the Path values.
pub fn wish<'a>(message: &Message<'a>, aor: &'a [u8], path: &'a mut Vec<u8>) -> Result<Wish<'a>, u16> {
    for value in message.all(Name::Path) {
        let comma: &[u8] = if path.is_empty() { b"" } else { b", " };
        path.extend_from_slice(comma);
        path.extend(value.iter().map(|&c| if c < b' ' { b' ' } else { c })); // folds become spaces
    }
    if path.len() > PATH_BYTES {
        return Err(400);
    }
    let contacts = Contacts::parse(message.all(Name::Contact)).map_err(|_| 400u16)?;
    let outbound = message.values(Name::Supported).any(|option| option.eq_ignore_ascii_case(b"outbound"));
    let with_reg_id = matches!(&contacts, Contacts::Some(list) if list.iter().any(|contact| contact.reg_id.is_some()));
    if outbound && with_reg_id && message.values(Name::Via).count() > 1 && !first_hop_is_outbound(path) {
        return Err(439);
    }
    Ok(Wish {
        aor,
        call_id: message.call_id(),
        cseq: message.cseq().0,
        expires: message.first(Name::Expires).map(read_expires),
        contacts,
        path,
        outbound,
    })
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

    fn answer(to: &str, more: &str) -> (Outcome, String, Registrar) {
        let text = format!(
            "REGISTER sip:demo.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{more}f: <sip:alice@demo.example>;tag=1\r\nt: {to}\r\ni: c@h\r\nCSeq: 7 REGISTER\r\n\r\n"
        );
        let policy = Policy::from_json(br#"{"default_domain": "demo.example", "domains": {"demo.example": "demo"}}"#).unwrap();
        let (mut index, mut headers) = (Index::default(), Vec::new());
        let message = Message::parse(text.as_bytes(), &Limits::default(), &mut index).unwrap();
        let flow = Flow { edge: 1, connection: 0, transport: 1, local: 0, remote: "192.0.2.1:5060".parse().unwrap() };
        let mut registrar = Registrar::new(Config::default(), [1; 16]);
        let outcome = registrar.answer(&message, Some(b"alice@demo.example"), &policy, &flow, 1_795_000_000_000_000, &mut headers);
        (outcome, String::from_utf8(headers).unwrap(), registrar)
    }

    #[test]
    fn a_whole_register_binds_with_short_names_and_folds() {
        let more = "m: <sip:alice@10.0.0.1>;q=0.5,\r\n <sip:alice@10.0.0.2>\r\nExpires: 600\r\nk: path, outbound\r\nPath: <sip:p1;lr>\r\nPath: <sip:p2;lr>\r\n";
        let (outcome, headers, registrar) = answer("<sip:%61lice@DEMO.example>", more);
        assert_eq!(Outcome { status: 200, dirty: Dirty::Now }, outcome);
        assert!(headers.contains("Contact: <sip:alice@10.0.0.2>;expires=600\r\n"), "{headers}");
        let list = registrar.lookup(b"alice@demo.example", 1_795_000_000_000_000);
        assert_eq!((2, &b"<sip:p1;lr>, <sip:p2;lr>"[..], 7), (list.len(), list[0].path, list[0].cseq));
    }

    #[test]
    fn nobody_registers_for_another_nor_in_a_strange_domain() {
        assert_eq!(403, answer("<sip:bob@demo.example>", "m: <sip:x@h>\r\n").0.status);
        assert_eq!(404, answer("<sip:alice@other.example>", "m: <sip:x@h>\r\n").0.status);
        assert_eq!(200, answer("<sip:alice@192.0.2.9>", "m: <sip:x@h>\r\n").0.status, "an address is the default domain");
    }

    #[test]
    fn what_cannot_be_bound_is_400() {
        for more in
            ["m: <sip:x@h\r\n", "m: *, <sip:x@h>\r\n", "m: *\r\n", &format!("m: <sip:x@h>\r\nPath: <sip:{}>\r\n", "p".repeat(PATH_BYTES))]
        {
            assert_eq!(400, answer("<sip:alice@demo.example>", more).0.status, "{more}");
        }
        assert_eq!(400, answer("<tel:+4930>", "m: <sip:x@h>\r\n").0.status);
    }

    #[test]
    fn a_proxy_without_outbound_in_front_is_439() {
        let contact = "m: <sip:x@h>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\nk: outbound\r\n";
        let via = "Via: SIP/2.0/UDP phone;branch=z9hG4bK0\r\n";
        assert_eq!(200, answer("<sip:alice@demo.example>", contact).0.status);
        assert_eq!(439, answer("<sip:alice@demo.example>", &format!("{via}{contact}")).0.status);
        let good = format!("{via}{contact}Path: <sip:p2;lr>, <sip:p1;lr;ob>\r\n");
        assert_eq!(200, answer("<sip:alice@demo.example>", &good).0.status);
    }
}

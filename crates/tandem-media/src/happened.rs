//! What happens at endpoints, as call nodes are told: one JSON object each. It tells nobody.

use tandem_rtp::audio::gather::Why;
use tandem_rtp::ng::Value;
use tandem_rtp::studio::Told;

/// What has happened at the audio engine to a leg of a call; in which room, if it is in one.
pub fn told(call: &str, leg: &str, room: Option<&str>, told: &Told) -> Value {
    let event = |name: &str| {
        let value = self::event(name, call, leg);
        room.map_or(value.clone(), |room| value.with("room", Value::text(room)))
    };
    let named = |value: Value, name: &Option<String>| name.as_ref().map_or(value.clone(), |name| value.with("id", Value::text(name)));
    match told {
        Told::Key(digit) => event("digit").with("digit", Value::text(digit.key().to_string())),
        Told::Played { name, whole } => named(event("played"), name).with("whole", Value::Integer((*whole).into())),
        Told::Gathered { name, why, digits } => {
            let why = match why {
                Why::Full => "full".to_owned(),
                Why::Terminator(key) => format!("terminator {}", key.key()),
                Why::NoDigit => "no digit".to_owned(),
                Why::Pause => "pause".to_owned(),
            };
            named(event("gathered"), name).with("digits", Value::text(digits)).with("why", Value::text(why))
        }
        Told::Talking(talks) => event("talking").with("on", Value::Integer((*talks).into())),
    }
}

/// Something has happened to a leg of a call.
pub fn event(what: &str, call: &str, leg: &str) -> Value {
    Value::dict().with("event", Value::text(what)).with("call", Value::text(call)).with("leg", Value::text(leg))
}

/// A leg has come into a room, or left it.
pub fn moved(call: &str, leg: &str, room: &str, inside: bool) -> Value {
    event(if inside { "joined" } else { "left" }, call, leg).with("room", Value::text(room))
}

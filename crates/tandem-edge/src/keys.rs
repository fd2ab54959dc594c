//! The keys for MACs and nonces, from `keys.json` or the owner's KEYS frame. It makes none.

use serde::Deserialize;
use tandem_sip::ids::{Key, Keys};

/// Keys in one list.
pub const KEYS: usize = 16;

/// What an edge signs and verifies with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeKeys {
    /// For shards, branches and tokens.
    pub keys: Keys,
    /// For nonces, newest first.
    pub nonce: Vec<Key>,
}

#[derive(Deserialize)]
struct Text {
    hash: String,
    signing: Vec<KeyText>,
    nonce: Vec<KeyText>,
}

#[derive(Deserialize)]
struct KeyText {
    id: String,
    secret: String,
}

/// Reads `{"hash": hex32, "signing": [{"id": "a", "secret": hex32}, ..], "nonce": [..]}`; the error names the field.
pub fn read(json: &[u8]) -> Result<EdgeKeys, String> {
    let text: Text = serde_json::from_slice(json).map_err(|error| format!("keys: {error}"))?;
    let hash = secret("hash", &text.hash)?;
    let signing = list("signing", &text.signing)?;
    Ok(EdgeKeys { keys: Keys { hash, signing }, nonce: list("nonce", &text.nonce)? })
}

fn list(field: &str, texts: &[KeyText]) -> Result<Vec<Key>, String> {
    if texts.is_empty() || texts.len() > KEYS {
        return Err(format!("keys: `{field}` has {} keys, 1 to {KEYS} are allowed", texts.len()));
    }
    let key = |text: &KeyText| match text.id.as_bytes() {
        [id] => Ok(Key { id: *id, secret: secret(field, &text.secret)? }),
        _ => Err(format!("keys: `{field}`: an `id` is one character, this is `{}`", text.id)),
    };
    texts.iter().map(key).collect()
}

fn secret(field: &str, hex: &str) -> Result<[u8; 16], String> {
    // The secret itself never enters an error.
    let bad = || format!("keys: `{field}`: a secret is 32 hexadecimal digits");
    if hex.len() != 32 || !hex.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(bad());
    }
    u128::from_str_radix(hex, 16).map(u128::to_be_bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn keys_are_read_in_order_and_errors_name_the_field() {
        let hex = "000102030405060708090a0b0c0d0e0f";
        let json = format!(r#"{{"hash":"{hex}","signing":[{{"id":"b","secret":"{hex}"}}],"nonce":[{{"id":"a","secret":"{hex}"}}]}}"#);
        let keys = read(json.as_bytes()).unwrap();
        assert_eq!((b'b', 15), (keys.keys.signing[0].id, keys.keys.hash[15]));
        let error = read(json.replace(r#""id":"a""#, r#""id":"ab""#).as_bytes()).unwrap_err();
        assert!(error.contains("`nonce`"), "{error}");
        assert!(read(json.replace("0f\"}]", "zz\"}]").as_bytes()).is_err());
    }
}

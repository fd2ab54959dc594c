//! How commands spell their words: `-`, ` ` and `_` are alike, and so are upper and lower case. It knows no word's meaning.

use super::value::Value;

/// A word in its one spelling. It has as many bytes as it had.
///
/// ```
/// assert_eq!("trust-address", tandem_rtp::ng::word("trust Address"));
/// ```
pub fn word(text: &str) -> String {
    text.chars().map(|letter| if matches!(letter, ' ' | '_') { '-' } else { letter.to_ascii_lowercase() }).collect()
}

/// What follows a prefix of a flag, as it is spelled.
pub fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    (word(head) == prefix && !rest.is_empty()).then_some(rest)
}

/// Yes and no in their spellings.
pub fn truth(value: &Value) -> Option<bool> {
    match &word(value.as_str().unwrap_or_default())[..] {
        "yes" | "on" | "true" | "1" | "enable" => Some(true),
        "no" | "off" | "false" | "0" | "disable" => Some(false),
        _ => value.as_integer().map(|number| number != 0),
    }
}

/// Splits one string of flags, as newer clients send it: words, `key=value`, and `key=[a b]` for a list.
///
/// ```
/// let flags = tandem_rtp::ng::split("trust-address ICE=force direction=[pub priv]");
/// assert_eq!(["trust-address", "ICE=force", "direction=[pub priv]"], flags[..]);
/// ```
pub fn split(text: &str) -> Vec<&str> {
    let (mut words, mut start, mut depth) = (Vec::new(), 0, 0usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ if letter.is_whitespace() && depth == 0 => {
                words.push(text.get(start..at).unwrap_or_default());
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    words.push(text.get(start..).unwrap_or_default());
    words.retain(|word| !word.is_empty());
    words
}

/// The value of `key=value`: a list for `[a b]` or `[a,b]`.
pub fn assigned(text: &str) -> Option<(&str, Value)> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty())?;
    let list = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
    Some((
        key,
        list.map_or_else(
            || Value::text(value),
            |list| Value::List(list.split([' ', ',']).filter(|item| !item.is_empty()).map(Value::text).collect()),
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_alike_and_values_keep_theirs() {
        assert_eq!(word("SIP source_address"), word("sip-source-address"));
        assert_eq!(Some("PCMA_x"), after("codec strip PCMA_x", "codec-strip-").or(after("codec strip-PCMA_x", "codec-strip-")));
        assert_eq!(None, after("codec-strip-", "codec-strip-"));
        assert_eq!(None, after("é", "c"));
        assert_eq!(Some(("a", Value::List(vec![Value::text("b"), Value::text("c")]))), assigned("a=[b, c]"));
        assert_eq!(Some(("a", Value::text("b=c"))), assigned("a=b=c"));
        assert_eq!(None, assigned("=b"));
    }
}

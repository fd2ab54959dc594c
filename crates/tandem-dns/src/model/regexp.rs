//! The substitution expression of a NAPTR record (RFC 3402 3.2): a pattern and what becomes of what it matches. It looks nothing up.

use regex_lite::RegexBuilder;

/// Longest expression, in bytes: a character-string (RFC 1035 3.3).
const EXPRESSION_BYTES: usize = 255;
/// Longest result, in bytes: no URI of ours is longer.
const RESULT_BYTES: usize = 512;
/// Most memory of a compiled pattern, in bytes; the engine never backtracks, so time is bounded by it too.
const PATTERN_BYTES: usize = 64 * 1024;

/// Why an expression gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRegexp {
    /// Not `!pattern!replacement!flags`.
    #[error("not of the form !pattern!replacement!")]
    Form,
    /// A pattern that cannot be compiled within its limit.
    #[error("a pattern that cannot be read")]
    Pattern,
    /// A reference to a group that the pattern has not.
    #[error("a reference to a group that is not there")]
    Reference,
    /// Longer than its limit.
    #[error("too long")]
    TooLong,
}

/// What the expression makes of the text; `None` when it does not match.
///
/// ```
/// let made = tandem_dns::model::apply(r"!^\+49(.*)$!sip:0\1@berlin.example!", "+4930123").unwrap();
/// assert_eq!(Some("sip:030123@berlin.example"), made.as_deref());
/// ```
///
/// # Errors
/// Why the expression cannot be used.
pub fn apply(expression: &str, text: &str) -> Result<Option<String>, BadRegexp> {
    if expression.len() > EXPRESSION_BYTES {
        return Err(BadRegexp::TooLong);
    }
    let (pattern, replacement, fold) = parts(expression)?;
    let built = RegexBuilder::new(&pattern).case_insensitive(fold).size_limit(PATTERN_BYTES).build();
    let pattern = built.map_err(|_| BadRegexp::Pattern)?;
    let Some(found) = pattern.captures(text) else {
        return Ok(None);
    };
    let mut made = String::new();
    let mut characters = replacement.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            made.push(character);
        } else {
            match characters.next() {
                Some(digit @ '1'..='9') => {
                    let group = digit as usize - '0' as usize;
                    if group >= found.len() {
                        return Err(BadRegexp::Reference);
                    }
                    made.push_str(found.get(group).map_or("", |one| one.as_str()));
                }
                Some(other) => made.push(other),
                None => return Err(BadRegexp::Form),
            }
        }
        if made.len() > RESULT_BYTES {
            return Err(BadRegexp::TooLong);
        }
    }
    Ok(Some(made))
}

/// Pattern, replacement, and whether case counts not. The first character parts them; a backslash before it takes that from it.
fn parts(expression: &str) -> Result<(String, String, bool), BadRegexp> {
    let mut characters = expression.chars();
    let delimiter = characters.next().filter(|one| !one.is_ascii_digit() && *one != 'i' && *one != '\\').ok_or(BadRegexp::Form)?;
    let (mut parts, mut part) = (Vec::new(), String::new());
    while let Some(character) = characters.next() {
        if character == delimiter && parts.len() < 2 {
            parts.push(std::mem::take(&mut part));
        } else if character == '\\' {
            match characters.next() {
                Some(escaped) if escaped == delimiter => part.push(escaped),
                Some(escaped) => part.extend(['\\', escaped]),
                None => return Err(BadRegexp::Form),
            }
        } else {
            part.push(character);
        }
    }
    let fold = match part.as_str() {
        "" => false,
        "i" | "I" => true,
        _ => return Err(BadRegexp::Form),
    };
    let [pattern, replacement] = <[String; 2]>::try_from(parts).map_err(|_| BadRegexp::Form)?;
    Ok((pattern, replacement, fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_character_parts_and_a_backslash_takes_that_from_it() {
        assert_eq!(Ok(Some("sip:49@x".into())), apply(r"/^\+(49)$/sip:\1@x/i", "+49"));
        assert_eq!(Ok(Some("a!b".into())), apply(r"!^.*$!a\!b!", "+49"));
        assert_eq!(Ok(None), apply("!^x$!y!", "+49"));
    }

    #[test]
    fn what_is_no_expression_is_told_apart() {
        for (bad, why) in [
            ("", BadRegexp::Form),
            ("!a!b", BadRegexp::Form),
            ("1a1b1", BadRegexp::Form),
            ("!a!b!x", BadRegexp::Form),
            ("!a!b\\", BadRegexp::Form),
            ("!(!b!", BadRegexp::Pattern),
            (r"!.*!\1!", BadRegexp::Reference),
            ("!((((.{1000}){1000}){1000}){1000}){1000}!x!", BadRegexp::Pattern),
        ] {
            assert_eq!(Err(why), apply(bad, "+49"), "{bad}");
        }
        assert_eq!(Err(BadRegexp::TooLong), apply(&format!("!.*!{}!", "x".repeat(300)), "+49"));
        let long = "9".repeat(200);
        assert_eq!(Err(BadRegexp::TooLong), apply(r"!^(.*)$!\1\1\1!", &long));
    }

    #[test]
    fn a_pattern_made_to_take_for_ever_does_not() {
        assert_eq!(Ok(None), apply("!^(9*)*(9*)*(9*)*$!x!", &format!("{}x", "9".repeat(200))));
    }
}

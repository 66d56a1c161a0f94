//! Hosts: the form in which sites are looked up.

use super::class::Class;

/// A host in lower case, without its port and without one final dot: `$host`. `None` when it is
/// not a host by nginx's rules, which let every character of RFC 3986's `reg-name` pass.
pub(super) fn normalise(text: &[u8]) -> Option<Box<str>> {
    // Inside brackets colons are allowed, escapes are not.
    let end = match text {
        [b'[', inner @ ..] => match inner.split_at(labels(inner, b':')?) {
            (inner, [b']', ..]) => inner.len() + 2,
            _ => return None,
        },
        _ => labels(text, b'%')?,
    };
    let (name, port) = text.split_at(end);
    if !is_port(port) {
        return None;
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() {
        return None;
    }
    let mut name = std::str::from_utf8(name).ok()?.to_owned();
    name.make_ascii_lowercase();
    Some(name.into())
}

/// The length of the labels at the start of a text, with the dots between them and one more byte that they may have.
/// `None` when two dots follow each other.
fn labels(text: &[u8], also: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        at += Class::LABEL.run(&text[at..]);
        match text[at..] {
            [b'.', b'.', ..] => return None,
            [byte, ..] if byte == b'.' || byte == also => at += 1,
            _ => return Some(at),
        }
    }
}

/// Nothing, or a colon and a number up to 65535, which may be missing.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits
            .iter()
            .try_fold(0u16, |port, digit| match digit {
                b'0'..=b'9' => port.checked_mul(10)?.checked_add(u16::from(digit - b'0')),
                _ => None,
            })
            .is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_reduced_to_the_form_of_the_site_table() {
        for (text, expected) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("example.com:8080", "example.com"),
            ("example.com.:8080", "example.com"),
            ("example.com:", "example.com"),
            ("127.0.0.1:65535", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[2001:DB8::1]:80", "[2001:db8::1]"),
            ("a_b~c!$&'()*+,;=%", "a_b~c!$&'()*+,;=%"),
            (".a", ".a"),
        ] {
            assert_eq!(
                normalise(text.as_bytes()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for text in [
            "", ".", ":80", "a..b", "a b", "a/b", "a@b", "a:b", "a:65536", "a:80:80", "[::1",
            "[::1]x", "[a%b]", "[a..b]", "a..", "a%..b", "[]x", "a?", "a#b", "\u{e4}", "[[]",
            "a\\b",
        ] {
            assert_eq!(normalise(text.as_bytes()), None, "{text}");
        }
    }
}

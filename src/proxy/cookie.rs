//! A `Set-Cookie` header: its name, its value and its attributes, as nginx takes them apart.

/// A cookie that an answer sets.
pub(super) struct Cookie {
    /// The cookie itself first.
    parts: Vec<Attribute>,
}

/// `name` or `name=value`.
pub(super) struct Attribute {
    name: Vec<u8>,
    /// `None` without a `=`.
    pub(super) value: Option<Vec<u8>>,
}

impl Cookie {
    /// Takes a header's value apart; `None` when it does not begin with `name=value`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let parts: Vec<Attribute> = text
            .split(|byte| *byte == b';')
            .map(Attribute::parse)
            .collect();
        let first = parts.first()?;
        first.value.is_some().then_some(Self { parts })
    }

    pub(super) fn name(&self) -> &[u8] {
        self.parts.first().map_or(&[], |first| &first.name)
    }

    /// The attributes of this name, in any case of its letters.
    pub(super) fn attributes_named(&mut self, name: &str) -> impl Iterator<Item = &mut Attribute> {
        self.parts
            .iter_mut()
            .skip(1)
            .filter(move |one| one.name.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Sets and takes away flags by nginx's words. `false` when none of them is one.
    pub(super) fn set_flags<'f>(&mut self, words: impl Iterator<Item = &'f [u8]>) -> bool {
        let (mut secure, mut http_only, mut same_site) = (None, None, SameSite::default());
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"secure" => secure = Some(true),
                b"nosecure" => secure = secure.or(Some(false)),
                b"httponly" => http_only = Some(true),
                b"nohttponly" => http_only = http_only.or(Some(false)),
                b"samesite=strict" => same_site.strict = true,
                b"samesite=lax" => same_site.lax = true,
                b"samesite=none" => same_site.none = true,
                b"nosamesite" => same_site.off = true,
                _ => {}
            }
        }
        if secure.is_none() && http_only.is_none() && !same_site.is_said() {
            return false;
        }
        self.switch("Secure", secure);
        self.switch("HttpOnly", http_only);
        self.set_same_site(same_site);
        true
    }

    /// A flag without a value. One that is there already stays as it is written.
    fn switch(&mut self, name: &str, on: Option<bool>) {
        match on {
            Some(true) if self.attributes_named(name).next().is_none() => {
                self.parts.push(Attribute::of(name, None));
            }
            Some(false) => self.remove(name),
            _ => {}
        }
    }

    fn set_same_site(&mut self, same_site: SameSite) {
        let Some(value) = same_site.value() else {
            if same_site.off {
                self.remove("SameSite");
            }
            return;
        };
        let present = self.attributes_named("SameSite").next();
        match present {
            Some(present) => {
                let same = present.value.as_deref().unwrap_or_default();
                if !same.eq_ignore_ascii_case(value.as_bytes()) {
                    *present = Attribute::of("SameSite", Some(value));
                }
            }
            None => self.parts.push(Attribute::of("SameSite", Some(value))),
        }
    }

    fn remove(&mut self, name: &str) {
        let mut first = true;
        self.parts.retain(|part| {
            std::mem::take(&mut first) || !part.name.eq_ignore_ascii_case(name.as_bytes())
        });
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut text = Vec::new();
        for (index, part) in self.parts.into_iter().enumerate() {
            if index > 0 {
                text.extend_from_slice(b"; ");
            }
            text.extend_from_slice(&part.name);
            if let Some(value) = part.value {
                text.push(b'=');
                text.extend_from_slice(&value);
            }
        }
        text
    }
}

/// What was said of `SameSite`: the strictest word counts.
#[derive(Default, Clone, Copy)]
struct SameSite {
    strict: bool,
    lax: bool,
    none: bool,
    off: bool,
}

impl SameSite {
    fn is_said(self) -> bool {
        self.value().is_some() || self.off
    }

    fn value(self) -> Option<&'static str> {
        match self {
            Self { strict: true, .. } => Some("Strict"),
            Self { lax: true, .. } => Some("Lax"),
            Self { none: true, .. } => Some("None"),
            _ => None,
        }
    }
}

impl Attribute {
    fn parse(text: &[u8]) -> Self {
        let (name, value) = split(text);
        Self {
            name: name.to_vec(),
            value: value.map(<[u8]>::to_vec),
        }
    }

    fn of(name: &str, value: Option<&str>) -> Self {
        Self {
            name: name.into(),
            value: value.map(Into::into),
        }
    }
}

/// The name and the value of the cookie that a header sets.
pub(super) fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = text.split(|byte| *byte == b';').next()?;
    let (name, value) = split(first);
    Some((name, value?))
}

/// `name=value`, spaces around both aside.
fn split(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == b'=') {
        Some(at) => (trim(&text[..at]), Some(trim(&text[at + 1..]))),
        None => (trim(text), None),
    }
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flagged(text: &str, words: &[&str]) -> Option<String> {
        let mut cookie = Cookie::parse(text.as_bytes())?;
        let changed = cookie.set_flags(words.iter().map(|word| word.as_bytes()));
        changed.then(|| String::from_utf8(cookie.into_bytes()).expect("text"))
    }

    #[test]
    fn flags_are_added_kept_and_taken_away() {
        let said = |text, words: &[&str]| flagged(text, words).expect("changed");
        assert_eq!(said("a=1; secure", &["secure"]), "a=1; secure");
        assert_eq!(
            said("a = 1;Path=/", &["secure", "HttpOnly", "samesite=lax"]),
            "a=1; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            said(
                "a=1; Secure; httponly; samesite=lax",
                &["nosecure", "nohttponly", "nosamesite"]
            ),
            "a=1"
        );
        assert_eq!(
            said("a=1; SameSite=none", &["samesite=strict"]),
            "a=1; SameSite=Strict"
        );
        assert_eq!(
            said("secure=1", &["nosecure"]),
            "secure=1",
            "a cookie's own name"
        );
        assert_eq!(
            said("a=1", &["samesite=lax", "samesite=strict"]),
            "a=1; SameSite=Strict"
        );
        assert_eq!(flagged("a=1", &["nonsense", ""]), None);
        assert_eq!(flagged("no value", &["secure"]), None);
    }

    #[test]
    fn a_cookie_is_found_by_its_name() {
        assert_eq!(pair(b" a = b ; c=d"), Some((&b"a"[..], &b"b"[..])));
        assert_eq!(pair(b"a"), None);
    }
}

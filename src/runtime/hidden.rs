//! `proxy_hide_header`: the headers of an answer that its client does not get.

use super::seen::Seen;
use http::HeaderName;
use std::collections::BTreeSet;

/// The headers that are hidden.
#[derive(Debug)]
pub struct Hidden {
    /// Those that Gapura writes itself: `Server` and `Date`.
    own: Seen,
    /// The others, each with what is seen in an answer that has it.
    names: Vec<(HeaderName, Seen)>,
    /// What is seen in an answer that has one of the others.
    any: Seen,
}

impl Hidden {
    /// Names that are no header names were refused by `config`; in a Model built by hand they are left
    /// out.
    pub(super) fn new(names: &BTreeSet<String>) -> Self {
        let mut hidden = Self {
            own: Seen::NOTHING,
            names: Vec::with_capacity(names.len()),
            any: Seen::NOTHING,
        };
        let names = names
            .iter()
            .map(|name| HeaderName::from_bytes(name.as_bytes()));
        for name in names.filter_map(Result::ok) {
            let seen = Seen::named(name.as_str());
            if seen.has(Seen::SERVER.or(Seen::DATE)) {
                hidden.own = hidden.own.or(seen);
            } else {
                hidden.any = hidden.any.or(seen);
                hidden.names.push((name, seen));
            }
        }
        hidden
    }

    /// Whether this one is hidden, which Gapura writes itself.
    pub fn has_own(&self, name: Seen) -> bool {
        self.own.has(name)
    }

    /// The others that an answer may have in which this is seen.
    pub fn others(&self, seen: Seen) -> impl Iterator<Item = &HeaderName> {
        let names: &[_] = match seen.has(self.any) {
            true => &self.names,
            false => &[],
        };
        let mut names = names.iter();
        std::iter::from_fn(move || {
            let (name, _) = names.find(|(_, one)| seen.has(*one))?;
            Some(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_may_have_is_hidden_and_nothing_else() {
        let names = ["Server", "X-Pad", "X-Accel-Expires", "X-One", "not one"];
        let hidden = Hidden::new(&names.map(String::from).into());
        let others = |seen| {
            let names = hidden.others(seen).map(HeaderName::as_str);
            names.collect::<Vec<_>>().join(" ")
        };
        assert!(hidden.has_own(Seen::SERVER) && !hidden.has_own(Seen::DATE));
        assert_eq!(others(Seen::SERVER.or(Seen::LOCATION)), "");
        assert_eq!(others(Seen::ACCEL.or(Seen::DATE)), "x-accel-expires");
        assert_eq!(others(Seen::UNKNOWN), "x-accel-expires x-one x-pad");
    }
}

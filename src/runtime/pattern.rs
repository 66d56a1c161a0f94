//! Regular expressions as nginx users write them: PCRE, with groups that become variables.

use super::Assigned;
use crate::model::{Regex, VariableId};
use pcre2::bytes::RegexBuilder;
use std::fmt;

/// A compiled pattern.
pub struct Pattern {
    regex: pcre2::bytes::Regex,
    /// The named groups, and the variables that they write.
    named: Vec<(usize, VariableId)>,
    text: Box<str>,
}

/// PCRE gave a search up: the subject would take too long with this pattern.
#[derive(Debug)]
pub struct GaveUp(pub pcre2::Error);

impl Pattern {
    /// Compiles a pattern. `variable` names the variables of its named groups.
    ///
    /// # Errors
    /// It does not compile. `config` compiles every pattern before a Model exists.
    pub fn build(
        regex: &Regex,
        variable: impl Fn(&str) -> Option<VariableId>,
    ) -> Result<Self, pcre2::Error> {
        let compiled = RegexBuilder::new()
            .caseless(regex.ignore_case)
            .jit_if_available(true)
            .build(&format!("{LIMIT}{}", regex.pattern))?;
        let names = compiled.capture_names().iter().enumerate();
        let named = names
            .filter_map(|(group, name)| Some((group, variable(name.as_deref()?)?)))
            .collect();
        Ok(Self {
            regex: compiled,
            named,
            text: regex.pattern.as_str().into(),
        })
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches, groups aside.
    ///
    /// # Errors
    /// [`GaveUp`].
    pub fn is_match(&self, subject: &[u8]) -> Result<bool, GaveUp> {
        self.regex.is_match(subject).map_err(GaveUp)
    }

    /// Whether it matches; if so, its groups become `$1` to `$9` and the variables they name.
    ///
    /// # Errors
    /// [`GaveUp`].
    pub fn find(&self, subject: &[u8], into: &mut Assigned) -> Result<bool, GaveUp> {
        if self.regex.captures_len() == 1 {
            let matched = self.is_match(subject)?;
            if matched {
                into.forget_groups();
            }
            return Ok(matched);
        }
        let mut groups = self.regex.capture_locations();
        let found = self.regex.captures_read(&mut groups, subject);
        if found.map_err(GaveUp)?.is_none() {
            return Ok(false);
        }
        let spans = (1..groups.len().min(10)).map(|group| groups.get(group));
        into.remember_groups(subject, spans);
        for (group, variable) in &self.named {
            let (start, end) = groups.get(*group).unwrap_or_default();
            into.set(*variable, &subject[start..end]);
        }
        Ok(true)
    }
}

/// What every pattern starts with: the steps after which a search is given up. PCRE's own limit of ten
/// million lets one request hold a thread for seconds.
const LIMIT: &str = "(*LIMIT_MATCH=200000)";

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        let regex = Regex {
            pattern: text.into(),
            ignore_case: false,
        };
        Pattern::build(&regex, |name| (name == "user").then_some(VariableId(3))).expect("valid")
    }

    #[test]
    fn groups_become_variables() {
        let mut assigned = Assigned::default();
        let pattern = pattern("^/(?<user>[a-z]+)/(x)?(.*)$");
        assert!(pattern.find(b"/ann/file", &mut assigned).expect("matched"));
        assert_eq!(assigned.group(1), Some(&b"ann"[..]));
        assert_eq!(assigned.group(2), Some(&b""[..]));
        assert_eq!(assigned.group(3), Some(&b"file"[..]));
        assert_eq!(assigned.group(4), None);
        assert_eq!(assigned.value(VariableId(3)), Some(&b"ann"[..]));
        assert!(!pattern.find(b"/1", &mut assigned).expect("matched"));
        assert_eq!(assigned.group(1), Some(&b"ann"[..]));
    }

    #[test]
    fn a_hostile_subject_ends_in_bounded_time() {
        let pattern = pattern("^(a+)+$");
        let subject = [&[b'a'; 5000][..], b"!"].concat();
        let began = std::time::Instant::now();
        let result = pattern.find(&subject, &mut Assigned::default());
        assert!(result.is_err() || matches!(result, Ok(false)));
        assert!(began.elapsed() < std::time::Duration::from_secs(1));
    }
}

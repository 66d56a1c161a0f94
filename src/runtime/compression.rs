//! `gzip`: which answers are compressed, with its patterns compiled.

use super::Pattern;
use crate::model::{self, Regex};
use std::fmt;
use std::sync::Arc;

/// A location's `gzip`.
pub struct Compression {
    /// What it says.
    pub settings: Arc<model::Compression>,
    disable: Vec<Pattern>,
}

impl Compression {
    pub(super) fn build(settings: &Arc<model::Compression>) -> Result<Self, pcre2::Error> {
        let pattern = |pattern: &String| {
            let regex = Regex {
                pattern: pattern.clone(),
                ignore_case: true,
            };
            Pattern::build(&regex, |_| None)
        };
        Ok(Self {
            settings: Arc::clone(settings),
            disable: settings
                .disable
                .iter()
                .map(pattern)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether this `User-Agent` gets nothing compressed.
    pub fn is_disabled_for(&self, agent: &[u8]) -> bool {
        let is_match = |pattern: &Pattern| pattern.is_match(agent).unwrap_or(true);
        (self.settings.disable_msie6 && is_msie6(agent)) || self.disable.iter().any(is_match)
    }
}

/// nginx's `msie6`: Internet Explorer 4 to 6, but not its last one with a service pack.
fn is_msie6(agent: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(agent, b"MSIE ") else {
        return false;
    };
    match agent.get(at + 5..at + 7) {
        Some([b'4' | b'5', b'.']) => agent.len() > at + 7,
        Some([b'6', b'.']) => {
            let rest = &agent[at + 7..];
            !rest.is_empty() && memchr::memmem::find(rest, b"SV1").is_none()
        }
        _ => false,
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_that_get_nothing_compressed() {
        let settings = model::Compression {
            disable: vec!["^curl/7\\.".into()],
            disable_msie6: true,
            ..model::Compression::default()
        };
        let built = Compression::build(&Arc::new(settings)).expect("a pattern");
        for (agent, disabled) in [
            ("CURL/7.1", true),
            ("curl/8.1", false),
            ("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", true),
            (
                "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)",
                false,
            ),
            ("Mozilla/4.0 (compatible; MSIE 5.5; Windows)", true),
            ("Mozilla/4.0 (compatible; MSIE 7.0; Windows)", false),
            ("MSIE 6", false),
        ] {
            assert_eq!(built.is_disabled_for(agent.as_bytes()), disabled, "{agent}");
        }
    }
}

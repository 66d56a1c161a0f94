//! `proxy_redirect` and the `proxy_cookie_` settings with their patterns compiled.

use super::Pattern;
use crate::model::{self, Template, VariableId};

/// How a location changes headers of answers.
#[derive(Debug)]
pub struct AnswerRewrites {
    /// `proxy_redirect`.
    pub redirects: Vec<Replacement>,
    /// `proxy_cookie_domain`.
    pub cookie_domains: Vec<Replacement>,
    /// `proxy_cookie_path`.
    pub cookie_paths: Vec<Replacement>,
    /// `proxy_cookie_flags`.
    pub cookie_flags: Vec<CookieFlags>,
}

/// Something that is looked for, and what stands in its place.
#[derive(Debug)]
pub struct Replacement {
    /// What is looked for.
    pub found: Found,
    /// What stands in its place.
    pub with: Template,
}

/// What is looked for in a header's value.
#[derive(Debug)]
pub enum Found {
    /// Text.
    Text(Template),
    /// What a regular expression matches.
    Pattern(Pattern),
}

/// The flags of cookies.
#[derive(Debug)]
pub struct CookieFlags {
    /// Their name.
    pub cookie: Found,
    /// What is done with their flags.
    pub flags: Vec<Template>,
}

impl AnswerRewrites {
    /// Prepares a Model's. `variable` names the variables of named groups.
    pub(super) fn build(
        rewrites: &model::AnswerRewrites,
        variable: &impl Fn(&str) -> Option<VariableId>,
    ) -> Result<Self, pcre2::Error> {
        let found = |found: &model::Found| {
            Ok(match found {
                model::Found::Text(text) => Found::Text(text.clone()),
                model::Found::Regex(regex) => Found::Pattern(Pattern::build(regex, variable)?),
            })
        };
        let replacements = |list: &[model::Replacement]| {
            let built = list.iter().map(|one| {
                Ok(Replacement {
                    found: found(&one.found)?,
                    with: one.with.clone(),
                })
            });
            built.collect::<Result<Vec<_>, pcre2::Error>>()
        };
        let flags = rewrites.cookie_flags.iter().map(|one| {
            Ok(CookieFlags {
                cookie: found(&one.cookie)?,
                flags: one.flags.clone(),
            })
        });
        Ok(Self {
            redirects: replacements(&rewrites.redirects)?,
            cookie_domains: replacements(&rewrites.cookie_domains)?,
            cookie_paths: replacements(&rewrites.cookie_paths)?,
            cookie_flags: flags.collect::<Result<_, pcre2::Error>>()?,
        })
    }

    /// Whether cookies are changed at all.
    pub fn touches_cookies(&self) -> bool {
        !(self.cookie_domains.is_empty()
            && self.cookie_paths.is_empty()
            && self.cookie_flags.is_empty())
    }
}

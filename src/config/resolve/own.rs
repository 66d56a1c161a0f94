//! The look of Gapura's own answers.

use super::super::draft::{Common, Switch, Word};
use super::super::path::Path;
use super::super::suggest;
use super::settings::Level;
use super::{Resolver, invalid};
use crate::model::{BuiltInPages, OwnAnswers, ServerTokens};

const PAGES: [&str; 2] = ["gapura", "nginx"];
const TOKENS: [&str; 3] = ["on", "off", "build"];

impl Resolver {
    /// Checks what was written at a level.
    pub(super) fn check_own_answers(&mut self, written: Common<'_>, path: &Path<'_>) {
        let words = [
            ("built_in_pages", written.built_in_pages, &PAGES[..]),
            ("server_tokens", written.server_tokens, &TOKENS),
        ];
        for (key, word, known) in words {
            if let Some(word) = word
                && !known.contains(&switched(word))
            {
                let label = suggest::did_you_mean_or_list(word, known);
                self.report(invalid(&path.key(key), word).label(label));
            }
        }
    }
}

impl Level<'_> {
    pub(super) fn own_answers(&self) -> OwnAnswers {
        let scalars = &self.scalars;
        let switch = |written: Option<&Switch>, default| written.map_or(default, |one| one.0);
        let is = |written: Option<&Word>, word| written.is_some_and(|one| switched(one) == word);
        OwnAnswers {
            pages: match is(scalars.built_in_pages, "nginx") {
                true => BuiltInPages::Nginx,
                false => BuiltInPages::Gapura,
            },
            // A build has no name here.
            server_tokens: match is(scalars.server_tokens, "on")
                || is(scalars.server_tokens, "build")
            {
                true => ServerTokens::On,
                false => ServerTokens::Off,
            },
            msie_padding: switch(scalars.msie_padding, true),
            msie_refresh: switch(scalars.msie_refresh, false),
        }
    }
}

/// YAML 1.1 knows `on` and `off` as switches.
fn switched(word: &Word) -> &str {
    match &**word {
        "true" => "on",
        "false" => "off",
        other => other,
    }
}

//! `gzip` and its settings.

use super::super::diagnostic::Severity;
use super::super::draft::{Common, OneOrMany, Word};
use super::super::path::{Finding, Path};
use super::super::problem::Problem;
use super::super::suggest;
use super::{Resolver, fit, invalid};
use crate::model::{Compression, Proxied, ProxiedWhen, TypeSet};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

impl Resolver {
    /// What is in force at a level: the enclosing level's, with what was written here in its place.
    pub(super) fn level_compression(
        &mut self,
        written: Common<'_>,
        outer: &Arc<Compression>,
        path: &Path<'_>,
    ) -> Arc<Compression> {
        let mut own = Compression::clone(outer);
        if let Some(on) = written.gzip {
            own.enabled = on.0;
        }
        if let Some(types) = written.gzip_types {
            own.types = self.type_set(types, &["text/html"], &path.key("gzip_types"));
        }
        if let Some(length) = written.gzip_min_length {
            own.min_length = length.0;
        }
        if let Some(&level) = written.gzip_comp_level {
            if !(1..=9).contains(&level) {
                let problem = Problem::Syntax("value must be between 1 and 9".into());
                self.report(path.key("gzip_comp_level").error(problem));
            }
            own.level = fit(level.clamp(1, 9));
        }
        if let Some(word) = written.gzip_http_version {
            // YAML takes 1.0 for the number 1.
            let word = if &**word == "1" {
                &Word("1.0".into())
            } else {
                word
            };
            let versions = [("1.0", true), ("1.1", false)];
            let at = path.key("gzip_http_version");
            own.http_10 = self.choice(word, &versions, &at).unwrap_or(own.http_10);
        }
        if let Some(words) = written.gzip_proxied {
            own.proxied = self.proxied(words, &path.key("gzip_proxied"));
        }
        if let Some(vary) = written.gzip_vary {
            own.vary = vary.0;
        }
        if let Some(patterns) = written.gzip_disable {
            self.disable(patterns, &mut own, &path.key("gzip_disable"));
        }
        if own == **outer {
            return Arc::clone(outer);
        }
        Arc::new(own)
    }

    /// A list of types, beside those that are always in it.
    pub(super) fn type_set(
        &mut self,
        written: &OneOrMany<Word>,
        always: &[&str],
        path: &Path<'_>,
    ) -> TypeSet {
        let mut types: HashSet<String> = always.iter().map(|name| (*name).to_owned()).collect();
        let mut all = false;
        for (index, name) in written.0.iter().enumerate() {
            if &**name == "*" {
                all = true;
            } else if !types.insert(name.to_ascii_lowercase()) {
                let problem = Problem::DuplicateMimeType(name.0.clone());
                self.report(Finding {
                    severity: Severity::Warn,
                    ..path.index(index).error(problem)
                });
            }
        }
        match all {
            true => TypeSet::All,
            false => TypeSet::These(Arc::new(types)),
        }
    }

    fn proxied(&mut self, words: &OneOrMany<Word>, path: &Path<'_>) -> Proxied {
        let mut when = BTreeSet::new();
        let (mut off, mut any) = (false, false);
        for (index, text) in words.0.iter().enumerate() {
            for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
                match word {
                    // YAML 1.1 knows `off` as a switch.
                    "off" | "false" => off = true,
                    "any" => any = true,
                    _ => match PROXIED.iter().find(|(name, _)| *name == word) {
                        Some((_, condition)) => {
                            when.insert(*condition);
                        }
                        None => {
                            let mut known: Vec<&str> =
                                PROXIED.iter().map(|(name, _)| *name).collect();
                            known.extend(["any", "off"]);
                            let label = suggest::did_you_mean_or_list(word, &known);
                            let offset = word.as_ptr() as usize - text.as_ptr() as usize;
                            let finding = invalid(&path.index(index), word);
                            self.report(finding.within(offset, word.len()).label(label));
                        }
                    },
                }
            }
        }
        match (off, any) {
            (true, _) => Proxied::Off,
            (false, true) => Proxied::Any,
            (false, false) => Proxied::When(when),
        }
    }

    fn disable(&mut self, patterns: &OneOrMany<Word>, own: &mut Compression, path: &Path<'_>) {
        own.disable.clear();
        own.disable_msie6 = false;
        for (index, pattern) in patterns.0.iter().enumerate() {
            if &**pattern == "msie6" {
                own.disable_msie6 = true;
            } else {
                self.check_regex(pattern, true, 0, &path.index(index));
                own.disable.push(pattern.0.clone());
            }
        }
    }
}

const PROXIED: [(&str, ProxiedWhen); 7] = [
    ("expired", ProxiedWhen::Expired),
    ("no-cache", ProxiedWhen::NoCache),
    ("no-store", ProxiedWhen::NoStore),
    ("private", ProxiedWhen::Private),
    ("no_last_modified", ProxiedWhen::NoLastModified),
    ("no_etag", ProxiedWhen::NoEtag),
    ("auth", ProxiedWhen::Auth),
];

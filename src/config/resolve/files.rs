//! Answers made from files: `root`, `index`, `types` and what goes with them.

use super::super::draft::{Common, OneOrMany, Word};
use super::super::path::{Finding, Path};
use super::super::problem::Problem;
use super::super::suggest;
use super::{Resolver, invalid};
use crate::model::{
    Alias, Files, Folder, IfModifiedSince, Listing, ListingFormat, LocationMatch, Part, Symlinks,
    Template, TriedFile, TryFiles, TryLast, Variable,
};
use http::HeaderValue;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::sync::Arc;

impl Resolver {
    /// What is in force at a level: the enclosing level's, with what was written here in its place.
    pub(super) fn level_files(
        &mut self,
        written: Common<'_>,
        in_force: Common<'_>,
        outer: &Arc<Files>,
        path: &Path<'_>,
    ) -> Arc<Files> {
        let mut files = Files::clone(outer);
        if let Some(root) = written.root {
            files.folder = self.folder(root, None, &path.key("root"));
        }
        if let Some(names) = written.index {
            files.index = self.index(names, &path.key("index"));
        }
        if let Some(types) = written.types {
            let by_extension = self.types(types, &path.key("types"));
            files.types.by_extension = Arc::new(by_extension);
        }
        if let Some(default) = written.default_type {
            files.types.default = self.content_type(default, &path.key("default_type"));
        }
        if let Some(etag) = written.etag {
            files.etag = etag.0;
        }
        if let Some(word) = written.if_modified_since {
            let at = path.key("if_modified_since");
            if let Some(how) = self.choice(word, IF_MODIFIED_SINCE, &at) {
                files.if_modified_since = how;
            }
        }
        if let Some(&ranges) = written.max_ranges {
            files.max_ranges = Some(usize::try_from(ranges).unwrap_or(usize::MAX));
        }
        if let Some(log) = written.log_not_found {
            files.log_not_found = log.0;
        }
        if let Some(words) = written.disable_symlinks {
            files.symlinks = self.symlinks(words, &path.key("disable_symlinks"));
        }
        let format = written.autoindex_format.and_then(|word| {
            let at = path.key("autoindex_format");
            self.choice(word, LISTING_FORMATS, &at)
        });
        if format.is_some()
            || written.autoindex.is_some()
            || written.autoindex_exact_size.is_some()
            || written.autoindex_localtime.is_some()
        {
            files.autoindex = listing(in_force);
        }
        if files == **outer {
            return Arc::clone(outer);
        }
        Arc::new(files)
    }

    /// `alias`, which takes the place of the location's own path.
    pub(super) fn alias(
        &mut self,
        alias: &Word,
        matcher: &LocationMatch,
        files: &Arc<Files>,
        path: &Path<'_>,
    ) -> Arc<Files> {
        let alias_of = match matcher {
            LocationMatch::Exact(path)
            | LocationMatch::Prefix(path)
            | LocationMatch::PrefixNoRegex(path) => Alias::Prefix(path.len()),
            LocationMatch::Regex { .. } | LocationMatch::Named(_) => Alias::Whole,
        };
        let mut files = Files::clone(files);
        files.folder = self.folder(alias, Some(alias_of), &path.key("alias"));
        Arc::new(files)
    }

    /// `try_files`: the last word is what happens when no file is there.
    pub(super) fn try_files(&mut self, words: &OneOrMany<Word>, path: &Path<'_>) -> TryFiles {
        let Some((last, tried)) = words.0.split_last().filter(|(_, tried)| !tried.is_empty())
        else {
            let problem = Problem::Missing("file in \"try_files\"");
            let label = "expected at least one file, and what to do without it, such as `=404`";
            self.report(path.error(problem).label(label));
            let last = TryLast::Status(404);
            return TryFiles {
                files: Vec::new(),
                last,
            };
        };
        let mut files = Vec::with_capacity(tried.len());
        for (index, word) in tried.iter().enumerate() {
            let name = word.strip_suffix('/');
            files.push(TriedFile {
                path: self.template(name.unwrap_or(word), &path.index(index)),
                is_folder: name.is_some(),
            });
        }
        let at = path.index(tried.len());
        let last = match last.as_bytes().first() {
            Some(b'=') => TryLast::Status(self.try_code(&last[1..], &at)),
            Some(b'@') if !last.contains('$') => TryLast::Named(last[1..].to_owned()),
            _ => TryLast::Uri(self.template(last, &at)),
        };
        TryFiles { files, last }
    }

    fn try_code(&mut self, digits: &str, path: &Path<'_>) -> u16 {
        let code = digits.parse().ok().filter(|code| *code <= 999);
        code.unwrap_or_else(|| {
            let problem = Problem::Syntax(format!("invalid code \"={digits}\""));
            self.report(
                path.error(problem)
                    .label("expected a status, such as `=404`"),
            );
            404
        })
    }

    fn folder(&mut self, written: &Word, alias: Option<Alias>, path: &Path<'_>) -> Folder {
        if written.contains('\0') {
            self.report(invalid(path, written));
        }
        let base = (!written.starts_with('/')).then(|| self.base.clone());
        let template = self.template(written, path);
        let own = |part: &&Part| {
            matches!(
                part,
                Part::Variable(
                    Variable::DocumentRoot | Variable::RealpathRoot | Variable::RequestFilename
                )
            )
        };
        if let Some(Part::Variable(variable)) = template.parts().iter().find(own) {
            let directive = path.last_key();
            let problem = Problem::Template(format!(
                "the ${variable} variable cannot be used in the \"{directive}\" directive"
            ));
            self.report(path.error(problem).label("it is made of this folder"));
        }
        let template = match alias {
            Some(_) => template,
            // As nginx: what stands before a path that starts with a slash has none at its end.
            None => template.without_suffix('/'),
        };
        Folder {
            template,
            base,
            alias,
        }
    }

    fn index(&mut self, names: &OneOrMany<Word>, path: &Path<'_>) -> Vec<Template> {
        let mut index = Vec::with_capacity(names.0.len());
        for (at, name) in names.0.iter().enumerate() {
            let at = path.index(at);
            if name.is_empty() {
                let problem =
                    Problem::Syntax("index \"\" in \"index\" directive is invalid".into());
                self.report(at.error(problem).label("expected the name of a file"));
            }
            index.push(self.template(name, &at));
        }
        index
    }

    fn types(
        &mut self,
        written: &IndexMap<String, OneOrMany<Word>>,
        path: &Path<'_>,
    ) -> HashMap<Box<[u8]>, HeaderValue> {
        let mut types = HashMap::new();
        for (name, ends) in written {
            let at = path.key(name);
            let Ok(value) = HeaderValue::from_str(name) else {
                self.report(at.key_error(Problem::InvalidHeaderValue("Content-Type".into())));
                continue;
            };
            let ends = ends.0.iter().flat_map(|ends| ends.split_ascii_whitespace());
            for end in ends {
                let end = end.to_ascii_lowercase().into_bytes();
                types.insert(end.into_boxed_slice(), value.clone());
            }
        }
        types
    }

    fn content_type(&mut self, written: &Word, path: &Path<'_>) -> HeaderValue {
        HeaderValue::from_str(written).unwrap_or_else(|_| {
            self.report(path.error(Problem::InvalidHeaderValue("Content-Type".into())));
            HeaderValue::from_static("text/plain")
        })
    }

    fn symlinks(&mut self, words: &Word, path: &Path<'_>) -> Symlinks {
        let mut which = None;
        let mut from = None;
        for word in words.split_ascii_whitespace() {
            let offset = word.as_ptr() as usize - words.as_ptr() as usize;
            match word.strip_prefix("from=") {
                Some(folder) => from = Some(self.template(folder, path)),
                // YAML 1.1 knows `on` and `off` as switches.
                None if matches!(word, "on" | "true") => which = Some("on"),
                None if matches!(word, "off" | "false") => which = Some("off"),
                None if word == "if_not_owner" => which = Some("if_not_owner"),
                None => {
                    let problem = Problem::InvalidParameter(word.to_owned());
                    let label = "expected `on`, `if_not_owner`, `off` or `from=FOLDER`";
                    let finding: Finding = path.error(problem).within(offset, word.len());
                    self.report(finding.label(label));
                    return Symlinks::Followed;
                }
            }
        }
        match which {
            Some("on") => Symlinks::Refused { from },
            Some("if_not_owner") => Symlinks::OfTheOwner { from },
            Some(_) => Symlinks::Followed,
            None => {
                let problem = Problem::Syntax(
                    "\"disable_symlinks\" must have \"off\", \"on\" or \"if_not_owner\" parameter"
                        .into(),
                );
                self.report(path.error(problem));
                Symlinks::Followed
            }
        }
    }

    /// The meaning of one of a setting's words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        word: &Word,
        known: &[(&'static str, T)],
        path: &Path<'_>,
    ) -> Option<T> {
        // YAML 1.1 knows `on` and `off` as switches.
        let text = match &**word {
            "true" => "on",
            "false" => "off",
            text => text,
        };
        let found = known.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let label = suggest::did_you_mean_or_list(text, &names);
            self.report(invalid(path, text).label(label));
        }
        found.map(|(_, value)| *value)
    }
}

const IF_MODIFIED_SINCE: &[(&str, IfModifiedSince)] = &[
    ("off", IfModifiedSince::Off),
    ("exact", IfModifiedSince::Exact),
    ("before", IfModifiedSince::Before),
];

const LISTING_FORMATS: &[(&str, ListingFormat)] = &[
    ("html", ListingFormat::Html),
    ("xml", ListingFormat::Xml),
    ("json", ListingFormat::Json),
    ("jsonp", ListingFormat::Jsonp),
];

fn listing(in_force: Common<'_>) -> Option<Listing> {
    in_force.autoindex.filter(|on| on.0)?;
    let word = in_force.autoindex_format.map_or("html", |word| word);
    let format = LISTING_FORMATS.iter().find(|(name, _)| *name == word);
    Some(Listing {
        format: format.map_or(ListingFormat::Html, |(_, format)| *format),
        exact_size: in_force.autoindex_exact_size.is_none_or(|exact| exact.0),
        local_time: in_force.autoindex_localtime.is_some_and(|local| local.0),
    })
}

//! `location`: a part of a site. Those inside of others become locations of the site, with what they
//! inherit written out, where that means the same.

use super::{Level, Reader};
use crate::config::draft;
use crate::config::nginx::lexer::Word;
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::nginx::table::LOCATION;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// A location while it is read.
pub(in crate::config::nginx) struct State {
    pub(super) draft: draft::Location,
    /// The path or the pattern.
    pub(super) name: String,
    pub(super) modifier: &'static str,
    /// The locations inside of it, and inside of those.
    inside: Vec<usize>,
}

impl State {
    pub(super) fn is_regex(&self) -> bool {
        self.modifier.starts_with('~')
    }
}

/// `location`.
pub(in crate::config::nginx) fn location(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    _: &Path<'_>,
) {
    let Some((mut modifier, name, piece)) = reader.pattern(directive) else {
        return;
    };
    if let Level::Location(outer) = level {
        if !reader.fits_inside(directive, modifier, &name, outer) {
            return;
        }
        // The outer location decides whether regular expressions are tried.
        if modifier != "=" {
            modifier = outer.modifier;
        }
    }
    let index = reader.locations.len();
    reader.locations.push(draft::Location::default());
    let sites = Path::Root.key("sites");
    let site = sites.index(reader.site);
    let list = site.key("locations");
    let path = list.index(index);
    reader.positions.record(
        &path,
        directive,
        &directive.name,
        directive.arguments.last(),
    );
    reader
        .positions
        .record_pieces(&path.key("path"), directive, &directive.name, || {
            vec![Piece {
                offset: if modifier.is_empty() {
                    0
                } else {
                    modifier.len() + 1
                },
                ..piece
            }]
        });
    let written = match modifier {
        "" => name.clone(),
        _ => format!("{modifier} {name}"),
    };
    let mut state = State {
        draft: draft::Location {
            path: Some(written),
            ..draft::Location::default()
        },
        name,
        modifier,
        inside: Vec::new(),
    };
    let before = reader.errors();
    reader.block(
        directive.children(),
        LOCATION,
        &mut Level::Location(&mut state),
        &path,
    );
    if state.draft.r#return.is_some() {
        state.draft.upstream = None;
        state.draft.uri = None;
    } else if state.draft.upstream.is_none() {
        if reader.errors() == before {
            let problem = Problem::ServesFiles(format!("location \"{}\"", state.name));
            let label = "files are not served yet: write `proxy_pass` or `return CODE` in it";
            let word = directive.arguments.last().unwrap_or(&directive.name);
            reader.error(directive, word, problem, label);
        }
        // Something is wrong with it already.
        state.draft.r#return = Some(404);
    }
    for &inner in &state.inside {
        let settings = reader.locations[inner].common_mut();
        settings.inherit(state.draft.common());
        reader.positions.inherit(&list.index(inner), &path);
    }
    reader.locations[index] = state.draft;
    if let Level::Location(outer) = level {
        outer.inside.push(index);
        outer.inside.extend(state.inside);
    }
}

/// `return`.
pub(in crate::config::nginx) fn return_(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    path: &Path<'_>,
) {
    let text = directive.text(0);
    let Some(status) = super::number(text) else {
        if directive.arguments.len() == 1 {
            return reader.unsupported_return(directive, REDIRECT);
        }
        let problem = Problem::Syntax(format!("invalid return code \"{text}\""));
        return reader.report(directive, &directive.arguments[0], problem, None);
    };
    match (status, directive.arguments.len()) {
        (1000.., _) => {
            let problem = Problem::Syntax(format!("invalid return code \"{text}\""));
            reader.report(directive, &directive.arguments[0], problem, None);
        }
        (301 | 302 | 303 | 307 | 308, _) => reader.unsupported_return(directive, REDIRECT),
        (444 | 499, _) => reader.unsupported_return(directive, "requests are always answered"),
        (204 | 400..=599, 1) => {
            let field = match level {
                Level::Location(location) => &mut location.draft.r#return,
                Level::Server(server) => &mut server.status,
                _ => return,
            };
            // The first one ends the request.
            field.get_or_insert(status);
            let path = path.key("return");
            let value = directive.arguments.first();
            reader
                .positions
                .record(&path, directive, &directive.name, value);
        }
        _ => reader.unsupported_return(
            directive,
            "texts are not answered yet: an error's code, or 204, stands alone",
        ),
    }
}

const REDIRECT: &str = "redirects are not answered yet";

impl Reader<'_> {
    fn unsupported_return(&mut self, directive: &Directive, label: &str) {
        let problem = Problem::UnsupportedDirective("return".into());
        self.error(directive, &directive.name, problem, label);
    }

    /// How many errors there are so far.
    fn errors(&self) -> usize {
        self.diagnostics.len()
    }

    /// The modifier and the path or pattern of a location.
    fn pattern(&mut self, directive: &Directive) -> Option<(&'static str, String, Piece)> {
        let first = &directive.arguments[0];
        let known = ["=", "^~", "~*", "~"];
        let (modifier, skipped, word) = match directive.arguments.get(1) {
            Some(second) => match known.into_iter().find(|known| first.text == *known) {
                Some(modifier) => (modifier, 0, second),
                None => {
                    let problem =
                        Problem::Syntax(format!("invalid location modifier \"{}\"", first.text));
                    let label = "expected `=`, `^~`, `~` or `~*`";
                    self.error(directive, first, problem, label);
                    return None;
                }
            },
            None => {
                let modifier = known
                    .into_iter()
                    .find(|known| first.text.starts_with(known));
                let modifier = modifier.unwrap_or_default();
                (modifier, modifier.len(), first)
            }
        };
        let name = word.text[skipped..].to_owned();
        if name.starts_with('@') && modifier.is_empty() {
            self.unsupported_location(directive, word, "named locations are not supported yet");
            return None;
        }
        let word = word.clone();
        let piece = Piece {
            offset: 0,
            skipped,
            word,
        };
        Some((modifier, name, piece))
    }

    /// Whether a location inside of another one means the same beside it.
    fn fits_inside(
        &mut self,
        directive: &Directive,
        modifier: &str,
        name: &str,
        outer: &State,
    ) -> bool {
        let word = directive.arguments.last().unwrap_or(&directive.name);
        if outer.modifier == "=" {
            let problem = Problem::InsideLocation {
                inner: name.into(),
                outer: outer.name.clone(),
            };
            let label = "an exact location takes one path only";
            self.error(directive, word, problem, label);
            return false;
        }
        if modifier.starts_with('~') || outer.is_regex() {
            let label = "regular expressions in nested locations are not supported yet";
            self.unsupported_location(directive, word, label);
            return false;
        }
        if !name.starts_with(&outer.name) {
            let problem = Problem::OutsideLocation {
                inner: name.into(),
                outer: outer.name.clone(),
            };
            let label = format!("expected a path that starts with `{}`", outer.name);
            self.error(directive, word, problem, label);
            return false;
        }
        true
    }

    fn unsupported_location(&mut self, directive: &Directive, word: &Word, label: &str) {
        let problem = Problem::DirectiveValue {
            directive: "location".into(),
            what: "of this kind is not supported",
        };
        self.error(directive, word, problem, label);
    }
}

//! `location`: a part of a site. Those inside of others follow them in the site's list and say so, with
//! what they inherit written out.

use super::{Level, Reader, rewrite};
use crate::config::draft::{self, Switch};
use crate::config::nginx::parser::Directive;
use crate::config::nginx::positions::Piece;
use crate::config::nginx::table::LOCATION;
use crate::config::path::Path;
use crate::config::problem::Problem;

/// A location while it is read.
#[derive(Default)]
pub(in crate::config::nginx) struct State {
    pub(super) draft: draft::Location,
    /// The path or the pattern.
    pub(super) name: String,
    pub(super) modifier: &'static str,
    /// Whether it is an `if` or a `limit_except` in a location.
    is_inside: bool,
    /// The locations inside of it, and inside of those.
    inside: Vec<Inside>,
}

/// A location inside of another one.
struct Inside {
    /// Its place in the site's list.
    index: usize,
    /// The `alias` of one around it is its own: no `root` from further out is.
    has_alias_around: bool,
}

impl State {
    /// The location that an `if` in another one makes.
    pub(super) fn in_if(outer: &Self) -> Self {
        Self {
            name: outer.name.clone(),
            modifier: outer.modifier,
            is_inside: true,
            ..Self::default()
        }
    }

    /// Whether no path of its own could be replaced by that of a `proxy_pass`.
    pub(super) fn has_no_path(&self) -> bool {
        self.is_regex() || self.is_inside || self.name.starts_with('@')
    }

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
    let Some((modifier, name, piece)) = reader.pattern(directive) else {
        return;
    };
    if let Level::Location(outer) = level
        && !reader.fits_inside(directive, modifier, &name, outer)
    {
        return;
    }
    let around = match level {
        Level::Location(outer) => outer.draft.path.clone(),
        _ => None,
    };
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
            inside: around,
            ..draft::Location::default()
        },
        name,
        modifier,
        ..State::default()
    };
    reader.block(
        directive.children(),
        LOCATION,
        &mut Level::Location(&mut state),
        &path,
    );
    let passes_on = state.draft.upstream.is_some() || state.draft.proxy_pass.is_some();
    if !passes_on && !rewrite::always_answers(state.draft.steps.as_deref()) {
        state.draft.files = Some(Switch(true));
    }
    for inner in &mut state.inside {
        let draft = &mut reader.locations[inner.index];
        let has_root = draft.root.is_some();
        draft.common_mut().inherit(state.draft.common());
        if inner.has_alias_around {
            draft.root = None;
        }
        inner.has_alias_around |= state.draft.alias.is_some() && !has_root && draft.alias.is_none();
        draft.internal = draft.internal.or(state.draft.internal);
        reader.positions.inherit(&list.index(inner.index), &path);
    }
    reader.locations[index] = state.draft;
    if let Level::Location(outer) = level {
        outer.inside.push(Inside {
            index,
            has_alias_around: false,
        });
        outer.inside.extend(state.inside);
    }
}

/// `internal`.
pub(in crate::config::nginx) fn internal(
    _: &mut Reader<'_>,
    _: &Directive,
    level: &mut Level<'_>,
    _: &Path<'_>,
) {
    if let Level::Location(location) = level {
        location.draft.internal = Some(Switch(true));
    }
}

/// `stub_status`. In a server nginx answers with it only where no location takes a path.
pub(in crate::config::nginx) fn stub_status(
    reader: &mut Reader<'_>,
    directive: &Directive,
    level: &mut Level<'_>,
    _: &Path<'_>,
) {
    if let Level::Location(location) = level {
        location.draft.stub_status = Some(Switch(true));
        return;
    }
    let problem = Problem::UnsupportedDirective("stub_status".into());
    let label = "write it in a `location`";
    reader.error(directive, &directive.name, problem, label);
}

impl Reader<'_> {
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
        if name.starts_with('@') && modifier.is_empty() {
            let problem = Problem::Syntax(format!(
                "named location \"{name}\" can be on the server level only"
            ));
            self.report(directive, word, problem, None);
            return false;
        }
        if outer.name.starts_with('@') {
            let problem = Problem::InsideLocation {
                inner: name.into(),
                outer: outer.name.clone(),
            };
            self.report(directive, word, problem, None);
            return false;
        }
        if outer.modifier == "=" {
            let problem = Problem::InsideLocation {
                inner: name.into(),
                outer: outer.name.clone(),
            };
            let label = "an exact location takes one path only";
            self.error(directive, word, problem, label);
            return false;
        }
        if !modifier.starts_with('~') && !name.starts_with(&outer.name) {
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
}

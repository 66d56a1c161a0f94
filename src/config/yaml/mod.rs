//! The YAML front end: text to Draft, with every mistake reported in one run, and the defaults that
//! are YAML's own.

mod defaults;
mod marked;
mod read;
mod repair;
mod words;
mod write;

pub(super) use defaults::{apply as apply_defaults, say_what_is_not as without_defaults};
pub(super) use write::write;

use super::diagnostic::{Diagnostic, Diagnostics};
use super::draft::Draft;
use super::path::{Finding, Locate, OwnedPath, Part, Segment};
use super::problem::Problem;
use super::source::{Place, Source, Span};
use std::sync::{Arc, OnceLock};

/// What a YAML file said, as far as it could be understood.
pub(super) struct Parsed {
    /// The Draft, without what was wrong, with YAML's defaults.
    pub(super) draft: Draft,
    /// Mistakes in the shape.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Where everything stands.
    pub(super) positions: Positions,
    /// The parts that were left out because of a mistake.
    cuts: Vec<OwnedPath>,
}

/// Reads a YAML file.
///
/// # Errors
/// It is no YAML, or so little of it can be understood that nothing more can be said about it.
pub(super) fn parse(source: &Arc<Source>) -> Result<Parsed, Diagnostics> {
    let mut document = repair::Document::new(source, read::read(source)?);
    let mut draft = document.draft();
    let gave_up = document.gave_up();
    let repair::Finished {
        mut diagnostics,
        cuts,
        tree,
    } = document.finish();

    let mut about_the_file = |problem, label: Option<&str>| {
        let source = source.clone();
        let span = Span::new(1, 1, 0);
        let place = Some(Place { source, span });
        diagnostics.push(Diagnostic::emerg(problem, place, label.map(str::to_owned)));
    };
    if gave_up {
        about_the_file(Problem::TooManyErrors(repair::MOST_ERRORS), None);
        return Err(Diagnostics::new(diagnostics));
    }
    if draft.sites.as_ref().is_none_or(Vec::is_empty) && cuts.is_empty() {
        let label = "expected `sites:` with at least one site below it: `- host: …`";
        about_the_file(Problem::NoSites, Some(label));
    }
    defaults::apply(&mut draft);
    Ok(Parsed {
        draft,
        diagnostics,
        positions: Positions {
            source: source.clone(),
            tree: tree.map_or_else(OnceLock::new, OnceLock::from),
        },
        cuts,
    })
}

impl Parsed {
    /// Whether a finding may only follow from something that was left out: it is about what held
    /// a cut, about a key that needed it, or about an upstream while one could not be read.
    pub(super) fn follows_from_a_cut(&self, finding: &Finding) -> bool {
        let path = &finding.path.0;
        self.cuts
            .iter()
            .any(|OwnedPath(cut)| match finding.problem {
                _ if cut.starts_with(path) => true,
                Problem::Misplaced { .. } => {
                    cut.split_last().map(|(_, around)| around)
                        == path.split_last().map(|(_, around)| around)
                }
                Problem::UnknownUpstream(_) => {
                    cut.len() <= 2 && cut.first() == Some(&Segment::Key("upstreams".into()))
                }
                _ => false,
            })
    }
}

/// Where the parts of a YAML file stand: a second parse of the same text, made when first asked.
pub(super) struct Positions {
    source: Arc<Source>,
    tree: OnceLock<marked::Node>,
}

impl Locate for Positions {
    fn place(&self, path: &OwnedPath, part: Part) -> Option<Place> {
        let tree = self
            .tree
            .get_or_init(|| marked::parse(self.source.text()).root);
        let span = tree.find(&path.0, part, &self.source);
        let source = self.source.clone();
        Some(Place { source, span })
    }
}

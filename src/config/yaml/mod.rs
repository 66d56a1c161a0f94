//! The YAML front end: text to Draft, with every mistake reported in one run, and the defaults that
//! are YAML's own.

mod defaults;
mod marked;
mod read;
mod repair;
mod words;

pub(super) use defaults::apply as apply_defaults;

use super::diagnostic::Diagnostic;
use super::draft::Draft;
use super::path::{Finding, Locate, OwnedPath, Part, Segment};
use super::problem::Problem;
use super::source::{Place, Source, Span};
use std::sync::Arc;

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
/// It is no YAML: nothing more can be said about it.
pub(super) fn parse(source: &Arc<Source>) -> Result<Parsed, Diagnostic> {
    let read = read::read(source)?;
    let mut document = repair::Document::new(source, read);
    let mut draft = document.draft();
    if draft.sites.as_ref().is_none_or(Vec::is_empty) && document.cuts().is_empty() {
        let place = Place {
            source: source.clone(),
            span: Span::new(1, 1, 0),
        };
        let label = "a configuration has at least one site: `sites:` and `- host: …` below it";
        document.report(Diagnostic::emerg(
            Problem::NoSites,
            Some(place),
            Some(label.into()),
        ));
    }
    defaults::apply(&mut draft);
    let (diagnostics, cuts, tree) = document.finish();
    Ok(Parsed {
        draft,
        diagnostics,
        positions: Positions {
            source: source.clone(),
            tree: tree.map_or_else(std::sync::OnceLock::new, std::sync::OnceLock::from),
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
    tree: std::sync::OnceLock<marked::Node>,
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

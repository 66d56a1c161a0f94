//! Where the parts of the Draft stand in the files: recorded while the directives are read, in a
//! second reading that is made only when something has to be located.

use super::lexer::Word;
use super::parser::Directive;
use crate::config::path::{Locate, OwnedPath, Part, Path, Segment};
use crate::config::source::{Place, Source, Span};
use std::collections::HashMap;
use std::sync::Arc;

/// What was written where.
#[derive(Default)]
pub(super) struct Positions {
    recording: bool,
    spots: HashMap<OwnedPath, Spot>,
    /// Locations inside of locations, and those whose settings they inherit.
    inside: HashMap<OwnedPath, OwnedPath>,
}

/// Where one part of the Draft stands.
struct Spot {
    source: Arc<Source>,
    key: Span,
    pieces: Vec<Piece>,
}

/// A piece of a part's text, and the word it comes from.
pub(super) struct Piece {
    /// Where it starts in the Draft's text.
    pub(super) offset: usize,
    /// Where it starts in the word's text.
    pub(super) skipped: usize,
    pub(super) word: Word,
}

/// The directive that fills a part of the Draft.
pub(super) struct Written<'p> {
    pub(super) path: &'p OwnedPath,
    pub(super) source: &'p Source,
    /// Its first word and its last one that counts.
    pub(super) first: Span,
    pub(super) last: Span,
}

impl Positions {
    /// Positions that are remembered, or not.
    pub(super) fn new(recording: bool) -> Self {
        Self {
            recording,
            ..Self::default()
        }
    }

    /// This part is what a directive says, with this word as its key and this one as its value.
    pub(super) fn record(
        &mut self,
        path: &Path<'_>,
        directive: &Directive,
        key: &Word,
        value: Option<&Word>,
    ) {
        if self.recording {
            let whole = |word: &Word| Piece {
                offset: 0,
                skipped: 0,
                word: word.clone(),
            };
            let pieces = value.map(whole).into_iter().collect();
            self.record_pieces(path, directive, key, || pieces);
        }
    }

    /// This part's text is put together from these pieces.
    pub(super) fn record_pieces(
        &mut self,
        path: &Path<'_>,
        directive: &Directive,
        key: &Word,
        pieces: impl FnOnce() -> Vec<Piece>,
    ) {
        if self.recording {
            let spot = Spot {
                source: Arc::clone(&directive.source),
                key: key.span,
                pieces: pieces(),
            };
            self.spots.insert(path.to_owned(), spot);
        }
    }

    /// What is not written at `inner` is inherited from `outer`.
    pub(super) fn inherit(&mut self, inner: &Path<'_>, outer: &Path<'_>) {
        if self.recording {
            self.inside.insert(inner.to_owned(), outer.to_owned());
        }
    }

    /// Every part of the Draft that was written, in no order.
    pub(super) fn directives(&self) -> impl Iterator<Item = Written<'_>> {
        self.spots.iter().map(|(path, spot)| Written {
            path,
            source: &spot.source,
            first: spot.key,
            last: spot.pieces.last().map_or(spot.key, |piece| piece.word.span),
        })
    }

    fn outer(&self, path: &[Segment]) -> Option<Vec<Segment>> {
        // sites, its number, locations, its number
        let location = OwnedPath(path.get(..4)?.to_vec());
        let OwnedPath(mut outer) = self.inside.get(&location)?.clone();
        outer.extend_from_slice(path.get(4..)?);
        Some(outer)
    }
}

impl Spot {
    fn span(&self, part: Part) -> Span {
        let first = self.pieces.first();
        let first = first.map_or(self.key, |piece| piece.word.span);
        match part {
            Part::Key => self.key,
            Part::Value => first,
            Part::Within { offset, length } => {
                let before = |piece: &&Piece| piece.offset <= offset;
                let piece = self.pieces.iter().rev().find(before);
                piece.map_or(first, |piece| {
                    let within = offset - piece.offset + piece.skipped;
                    piece.word.within(within, length)
                })
            }
        }
    }

    fn place(&self, part: Part) -> Place {
        let source = Arc::clone(&self.source);
        let span = self.span(part);
        Place { source, span }
    }
}

impl Locate for Positions {
    fn place(&self, path: &OwnedPath, part: Part) -> Option<Place> {
        let mut at = path.clone();
        if let Some(spot) = self.spots.get(&at) {
            return Some(spot.place(part));
        }
        if let Some(outer) = self.outer(&at.0) {
            return self.place(&OwnedPath(outer), part);
        }
        while at.0.pop().is_some() {
            if let Some(spot) = self.spots.get(&at) {
                return Some(spot.place(Part::Key));
            }
        }
        None
    }
}

//! Where everything in a YAML text stands: a tree of the same shape as its values, with spans. It
//! is built only when something is to be reported.

use crate::config::path::{Part, Segment};
use crate::config::source::{Source, Span};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The tree, and what only it can see.
pub(super) struct Marked {
    pub(super) root: Node,
    /// Keys that came twice in a mapping: the spans of the second and later ones.
    pub(super) duplicates: Vec<(String, Span)>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    span: Span,
    kind: Kind,
}

/// The children are shared with the anchors that aliases name, so that an alias costs nothing.
#[derive(Debug, Clone)]
enum Kind {
    Scalar { text: Arc<str>, quoted: bool },
    Sequence(Arc<Vec<Node>>),
    Mapping(Arc<Vec<Entry>>),
}

#[derive(Debug, Clone)]
struct Entry {
    key: Arc<str>,
    key_span: Span,
    value: Node,
}

/// Parses a text that serde_yaml has accepted. Where the two parsers disagree, the tree ends early
/// and positions are those of what encloses.
pub(super) fn parse(text: &str) -> Marked {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        builder.event(event, to_span(span));
    }
    while builder.open.len() > 1 {
        builder.close();
    }
    Marked {
        root: builder.root.unwrap_or_else(Node::nothing),
        duplicates: builder.duplicates,
    }
}

/// What is wrong with a text and where, when it is nested deeper than this or no YAML at all.
pub(super) fn check_depth(text: &str, deepest: usize) -> Result<(), (String, Span)> {
    let mut depth = 0usize;
    for event in Parser::new_from_str(text) {
        // The scanner looks ahead and may meet a limit of its own first.
        let (event, span) = event.map_err(|error| {
            let at = *error.marker();
            let span = to_span(saphyr_parser::Span::empty(at));
            (error.info().to_owned(), span)
        })?;
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > deepest {
            return Err(("recursion limit exceeded".into(), to_span(span)));
        }
    }
    Ok(())
}

fn to_span(span: saphyr_parser::Span) -> Span {
    let length = if span.start.line() == span.end.line() {
        span.end.col().saturating_sub(span.start.col())
    } else {
        usize::MAX
    };
    Span::new(span.start.line().max(1), span.start.col() + 1, length)
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    duplicates: Vec<(String, Span)>,
}

struct Open {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        seen: HashSet<Arc<str>>,
        key: Option<(Arc<str>, Span)>,
    },
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let kind = Kind::Scalar {
                    text: text.as_ref().into(),
                    quoted: matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted),
                };
                self.add(anchor, Node { span, kind });
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).cloned();
                let kind = target.unwrap_or_else(Node::nothing).kind;
                self.add(0, Node { span, kind });
            }
            Event::SequenceStart(anchor, _) => {
                let content = Content::Sequence(Vec::new());
                self.open.push(Open {
                    span,
                    anchor,
                    content,
                });
            }
            Event::MappingStart(anchor, _) => {
                let content = Content::Mapping {
                    entries: Vec::new(),
                    seen: HashSet::new(),
                    key: None,
                };
                self.open.push(Open {
                    span,
                    anchor,
                    content,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => {}
        }
    }

    fn close(&mut self) {
        let Some(Open {
            span,
            anchor,
            content,
        }) = self.open.pop()
        else {
            return;
        };
        let kind = match content {
            Content::Sequence(nodes) => Kind::Sequence(Arc::new(nodes)),
            Content::Mapping { entries, .. } => Kind::Mapping(Arc::new(entries)),
        };
        // A collection's span is where it begins: its first line may be its only one.
        let span = Span { length: 1, ..span };
        self.add(anchor, Node { span, kind });
    }

    fn add(&mut self, anchor: usize, node: Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(nodes)) => nodes.push(node),
            Some(Content::Mapping { entries, seen, key }) => match key.take() {
                None => *key = Some((node.text(), node.span)),
                Some((key, key_span)) if seen.insert(key.clone()) => entries.push(Entry {
                    key,
                    key_span,
                    value: node,
                }),
                Some((key, span)) => self.duplicates.push((key.to_string(), span)),
            },
        }
    }
}

impl Node {
    fn nothing() -> Self {
        let text = "".into();
        Self {
            span: Span::new(1, 1, 0),
            kind: Kind::Scalar {
                text,
                quoted: false,
            },
        }
    }

    fn text(&self) -> Arc<str> {
        match &self.kind {
            Kind::Scalar { text, .. } => text.clone(),
            _ => "".into(),
        }
    }

    /// The span of the part that a path names; of the innermost known part when some of it was not
    /// written.
    pub(super) fn find(&self, path: &[Segment], part: Part, source: &Source) -> Span {
        let mut node = self;
        let mut key_span = None;
        for segment in path {
            match (&node.kind, segment) {
                (Kind::Mapping(entries), Segment::Key(key)) => {
                    let Some(entry) = entries.iter().find(|entry| *entry.key == **key) else {
                        return key_span.unwrap_or(node.span);
                    };
                    key_span = Some(entry.key_span);
                    node = &entry.value;
                }
                (Kind::Sequence(nodes), Segment::Index(index)) => {
                    let Some(inner) = nodes.get(*index) else {
                        return key_span.unwrap_or(node.span);
                    };
                    key_span = None;
                    node = inner;
                }
                // One value where a list may stand, a word where a mapping may.
                (Kind::Scalar { .. }, _) | (Kind::Mapping(_), Segment::Index(0)) => {}
                _ => break,
            }
        }
        match (part, &node.kind) {
            (Part::Key, _) => key_span.unwrap_or(node.span),
            (Part::Within { offset, length }, Kind::Scalar { text, quoted }) => {
                within(node.span, text, *quoted, offset, length, source).unwrap_or(node.span)
            }
            // A key is a better place than the first line below it.
            (_, Kind::Sequence(_) | Kind::Mapping(_)) => key_span.unwrap_or(node.span),
            // Nothing was written after the key.
            (
                _,
                Kind::Scalar {
                    text,
                    quoted: false,
                },
            ) if text.is_empty() => key_span.unwrap_or(node.span),
            _ => node.span,
        }
    }

    /// Takes out what a path names, as it is taken out of the values.
    pub(super) fn remove(&mut self, path: &[Segment]) {
        let Some((last, parents)) = path.split_last() else {
            return;
        };
        let mut node = self;
        for segment in parents {
            let inner = match (&mut node.kind, segment) {
                (Kind::Mapping(entries), Segment::Key(key)) => Arc::make_mut(entries)
                    .iter_mut()
                    .find(|entry| *entry.key == **key)
                    .map(|entry| &mut entry.value),
                (Kind::Sequence(nodes), Segment::Index(index)) => {
                    Arc::make_mut(nodes).get_mut(*index)
                }
                _ => None,
            };
            let Some(inner) = inner else { return };
            node = inner;
        }
        match (&mut node.kind, last) {
            (Kind::Mapping(entries), Segment::Key(key)) => {
                Arc::make_mut(entries).retain(|entry| *entry.key != **key);
            }
            (Kind::Sequence(nodes), Segment::Index(index)) if *index < nodes.len() => {
                Arc::make_mut(nodes).remove(*index);
            }
            _ => {}
        }
    }
}

/// The span of a piece of a scalar's text, if the text stands in the file as it is: without
/// escapes, on one line.
fn within(
    span: Span,
    text: &str,
    quoted: bool,
    offset: usize,
    length: usize,
    source: &Source,
) -> Option<Span> {
    let start = span.start.column + usize::from(quoted);
    let line = source.line(span.start.line);
    let written: String = line
        .chars()
        .skip(start - 1)
        .take(text.chars().count())
        .collect();
    if written != text {
        return None;
    }
    let before = text.get(..offset)?.chars().count();
    let length = text.get(offset..offset + length)?.chars().count();
    Some(Span::new(span.start.line, start + before, length))
}

//! nginx's syntax: tokens to directives, `include`s replaced by what they include. What a directive
//! is called and where it may stand is `table`'s to know.
//!
//! A mistake is reported and reading goes on where that makes sense: a stray `;` or `}` ends nothing,
//! a missing `;` costs its directive. Nesting and including are bounded, so that no file can make
//! this overflow its stack or run for ever.

use super::files::{Files, Refused};
use super::lexer::{Lexer, LexicalError, Token, Word};
use crate::config::diagnostic::Diagnostic;
use crate::config::problem::Problem;
use crate::config::source::{Place, Source, Span};
use std::path::Path;
use std::sync::Arc;

/// A directive: `name argument …;` or `name argument … { … }`.
#[derive(Debug)]
pub(super) struct Directive {
    pub(super) source: Arc<Source>,
    pub(super) name: Word,
    pub(super) arguments: Vec<Word>,
    /// What stands in its braces.
    pub(super) block: Option<Vec<Directive>>,
}

impl Directive {
    /// The place of one of its words.
    pub(super) fn place(&self, word: &Word) -> Place {
        self.at(word.span)
    }

    /// A place in its file.
    pub(super) fn at(&self, span: Span) -> Place {
        let source = Arc::clone(&self.source);
        Place { source, span }
    }

    /// What stands in its braces; nothing when it has none.
    pub(super) fn children(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// An argument's text.
    pub(super) fn text(&self, index: usize) -> &str {
        self.arguments
            .get(index)
            .map_or("", |word| word.text.as_str())
    }
}

/// What a file and its includes say.
pub(super) struct Tree {
    pub(super) directives: Vec<Directive>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Reads a source and everything it includes.
pub(super) fn parse(source: &Arc<Source>, files: &mut Files) -> Tree {
    let mut parser = Parser {
        files,
        diagnostics: Vec::new(),
        including: vec![source.name().to_owned()],
        given_up: false,
    };
    let directives = parser.file(source, 0);
    Tree {
        directives,
        diagnostics: parser.diagnostics,
    }
}

/// Blocks in blocks, over all files; nobody needs ten.
const DEEPEST_BLOCK: usize = 64;

/// Files including files.
const DEEPEST_INCLUDE: usize = 32;

struct Parser<'f> {
    files: &'f mut Files,
    diagnostics: Vec<Diagnostic>,
    /// The files that are being read, each included by the one before.
    including: Vec<String>,
    /// A bound was met: what follows would only say so again.
    given_up: bool,
}

/// A block whose `}` has not come yet.
struct Open {
    /// `None` for a `{` without a name, whose content is thrown away.
    name: Option<(Word, Vec<Word>)>,
    /// The directives before it, in the block around it.
    before: Vec<Directive>,
    span: Span,
}

impl Parser<'_> {
    /// The directives of one file, `depth` blocks deep.
    fn file(&mut self, source: &Arc<Source>, depth: usize) -> Vec<Directive> {
        let mut lexer = Lexer::new(source.text());
        let mut open: Vec<Open> = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        let mut here: Vec<Directive> = Vec::new();
        // Whether the words are those of a directive that has an error already.
        let mut is_broken = false;
        loop {
            let token = match lexer.next() {
                Ok(token) => token,
                Err(error) => {
                    let goes_on = matches!(error, LexicalError::Unexpected(..));
                    self.lexical_error(source, error);
                    if goes_on {
                        is_broken = true;
                        continue;
                    }
                    break;
                }
            };
            match token {
                Token::Word(word) => words.push(word),
                Token::End(span) if words.is_empty() => {
                    self.report(source, span, unexpected(';'), None);
                }
                Token::End(_) if std::mem::take(&mut is_broken) => words.clear(),
                Token::End(_) => {
                    let directive = directive(source, std::mem::take(&mut words), None);
                    if is_include(&directive) {
                        here.extend(self.include(&directive, depth + open.len()));
                    } else {
                        here.push(directive);
                    }
                }
                Token::Open(span) => {
                    is_broken = false;
                    if depth + open.len() >= DEEPEST_BLOCK {
                        let problem = Problem::Syntax("too many nested blocks".into());
                        let label = format!("blocks may be nested {DEEPEST_BLOCK} deep");
                        self.report(source, span, problem, Some(label));
                        self.given_up = true;
                        break;
                    }
                    let mut taken = std::mem::take(&mut words).into_iter();
                    let name = taken.next().map(|name| (name, taken.collect()));
                    if name.is_none() {
                        self.report(source, span, unexpected('{'), None);
                    }
                    open.push(Open {
                        name,
                        before: std::mem::take(&mut here),
                        span,
                    });
                }
                Token::Close(span) => {
                    if let Some(last) = words.last() {
                        let label = format!(
                            "a `;` is missing behind `{}` in line {}",
                            last.text, last.span.start.line
                        );
                        self.report(source, span, unexpected('}'), Some(label));
                        words.clear();
                    }
                    match open.pop() {
                        Some(block) => close(source, block, &mut here),
                        None => {
                            let label = "it closes nothing".to_owned();
                            self.report(source, span, unexpected('}'), Some(label));
                        }
                    }
                }
                Token::File(end) => {
                    self.end_of_file(source, end, &words, &open);
                    break;
                }
            }
        }
        // What was not closed still says something.
        while let Some(block) = open.pop() {
            close(source, block, &mut here);
        }
        here
    }

    fn end_of_file(&mut self, source: &Arc<Source>, end: Span, words: &[Word], open: &[Open]) {
        if let Some(last) = words.last() {
            let label = format!("a `;` is missing behind `{}`", last.text);
            self.report(source, end, end_in_directive(source), Some(label));
        } else if let Some(block) = open.last() {
            let name = (block.name.as_ref()).map_or("{", |(name, _)| name.text.as_str());
            let label = format!(
                "the block of `{name}` in line {} is not closed",
                block.span.start.line
            );
            let problem = Problem::Syntax("unexpected end of file, expecting \"}\"".into());
            self.report(source, end, problem, Some(label));
        }
    }

    fn lexical_error(&mut self, source: &Arc<Source>, error: LexicalError) {
        match error {
            LexicalError::Unexpected(found, span) => {
                let label = "a space or `;` belongs behind a closing quote".to_owned();
                self.report(source, span, unexpected(found), Some(label));
            }
            LexicalError::Unterminated { end, quote } => {
                let label = quote
                    .map(|quote| format!("the quote in line {} is not closed", quote.start.line));
                self.report(source, end, end_in_directive(source), label);
            }
            LexicalError::TooLong {
                start,
                quote,
                beginning,
            } => {
                let text = match quote {
                    Some(quote) => format!(
                        "too long parameter, probably missing terminating \"{quote}\" character"
                    ),
                    None => format!("too long parameter \"{beginning}...\" started"),
                };
                self.report(source, start, Problem::Syntax(text), None);
            }
        }
    }

    /// What an `include` stands for.
    fn include(&mut self, directive: &Directive, depth: usize) -> Vec<Directive> {
        let word = &directive.arguments[0];
        let report = |parser: &mut Self, problem, label: Option<&str>| {
            let label = label.map(str::to_owned);
            parser.report(&directive.source, word.span, problem, label);
        };
        if self.given_up {
            return Vec::new();
        }
        if self.including.len() > DEEPEST_INCLUDE {
            let problem = Problem::Syntax("too many nested includes".into());
            report(self, problem, Some("files may include each other 32 deep"));
            self.given_up = true;
            return Vec::new();
        }
        let paths = match self.files.matching(&word.text) {
            Ok(paths) => paths,
            Err(problem) => {
                report(self, problem, None);
                return Vec::new();
            }
        };
        let mut directives = Vec::new();
        for path in paths {
            let name = path.display().to_string();
            if self.including.contains(&name) {
                let label = "it is being read when this line is met";
                report(self, Problem::IncludesItself(name), Some(label));
                continue;
            }
            let source = match self.files.read(Path::new(&path)) {
                Ok(source) => source,
                Err(Refused::Because(problem)) => {
                    report(self, problem, None);
                    continue;
                }
                Err(Refused::TooMuch) => {
                    let problem = Problem::Syntax("too many includes".into());
                    report(self, problem, Some("files are included without end"));
                    self.given_up = true;
                    break;
                }
            };
            self.including.push(name);
            directives.extend(self.file(&source, depth));
            self.including.pop();
            if self.given_up {
                break;
            }
        }
        directives
    }

    fn report(
        &mut self,
        source: &Arc<Source>,
        span: Span,
        problem: Problem,
        label: Option<String>,
    ) {
        let source = Arc::clone(source);
        let place = Some(Place { source, span });
        self.diagnostics
            .push(Diagnostic::emerg(problem, place, label).of_nginx());
    }
}

fn directive(source: &Arc<Source>, words: Vec<Word>, block: Option<Vec<Directive>>) -> Directive {
    let mut words = words.into_iter();
    let name = words.next().expect("a directive is made of its words");
    Directive {
        source: Arc::clone(source),
        name,
        arguments: words.collect(),
        block,
    }
}

/// Ends a block: `here` holds its content, and then the block around it.
fn close(source: &Arc<Source>, block: Open, here: &mut Vec<Directive>) {
    let content = std::mem::replace(here, block.before);
    if let Some((name, arguments)) = block.name {
        here.push(Directive {
            source: Arc::clone(source),
            name,
            arguments,
            block: Some(content),
        });
    }
}

/// An `include` that can be followed; one with a wrong number of arguments is the table's to refuse.
fn is_include(directive: &Directive) -> bool {
    directive.name.text == "include" && directive.arguments.len() == 1
}

fn unexpected(found: char) -> Problem {
    Problem::Syntax(format!("unexpected \"{found}\""))
}

fn end_in_directive(source: &Source) -> Problem {
    let text = match source.is_command_line() {
        true => "unexpected end of parameter, expecting \";\"",
        false => "unexpected end of file, expecting \";\" or \"}\"",
    };
    Problem::Syntax(text.into())
}

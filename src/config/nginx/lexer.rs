//! nginx's tokens: words, quoted or not, and `;`, `{`, `}`. Each knows where it stands.
//!
//! The rules are those of nginx's reader. A bare word ends at white space, `;` or `{`, so that `}`,
//! `#` and quotes are ordinary inside of one; `${` does not open a block; a backslash keeps what
//! follows from ending the word and stays, except before quotes and a backslash and in `\t`, `\r` and
//! `\n`; behind a closing quote comes white space, `;`, `{` or `)`.

use crate::config::source::Span;

/// A word of a directive: its name or an argument.
#[derive(Debug, Clone)]
pub(super) struct Word {
    /// What it says, without quotes and escapes.
    pub(super) text: String,
    /// Where it stands, quotes included; of a word of several lines, the first one.
    pub(super) span: Span,
    /// How its text relates to what is written.
    pub(super) written: Written,
}

/// How a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// As it is.
    Bare,
    /// Between quotes, without an escape.
    Quoted,
    /// With escapes, so that positions inside are not known.
    Escaped,
}

impl Word {
    /// Where a piece of its text stands; the whole word when that is not known.
    pub(super) fn within(&self, offset: usize, length: usize) -> Span {
        let quote = match self.written {
            Written::Bare => 0,
            Written::Quoted => 1,
            Written::Escaped => return self.span,
        };
        let (Some(before), Some(piece)) = (
            self.text.get(..offset),
            self.text.get(offset..offset.saturating_add(length)),
        ) else {
            return self.span;
        };
        let length = piece.split('\n').next().unwrap_or_default().chars().count();
        let start = self.span.start;
        match before.rsplit_once('\n') {
            None => Span::new(
                start.line,
                start.column + quote + before.chars().count(),
                length,
            ),
            Some((_, last)) => {
                let lines = before.bytes().filter(|byte| *byte == b'\n').count();
                Span::new(start.line + lines, last.chars().count() + 1, length)
            }
        }
    }
}

/// One token.
#[derive(Debug)]
pub(super) enum Token {
    Word(Word),
    /// `;`
    End(Span),
    /// `{`
    Open(Span),
    /// `}`
    Close(Span),
    /// The file's end.
    File(Span),
}

/// Why there is no token here.
#[derive(Debug)]
pub(super) enum LexicalError {
    /// Behind a closing quote stands something else than nginx takes there. Reading can go on.
    Unexpected(char, Span),
    /// The file ends inside of a word; of a quoted one, this is where it began.
    Unterminated { end: Span, quote: Option<Span> },
    /// A word is longer than nginx's buffer.
    TooLong {
        start: Span,
        quote: Option<char>,
        beginning: String,
    },
}

/// nginx's buffer: no word may be longer.
const LONGEST_WORD: usize = 4096;

/// Reads a text's tokens.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    column: usize,
    /// A quote was closed just before.
    behind_quote: bool,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let at = if text.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len_utf8()
        } else {
            0
        };
        let column = if at > 0 { 2 } else { 1 };
        Self {
            text,
            at,
            line: 1,
            column,
            behind_quote: false,
        }
    }

    /// The next token. After an error other than [`LexicalError::Unexpected`] there is none.
    pub(super) fn next(&mut self) -> Result<Token, LexicalError> {
        if std::mem::take(&mut self.behind_quote)
            && let Some(next) = self.peek()
            && !matches!(next, ' ' | '\t' | '\r' | '\n' | ';' | '{' | ')')
        {
            return Err(LexicalError::Unexpected(next, self.here(1)));
        }
        self.skip_blank();
        let here = self.here(1);
        let Some(first) = self.peek() else {
            return Ok(Token::File(self.here(0)));
        };
        match first {
            ';' | '{' | '}' => {
                self.advance();
                Ok(match first {
                    ';' => Token::End(here),
                    '{' => Token::Open(here),
                    _ => Token::Close(here),
                })
            }
            '"' | '\'' => self.quoted(first),
            _ => self.bare(),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Token, LexicalError> {
        let span = self.here(1);
        self.advance();
        let start = self.at;
        loop {
            let Some(next) = self.peek() else {
                let end = self.here(0);
                let quote = Some(span);
                return Err(LexicalError::Unterminated { end, quote });
            };
            if self.at - start >= LONGEST_WORD {
                return Err(self.too_long(start, span, Some(quote)));
            }
            if next == quote {
                break;
            }
            self.advance();
            if next == '\\' {
                self.advance();
            }
        }
        let raw = &self.text[start..self.at];
        self.advance();
        self.behind_quote = true;
        Ok(self.word(raw, span, Written::Quoted))
    }

    fn bare(&mut self) -> Result<Token, LexicalError> {
        let span = self.here(1);
        let start = self.at;
        loop {
            let Some(next) = self.peek() else {
                let end = self.here(0);
                return Err(LexicalError::Unterminated { end, quote: None });
            };
            if self.at - start >= LONGEST_WORD {
                return Err(self.too_long(start, span, None));
            }
            match next {
                ' ' | '\t' | '\r' | '\n' | ';' | '{' => break,
                '\\' => {
                    self.advance();
                    self.advance();
                }
                '$' => {
                    self.advance();
                    while self.peek() == Some('{') {
                        self.advance();
                    }
                }
                _ => self.advance(),
            }
        }
        let raw = &self.text[start..self.at];
        Ok(self.word(raw, span, Written::Bare))
    }

    fn word(&self, raw: &str, span: Span, written: Written) -> Token {
        let (text, escaped) = unescape(raw);
        let quotes = if written == Written::Quoted { 2 } else { 0 };
        let first = raw.split('\n').next().unwrap_or_default();
        Token::Word(Word {
            text,
            span: Span {
                length: first.chars().count() + quotes,
                ..span
            },
            written: if escaped { Written::Escaped } else { written },
        })
    }

    fn too_long(&self, start: usize, span: Span, quote: Option<char>) -> LexicalError {
        LexicalError::TooLong {
            start: span,
            quote,
            beginning: self.text[start..].chars().take(10).collect(),
        }
    }

    fn skip_blank(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r' | '\n') => self.advance(),
                Some('#') => {
                    while self.peek().is_some_and(|next| next != '\n') {
                        self.advance();
                    }
                }
                _ => return,
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn advance(&mut self) {
        let Some(next) = self.peek() else { return };
        self.at += next.len_utf8();
        if next == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
    }

    fn here(&self, length: usize) -> Span {
        Span::new(self.line, self.column, length)
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text that is meant, and whether it differs from what is written.
fn unescape(raw: &str) -> (String, bool) {
    if !raw.contains('\\') {
        return (raw.to_owned(), false);
    }
    let mut text = String::with_capacity(raw.len());
    let mut escaped = false;
    let mut rest = raw.chars().peekable();
    while let Some(next) = rest.next() {
        let meant = match (next, rest.peek()) {
            ('\\', Some('"')) => '"',
            ('\\', Some('\'')) => '\'',
            ('\\', Some('\\')) => '\\',
            ('\\', Some('t')) => '\t',
            ('\\', Some('r')) => '\r',
            ('\\', Some('n')) => '\n',
            _ => {
                text.push(next);
                continue;
            }
        };
        rest.next();
        text.push(meant);
        escaped = true;
    }
    (text, escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut lexer = Lexer::new(text);
        let mut shown = Vec::new();
        loop {
            match lexer.next() {
                Ok(Token::Word(word)) => shown.push(format!("[{}]", word.text)),
                Ok(Token::End(_)) => shown.push(";".into()),
                Ok(Token::Open(_)) => shown.push("{".into()),
                Ok(Token::Close(_)) => shown.push("}".into()),
                Ok(Token::File(_)) => break,
                Err(LexicalError::Unexpected(found, _)) => shown.push(format!("!{found}")),
                Err(error) => {
                    shown.push(format!("{error:?}").split(' ').next().unwrap_or("").into());
                    break;
                }
            }
        }
        shown.join(" ")
    }

    #[test]
    fn words_end_where_nginx_ends_them() {
        for (text, expected) in [
            ("a b;c{d}", "[a] [b] ; [c] { Unterminated"),
            ("a 'b c' \"d;e\";", "[a] [b c] [d;e] ;"),
            ("return 200 ${host}x;", "[return] [200] [${host}x] ;"),
            ("a b#c; # comment ;\nd;", "[a] [b#c] ; [d] ;"),
            (
                r#"a x\;y "q\"r" \.php$ \ttab a\ b;"#,
                "[a] [x\\;y] [q\"r] [\\.php$] [\ttab] [a\\ b] ;",
            ),
            ("if ($a = \"b\") {", "[if] [($a] [=] [b] [)] {"),
            ("a \"b\"c;", "[a] [b] !c [c] ;"),
            ("a 'it''s';", "[a] [it] !' [s] ;"),
            ("\u{feff}a;\r\nb;", "[a] ; [b] ;"),
            ("a \"b", "[a] Unterminated"),
            ("a b'c d'e;", "[a] [b'c] [d'e] ;"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_word_has_nginx_length_at_most() {
        let bare = |length: usize| shown(&format!("{} b;", "a".repeat(length)));
        assert!(bare(4095).ends_with("[b] ;"));
        assert_eq!(bare(4096), "TooLong");
        let quoted = |length: usize| shown(&format!("'{}' b;", "a".repeat(length)));
        assert!(quoted(4095).ends_with("[b] ;"));
        assert_eq!(quoted(4096), "TooLong");
    }

    #[test]
    fn pieces_of_words_have_places() {
        let mut lexer = Lexer::new("a\n  '$x é $y'");
        lexer.next().expect("a word");
        let Ok(Token::Word(word)) = lexer.next() else {
            panic!("a word")
        };
        assert_eq!(word.span, Span::new(2, 3, 9));
        let at = word.text.find("$y").expect("in the word");
        assert_eq!(word.within(at, 2), Span::new(2, 9, 2));
    }
}

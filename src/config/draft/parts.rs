//! Settings that are more than a word: what happens to a request, what stands in place of something, pages of errors
//! and logs. In which keys they are written is `mod.rs`.

use super::{FromWord, Location, OneOrMany, Size, Switch, Time, Word, record};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

record! {
    /// What holds for all methods but these.
    LimitExcept {
        /// The methods that nothing changes for; GET brings HEAD along.
        methods: OneOrMany<Word>,
        /// What holds for the others.
        then: Box<Location>,
    }
}

record! {
    /// Something that happens to a request before anything answers it: one of `set`, `rewrite`, `if`,
    /// `break` and `return`, as in nginx.
    Step {
        /// Writes a variable, such as `$name`: with the value in `to`.
        set: String,
        /// A regular expression: the path that matches becomes the one in `to`.
        rewrite: Word,
        /// What is written: the value, the path, the text or the URL.
        to: Word,
        /// What follows a `rewrite`: `last` looks for a location again, `break` stays in this one,
        /// `redirect` and `permanent` send the client there.
        #[schemars(extend("enum" = ["last", "break", "redirect", "permanent", null]))]
        flag: String,
        /// Ends the steps.
        r#break: Switch,
        /// Answers with this status; the body or the redirect's URL is in `to`.
        r#return: u64,
        /// A condition: `$name`, `$name = text`, `$name != text`, `$name ~ regex` (`~*`, `!~`, `!~*`),
        /// `-f path` (`-d`, `-e`, `-x`, `!-f` and so on).
        r#if: Word,
        /// What holds from there on when the condition is met: steps, and in a location settings.
        then: Box<Location>,
    }
}

record! {
    /// Something in a header of an answer, and what stands in its place.
    Replacement {
        /// What is looked for: the beginning of a URL or of a path, or a domain; or a regular expression
        /// behind `~` (`~*` ignores the case of letters). `$variables` may stand in text.
        from: Word,
        /// What stands in its place. `$variables` may stand in it, and `$1` to `$9`.
        to: Word,
    }
}

record! {
    /// Text in answers, and what stands in its place.
    Substitution {
        /// What is looked for, in any case of its letters. `$variables` may stand in it.
        from: Word,
        /// What stands in its place. `$variables` may stand in it.
        to: Word,
    }
}

impl FromWord for Replacement {
    fn from_word(word: String) -> Self {
        Self {
            from: Some(Word(word)),
            to: None,
        }
    }
}

record! {
    /// The flags of cookies.
    CookieFlags {
        /// Their name, or a regular expression behind `~`.
        cookie: Word,
        /// `secure`, `httponly`, `samesite=strict` (or `lax`, `none`), which are added; or `nosecure`,
        /// `nohttponly`, `nosamesite`, which are taken away.
        flags: OneOrMany<Word>,
    }
}

impl FromWord for CookieFlags {
    fn from_word(word: String) -> Self {
        let mut words = word.split_whitespace().map(|word| Word(word.to_owned()));
        Self {
            cookie: words.next(),
            flags: Some(OneOrMany(words.collect())),
        }
    }
}

record! {
    /// A response header with its options.
    AddHeader {
        /// The value, in which `$variables` may stand; an empty one adds nothing.
        value: Word,
        /// Whether errors get it too.
        always: Switch,
    }
}

impl FromWord for AddHeader {
    fn from_word(word: String) -> Self {
        let value = Some(Word(word));
        Self {
            value,
            always: None,
        }
    }
}

record! {
    /// What is shown for an error: a file, or the page itself.
    ErrorPage {
        /// A file beside the configuration, read when the configuration is.
        file: String,
        /// The page itself.
        html: String,
        /// A path whose answer is shown, or a location such as `@fallback`; the client is sent to
        /// anything else. Variables may stand in it.
        uri: Word,
        /// The status that is sent with what `uri` leads to: a number, or `uri` for its own; the
        /// error's if not given.
        response: Word,
    }
}

impl FromWord for ErrorPage {
    fn from_word(word: String) -> Self {
        Self {
            file: Some(word),
            ..Self::default()
        }
    }
}

record! {
    /// Where errors are logged, and which of them.
    ErrorLog {
        /// `stderr`, a file, or `syslog:server=ADDRESS` with nginx's parameters.
        path: String,
        /// The least severe lines that are written: `debug`, `info`, `notice`, `warn`, `error`,
        /// `crit`, `alert` or `emerg`.
        #[schemars(extend("enum" = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg", null]))]
        level: String,
    }
}

impl FromWord for ErrorLog {
    fn from_word(word: String) -> Self {
        let path = Some(word);
        Self { path, level: None }
    }
}

record! {
    /// Where requests are logged, and how.
    AccessLog {
        /// `stdout`, `stderr`, a file, or `syslog:server=ADDRESS` with nginx's parameters.
        path: String,
        /// What a line says, with `$variables`; or `combined`, nginx's format of that name.
        format: String,
        /// How values are escaped in it: `default` (`\\x22`, and `-` for none), `json` or `none`.
        #[schemars(extend("enum" = ["default", "json", "none", null]))]
        escape: String,
        /// Requests are logged for which this, in which `$variables` stand, is neither empty nor `0`.
        r#if: Word,
        /// How much is held back to be written together.
        buffer: Size,
        /// How long it is held back at most.
        flush: Time,
        /// How hard what is written together is compressed: 1 to 9.
        gzip: u64,
    }
}

impl FromWord for AccessLog {
    fn from_word(word: String) -> Self {
        Self {
            path: Some(word),
            ..Self::default()
        }
    }
}

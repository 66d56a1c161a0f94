//! Answers made from files: where they are, what they are called, and when they are sent.

use super::Template;
use http::HeaderValue;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How a location answers from files, with nginx's names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Files {
    /// `root` or `alias`.
    pub folder: Folder,
    /// `index`: the files that stand for a folder, in the order in which they are looked for. One that
    /// starts with a slash is a path of the site.
    pub index: Vec<Template>,
    /// `types` and `default_type`.
    pub types: Types,
    /// `etag`: whether answers carry one.
    pub etag: bool,
    /// `if_modified_since`.
    pub if_modified_since: IfModifiedSince,
    /// `max_ranges`: how many ranges one answer may have; more are answered with the whole file.
    /// `None` is no limit.
    pub max_ranges: Option<usize>,
    /// `log_not_found`: whether missing files are logged.
    pub log_not_found: bool,
    /// `disable_symlinks`.
    pub symlinks: Symlinks,
    /// `autoindex`: how folders without an index file are listed; `None` does not.
    pub autoindex: Option<Listing>,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            folder: Folder {
                template: Template::literal("/usr/share/nginx/html"),
                base: None,
                alias: None,
            },
            index: vec![Template::literal("index.html")],
            types: Types::default(),
            etag: true,
            if_modified_since: IfModifiedSince::Exact,
            max_ranges: None,
            log_not_found: true,
            symlinks: Symlinks::Followed,
            autoindex: None,
        }
    }
}

/// The folder that a path is looked for in.
#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    /// Its name.
    pub template: Template,
    /// Where the name starts when it is not absolute; `None` when it always is.
    pub base: Option<PathBuf>,
    /// For `alias`: how much of the path it stands for. `None` is `root`, which goes before the path.
    pub alias: Option<Alias>,
}

/// How much of a path an `alias` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alias {
    /// So many bytes at its start: the location's own path.
    Prefix(usize),
    /// All of it: the location is a regular expression, and the alias is made of its captures.
    Whole,
}

/// Types of files by the ends of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct Types {
    /// By the end of the name, in lower case.
    pub by_extension: Arc<HashMap<Box<[u8]>, HeaderValue>>,
    /// `default_type`; empty sends none.
    pub default: HeaderValue,
}

impl Types {
    /// The type of the file behind a path of the site. The end of `/.profile` is none.
    pub fn of(&self, path: &[u8]) -> &HeaderValue {
        let found = extension(path).and_then(|end| {
            if end.iter().any(u8::is_ascii_uppercase) {
                return self.by_extension.get(&*end.to_ascii_lowercase());
            }
            self.by_extension.get(end)
        });
        found.unwrap_or(&self.default)
    }
}

/// nginx's three.
impl Default for Types {
    fn default() -> Self {
        let known = [
            ("html", "text/html"),
            ("gif", "image/gif"),
            ("jpg", "image/jpeg"),
        ];
        let known = known.map(|(end, value)| {
            let end: Box<[u8]> = end.as_bytes().into();
            (end, HeaderValue::from_static(value))
        });
        Self {
            by_extension: Arc::new(HashMap::from(known)),
            default: HeaderValue::from_static("text/plain"),
        }
    }
}

fn extension(path: &[u8]) -> Option<&[u8]> {
    let at = path
        .iter()
        .rposition(|byte| matches!(byte, b'.' | b'/'))
        .filter(|at| *at > 1)?;
    (path[at] == b'.' && path[at - 1] != b'/').then(|| &path[at + 1..])
}

/// `if_modified_since`: when a date that the client knows makes a 304.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfModifiedSince {
    /// Never.
    Off,
    /// When it is the file's own.
    Exact,
    /// When it is not before the file's.
    Before,
}

/// `disable_symlinks`: which symbolic links are followed.
#[derive(Debug, Clone, PartialEq)]
pub enum Symlinks {
    /// `off`: all.
    Followed,
    /// `on`: none.
    Refused {
        /// `from=`: the part of the name in which they are followed.
        from: Option<Template>,
    },
    /// `if_not_owner`: those that belong to whom what they point to belongs to.
    OfTheOwner {
        /// As above.
        from: Option<Template>,
    },
}

/// How a folder is listed: `autoindex_format` and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// `autoindex_format`.
    pub format: ListingFormat,
    /// `autoindex_exact_size`: bytes instead of K, M and G; in HTML.
    pub exact_size: bool,
    /// `autoindex_localtime`: local time instead of GMT; in HTML.
    pub local_time: bool,
}

/// The form of a folder's listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its own word")]
pub enum ListingFormat {
    Html,
    Xml,
    Json,
    Jsonp,
}

/// `try_files`: files that are looked for, and what happens when none is there.
#[derive(Debug, Clone, PartialEq)]
pub struct TryFiles {
    /// In this order. The first that is there becomes the request's path.
    pub files: Vec<TriedFile>,
    /// When none is.
    pub last: TryLast,
}

/// One file or folder that `try_files` looks for.
#[derive(Debug, Clone, PartialEq)]
pub struct TriedFile {
    /// Its path, below the location's folder.
    pub path: Template,
    /// Whether it must be a folder: it was written with a slash behind it, which `path` is without.
    pub is_folder: bool,
}

/// The last word of a `try_files`.
#[derive(Debug, Clone, PartialEq)]
pub enum TryLast {
    /// A path of the site, with its query.
    Uri(Template),
    /// `@name`: a named location; the name as written.
    Named(String),
    /// `=404`.
    Status(u16),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_name_says_what_it_is() {
        let types = Types::default();
        assert_eq!(types.of(b"/a/b.html"), "text/html");
        assert_eq!(types.of(b"/a/b.tar.GIF"), "image/gif");
        assert_eq!(types.of(b"/a.html/b"), "text/plain");
        assert_eq!(types.of(b"/a/.html"), "text/plain");
        assert_eq!(types.of(b"/.html"), "text/plain");
        assert_eq!(types.of(b"/a."), "text/plain");
        assert_eq!(types.of(b"/"), "text/plain");
    }
}

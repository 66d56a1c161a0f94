//! `autoindex`: a folder's listing in nginx's four formats.

use super::super::uri;
use super::conditional::format_time;
use super::open::Failed;
use crate::model::{Listing, ListingFormat};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Something in a folder.
#[derive(Debug)]
pub(super) struct Entry {
    name: Vec<u8>,
    kind: Kind,
    size: u64,
    modified: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
    Other,
}

/// Reads a folder, as nginx lists it: folders first, nothing that starts with a dot. This waits for
/// the disk.
pub(super) fn read(folder: &[u8]) -> Result<Vec<Entry>, Failed> {
    let failed = |error| Failed {
        call: "opendir()",
        error,
    };
    let mut entries = Vec::new();
    for entry in fs::read_dir(Path::new(OsStr::from_bytes(folder))).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().as_bytes().starts_with(b".") {
            continue;
        }
        // A link is what it points to, unless that is not there.
        let metadata = match fs::metadata(entry.path()) {
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => continue,
            Err(_) => entry.metadata(),
            found => found,
        };
        let Ok(metadata) = metadata else { continue };
        entries.push(Entry {
            name: entry.file_name().into_vec(),
            kind: match metadata.file_type() {
                kind if kind.is_dir() => Kind::Folder,
                kind if kind.is_file() => Kind::File,
                _ => Kind::Other,
            },
            size: metadata.size(),
            modified: metadata.mtime(),
        });
    }
    entries.sort_by(order);
    Ok(entries)
}

fn order(one: &Entry, other: &Entry) -> Ordering {
    let is_folder = |entry: &Entry| entry.kind == Kind::Folder;
    let folders_first = is_folder(other).cmp(&is_folder(one));
    folders_first.then_with(|| one.name.cmp(&other.name))
}

/// How a listing is written for one request.
pub(super) struct Form {
    how: Listing,
    /// The function that JSONP calls.
    callback: Option<Vec<u8>>,
}

impl Form {
    /// `None` when the request names a callback that is no name.
    pub(super) fn new(how: Listing, query: Option<&[u8]>) -> Option<Self> {
        let mut how = how;
        let mut callback = None;
        if how.format == ListingFormat::Jsonp {
            let arguments = query.unwrap_or_default().split(|byte| *byte == b'&');
            let mut named = arguments.filter_map(|argument| {
                let (name, value) = argument.split_at_checked(9)?;
                name.eq_ignore_ascii_case(b"callback=").then_some(value)
            });
            match named.next().unwrap_or_default() {
                b"" => how.format = ListingFormat::Json,
                name if is_callback(name) => callback = Some(name.to_vec()),
                _ => return None,
            }
        }
        Some(Self { how, callback })
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self.how.format {
            ListingFormat::Html => "text/html",
            ListingFormat::Xml => "text/xml; charset=utf-8",
            ListingFormat::Json => "application/json",
            ListingFormat::Jsonp => "application/javascript",
        }
    }

    pub(super) fn write(&self, path: &[u8], entries: &[Entry]) -> Bytes {
        let mut out = Vec::with_capacity(256 + 128 * entries.len());
        let written = match self.how.format {
            ListingFormat::Html => self.html(path, entries, &mut out),
            ListingFormat::Xml => xml(entries, &mut out),
            ListingFormat::Json | ListingFormat::Jsonp => self.json(entries, &mut out),
        };
        written.unwrap_or_else(|_| unreachable!("writing to memory does not fail"));
        out.into()
    }

    fn html(&self, path: &[u8], entries: &[Entry], out: &mut Vec<u8>) -> io::Result<()> {
        let title = escape_html(path);
        out.extend_from_slice(b"<html>\r\n<head><title>Index of ");
        out.extend_from_slice(&title);
        out.extend_from_slice(b"</title></head>\r\n<body>\r\n<h1>Index of ");
        out.extend_from_slice(&title);
        out.extend_from_slice(b"</h1><hr><pre><a href=\"../\">../</a>\r\n");
        let zone = match self.how.local_time {
            true => TimeZone::system(),
            false => TimeZone::UTC,
        };
        for entry in entries {
            let slash: &[u8] = if entry.kind == Kind::Folder {
                b"/"
            } else {
                b""
            };
            out.extend_from_slice(b"<a href=\"");
            uri::escape_component(&entry.name, out);
            out.extend_from_slice(slash);
            out.extend_from_slice(b"\">");
            shorten(&entry.name, slash, out);
            let time = Timestamp::from_second(entry.modified).unwrap_or_default();
            let time = time.to_zoned(zone.clone());
            write!(out, " {} ", time.strftime("%d-%b-%Y %H:%M"))?;
            match (entry.kind, self.how.exact_size) {
                (Kind::Folder, true) => write!(out, "{:>19}", "-")?,
                (Kind::Folder, false) => write!(out, "{:>7}", "-")?,
                (_, true) => write!(out, "{:>19}", entry.size)?,
                (_, false) => write!(out, "{:>7}", rounded(entry.size))?,
            }
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"</pre><hr></body>\r\n</html>\r\n");
        Ok(())
    }

    fn json(&self, entries: &[Entry], out: &mut Vec<u8>) -> io::Result<()> {
        if let Some(callback) = &self.callback {
            out.extend_from_slice(b"/* callback */\r\n");
            out.extend_from_slice(callback);
            out.push(b'(');
        }
        out.push(b'[');
        for (index, entry) in entries.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"\r\n{ \"name\":\"");
            escape_json(&entry.name, out);
            let (kind, time) = (entry.kind.word(), format_time(entry.modified));
            write!(out, "\", \"type\":\"{kind}\", \"mtime\":\"{time}\"")?;
            if entry.kind == Kind::File {
                write!(out, ", \"size\":{}", entry.size)?;
            }
            out.extend_from_slice(b" }");
        }
        out.extend_from_slice(b"\r\n]");
        if self.callback.is_some() {
            out.extend_from_slice(b");");
        }
        Ok(())
    }
}

fn xml(entries: &[Entry], out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(b"<?xml version=\"1.0\"?>\r\n<list>\r\n");
    for entry in entries {
        let kind = entry.kind.word();
        let time = Timestamp::from_second(entry.modified).unwrap_or_default();
        write!(
            out,
            "<{kind} mtime=\"{}\"",
            time.strftime("%Y-%m-%dT%H:%M:%SZ")
        )?;
        if entry.kind == Kind::File {
            write!(out, " size=\"{}\"", entry.size)?;
        }
        out.push(b'>');
        out.extend_from_slice(&escape_html(&entry.name));
        write!(out, "</{kind}>\r\n")?;
    }
    out.extend_from_slice(b"</list>\r\n");
    Ok(())
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Folder => "directory",
            Self::File => "file",
            Self::Other => "other",
        }
    }
}

/// The width of the column of names.
const WIDTH: usize = 50;

/// A name, the end of its link and the spaces behind it; one that is too long is cut.
fn shorten(name: &[u8], slash: &[u8], out: &mut Vec<u8>) {
    if name.len() > WIDTH {
        out.extend_from_slice(&escape_html(&name[..WIDTH - 3]));
        out.extend_from_slice(b"..&gt;</a>");
        return;
    }
    out.extend_from_slice(&escape_html(name));
    let slash = if name.len() < WIDTH { slash } else { b"" };
    out.extend_from_slice(slash);
    out.extend_from_slice(b"</a>");
    let end = out.len() + WIDTH - name.len() - slash.len();
    out.resize(end, b' ');
}

/// A size of at most six digits, with its unit or a space.
fn rounded(size: u64) -> String {
    const UNITS: [(u64, u64, char); 3] = [
        ((1 << 30) - 1, 1 << 30, 'G'),
        ((1 << 20) - 1, 1 << 20, 'M'),
        (9999, 1 << 10, 'K'),
    ];
    for (least, unit, letter) in UNITS {
        if size > least {
            let up = u64::from(size % unit > unit / 2 - 1);
            return format!("{}{letter}", size / unit + up);
        }
    }
    size.to_string()
}

fn is_callback(name: &[u8]) -> bool {
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    name.len() <= 128 && name.iter().all(valid)
}

fn escape_html(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'<' => escaped.extend_from_slice(b"&lt;"),
            b'>' => escaped.extend_from_slice(b"&gt;"),
            b'&' => escaped.extend_from_slice(b"&amp;"),
            b'"' => escaped.extend_from_slice(b"&quot;"),
            _ => escaped.push(byte),
        }
    }
    escaped
}

fn escape_json(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: Kind, size: u64) -> Entry {
        Entry {
            name: name.into(),
            kind,
            size,
            modified: 1_000_000_000,
        }
    }

    fn written(format: ListingFormat, exact_size: bool, query: &str) -> String {
        let how = Listing {
            format,
            exact_size,
            local_time: false,
        };
        let mut entries = vec![
            entry("z", Kind::Other, 0),
            entry("a&b", Kind::File, 10_240),
            entry("sub", Kind::Folder, 4096),
        ];
        entries.sort_by(order);
        let form = Form::new(how, Some(query.as_bytes())).expect("a name");
        let bytes = form.write(b"/<x>/", &entries);
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[test]
    fn html() {
        let expected = format!(
            "<html>\r\n<head><title>Index of /&lt;x&gt;/</title></head>\r\n<body>\r\n\
             <h1>Index of /&lt;x&gt;/</h1><hr><pre><a href=\"../\">../</a>\r\n\
             <a href=\"sub/\">sub/</a>{0:46} 09-Sep-2001 01:46                   -\r\n\
             <a href=\"a%26b\">a&amp;b</a>{0:47} 09-Sep-2001 01:46               10240\r\n\
             <a href=\"z\">z</a>{0:49} 09-Sep-2001 01:46                   0\r\n\
             </pre><hr></body>\r\n</html>\r\n",
            ""
        );
        assert_eq!(written(ListingFormat::Html, true, ""), expected);
        let rounded = written(ListingFormat::Html, false, "");
        assert!(rounded.contains(" 01:46       -\r\n"), "{rounded}");
        assert!(rounded.contains(" 01:46     10K\r\n"), "{rounded}");
    }

    #[test]
    fn json_and_xml() {
        let json = "[\r\n{ \"name\":\"sub\", \"type\":\"directory\", \"mtime\":\"Sun, 09 Sep 2001 01:46:40 GMT\" },\
                    \r\n{ \"name\":\"a&b\", \"type\":\"file\", \"mtime\":\"Sun, 09 Sep 2001 01:46:40 GMT\", \"size\":10240 },\
                    \r\n{ \"name\":\"z\", \"type\":\"other\", \"mtime\":\"Sun, 09 Sep 2001 01:46:40 GMT\" }\r\n]";
        assert_eq!(written(ListingFormat::Json, true, ""), json);
        assert_eq!(written(ListingFormat::Jsonp, true, "a=b"), json);
        let jsonp = format!("/* callback */\r\nf.g({json});");
        assert_eq!(
            written(ListingFormat::Jsonp, true, "a=b&callback=f.g"),
            jsonp
        );
        let xml = "<?xml version=\"1.0\"?>\r\n<list>\r\n\
                   <directory mtime=\"2001-09-09T01:46:40Z\">sub</directory>\r\n\
                   <file mtime=\"2001-09-09T01:46:40Z\" size=\"10240\">a&amp;b</file>\r\n\
                   <other mtime=\"2001-09-09T01:46:40Z\">z</other>\r\n</list>\r\n";
        assert_eq!(written(ListingFormat::Xml, true, ""), xml);
        let how = Listing {
            format: ListingFormat::Jsonp,
            exact_size: true,
            local_time: false,
        };
        assert!(Form::new(how, Some(b"callback=a(b")).is_none());
    }

    #[test]
    fn long_names_are_cut() {
        let mut out = Vec::new();
        shorten(&[b'x'; 51], b"/", &mut out);
        assert_eq!(out, format!("{}..&gt;</a>", "x".repeat(47)).as_bytes());
        out.clear();
        shorten(&[b'x'; 50], b"/", &mut out);
        assert_eq!(out, format!("{}</a>", "x".repeat(50)).as_bytes());
    }

    #[test]
    fn sizes_are_rounded() {
        for (size, expected) in [
            (9999, "9999"),
            (10_000, "10K"),
            (1 << 20, "1M"),
            ((1 << 20) - 1, "1024K"),
            (3 << 29, "2G"),
            ((3 << 29) - 1, "1G"),
        ] {
            assert_eq!(rounded(size), expected);
        }
    }
}

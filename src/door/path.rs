//! Normalising a path: what `location` and `$uri` see.

use std::ops::Range;

/// Decodes `%xx`, resolves `.` and `..`, merges slashes and cuts the fragment, as nginx does.
/// Gives the path and where the query is in the target. `None` when an escape is malformed or
/// names NUL, or when `..` leaves the root.
///
/// Decoding comes first: `%2e` is a dot and `%2f` a slash, but `%3f`, `%23` and `%25` end up as
/// plain characters of the path.
pub(super) fn normalise(
    target: &[u8],
    without_path: bool,
    merge_slashes: bool,
) -> Option<(Vec<u8>, Range<usize>)> {
    let mut path = Vec::with_capacity(target.len() + 1);
    if without_path {
        path.push(b'/');
    }
    let mut after = After::Other;
    let mut at = 0;
    let mut query = 0..0;
    while let Some(&raw) = target.get(at) {
        at += 1;
        let byte = if raw == b'%' {
            let decoded = hex(*target.get(at)?)? << 4 | hex(*target.get(at + 1)?)?;
            at += 2;
            match decoded {
                0 => return None,
                b'%' | b'#' | b'?' => {
                    path.push(decoded);
                    after = After::Other;
                    continue;
                }
                _ => decoded,
            }
        } else if raw == b'?' {
            let rest = &target[at..];
            let end = memchr::memchr(b'#', rest).unwrap_or(rest.len());
            query = at..at + end;
            break;
        } else if raw == b'#' {
            break;
        } else {
            raw
        };
        after = match (after, byte) {
            (After::Slash, b'/') if merge_slashes => After::Slash,
            (After::Slash, b'.') => {
                path.push(byte);
                After::Dot
            }
            (After::Dot, b'.') => {
                path.push(byte);
                After::DotDot
            }
            (After::Dot, b'/') => {
                path.pop();
                After::Slash
            }
            (After::DotDot, b'/') => {
                leave_segment(&mut path)?;
                After::Slash
            }
            (_, b'/') => {
                path.push(byte);
                After::Slash
            }
            _ => {
                path.push(byte);
                After::Other
            }
        };
    }
    match after {
        After::Dot => {
            path.pop();
        }
        After::DotDot => leave_segment(&mut path)?,
        After::Slash | After::Other => {}
    }
    Some((path, query))
}

/// What precedes the next byte, within its segment.
#[derive(Clone, Copy)]
enum After {
    Slash,
    Dot,
    DotDot,
    Other,
}

/// Takes `x/..` off the end of `/x/..`.
fn leave_segment(path: &mut Vec<u8>) -> Option<()> {
    // The slash before "..", and before that the segment that is left.
    let parent = path.len().checked_sub(3)?;
    let slash = memchr::memrchr(b'/', &path[..parent])?;
    path.truncate(slash + 1);
    Some(())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(target: &str) -> Option<String> {
        let (path, _) = normalise(target.as_bytes(), false, true)?;
        Some(String::from_utf8_lossy(&path).into_owned())
    }

    #[test]
    fn paths_are_decoded_and_resolved_as_nginx_does() {
        for (target, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("//a///b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a/../b", "/b"),
            ("/a/b/../../c", "/c"),
            ("/a/...", "/a/..."),
            ("/a/..b", "/a/..b"),
            ("/a/.b", "/a/.b"),
            ("/a%2fb", "/a/b"),
            ("/a%2F%2fb", "/a/b"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/%2E/b", "/a/b"),
            ("/%3f%23%25", "/?#%"),
            ("/%252e%252e/x", "/%2e%2e/x"),
            ("/a+b", "/a+b"),
            ("/a%2bb", "/a+b"),
            ("/%e4%bd", "/\u{fffd}"),
            ("/a#fragment", "/a"),
            ("/a/..#fragment", "/"),
            ("/a/./?x", "/a/"),
            ("/a/..?x=/../..", "/"),
            ("/a/.?x", "/a/"),
            ("/a/%3f/../b", "/a/b"),
        ] {
            assert_eq!(path(target).as_deref(), Some(expected), "{target}");
        }
    }

    #[test]
    fn paths_that_cannot_be_resolved_are_refused() {
        for target in [
            "/..",
            "/../",
            "/../a",
            "/a/../..",
            "/a/../../b",
            "/%",
            "/%1",
            "/%zz",
            "/%00",
            "/a%0",
            "/%2e%2e",
            "/.//../..",
        ] {
            assert_eq!(path(target), None, "{target}");
        }
    }

    #[test]
    fn slashes_are_kept_when_they_are_not_to_be_merged() {
        let (path, _) = normalise(b"//a///b/../c", false, false).expect("valid");
        assert_eq!(path, b"//a///c");
        let (path, _) = normalise(b"//..", false, false).expect("valid");
        assert_eq!(path, b"/");
    }

    #[test]
    fn the_query_is_what_follows_the_first_question_mark() {
        for (target, expected) in [
            ("/a?b=%zz?c", "b=%zz?c"),
            ("/a?b#c", "b"),
            ("/a?", ""),
            ("/a%3fb", ""),
        ] {
            let (_, query) = normalise(target.as_bytes(), false, true).expect("valid");
            assert_eq!(&target[query], expected, "{target}");
        }
    }

    proptest! {
        #[test]
        fn a_normalised_path_never_leaves_the_root(tail in "[a./%25fF2eE?#]{0,24}") {
            if let Some((path, _)) = normalise(format!("/{tail}").as_bytes(), false, true) {
                prop_assert_eq!(path.first(), Some(&b'/'));
                let text = String::from_utf8_lossy(&path);
                prop_assert!(!text.contains("//"));
                prop_assert!(!text.split('/').any(|segment| segment == ".." || segment == "."));
            }
        }
    }
}

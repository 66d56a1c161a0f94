//! Conditional requests: whether the client has the file already, or does not want another one.

use crate::model::IfModifiedSince;
use http::{HeaderMap, header};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the request's conditions come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Verdict {
    Send,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Holds a request's conditions against a file, in nginx's order.
pub(in crate::proxy) fn check(
    request: &HeaderMap,
    etag: Option<&[u8]>,
    modified: i64,
    how: IfModifiedSince,
) -> Verdict {
    if let Some(since) = request.get(header::IF_UNMODIFIED_SINCE)
        && parse_time(since.as_bytes()).is_none_or(|since| since < modified)
    {
        return Verdict::Failed;
    }
    if let Some(list) = request.get(header::IF_MATCH)
        && !matches(list.as_bytes(), etag, Comparison::Strong)
    {
        return Verdict::Failed;
    }
    let since = request.get(header::IF_MODIFIED_SINCE);
    let none_match = request.get(header::IF_NONE_MATCH);
    if since.is_none() && none_match.is_none() {
        return Verdict::Send;
    }
    if let Some(since) = since
        && is_modified(parse_time(since.as_bytes()), modified, how)
    {
        return Verdict::Send;
    }
    if let Some(list) = none_match
        && !matches(list.as_bytes(), etag, Comparison::Weak)
    {
        return Verdict::Send;
    }
    Verdict::NotModified
}

/// The same for a text of the configuration's own, which has neither a date nor an entity tag.
pub(in crate::proxy) fn check_text(request: &HeaderMap) -> Verdict {
    if request.contains_key(header::IF_UNMODIFIED_SINCE) {
        return Verdict::Failed;
    }
    check(request, None, 0, IfModifiedSince::Off)
}

fn is_modified(since: Option<i64>, modified: i64, how: IfModifiedSince) -> bool {
    match how {
        IfModifiedSince::Off => true,
        IfModifiedSince::Exact => since != Some(modified),
        IfModifiedSince::Before => since.is_none_or(|since| since < modified),
    }
}

/// RFC 9110, 8.8.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of entity tags, or `*`, has this one.
fn matches(list: &[u8], etag: Option<&[u8]>, comparison: Comparison) -> bool {
    if list == b"*" {
        return true;
    }
    let Some(etag) = etag else { return false };
    let plain = |tag| match comparison {
        Comparison::Weak => without_weakness(tag),
        Comparison::Strong => tag,
    };
    let etag = plain(etag);
    let mut rest = list;
    while !rest.is_empty() {
        if let Some(behind) = plain(rest).strip_prefix(etag) {
            let behind = behind.trim_ascii_start();
            if behind.is_empty() || behind.starts_with(b",") {
                return true;
            }
        }
        let comma = rest.iter().position(|byte| *byte == b',');
        rest = comma.map_or(&[][..], |at| &rest[at..]);
        let next = rest
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b','));
        rest = next.map_or(&[][..], |at| &rest[at..]);
    }
    false
}

fn without_weakness(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// `If-Range`: whether the ranges asked for are of what the client has. Without the header they are.
pub(in crate::proxy) fn range_holds(
    request: &HeaderMap,
    etag: Option<&[u8]>,
    modified: Option<i64>,
) -> bool {
    let Some(value) = request.get(header::IF_RANGE) else {
        return true;
    };
    let value = value.as_bytes();
    if value.len() >= 2 && value.ends_with(b"\"") {
        return etag == Some(value);
    }
    modified.is_some() && parse_time(value) == modified
}

/// Seconds since 1970, of a date in one of HTTP's three forms.
pub(in crate::proxy) fn parse_time(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok()
}

/// A date in HTTP's form, of seconds since 1970. What lies outside of its four-digit years is moved to
/// their ends.
pub(in crate::proxy) fn format_time(seconds: i64) -> String {
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(seconds).unwrap_or(0).min(LAST);
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    const ETAG: &[u8] = b"\"5f-1\"";
    const MODIFIED: i64 = 1_000_000_000;
    const DATE: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
    const BEFORE: &str = "Sun, 09 Sep 2001 01:46:39 GMT";
    const LATER: &str = "Sun, 09 Sep 2001 01:46:41 GMT";

    fn verdict(headers: &[(HeaderName, &str)], how: IfModifiedSince) -> Verdict {
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a header's value");
            (name.clone(), value)
        });
        check(&headers.collect(), Some(ETAG), MODIFIED, how)
    }

    #[test]
    fn dates() {
        assert_eq!(format_time(MODIFIED), DATE);
        assert_eq!(format_time(-1), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(format_time(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(parse_time(DATE.as_bytes()), Some(MODIFIED));
        let since = |date| [(header::IF_MODIFIED_SINCE, date)];
        use IfModifiedSince::{Before, Exact, Off};
        use Verdict::{Failed, NotModified, Send};
        for (date, how, expected) in [
            (DATE, Exact, NotModified),
            (BEFORE, Exact, Send),
            (LATER, Exact, Send),
            (LATER, Before, NotModified),
            (BEFORE, Before, Send),
            (DATE, Off, Send),
            ("nonsense", Before, Send),
        ] {
            assert_eq!(verdict(&since(date), how), expected, "{date} {how:?}");
        }
        let unmodified = |date| [(header::IF_UNMODIFIED_SINCE, date)];
        assert_eq!(verdict(&unmodified(DATE), Exact), Send);
        assert_eq!(verdict(&unmodified(BEFORE), Exact), Failed);
        assert_eq!(verdict(&unmodified("nonsense"), Exact), Failed);
    }

    #[test]
    fn tags() {
        use Verdict::{Failed, NotModified, Send};
        let none_match = |list| verdict(&[(header::IF_NONE_MATCH, list)], IfModifiedSince::Exact);
        assert_eq!(none_match("\"5f-1\""), NotModified);
        assert_eq!(none_match("W/\"5f-1\""), NotModified);
        assert_eq!(none_match("\"a\" , \"5f-1\" ,\"b\""), NotModified);
        assert_eq!(none_match("*"), NotModified);
        assert_eq!(none_match("\"5f-1\"x"), Send);
        assert_eq!(none_match("\"5f-12\""), Send);
        assert_eq!(none_match(""), Send);
        let matches = |list| verdict(&[(header::IF_MATCH, list)], IfModifiedSince::Exact);
        assert_eq!(matches("\"a\", \"5f-1\""), Send);
        assert_eq!(matches("W/\"5f-1\""), Failed);
        // The date alone would make a 304.
        let both = [
            (header::IF_MODIFIED_SINCE, DATE),
            (header::IF_NONE_MATCH, "\"a\""),
        ];
        assert_eq!(verdict(&both, IfModifiedSince::Exact), Send);
    }

    #[test]
    fn a_range_of_something_else_is_the_whole() {
        let holds = |value: &'static str| {
            let value = HeaderValue::from_static(value);
            range_holds(
                &HeaderMap::from_iter([(header::IF_RANGE, value)]),
                Some(ETAG),
                Some(MODIFIED),
            )
        };
        assert!(holds("\"5f-1\"") && holds(DATE));
        assert!(!holds("W/\"5f-1\"") && !holds("\"5f-2\"") && !holds(LATER) && !holds("x"));
        assert!(range_holds(&HeaderMap::new(), None, None));
    }
}

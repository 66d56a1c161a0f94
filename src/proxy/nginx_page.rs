//! The pages that nginx shows for errors, with Gapura's name at their end, and the phrases of its
//! status lines.

use crate::model::{FULL_NAME, NAME, OwnAnswers, ServerTokens};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Statuses that nginx has a phrase for, and the title of its page where that is another.
const STATUSES: [(u16, &str, Option<&str>); 44] = [
    (200, "OK", None),
    (201, "Created", None),
    (202, "Accepted", None),
    (204, "No Content", None),
    (206, "Partial Content", None),
    (301, "Moved Permanently", None),
    (302, "Moved Temporarily", Some("Found")),
    (303, "See Other", None),
    (304, "Not Modified", None),
    (307, "Temporary Redirect", None),
    (308, "Permanent Redirect", None),
    (400, "Bad Request", None),
    (401, "Unauthorized", Some("Authorization Required")),
    (402, "Payment Required", None),
    (403, "Forbidden", None),
    (404, "Not Found", None),
    (405, "Not Allowed", None),
    (406, "Not Acceptable", None),
    (407, "Proxy Authentication Required", None),
    (408, "Request Time-out", None),
    (409, "Conflict", None),
    (410, "Gone", None),
    (411, "Length Required", None),
    (412, "Precondition Failed", None),
    (413, "Request Entity Too Large", None),
    (414, "Request-URI Too Large", None),
    (415, "Unsupported Media Type", None),
    (416, "Requested Range Not Satisfiable", None),
    (421, "Misdirected Request", None),
    (429, "Too Many Requests", None),
    (
        494,
        "Bad Request",
        Some("Request Header Or Cookie Too Large"),
    ),
    (495, "Bad Request", Some("The SSL certificate error")),
    (
        496,
        "Bad Request",
        Some("No required SSL certificate was sent"),
    ),
    (
        497,
        "Bad Request",
        Some("The plain HTTP request was sent to HTTPS port"),
    ),
    (498, "", Some("Not Found")),
    (500, "Internal Server Error", None),
    (501, "Not Implemented", None),
    (502, "Bad Gateway", None),
    (503, "Service Temporarily Unavailable", None),
    (504, "Gateway Time-out", None),
    (505, "HTTP Version Not Supported", None),
    (507, "Insufficient Storage", None),
    // Never shown: the client is gone.
    (444, "", None),
    (499, "", None),
];

/// Statuses without a page: they have no body, or another one.
const PAGELESS: [u16; 8] = [200, 201, 202, 204, 206, 304, 444, 499];

/// What is looked for by browsers that show pages of their own in place of short ones.
const PADDING: &str = "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n";
const PADDING_LINES: usize = 6;

/// The phrase of a status line; nginx has none for most others.
pub(super) fn phrase(status: StatusCode) -> &'static str {
    let code = status.as_u16();
    let known = STATUSES.iter().find(|(known, ..)| *known == code);
    known.map_or("", |(_, phrase, _)| phrase)
}

/// The status that is sent for one that only `error_page` and logs know.
pub(super) fn sent_as(code: u16) -> StatusCode {
    let code = match code {
        494..=497 => 400,
        code => code,
    };
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Whether nginx closes the connection after this answer of its own, because it may have lost its
/// place in it.
pub(super) fn closes(code: u16) -> bool {
    matches!(code, 400 | 413 | 414 | 495..=497 | 500 | 501)
}

/// The page for a status, if there is one: for others the body is empty.
pub(super) fn page(code: u16, own: OwnAnswers, request: Option<&HeaderMap>) -> Option<Bytes> {
    let pages = PAGES.get(&code)?;
    let padded = own.msie_padding && code >= 400 && request.is_some_and(is_padded_for);
    Some(pages[usize::from(padded)][usize::from(own.server_tokens == ServerTokens::On)].clone())
}

/// Whether a browser gets a page that leads on in place of a redirect.
pub(super) fn is_refreshed(status: StatusCode, own: OwnAnswers, request: &HeaderMap) -> bool {
    own.msie_refresh
        && matches!(status.as_u16(), 301 | 302)
        && Browser::of(request) == Browser::InternetExplorer
}

/// The page that leads on.
pub(super) fn refresh(location: &[u8]) -> Bytes {
    let mut page = b"<html><head><meta http-equiv=\"Refresh\" content=\"0; URL=".to_vec();
    for &byte in location {
        // What could end the attribute or the tag.
        if matches!(byte, 0..=b' ' | b'"' | b'\'' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f..)
        {
            page.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            page.push(byte);
        }
    }
    page.extend_from_slice(b"\"></head><body></body></html>\r\n");
    page.into()
}

/// Made once: an outage is no time to make pages. By padding, then by the name at the end.
static PAGES: LazyLock<HashMap<u16, [[Bytes; 2]; 2]>> = LazyLock::new(|| {
    let shown = STATUSES
        .iter()
        .filter(|(code, ..)| !PAGELESS.contains(code));
    let page = |code, title, padding: &str, name: &str| {
        Bytes::from(body(code, title) + &tail(name) + padding)
    };
    shown
        .map(|&(code, phrase, title)| {
            let title = title.unwrap_or(phrase);
            let padding = PADDING.repeat(PADDING_LINES);
            let pages = ["", &padding]
                .map(|padding| [NAME, FULL_NAME].map(|name| page(code, title, padding, name)));
            (code, pages)
        })
        .collect()
});

fn body(code: u16, title: &str) -> String {
    let sent = sent_as(match code {
        498 => 404,
        code => code,
    });
    let code_sent = sent.as_u16();
    // What nginx has a code of its own for says more in a line below.
    let (heading, more) = match code {
        494..=497 => (phrase(sent), format!("<center>{title}</center>\r\n")),
        _ => (title, String::new()),
    };
    format!(
        "<html>\r\n<head><title>{code_sent} {title}</title></head>\r\n<body>\r\n\
         <center><h1>{code_sent} {heading}</h1></center>\r\n{more}"
    )
}

fn tail(name: &str) -> String {
    format!("<hr><center>{name}</center>\r\n</body>\r\n</html>\r\n")
}

/// The browsers that nginx treats in their own way.
#[derive(Debug, PartialEq, Eq)]
enum Browser {
    InternetExplorer,
    Chrome,
    Other,
}

impl Browser {
    fn of(request: &HeaderMap) -> Self {
        let Some(agent) = request.get(header::USER_AGENT) else {
            return Self::Other;
        };
        let agent = agent.as_bytes();
        let find = |word: &[u8]| agent.windows(word.len()).position(|found| found == word);
        if find(b"Opera").is_some() {
            return Self::Other;
        }
        match find(b"MSIE ") {
            Some(at) if at + 7 < agent.len() => Self::InternetExplorer,
            _ if find(b"Gecko/").is_none() && find(b"Chrome/").is_some() => Self::Chrome,
            _ => Self::Other,
        }
    }
}

fn is_padded_for(request: &HeaderMap) -> bool {
    Browser::of(request) != Browser::Other
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const OWN: OwnAnswers = OwnAnswers {
        pages: crate::model::BuiltInPages::Nginx,
        server_tokens: ServerTokens::Off,
        msie_padding: true,
        msie_refresh: true,
    };

    fn text(code: u16) -> String {
        let page = page(code, OWN, None).expect("a page");
        String::from_utf8(page.to_vec()).expect("text")
    }

    fn agent(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(text))])
    }

    #[test]
    fn a_page_is_nginx_s_but_for_the_name() {
        assert_eq!(
            text(502),
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
             <center><h1>502 Bad Gateway</h1></center>\r\n\
             <hr><center>gapura</center>\r\n</body>\r\n</html>\r\n"
        );
        assert!(text(302).contains("<title>302 Found</title>"));
        assert!(text(498).contains("<h1>404 Not Found</h1>"));
        assert!(text(494).contains(
            "<title>400 Request Header Or Cookie Too Large</title></head>\r\n<body>\r\n\
             <center><h1>400 Bad Request</h1></center>\r\n\
             <center>Request Header Or Cookie Too Large</center>\r\n<hr>"
        ));
        for pageless in [200, 204, 300, 304, 418, 426, 499, 506, 599] {
            assert_eq!(page(pageless, OWN, None), None, "{pageless}");
        }
        let full = OwnAnswers {
            server_tokens: ServerTokens::On,
            ..OWN
        };
        let page = page(404, full, None).expect("a page");
        assert!(page.windows(7).any(|found| found == b"gapura/"));
    }

    #[test]
    fn pages_are_padded_for_browsers_that_hide_short_ones() {
        let (explorer, chrome) = (agent("MSIE 7.0; x"), agent("Mozilla Chrome/99 Safari/5"));
        for browser in [&explorer, &chrome] {
            let padded = page(404, OWN, Some(browser)).expect("a page");
            assert_eq!(padded.len(), text(404).len() + 6 * 67);
            assert_eq!(
                page(301, OWN, Some(browser)).map(|page| page.len()),
                Some(text(301).len())
            );
        }
        for other in ["Firefox Gecko/2 Chrome/1", "MSIE 7.0 Opera", "MSIE 7"] {
            let plain = page(404, OWN, Some(&agent(other))).expect("a page");
            assert_eq!(plain.len(), text(404).len(), "{other}");
        }
        assert!(is_refreshed(StatusCode::FOUND, OWN, &explorer));
        assert!(!is_refreshed(StatusCode::FOUND, OWN, &chrome));
        assert!(!is_refreshed(StatusCode::SEE_OTHER, OWN, &explorer));
        assert!(refresh(b"/a\"b").ends_with(b"URL=/a%22b\"></head><body></body></html>\r\n"));
    }

    #[test]
    fn phrases_are_nginx_s() {
        assert_eq!(phrase(StatusCode::FOUND), "Moved Temporarily");
        assert_eq!(phrase(StatusCode::IM_A_TEAPOT), "");
        assert_eq!(sent_as(494), StatusCode::BAD_REQUEST);
        assert!(closes(413) && !closes(404) && !closes(502));
    }
}

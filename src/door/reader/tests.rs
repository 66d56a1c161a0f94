//! What is admitted, what is refused and why, independent of how the bytes arrive.

use super::*;
use crate::model::{self, ListenAddress, Model, SiteId};
use crate::runtime::upstream::Registry;
use crate::runtime::{Generation, ListenerId};
use bytes::{Bytes, BytesMut};
use http::Method;
use pingora_http::RequestHeader;
use proptest::prelude::*;

/// A site for `small`, with tight limits and without the dropping of invalid headers, behind the
/// default one.
fn listener() -> Arc<Listener> {
    let site = |name: &str, client| model::Site {
        client,
        ..model::Site::new(name, model::Location::new(model::Action::Status(204)))
    };
    let tight = ClientLimits {
        header_buffers: HeaderBuffers {
            number: 1,
            size: 1200,
        },
        max_headers: 3,
        ignore_invalid_headers: false,
        underscores_in_headers: true,
        ..ClientLimits::default()
    };
    let address = ListenAddress::Inet(([127, 0, 0, 1], 80).into());
    let model = Model {
        listeners: vec![model::Listener {
            socket: model::SocketOptions::default(),
            address,
            default_site: SiteId(0),
            sites: vec![SiteId(0), SiteId(1)],
        }],
        sites: vec![
            site("default", ClientLimits::default()),
            site("small", tight),
        ],
        ..Model::default()
    };
    let generation = Generation::build(&model, &Registry::default(), |_| ListenerId(0));
    let generation = generation.expect("no patterns");
    Arc::clone(generation.listener(ListenerId(0)).expect("listed"))
}

/// What came of a header, in words.
fn outcome(pieces: &[&[u8]]) -> String {
    let listener = listener();
    let mut headers = Headers::default();
    let mut reader = Reader::new(&listener, &mut headers);
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        match reader.advance(&buffer) {
            Ok(None) => {}
            Ok(Some(head)) => {
                assert!(head.length <= buffer.len());
                let line = &reader.line;
                let lossy = String::from_utf8_lossy;
                let (path, query) = (lossy(line.path()), line.query().map(lossy));
                let host = reader.host.as_deref().unwrap_or("-");
                return format!(
                    "{} {path} {query:?} {:?} {host} {} {:?} keepalive={} upgrade={} plain={}",
                    lossy(line.method()),
                    line.version(),
                    reader.site.name,
                    head.framing,
                    head.keepalive,
                    head.upgrade,
                    head.plain,
                );
            }
            Err(fault) => return fault.to_string(),
        }
    }
    "more".into()
}

fn admitted(header: &str) -> String {
    outcome(&[header.as_bytes()])
}

#[test]
fn requests_are_admitted_with_what_their_headers_say() {
    for (header, expected) in [
        (
            "GET /a?b HTTP/1.1\r\nHost: Small:80\r\n\r\n",
            "GET /a Some(\"b\") HTTP/1.1 small small None keepalive=true upgrade=false plain=true",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: x, Close\r\n\r\n",
            "POST / None HTTP/1.1 a default Length(5) keepalive=false upgrade=false plain=true",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nUpgrade: websocket\r\n\r\n",
            "POST / None HTTP/1.1 a default Chunked keepalive=true upgrade=true plain=true",
        ),
        (
            "GET / HTTP/1.0\r\n\r\n",
            "GET / None HTTP/1.0 - default None keepalive=false upgrade=false plain=true",
        ),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\nUpgrade: x\r\n\r\n",
            "GET / None HTTP/1.0 - default None keepalive=true upgrade=false plain=true",
        ),
        (
            "GET http://SMALL:8080/x HTTP/1.1\r\nHost: other\r\n\r\n",
            "GET /x None HTTP/1.1 small small None keepalive=true upgrade=false plain=false",
        ),
        (
            "GET http://small?q HTTP/1.1\nHost: other\n\n",
            "GET / Some(\"q\") HTTP/1.1 small small None keepalive=true upgrade=false plain=false",
        ),
        (
            "GET http://small HTTP/1.7\r\nHost: other\r\n\r\n",
            "GET / None HTTP/1.1 small small None keepalive=true upgrade=false plain=false",
        ),
        (
            "GET /\r\n",
            "GET / None HTTP/0.9 - default None keepalive=false upgrade=false plain=false",
        ),
        (
            "GET   /a//b   HTTP/1.1   \r\nHost: a\r\nbad_name: x\r\n\r\n",
            "GET /a/b None HTTP/1.1 a default None keepalive=true upgrade=false plain=false",
        ),
        (
            "X-METHOD_1 / HTTP/1.1\r\nHost: a\r\n\r\n",
            "client sent invalid method",
        ),
        (
            "PROP-FIND_ / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            "PROP-FIND_ / None HTTP/1.1 a default None keepalive=true upgrade=false plain=true",
        ),
    ] {
        assert_eq!(admitted(header), expected, "{header:?}");
    }
}

#[test]
fn malformed_requests_are_refused_in_nginx_words() {
    let long = "x".repeat(8192);
    let cookie = format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {long}");
    let large = format!("X: {}\r\n", "y".repeat(5000)).repeat(5);
    for (header, expected) in [
        ("get / HTTP/1.1\r\n", "client sent invalid method"),
        ("\u{16}\u{3}\u{1}", "client sent invalid method"),
        (" GET / HTTP/1.1\r\n", "client sent invalid method"),
        ("GET", "more"),
        ("GET /a\u{1}", "client sent invalid request"),
        ("GET /\u{7f}", "client sent invalid request"),
        ("GET / b HTTP/1.1\r\n", "client sent invalid request"),
        ("GET * HTTP/1.1\r\n", "client sent invalid request"),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "client sent invalid request",
        ),
        ("GET / HTTP/2.0", "client sent invalid version"),
        ("GET / HTTP/10.0", "client sent invalid version"),
        ("GET / HTTP/0.9", "client sent invalid request"),
        ("GET / HTTP/1.1000\r\n", "client sent invalid request"),
        ("GET / HTTP/1.1x", "client sent invalid request"),
        ("GET / HTTP/1.1\rx", "client sent invalid request"),
        ("GET / http/1.1", "client sent invalid request"),
        ("POST /\n", "client sent invalid method in HTTP/0.9 request"),
        ("GET /%00 HTTP/1.1\r\n", "client sent invalid request"),
        ("GET /%zz HTTP/1.1\r\n", "client sent invalid request"),
        ("GET /../.. HTTP/1.1\r\n", "client sent invalid request"),
        (
            "GET http://a_b/ HTTP/1.1\r\n",
            "client sent invalid request",
        ),
        (
            "GET http://a..b/ HTTP/1.1\r\n",
            "client sent invalid host in request line",
        ),
        (
            "GET http:///a HTTP/1.1\r\n",
            "client sent invalid host in request line",
        ),
        ("GET http:/a HTTP/1.1\r\n", "client sent invalid request"),
        (
            "GET / HTTP/1.1\r\n\r\n",
            "client sent HTTP/1.1 request without \"Host\" header",
        ),
        (
            "GET http://a/ HTTP/1.1\r\n\r\n",
            "client sent HTTP/1.1 request without \"Host\" header",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a/b\r\n",
            "client sent invalid host header",
        ),
        (
            "GET / HTTP/1.1\r\nHost:\r\n",
            "client sent invalid host header",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n",
            "client sent duplicate host header: \"host: b\"",
        ),
        (
            "GET / HTTP/1.1\r\nHost : a\r\n",
            "client sent invalid header line: \"Host\\x20...\"",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n folded",
            "client sent invalid header line: \"\\x20...\"",
        ),
        (
            "GET / HTTP/1.1\r\nX: a\0b\r\n",
            "client sent invalid header line: \"X: a\\x00...\"",
        ),
        ("GET / HTTP/1.1\r\n\rX", "more"),
        (
            "GET / HTTP/1.1\r\n\rX\n",
            "client sent invalid header line: \"\r\\x58...\"",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
            "client sent duplicate header line: \"Content-Length: 1\"",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nauthorization: b\r\n",
            "client sent duplicate header line: \"authorization: b\"",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
            "client sent invalid \"Content-Length\" header",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n",
            "client sent invalid \"Content-Length\" header",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
            "client sent invalid \"Content-Length\" header",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "client sent unknown \"Transfer-Encoding\": \"gzip, chunked\"",
        ),
        (
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "client sent HTTP/1.0 request with \"Transfer-Encoding\" header",
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
            "client sent TRACE method",
        ),
        (
            "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
            "client sent CONNECT method",
        ),
        (
            "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
            "client sent invalid request",
        ),
        (
            "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n",
            "client sent invalid request",
        ),
        (&format!("GET /{long}"), "client sent too long URI"),
        (
            &cookie,
            &format!(
                "client sent too long header line: \"Cookie: {}...\"",
                &long[..1740]
            ),
        ),
        (
            &format!("GET / HTTP/1.1\r\nHost: a\r\n{large}"),
            &format!(
                "client sent too long header line: \"X: {}...\"",
                "y".repeat(1745)
            ),
        ),
        (
            &format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X: y\r\n".repeat(1000)),
            "client sent too many header lines",
        ),
    ] {
        assert_eq!(admitted(header), expected, "{header:?}");
    }
}

#[test]
fn the_limits_of_the_site_apply_once_its_host_is_known() {
    let after =
        |host: &str, rest: &str| admitted(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n{rest}"));
    let three = "A: 1\r\nB: 2\r\nC: 3\r\n";
    assert_eq!(after("default", three), "more");
    assert_eq!(after("small", three), "client sent too many header lines");
    let long = format!("A: {}\r\n", "x".repeat(1300));
    assert_eq!(after("default", &long), "more");
    assert!(after("small", &long).starts_with("client sent too long header line"));
    // One large buffer beside the first one of 1 kB.
    let large = format!("A: {}\r\n", "x".repeat(900));
    assert_eq!(after("small", &large), "more");
    assert!(after("small", &large.repeat(2)).ends_with("more"));
    assert!(after("small", &large.repeat(3)).starts_with("client sent too"));
    // Invalid names: dropped for the one, kept for the other; underscores are valid there.
    assert!(after("default", "a_b: c\r\n\r\n").contains("plain=false"));
    assert!(after("small", "a_b: c\r\n\r\n").contains("plain=true"));
}

#[test]
fn a_line_may_fill_a_buffer_to_its_last_byte() {
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "x".repeat(length - 16));
    assert_eq!(admitted(&line(8192)), "more");
    assert_eq!(admitted(&line(8193)), "client sent too long URI");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_may_arrive_in_any_pieces(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            "(GET|POST|CONNECT|get) (/|/a%2f\\.\\./b|http://a:8|/\\?#|a:80|\\*) HTTP/[12]\\.[01]\r?\n(Host: [a:.]{0,3}\r?\n)?(Content-Length: [0-9x]{0,3}\r\n|X_y z: a\r\n|Z\r\r\n|[\u{0}-\u{20}:b]{0,6}\n){0,3}\r?\n"
                .prop_map(String::into_bytes),
        ],
        first in 0usize..120,
        second in 0usize..120,
    ) {
        let (first, second) = (first.min(second).min(text.len()), first.max(second).min(text.len()));
        let whole = outcome(&[&text]);
        prop_assert_eq!(&whole, &outcome(&[&text[..first], &text[first..second], &text[second..]]));
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        prop_assert_eq!(&whole, &outcome(&bytes));
    }
}

/// What the door hands to Pingora for a header, if that is admitted, and how many lines it had.
fn handed_over(text: &[u8]) -> Option<(Result<RequestHeader, Fault>, usize)> {
    let listener = listener();
    let mut headers = Headers::default();
    let mut reader = Reader::new(&listener, &mut headers);
    let head = reader.advance(text).ok()??;
    let line = std::mem::take(&mut reader.line);
    let received = Bytes::copy_from_slice(&text[..head.length]);
    let header = canonical::header(&line, &head, headers.lines(), &received);
    Some((header, headers.len()))
}

proptest! {
    #[test]
    fn what_the_door_admits_a_header_holds(
        target in "(http://small)?/[!-~\u{80}-\u{ff}]{0,8}",
        host in "small|other",
        lines in proptest::collection::vec("[!-~\u{80}-\u{ff}]{1,3}(:[\t !-~\u{1}-\u{ff}&&[^\r\n]]{0,5})?\r{0,2}\n", 0..4),
    ) {
        let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{}\r\n", lines.concat());
        if let Some((header, number)) = handed_over(text.as_bytes()) {
            let shown = text.escape_debug().to_string();
            prop_assert!(header.as_ref().is_ok_and(|header| header.headers.len() <= number), "{shown}: {header:?}");
        }
    }
}

#[test]
fn a_header_has_its_lines_as_they_were_written() {
    for plain in [true, false] {
        let odd = if plain { "" } else { "X: \u{1}\n" };
        let text = format!("GET /a?b HTTP/1.1\r\nhOST: a\r\nX-a:  b \r\nx-A: c\r\n{odd}\r\n");
        let (header, _) = handed_over(text.as_bytes()).expect("admitted");
        let header = header.expect("a header");
        let mut wire = BytesMut::new();
        header.header_to_h1_wire(&mut wire);
        let odd = if plain { "" } else { "X:  \r\n" };
        assert_eq!(
            wire,
            format!("hOST: a\r\nX-a: b\r\nx-A: c\r\n{odd}").as_bytes()
        );
        assert_eq!(
            (header.raw_path(), &header.method),
            (&b"/a?b"[..], &Method::GET)
        );
    }
}

#[test]
fn there_may_be_many_header_lines() {
    let text = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(900)
    );
    let (header, _) = handed_over(text.as_bytes()).expect("admitted");
    assert_eq!(header.expect("a header").headers.len(), 901);
}

//! The pages that an nginx.conf's visitors see for errors: nginx's, with Gapura's name.

use super::support::{Gapura, Launch, refusing, request};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn start(settings: &str) -> Gapura {
    let conf = format!(
        "events {{}} http {{ access_log /dev/stdout; {settings} server {{ listen LISTEN;
         location = /down {{ proxy_pass http://{}; }}
         location = /500 {{ return 500; }} location = /teapot {{ return 418; }}
         location = /small {{ client_max_body_size 1; return 404; }}
         location /app/ {{ proxy_pass http://{}; }}
         location / {{ return 404; }} }} }}",
        refusing(),
        refusing()
    );
    Launch::nginx(&conf).start()
}

fn page(title: &str, name: &str) -> String {
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>{name}</center>\r\n</body>\r\n</html>\r\n"
    )
}

#[test]
fn both_stopped_is_nginx_s_bad_gateway() {
    let gapura = start("");
    let mut client = gapura.connect();
    for _ in 0..2 {
        let answer = client.get("/down");
        let name = format!("gapura/{VERSION}");
        assert_eq!(answer.text(), page("502 Bad Gateway", &name));
        assert_eq!(answer.header("content-type"), Some("text/html"));
        assert_eq!(answer.header("server"), Some(name.as_str()));
    }
    assert_eq!(client.connections(), 1, "a 502 costs no connection");
    // A program gets the same.
    let json = client.exchange(request("GET", "/down", "Accept: application/json\r\n"));
    assert_eq!(json.header("content-type"), Some("text/html"));
}

#[test]
fn the_version_is_told_unless_server_tokens_are_off() {
    let gapura = start("server_tokens off;");
    let answer = gapura.get("/x");
    assert_eq!(answer.text(), page("404 Not Found", "gapura"));
    assert_eq!(answer.header("server"), Some("gapura"));
    assert!(
        gapura
            .get("/app")
            .text()
            .contains("<h1>301 Moved Permanently</h1>")
    );
}

#[test]
fn the_connection_ends_where_nginx_ends_it() {
    let gapura = start("server_tokens off;");
    let mut client = gapura.connect();
    let answer = client.exchange(request("GET", "/500", ""));
    assert_eq!(answer.text(), page("500 Internal Server Error", "gapura"));
    assert_eq!(answer.header("connection"), Some("close"));
    let large = request("POST", "/small", "Content-Length: 5\r\n") + "12345";
    let answer = gapura.exchange(large);
    assert_eq!(
        answer.text(),
        page("413 Request Entity Too Large", "gapura")
    );
    assert_eq!(answer.header("connection"), Some("close"));
    let kept = gapura.get("/x");
    assert_eq!(kept.header("connection"), Some("keep-alive"));
}

#[test]
fn a_refusal_at_the_door_has_the_same_pages() {
    let gapura = start("server_tokens off; large_client_header_buffers 2 1k;");
    let answer = gapura.exchange("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(answer.text(), page("400 Bad Request", "gapura"));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    let long = "x".repeat(3000);
    let answer = gapura.exchange(request("GET", "/", &format!("Cookie: {long}\r\n")));
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains(
            "<title>400 Request Header Or Cookie Too Large</title></head>\r\n<body>\r\n\
             <center><h1>400 Bad Request</h1></center>\r\n\
             <center>Request Header Or Cookie Too Large</center>\r\n<hr>"
        ),
        "{}",
        answer.text()
    );
    let answer = gapura.exchange(request("GET", &format!("/{long}"), ""));
    assert_eq!(answer.head.start_line, "HTTP/1.1 414 Request-URI Too Large");
    assert_eq!(answer.text(), page("414 Request-URI Too Large", "gapura"));
}

#[test]
fn what_nginx_has_no_page_for_is_empty() {
    let gapura = start("");
    let answer = gapura.get("/teapot");
    assert_eq!((answer.status, answer.text()), (418, ""));
    assert_eq!(answer.header("content-length"), Some("0"));
    assert_eq!(answer.header("content-type"), None);
}

#[test]
fn pages_are_padded_for_browsers_that_hide_short_ones() {
    let gapura = start("server_tokens off;");
    let agent = "User-Agent: Mozilla/5.0 Chrome/99\r\n";
    let padded = gapura.exchange(request("GET", "/x", agent));
    let plain = page("404 Not Found", "gapura");
    let rest = padded.text().strip_prefix(&plain).expect("the page first");
    assert_eq!(rest.lines().count(), 6);
    assert!(rest.starts_with("<!-- a padding") && rest.ends_with("-->\r\n"));
    let bare = start("server_tokens off; msie_padding off;");
    assert_eq!(bare.exchange(request("GET", "/x", agent)).text(), plain);
}

#[test]
fn a_yaml_file_may_ask_for_them() {
    let gapura = Gapura::start(
        "listen: LISTEN\nbuilt_in_pages: nginx\nsites: [{ locations: [{ path: /, return: 404 }] }]",
    );
    assert_eq!(gapura.get("/").text(), page("404 Not Found", "gapura"));
}

//! Headers added to answers, where Debian's nginx is too old to be compared with.

use super::support::{Addressed, Backend, Launch};
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn add_header_can_add_to_the_enclosing_level_s() {
    let backend = Backend::named("app");
    let conf = "\
events {}
http {
    add_header X-Http http;
    server {
        listen LISTEN;
        add_header_inherit merge;
        add_header X-Server server;
        location / { proxy_pass http://BACKEND; }
        location /merge { proxy_pass http://BACKEND; add_header X-Server location; }
        location /on { proxy_pass http://BACKEND; add_header_inherit on; add_header X-On on; }
        location /off { proxy_pass http://BACKEND; add_header_inherit off; }
        location /off-own { proxy_pass http://BACKEND; add_header_inherit off; add_header X-Off off; }
    }
}
";
    let conf = conf.replace("BACKEND", &backend.address().to_string());
    let gapura = Launch::nginx(&conf).start();
    for (path, http, server, own) in [
        ("/", "http", &["server"][..], None),
        ("/merge", "http", &["location", "server"], None),
        ("/on", "", &[], Some("on")),
        ("/off", "", &[], None),
        ("/off-own", "", &[], Some("off")),
    ] {
        let answer = gapura.get(path);
        assert_eq!(answer.header("x-http").unwrap_or_default(), http, "{path}");
        assert_eq!(answer.headers("x-server"), server, "{path}");
        let found = answer.header("x-on").or(answer.header("x-off"));
        assert_eq!(found, own, "{path}");
    }
}

#[test]
fn add_trailer_can_add_to_the_enclosing_level_s() {
    let backend = Backend::named("app");
    let conf = "\
events {}
http {
    add_trailer X-Http http;
    server {
        listen LISTEN;
        add_trailer_inherit merge;
        add_trailer X-Server server;
        location / { return 200 text; }
        location /on { return 200 text; add_trailer_inherit on; add_trailer X-On on; }
        location /off { return 200 text; add_trailer_inherit off; }
        location /proxied { proxy_pass http://BACKEND; add_trailer X-Status $status-$upstream_status; }
    }
}
";
    let conf = conf.replace("BACKEND", &backend.address().to_string());
    let gapura = Launch::nginx(&conf).start();
    for (path, end) in [
        (
            "/",
            "4\r\ntext\r\n0\r\nX-Server: server\r\nX-Http: http\r\n\r\n",
        ),
        ("/on", "4\r\ntext\r\n0\r\nX-On: on\r\n\r\n"),
        ("/off", "\r\n\r\ntext"),
        (
            "/proxied",
            "\r\n0\r\nX-Status: 200-200\r\nX-Server: server\r\nX-Http: http\r\n\r\n",
        ),
    ] {
        let mut stream = TcpStream::connect(gapura.address()).expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.ends_with(end), "{path}: {answer}");
    }
}

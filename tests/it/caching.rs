//! Headers added to answers, where Debian's nginx is too old to be compared with.

use super::support::{Addressed, Backend, Launch};

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

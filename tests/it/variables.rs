//! Variables that a configuration defines: `map`, `geo`, `split_clients`, and groups of server names.

use super::support::{Addressed, Backend, Launch};

fn conf(inside: &str, server: &str) -> String {
    format!(
        "events {{}}
http {{
    access_log off;
    {inside}
    server {{
        listen LISTEN;
        {server}
    }}
}}
"
    )
}

#[test]
fn a_map_is_looked_up_in_nginx_s_order() {
    let maps = r#"
    map $arg_x $kind {
        default       other;
        ""            none;
        Exact         "exact $host";
        ~^(?<word>[a-z]+)-(\d+)$  "$word and $2";
        ~*^upper      ignored-case;
        ~^up          never;
    }
    map $arg_h $host_kind {
        hostnames;
        example.com    exact;
        *.example.com  leading;
        *.a.example.com longer;
        www.*          trailing;
        .dot.test      both;
        ~example       pattern;
    }
    map $kind $of_a_map { other again; default "<$kind>"; }
    map $round $circle { default $round; }
    map $circle $round { default $circle; }
    "#;
    let gapura = Launch::nginx(&conf(
        maps,
        "return 200 \"$kind|$word|$host_kind|$of_a_map|$circle\";",
    ))
    .start();
    let mut client = gapura.connect();
    for (query, expected) in [
        ("", "none|||<none>|"),
        ("?x=other", "other|||again|"),
        ("?x=eXACT", "exact example.test|||<exact example.test>|"),
        ("?x=abc-12", "abc and 12|abc||<abc and 12>|"),
        ("?x=UPper", "ignored-case|||<ignored-case>|"),
        ("?x=upper", "ignored-case|||<ignored-case>|"),
        ("?h=example.com", "none||exact|<none>|"),
        ("?h=EXAMPLE.com.", "none||exact|<none>|"),
        ("?h=b.example.com", "none||leading|<none>|"),
        ("?h=b.a.example.com", "none||longer|<none>|"),
        ("?h=www.example.org", "none||trailing|<none>|"),
        ("?h=dot.test", "none||both|<none>|"),
        ("?h=x.dot.test", "none||both|<none>|"),
        ("?h=myexample", "none||pattern|<none>|"),
        ("?h=nothing", "none|||<none>|"),
    ] {
        assert_eq!(client.get(&format!("/{query}")).text(), expected, "{query}");
    }
}

#[test]
fn a_variable_is_found_once_for_a_request_unless_it_is_volatile() {
    let maps = r#"
    map $uri $kept { ~^/(.*)$ $1; }
    map $uri $fresh { volatile; ~^/(.*)$ $1; }
    "#;
    let server = "
        set $before \"$kept $fresh\";
        rewrite ^ /second;
        location / { return 200 \"$before $kept $fresh\"; }
    ";
    let gapura = Launch::nginx(&conf(maps, server)).start();
    assert_eq!(gapura.get("/first").text(), "first first first second");
}

#[test]
fn set_takes_the_place_of_a_map() {
    let maps = "map $uri $site { default mapped; }";
    let server =
        "location /set { set $site set; return 200 $site; } location / { return 200 $site; }";
    let gapura = Launch::nginx(&conf(maps, server)).start();
    assert_eq!(gapura.get("/").text(), "mapped");
    assert_eq!(gapura.get("/set").text(), "set");
}

#[test]
fn addresses_and_shares() {
    let variables = "
    geo $near { default far; 127.0.0.0/8 near; }
    geo $arg_address $there { default nowhere; 192.0.2.0/24 net; 192.0.2.7 one; 2001:db8::/32 six; }
    split_clients $arg_who $share { 50% half; * rest; }
    split_clients $arg_who $small { 0.01% few; }
    ";
    let gapura = Launch::nginx(&conf(
        variables,
        "return 200 \"$near $there $share$small\";",
    ))
    .start();
    let mut client = gapura.connect();
    let mut halves = 0;
    for number in 0..200 {
        let text = client.get(&format!("/?who={number}")).text().to_owned();
        assert!(text.starts_with("near nowhere "), "{text}");
        halves += usize::from(text.ends_with("half"));
    }
    assert!((60..140).contains(&halves), "{halves} of 200");
    for (address, expected) in [
        ("192.0.2.1", "net"),
        ("192.0.2.7", "one"),
        ("192.0.3.1", "nowhere"),
        ("2001:db8::1", "six"),
        ("nonsense", "nowhere"),
    ] {
        let text = client
            .get(&format!("/?address={address}"))
            .text()
            .to_owned();
        assert!(text.starts_with(&format!("near {expected} ")), "{text}");
    }
}

#[test]
fn the_usual_map_of_websockets() {
    let app = Backend::mirror();
    let server = format!(
        "location / {{
            proxy_pass http://{};
            proxy_set_header X-Connection $connection_upgrade;
        }}",
        app.address()
    );
    let maps = "map $http_upgrade $connection_upgrade { default upgrade; '' close; }";
    let gapura = Launch::nginx(&conf(maps, &server)).start();
    let plain = gapura.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(
        plain.text().contains("X-Connection: close\r\n"),
        "{}",
        plain.text()
    );
    let asking = gapura.exchange("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    assert!(
        asking.text().contains("X-Connection: upgrade\r\n"),
        "{}",
        asking.text()
    );
}

//! What an nginx.conf gets without asking, where YAML gets something else: requests go out with
//! `Host: $proxy_host` and nothing added, upgrades are not passed unless headers say so, servers are
//! not checked, and requests are logged to nginx's file. Defaults that both languages share are in
//! `resolve`.

use crate::config::draft::{
    AccessLog, CommonMut, Draft, FromWord, Location, OneOrMany, OrOff, Replacement, Short, Switch,
    Word,
};
use crate::model::LogTarget;
use indexmap::IndexMap;
use std::path::Path;

/// Idle connections that an upstream keeps, each location its own: nginx's default since 1.29.7.
pub(super) const KEEPALIVE: u64 = 32;

/// How servers are chosen.
const BALANCE: &str = "smooth_round_robin";

/// Where relative files are, as Debian builds nginx; `-p` says otherwise.
const PREFIX: &str = "/usr/share/nginx";

/// Where files are when nothing else is written, below the folder of `-p`.
const ROOT: &str = "html";

/// Where requests are logged when nothing else is written: as every distribution builds nginx, and,
/// below the folder of `-p`, as its own sources do.
const ACCESS_LOG: &str = LogTarget::NGINX_ACCESS;
const ACCESS_LOG_IN_PREFIX: &str = "logs/access.log";

/// Where errors are logged in the background when nothing else is written.
const ERROR_LOG: &str = "/var/log/nginx/error.log";
const ERROR_LOG_IN_PREFIX: &str = "logs/error.log";

/// Where the process's number is when nothing else is written.
const PID: &str = "/run/nginx.pid";
const PID_IN_PREFIX: &str = "logs/nginx.pid";

/// Writes nginx's defaults into a Draft, where nothing else was written.
pub(super) fn apply(draft: &mut Draft, prefix: Option<&Path>) {
    draft.daemon.get_or_insert(Switch(true));
    draft.pid.get_or_insert_with(|| match prefix {
        Some(_) => in_prefix(prefix, PID_IN_PREFIX),
        None => PID.to_owned(),
    });
    draft.access_log.get_or_insert_with(|| {
        let path = match prefix {
            Some(_) => in_prefix(prefix, ACCESS_LOG_IN_PREFIX),
            None => ACCESS_LOG.to_owned(),
        };
        OrOff::On(OneOrMany(vec![Short(AccessLog {
            path: Some(path),
            format: Some("combined".into()),
            ..AccessLog::default()
        })]))
    });
    if prefix.is_some() {
        let root = || Word(in_prefix(prefix, ROOT));
        draft.root.get_or_insert_with(root);
    }
    below_prefix(&mut draft.root, prefix);
    for site in draft.sites.iter_mut().flatten() {
        below_prefix(&mut site.root, prefix);
        for location in site.locations.iter_mut().flatten() {
            below_prefix(&mut location.root, prefix);
            below_prefix(&mut location.alias, prefix);
        }
    }
    draft.built_in_pages = Some(Word("nginx".into()));
    draft.server_tokens.get_or_insert(Word("on".into()));
    draft.proxy_set_header_inherit = Some(Word("on".into()));
    let default = || {
        OrOff::On(OneOrMany(vec![Short(Replacement::from_word(
            "default".into(),
        ))]))
    };
    draft.proxy_redirect.get_or_insert_with(default);
    with_host(draft.proxy_set_header.get_or_insert_default());
    hide_in_draft(draft);
    for upstream in draft.upstreams.iter_mut().flat_map(IndexMap::values_mut) {
        if upstream.keepalive.is_none() {
            upstream.keepalive = Some(KEEPALIVE);
            upstream.keepalive_local = Some(Switch(true));
        }
        upstream.balance.get_or_insert_with(|| BALANCE.to_owned());
    }
    for site in draft.sites.iter_mut().flatten() {
        site.proxy_set_header.as_mut().map(with_host);
        let around = site.proxy_set_header.as_ref();
        let around = around.or(draft.proxy_set_header.as_ref());
        for location in site.locations.iter_mut().flatten() {
            location.proxy_set_header.as_mut().map(with_host);
            let upstream = location.upstream.as_deref().unwrap_or_default();
            if upstream.starts_with("unix:") {
                let headers = location.proxy_set_header.as_ref().or(around);
                location.proxy_set_header = headers.cloned().map(without_a_host);
            }
        }
    }
}

/// `$proxy_host` of a socket's path is `localhost`.
fn without_a_host(mut headers: Headers) -> Headers {
    for OneOrMany(values) in headers.values_mut() {
        for Word(value) in values {
            *value = value.replace("$proxy_host", "localhost");
        }
    }
    headers
}

/// A folder of files says where it is, so that the other language can say it too. What begins with a
/// variable is completed for each request.
fn below_prefix(folder: &mut Option<Word>, prefix: Option<&Path>) {
    if let Some(Word(text)) = folder
        && !text.starts_with(['/', '$'])
        && !text.is_empty()
    {
        let ends_with_slash = text.ends_with('/');
        *text = in_prefix(prefix, text);
        if ends_with_slash && !text.ends_with('/') {
            text.push('/');
        }
    }
}

type Headers = IndexMap<String, OneOrMany<Word>>;

/// A level that sets headers replaces those around it, but not nginx's own.
fn with_host(headers: &mut Headers) {
    let is_host = |name: &String| name.eq_ignore_ascii_case("host");
    if !headers.keys().any(is_host) {
        let value = OneOrMany(vec![Word("$proxy_host".into())]);
        headers.insert("Host".into(), value);
    }
}

/// What nginx never passes on unless `proxy_pass_header` says so; `Date` and `Server` are ours anyway.
const HIDDEN: [&str; 6] = [
    "X-Pad",
    "X-Accel-Expires",
    "X-Accel-Redirect",
    "X-Accel-Limit-Rate",
    "X-Accel-Buffering",
    "X-Accel-Charset",
];

/// The headers that a level hides and passes on, as they were written.
#[derive(Clone, Default)]
struct Shown {
    hidden: Option<OneOrMany<Word>>,
    passed: Option<OneOrMany<Word>>,
}

fn hide_in_draft(draft: &mut Draft) {
    draft
        .proxy_hide_header
        .get_or_insert_with(|| OneOrMany(Vec::new()));
    let top = hide(draft.common_mut(), &Shown::default());
    for site in draft.sites.iter_mut().flatten() {
        let around = hide(site.common_mut(), &top);
        for location in site.locations.iter_mut().flatten() {
            hide_in_location(location, &around);
        }
    }
}

fn hide_in_location(location: &mut Location, around: &Shown) {
    let around = hide(location.common_mut(), around);
    for step in location.steps.iter_mut().flatten() {
        if let Some(then) = &mut step.then {
            hide_in_location(then, &around);
        }
    }
}

/// Both lists are inherited by themselves, and nginx's own names are hidden besides unless they are
/// passed on. Gives what holds for what is inside.
fn hide(level: CommonMut<'_>, around: &Shown) -> Shown {
    let own = level.proxy_hide_header.is_some() || level.proxy_pass_header.is_some();
    let shown = Shown {
        hidden: level.proxy_hide_header.clone().or(around.hidden.clone()),
        passed: level.proxy_pass_header.clone().or(around.passed.clone()),
    };
    if own {
        let passed = shown.passed.iter().flat_map(|names| &names.0);
        let passed: Vec<&Word> = passed.collect();
        let is_passed = |name: &&str| passed.iter().any(|one| one.eq_ignore_ascii_case(name));
        let ours = HIDDEN.iter().filter(|name| !is_passed(name));
        let mut names = shown.hidden.clone().map_or(Vec::new(), |names| names.0);
        names.extend(ours.map(|name| Word((*name).into())));
        *level.proxy_hide_header = Some(OneOrMany(names));
    }
    shown
}

/// Where errors are logged in the background when nothing else is written.
pub(super) fn error_log(prefix: Option<&Path>) -> std::path::PathBuf {
    match prefix {
        Some(_) => in_prefix(prefix, ERROR_LOG_IN_PREFIX).into(),
        None => ERROR_LOG.into(),
    }
}

/// A file as nginx reads it: relative ones are below the prefix, and not below the configuration's
/// folder as those of YAML.
pub(super) fn in_prefix(prefix: Option<&Path>, file: &str) -> String {
    let path = prefix.unwrap_or(Path::new(PREFIX)).join(file);
    // An error means that there is no current folder: then nothing relative can be found.
    let path = std::path::absolute(&path).unwrap_or(path);
    path.display().to_string()
}

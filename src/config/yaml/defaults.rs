//! What a YAML file gets without asking, where nginx.conf gets something else: headers for the
//! application, health checks, upgrades, keepalive, a log on standard output. Defaults that both
//! languages share are in `resolve`.

use crate::config::draft::{
    AccessLog, Draft, HealthCheck, OneOrMany, OrOff, Short, Switch, Time, Word,
};
use indexmap::IndexMap;
use std::time::Duration;

/// The request headers every site sets. `Host` is what the client asked for, port included (a
/// development server compares it with the page's origin), and the site's name where an HTTP/1.0
/// client sent none.
const SET_HEADERS: [(&str, &str); 4] = [
    ("Host", "$host$is_request_port$request_port"),
    ("X-Real-IP", "$remote_addr"),
    ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
    ("X-Forwarded-Proto", "$scheme"),
];

/// nginx's `combined` format with the upstream's address added.
const LOG_FORMAT: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
     $body_bytes_sent \"$http_referer\" \"$http_user_agent\" \"$upstream_addr\"";

const CONNECT_TIMEOUT: Time = Time(Duration::from_secs(5));

/// What `resolve` takes when nothing is written.
const SHARED_CONNECT_TIMEOUT: Time = Time(Duration::from_secs(60));

const KEEPALIVE: u64 = 64;

/// How many requests may be sent again.
const RETRY_BUDGET: &str = "20%";

/// Writes YAML's defaults into a Draft, where nothing else was written.
pub(in crate::config) fn apply(draft: &mut Draft) {
    draft.proxy_connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    draft.proxy_pass_upgrade.get_or_insert(Switch(true));
    let budget = || Word(RETRY_BUDGET.into());
    draft.proxy_next_upstream_budget.get_or_insert_with(budget);
    draft.proxy_strip_hop_by_hop.get_or_insert(Switch(true));
    draft.access_log.get_or_insert_with(access_log);
    draft.early_hints.get_or_insert_with(|| word("1"));
    if draft
        .proxy_set_header_inherit
        .as_deref()
        .is_none_or(|word| word == "merge")
    {
        draft.proxy_set_header_inherit = Some(Word("merge".into()));
        set_headers(draft.proxy_set_header.get_or_insert_default());
    }
    for upstream in draft.upstreams.iter_mut().flat_map(IndexMap::values_mut) {
        upstream.health_check.get_or_insert_with(health_check);
        upstream.keepalive.get_or_insert(KEEPALIVE);
    }
    for site in draft.sites.iter_mut().flatten() {
        if site.backends.is_some() {
            site.health_check.get_or_insert_with(health_check);
            site.keepalive.get_or_insert(KEEPALIVE);
        }
        for location in site.locations.iter_mut().flatten() {
            if location.backends.is_some() {
                location.health_check.get_or_insert_with(health_check);
                location.keepalive.get_or_insert(KEEPALIVE);
            }
        }
    }
}

fn word(word: &str) -> OneOrMany<Word> {
    OneOrMany(vec![Word(word.into())])
}

/// Writes out, for a Draft of another language, that a default of YAML's does not hold where nothing
/// was written.
pub(in crate::config) fn say_what_is_not(draft: &mut Draft) {
    draft
        .proxy_connect_timeout
        .get_or_insert(SHARED_CONNECT_TIMEOUT);
    draft.proxy_pass_upgrade.get_or_insert(Switch(false));
    let no_budget = || Word("off".into());
    draft
        .proxy_next_upstream_budget
        .get_or_insert_with(no_budget);
    draft.proxy_strip_hop_by_hop.get_or_insert(Switch(false));
    draft.access_log.get_or_insert(OrOff::Off);
    draft.early_hints.get_or_insert_with(|| word("0"));
    draft
        .proxy_set_header_inherit
        .get_or_insert(Word("on".into()));
    for upstream in draft.upstreams.iter_mut().flat_map(IndexMap::values_mut) {
        upstream.health_check.get_or_insert(OrOff::Off);
        upstream.keepalive.get_or_insert(0);
    }
}

/// Adds the default headers that the file does not set itself.
fn set_headers(headers: &mut IndexMap<String, OneOrMany<Word>>) {
    for (name, value) in SET_HEADERS {
        if !headers
            .keys()
            .any(|written| written.eq_ignore_ascii_case(name))
        {
            headers.insert(name.into(), OneOrMany(vec![Word(value.into())]));
        }
    }
}

fn health_check() -> OrOff<HealthCheck> {
    OrOff::On(HealthCheck {
        r#type: Some("tcp".into()),
        ..HealthCheck::default()
    })
}

fn access_log() -> OrOff<OneOrMany<Short<AccessLog>>> {
    OrOff::On(OneOrMany(vec![Short(AccessLog {
        path: Some("stdout".into()),
        format: Some(LOG_FORMAT.into()),
        ..AccessLog::default()
    })]))
}

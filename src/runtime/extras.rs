//! What a location asks for that most do not: found when it is built, so that a request looks at a few
//! bytes in one place instead of at a dozen settings that lie apart.

use crate::model::{Amount, Expires, Location};

/// What a location asks for beside what it does. Where one of these is `false`, its settings need not be
/// looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// `internal`.
    pub internal: bool,
    /// `set_real_ip_from`.
    pub real_ip: bool,
    /// `allow` and `deny`.
    pub access: bool,
    /// `try_files`.
    pub try_files: bool,
    /// `stub_status`.
    pub stub_status: bool,
    /// `expires` and `add_header`.
    pub headers: bool,
    /// What makes other bodies, or says of what they are: `sub_filter`, `charset` and `gzip`.
    pub filters: bool,
    /// `add_trailer`.
    pub trailers: bool,
    /// `chunked_transfer_encoding off`.
    pub unchunked: bool,
    /// What is said of the connection, and how fast the answer goes: the second time of `keepalive_timeout`,
    /// `limit_rate` and `limit_rate_after`.
    pub pace: bool,
}

impl Extras {
    /// What these settings ask for.
    pub(super) fn of(settings: &Location) -> Self {
        let limits = &settings.limits;
        let (rate, none) = (&limits.rate, Amount::Fixed(0));
        Self {
            internal: settings.internal,
            real_ip: !settings.real_ip.from.is_empty(),
            access: !settings.access.is_empty(),
            try_files: settings.try_files.is_some(),
            stub_status: settings.stub_status,
            headers: settings.expires != Expires::Off || !settings.add_header.is_empty(),
            filters: !settings.substitutions.list.is_empty()
                || settings.charset.name.is_some()
                || settings.compression.enabled,
            trailers: !settings.add_trailer.is_empty(),
            unchunked: !settings.chunked,
            pace: limits.keepalive.announced.is_some() || rate.limit != none || rate.after != none,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        AccessRule, Action, AddHeader, Charset, Clients, Compression, RealIp, Substitution,
        Substitutions, Template, TryFiles, TryLast,
    };
    use std::sync::Arc;
    use std::time::Duration;

    fn header() -> AddHeader {
        AddHeader {
            name: "X-One".into(),
            value: Template::literal("1"),
            always: false,
        }
    }

    #[test]
    fn nothing_is_asked_for_by_default_and_each_setting_is_seen() {
        let plain = Location::new(Action::Files);
        assert_eq!(Extras::of(&plain), Extras::default());

        type Set = fn(&mut Location, &mut Extras);
        let settings: [Set; 15] = [
            |location, extras| (location.internal, extras.internal) = (true, true),
            |location, extras| {
                let from = vec![Clients::All];
                location.real_ip = Arc::new(RealIp {
                    from,
                    ..RealIp::default()
                });
                extras.real_ip = true;
            },
            |location, extras| {
                let (allow, clients) = (false, Clients::All);
                location.access.push(AccessRule { allow, clients });
                extras.access = true;
            },
            |location, extras| {
                let (files, last) = (Vec::new(), TryLast::Status(404));
                location.try_files = Some(TryFiles { files, last });
                extras.try_files = true;
            },
            |location, extras| (location.stub_status, extras.stub_status) = (true, true),
            |location, extras| (location.expires, extras.headers) = (Expires::Max, true),
            |location, extras| {
                location.add_header.push(header());
                extras.headers = true;
            },
            |location, extras| {
                let (from, to) = (Template::literal("a"), Template::literal("b"));
                let list = vec![Substitution { from, to }];
                location.substitutions = Arc::new(Substitutions {
                    list,
                    ..Substitutions::default()
                });
                extras.filters = true;
            },
            |location, extras| {
                let name = Some(Template::literal("utf-8"));
                location.charset = Arc::new(Charset {
                    name,
                    ..Charset::default()
                });
                extras.filters = true;
            },
            |location, extras| {
                let enabled = true;
                location.compression = Arc::new(Compression {
                    enabled,
                    ..Compression::default()
                });
                extras.filters = true;
            },
            |location, extras| {
                location.add_trailer.push(header());
                extras.trailers = true;
            },
            |location, extras| (location.chunked, extras.unchunked) = (false, true),
            |location, extras| {
                location.limits.keepalive.announced = Some(Duration::ZERO);
                extras.pace = true;
            },
            |location, extras| {
                location.limits.rate.limit = Amount::Fixed(1);
                extras.pace = true;
            },
            |location, extras| {
                location.limits.rate.after = Amount::Written(Template::literal("1k"));
                extras.pace = true;
            },
        ];
        for set in settings {
            let (mut location, mut extras) = (plain.clone(), Extras::default());
            set(&mut location, &mut extras);
            assert_eq!(Extras::of(&location), extras);
        }
    }
}

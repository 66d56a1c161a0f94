//! `gzip`: whether an answer is compressed, and its bytes on their way, by nginx's rules.

use super::context::RequestContext;
use super::files::conditional::parse_time;
use super::local;
use crate::door::DoorStream;
use crate::model::{Compression, Proxied, ProxiedWhen};
use bytes::Bytes;
use flate2::write::GzEncoder;
use flate2::{Compression as Level, GzBuilder};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use jiff::Timestamp;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::io::{self, Write};

/// An answer that is being compressed.
pub(super) struct Gzip {
    encoder: Option<GzEncoder<Vec<u8>>>,
    /// Bytes of the answer.
    taken: u64,
    /// Bytes that they became.
    given: u64,
}

/// Decides whether an answer is compressed, and changes its header accordingly. What it was made of must
/// be in it already. `true` when it is compressed.
pub(super) fn start(
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut RequestContext,
) -> Result<bool> {
    ctx.gzip = None;
    let place = ctx.place();
    let settings = &place.compression.settings;
    if !is_worth_it(settings, response) {
        return Ok(false);
    }
    if settings.vary {
        response.append_header("Vary", HeaderValue::from_static("Accept-Encoding"))?;
    }
    let request = session.req_header();
    let agent = request.headers.get(header::USER_AGENT);
    // The server's own, where the client gets it.
    let date = || {
        let stream = DoorStream::of(session.as_downstream());
        let withheld = stream.is_some_and(|stream| stream.withholds(&header::DATE));
        response.headers.get(header::DATE).filter(|_| !withheld)
    };
    let is_wanted = request
        .headers
        .get(header::ACCEPT_ENCODING)
        .is_some_and(|encodings| accepts_gzip(encodings.as_bytes()))
        && (settings.http_10 || request.version >= Version::HTTP_11)
        && (!request.headers.contains_key(header::VIA)
            || proxies_get_it(settings, &request.headers, &response.headers, date()))
        && !agent.is_some_and(|agent| place.compression.is_disabled_for(agent.as_bytes()));
    if !is_wanted {
        return Ok(false);
    }
    let level = settings.level;
    response.insert_header(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))?;
    response.remove_header(&header::CONTENT_LENGTH);
    response.remove_header(&header::ACCEPT_RANGES);
    weaken_etag(response)?;
    local::frame(session, ctx, response)?;
    if session.req_header().method == Method::HEAD {
        return Ok(true);
    }
    let unix = 3;
    let encoder = GzBuilder::new()
        .operating_system(unix)
        .write(Vec::new(), Level::new(level));
    ctx.gzip = Some(Gzip {
        encoder: Some(encoder),
        taken: 0,
        given: 0,
    });
    Ok(true)
}

/// What the answer itself says.
fn is_worth_it(settings: &Compression, response: &ResponseHeader) -> bool {
    if !settings.enabled {
        return false;
    }
    let length = response.headers.get(header::CONTENT_LENGTH);
    let length = length
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    let encoding = response.headers.get(header::CONTENT_ENCODING);
    let content_type = response.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map_or(&b""[..], HeaderValue::as_bytes);
    matches!(
        response.status,
        StatusCode::OK | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
    ) && encoding.is_none_or(HeaderValue::is_empty)
        && length.is_none_or(|length| length >= settings.min_length)
        && settings.types.contains(content_type)
}

/// The bytes are others than those of the tag.
pub(super) fn weaken_etag(response: &mut ResponseHeader) -> Result<()> {
    let Some(etag) = response.headers.get(header::ETAG) else {
        return Ok(());
    };
    let etag = etag.as_bytes();
    if etag.starts_with(b"W/") {
        return Ok(());
    }
    let weak = etag
        .starts_with(b"\"")
        .then(|| HeaderValue::from_bytes(&[b"W/", etag].concat()).ok())
        .flatten();
    match weak {
        Some(weak) => response.insert_header("ETag", weak)?,
        None => {
            response.remove_header(&header::ETAG);
        }
    }
    Ok(())
}

/// Whether an `Accept-Encoding` has gzip, with a weight above 0.
pub(super) fn accepts_gzip(encodings: &[u8]) -> bool {
    let is_gzip = |at: usize| {
        let before = at.checked_sub(1).map(|before| encodings[before]);
        // "x-gzip" is something else.
        encodings[at..at + 4].eq_ignore_ascii_case(b"gzip")
            && matches!(before, None | Some(b',' | b' '))
    };
    let Some(at) = (0..encodings.len().saturating_sub(3)).find(|at| is_gzip(*at)) else {
        return false;
    };
    match skip_spaces(&encodings[at + 4..]) {
        [] | [b',', ..] => true,
        [b';', weight @ ..] => match skip_spaces(weight) {
            [] => true,
            [b'q' | b'Q', b'=', weight @ ..] => is_above_zero(weight),
            _ => false,
        },
        _ => false,
    }
}

/// A weight of 0.001 to 1.000; anything malformed counts as none.
fn is_above_zero(weight: &[u8]) -> bool {
    let end = weight.iter().position(|byte| matches!(byte, b',' | b' '));
    let weight = &weight[..end.unwrap_or(weight.len())];
    let (whole, digits) = match weight {
        [whole @ (b'0' | b'1')] => (whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] => (whole, digits),
        _ => return false,
    };
    let valid = digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit);
    let is_zero = digits.iter().all(|digit| *digit == b'0');
    // Above 0 and not above 1.
    valid && (*whole == b'1') == is_zero
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    &text[spaces..]
}

/// `gzip_proxied`.
fn proxies_get_it(
    settings: &Compression,
    request: &HeaderMap,
    response: &HeaderMap,
    date: Option<&HeaderValue>,
) -> bool {
    let when = match &settings.proxied {
        Proxied::Off => return false,
        Proxied::Any => return true,
        Proxied::When(when) => when,
    };
    if when.contains(&ProxiedWhen::Auth) && request.contains_key(header::AUTHORIZATION) {
        return true;
    }
    if let Some(expires) = response.get(header::EXPIRES) {
        let now = Timestamp::now().as_second();
        let date = date.map_or(Some(now), |date| parse_time(date.as_bytes()));
        return when.contains(&ProxiedWhen::Expired)
            && parse_time(expires.as_bytes())
                .zip(date)
                .is_some_and(|(expires, date)| expires < date);
    }
    if response.contains_key(header::CACHE_CONTROL) {
        let words = [
            (ProxiedWhen::NoCache, "no-cache"),
            (ProxiedWhen::NoStore, "no-store"),
            (ProxiedWhen::Private, "private"),
        ];
        let says = |word| has_word(response, header::CACHE_CONTROL, word);
        return words
            .iter()
            .any(|(condition, word)| when.contains(condition) && says(word));
    }
    let lacks =
        |condition, name: HeaderName| !when.contains(&condition) || !response.contains_key(name);
    lacks(ProxiedWhen::NoLastModified, header::LAST_MODIFIED)
        && lacks(ProxiedWhen::NoEtag, header::ETAG)
}

/// Whether a list has this word, in any case of its letters and without parameters.
fn has_word(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).into_iter();
    let mut words = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    // As nginx: what stands behind a semicolon is a word of its own.
    words.any(|words| {
        let last = words.rsplit(|byte| *byte == b';').next();
        last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    })
}

impl Gzip {
    /// Compresses a piece of the answer. What came in is sent on at once: whoever sent it may be waiting.
    pub(super) fn take(&mut self, piece: &mut Option<Bytes>, is_last: bool) -> Result<()> {
        let compressed = self.compress(piece.as_ref(), is_last);
        let compressed = compressed
            .map_err(|error| Error::because(ErrorType::InternalError, "compressing", error))?;
        self.given += compressed.len() as u64;
        *piece = (!compressed.is_empty()).then(|| compressed.into());
        Ok(())
    }

    fn compress(&mut self, piece: Option<&Bytes>, is_last: bool) -> io::Result<Vec<u8>> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(Vec::new());
        };
        if let Some(piece) = piece.filter(|piece| !piece.is_empty()) {
            self.taken += piece.len() as u64;
            encoder.write_all(piece)?;
            if !is_last {
                encoder.flush()?;
            }
        }
        match (is_last, self.encoder.take()) {
            (true, Some(encoder)) => encoder.finish(),
            (_, encoder) => {
                self.encoder = encoder;
                let out = self.encoder.as_mut().map(GzEncoder::get_mut);
                Ok(out.map(std::mem::take).unwrap_or_default())
            }
        }
    }

    /// `$gzip_ratio`, once all is compressed: in hundredths, rounded.
    pub(super) fn ratio(&self) -> Option<u64> {
        if self.encoder.is_some() || self.given == 0 {
            return None;
        }
        let thousandths = u128::from(self.taken) * 1000 / u128::from(self.given);
        u64::try_from((thousandths + 5) / 10).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::io::Read;

    #[test]
    fn accept_encoding() {
        for (text, accepted) in [
            ("gzip", true),
            ("gzip, deflate, br", true),
            ("deflate,GZip", true),
            ("x-gzip", false),
            ("x-gzip, gzip", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("gzip ; q=0.001", true),
            ("gzip;q=1.000, *", true),
            ("gzip;q=1.001", false),
            ("gzip;q=0.0001", false),
            ("gzip;q=2", false),
            ("gzip;x=1", false),
            ("gzipped", false),
            ("*", false),
            ("gzip;", true),
            ("gzip;q", false),
        ] {
            assert_eq!(accepts_gzip(text.as_bytes()), accepted, "{text}");
        }
    }

    #[test]
    fn what_proxies_get() {
        let get = |words: &[ProxiedWhen], headers: &[(HeaderName, &'static str)]| {
            let settings = Compression {
                proxied: Proxied::When(BTreeSet::from_iter(words.iter().copied())),
                ..Compression::default()
            };
            let response = headers
                .iter()
                .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            let response: HeaderMap = response.collect();
            let date = response.get(header::DATE);
            proxies_get_it(&settings, &HeaderMap::new(), &response, date)
        };
        use ProxiedWhen::*;
        let old = "Thu, 01 Jan 1970 00:00:01 GMT";
        let new = "Thu, 31 Dec 2037 23:55:55 GMT";
        assert!(get(&[Expired], &[(header::EXPIRES, old)]));
        assert!(!get(&[Expired], &[(header::EXPIRES, new)]));
        assert!(!get(&[NoCache], &[(header::EXPIRES, old)]));
        assert!(get(&[NoCache], &[(header::CACHE_CONTROL, "a, No-Cache")]));
        assert!(!get(&[NoStore], &[(header::CACHE_CONTROL, "no-cache")]));
        assert!(get(&[NoEtag], &[(header::LAST_MODIFIED, old)]));
        assert!(!get(
            &[NoEtag, NoLastModified],
            &[(header::LAST_MODIFIED, old)]
        ));
        assert!(!get(&[NoEtag], &[(header::ETAG, "\"a\"")]));
        assert!(get(&[NoEtag], &[]));
    }

    #[test]
    fn what_came_in_goes_out_at_once_and_is_whole_in_the_end() {
        let mut gzip = Gzip {
            encoder: Some(GzEncoder::new(Vec::new(), Level::new(1))),
            taken: 0,
            given: 0,
        };
        let mut out = Vec::new();
        let text = b"some text, some text, some text\n".repeat(100);
        for (index, piece) in text.chunks(700).enumerate() {
            let mut piece = Some(Bytes::copy_from_slice(piece));
            gzip.take(&mut piece, false).expect("memory");
            out.extend_from_slice(&piece.expect("something"));
            let mut so_far = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(&out[..]);
            let _ = decoder.read_to_end(&mut so_far);
            assert_eq!(so_far.len(), text.len().min((index + 1) * 700));
        }
        assert_eq!(gzip.ratio(), None);
        let mut last = None;
        gzip.take(&mut last, true).expect("memory");
        out.extend_from_slice(&last.expect("the end"));
        let mut whole = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&out[..]);
        decoder.read_to_end(&mut whole).expect("gzip");
        assert_eq!(whole, text);
        assert!(gzip.ratio().is_some_and(|ratio| ratio > 500));
    }
}

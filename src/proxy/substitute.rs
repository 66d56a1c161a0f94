//! `sub_filter`: text in answers that is replaced on its way.

use super::context::RequestContext;
use super::values::Exchange;
use super::{compress, local};
use crate::model::{Substitutions, Template};
use bytes::Bytes;
use http::{HeaderValue, header};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::sync::Arc;

/// An answer in which text is replaced.
pub(super) struct Substitute {
    settings: Arc<Substitutions>,
    wanted: Vec<Wanted>,
    /// The first bytes of what is looked for, in both cases.
    first: Box<[bool; 256]>,
    /// What may be the beginning of something that is looked for.
    held: Vec<u8>,
}

/// Something that is looked for.
struct Wanted {
    /// In lower case.
    text: Vec<u8>,
    /// Its place in the configuration.
    index: usize,
    /// What stands in its place, once it was found.
    with: Option<Vec<u8>>,
}

/// Decides whether text is replaced in an answer, and changes its header accordingly. `true` when it is.
pub(super) fn start(
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut RequestContext,
) -> Result<bool> {
    ctx.substitute = None;
    if ctx.settings().substitutions.list.is_empty() {
        return Ok(false);
    }
    let settings = Arc::clone(&ctx.settings().substitutions);
    let content_type = response.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map_or(&b""[..], HeaderValue::as_bytes);
    let length = response.headers.get(header::CONTENT_LENGTH);
    if length.is_some_and(|length| length.as_bytes() == b"0")
        || local::is_bodiless(response.status)
        || !settings.types.contains(content_type)
    {
        return Ok(false);
    }
    let exchange = Exchange {
        session,
        ctx,
        response: Some(response),
    };
    let wanted = settings.list.iter().enumerate().map(|(index, one)| Wanted {
        text: exchange.rendered(&one.from).to_ascii_lowercase(),
        index,
        with: None,
    });
    // A variable may be empty: then there is nothing to look for.
    let wanted: Vec<Wanted> = wanted.filter(|one| !one.text.is_empty()).collect();
    if wanted.is_empty() {
        return Ok(false);
    }
    response.remove_header(&header::CONTENT_LENGTH);
    response.remove_header(&header::ACCEPT_RANGES);
    if settings.keeps_date {
        compress::weaken_etag(response)?;
    } else {
        response.remove_header(&header::LAST_MODIFIED);
        response.remove_header(&header::ETAG);
    }
    local::frame(session, ctx, response)?;
    ctx.substitute = Some(Substitute::new(settings, wanted));
    Ok(true)
}

/// Replaces in what comes next of the answer.
pub(super) fn take(
    session: &Session,
    ctx: &mut RequestContext,
    body: &mut Option<Bytes>,
    end: bool,
) {
    let Some(mut substitute) = ctx.substitute.take() else {
        return;
    };
    let exchange = Exchange::now(session, ctx);
    let out = substitute.take(body.as_deref().unwrap_or_default(), end, |template| {
        exchange.rendered(template)
    });
    *body = Some(out.into());
    ctx.substitute = Some(substitute);
}

impl Substitute {
    fn new(settings: Arc<Substitutions>, wanted: Vec<Wanted>) -> Self {
        let mut first = Box::new([false; 256]);
        for one in &wanted {
            let byte = one.text[0];
            first[usize::from(byte)] = true;
            first[usize::from(byte.to_ascii_uppercase())] = true;
        }
        Self {
            settings,
            wanted,
            first,
            held: Vec::new(),
        }
    }

    /// What may be sent once these bytes are there.
    fn take(&mut self, bytes: &[u8], end: bool, render: impl Fn(&Template) -> Vec<u8>) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(bytes);
        let mut out = Vec::with_capacity(text.len());
        let mut at = 0;
        loop {
            let rest = &text[at..];
            let next = rest.iter().position(|byte| self.first[usize::from(*byte)]);
            let Some(next) = next.filter(|_| !self.wanted.is_empty()) else {
                out.extend_from_slice(rest);
                return out;
            };
            out.extend_from_slice(&rest[..next]);
            at += next;
            match self.look(&text[at..], end) {
                Look::Nothing => {
                    out.push(text[at]);
                    at += 1;
                }
                Look::More => {
                    self.held = text.split_off(at);
                    return out;
                }
                Look::Found(place) => {
                    let one = &mut self.wanted[place];
                    let to = &self.settings.list[one.index].to;
                    out.extend_from_slice(one.with.get_or_insert_with(|| render(to)));
                    at += one.text.len();
                    if self.settings.once {
                        self.wanted.remove(place);
                    }
                }
            }
        }
    }

    /// What begins here, if it is looked for.
    fn look(&self, text: &[u8], end: bool) -> Look {
        for (place, one) in self.wanted.iter().enumerate() {
            let length = one.text.len().min(text.len());
            if !one.text[..length].eq_ignore_ascii_case(&text[..length]) {
                continue;
            }
            if length == one.text.len() {
                return Look::Found(place);
            }
            if !end {
                return Look::More;
            }
        }
        Look::Nothing
    }
}

enum Look {
    Nothing,
    /// It may be something, when more is there.
    More,
    Found(usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Part, Substitution};

    fn replaced(pairs: &[(&str, &str)], once: bool, text: &str, cut: usize) -> String {
        let list = pairs.iter().map(|(from, to)| Substitution {
            from: Template::literal(*from),
            to: Template::literal(*to),
        });
        let settings = Arc::new(Substitutions {
            list: list.collect(),
            once,
            ..Substitutions::default()
        });
        let wanted = pairs.iter().enumerate().map(|(index, (from, _))| Wanted {
            text: from.to_ascii_lowercase().into_bytes(),
            index,
            with: None,
        });
        let mut substitute = Substitute::new(settings, wanted.collect());
        let render = |template: &Template| match template.parts() {
            [Part::Literal(text)] => text.clone().into_bytes(),
            _ => Vec::new(),
        };
        let mut out = Vec::new();
        for part in text.as_bytes().chunks(cut) {
            out.extend(substitute.take(part, false, render));
        }
        out.extend(substitute.take(b"", true, render));
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn text_is_found_however_it_is_cut() {
        let several = &[("aab", "<1>"), ("ab", "<2>"), ("B", "")][..];
        for cut in 1..20 {
            assert_eq!(replaced(several, false, "aaab ab B a", cut), "a<1> <2>  a");
            assert_eq!(
                replaced(several, true, "ab ab aab aab b b", cut),
                "<2> a <1> aab b b"
            );
            assert_eq!(
                replaced(&[("end", "END")], true, "The eNd, end en", cut),
                "The END, end en"
            );
            assert_eq!(replaced(&[("aa", "")], false, "aaaaa", cut), "a");
        }
    }

    #[test]
    fn what_cannot_be_the_beginning_of_anything_is_not_held() {
        let settings = Arc::new(Substitutions {
            list: vec![Substitution {
                from: Template::literal("event"),
                to: Template::literal(""),
            }],
            ..Substitutions::default()
        });
        let wanted = vec![Wanted {
            text: b"event".to_vec(),
            index: 0,
            with: None,
        }];
        let mut substitute = Substitute::new(settings, wanted);
        let render = |_: &Template| Vec::new();
        assert_eq!(
            substitute.take(b"data: x\n\n", false, render),
            b"data: x\n\n"
        );
        assert_eq!(substitute.take(b"data: ev", false, render), b"data: ");
        assert_eq!(substitute.take(b"il", false, render), b"evil");
    }
}

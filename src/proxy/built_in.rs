//! Gapura's own pages for errors that a site has none for.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use std::array;
use std::sync::LazyLock;

/// The built-in page of a status. It says nothing of the inside.
pub(super) fn html(code: u16) -> Bytes {
    // Made once: an outage is no time to make pages.
    static PAGES: LazyLock<[Bytes; 300]> = LazyLock::new(|| {
        array::from_fn(|index| u16::try_from(300 + index).map_or_else(|_| Bytes::new(), render))
    });
    let index = usize::from(code).checked_sub(300);
    index
        .and_then(|index| PAGES.get(index))
        .cloned()
        .unwrap_or_else(|| render(code))
}

fn render(code: u16) -> Bytes {
    let hint = match code {
        502..=504 => {
            "The application behind this site is not answering right now. Please try again in a moment."
        }
        300..=399 => "What you are looking for is somewhere else.",
        404 => "There is nothing at this address.",
        413 => "What was sent is larger than this site accepts.",
        400..=499 => "The request could not be understood.",
        _ => "Something went wrong. Please try again in a moment.",
    };
    include_str!("error_page.html")
        .replace("{code}", &code.to_string())
        .replace(
            "{reason}",
            StatusCode::from_u16(code).map_or("Error", reason),
        )
        .replace("{hint}", hint)
        .into()
}

/// The same for programs.
pub(super) fn json(status: StatusCode) -> Bytes {
    let reason = reason(status);
    let code = status.as_u16();
    format!("{{\"error\": {{\"status\": {code}, \"message\": \"{reason}\"}}}}\n").into()
}

/// Whether `Accept` ranks JSON above HTML. What a browser sends never does.
pub(super) fn wants_json(request: &HeaderMap) -> bool {
    let accept = request
        .get_all(header::ACCEPT)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    let (mut json, mut html) = (0.0_f32, 0.0_f32);
    for range in accept.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts
            .find_map(|part| part.strip_prefix("q=").and_then(|value| value.parse().ok()))
            .unwrap_or(1.0_f32);
        if media_type == "application/json" || media_type.ends_with("+json") {
            json = json.max(quality);
        } else if matches!(
            media_type.as_str(),
            "text/html" | "application/xhtml+xml" | "text/*"
        ) {
            html = html.max(quality);
        }
    }
    json > html
}

/// The reason phrase; nginx's own statuses have none that a visitor should see.
pub(super) fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn json_is_for_clients_that_prefer_it() {
        assert!(wants_json(&accept("application/json")));
        assert!(wants_json(&accept(
            "application/problem+json, text/html;q=0.5"
        )));
        assert!(!wants_json(&accept(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        )));
        assert!(!wants_json(&accept("*/*")));
        assert!(!wants_json(&HeaderMap::new()));
    }

    #[test]
    fn the_built_in_page_is_filled_in() {
        let page = html(502);
        let text = std::str::from_utf8(&page).expect("text");
        assert!(text.contains("502") && text.contains("Bad Gateway") && !text.contains("{hint}"));
    }
}

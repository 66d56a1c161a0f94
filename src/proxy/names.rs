//! Names of headers as they are usually written: `HeaderName` knows them in lower case only.

use bytes::Bytes;
use http::HeaderName;

/// `content-disposition` as `Content-Disposition`.
pub(super) fn written(name: &HeaderName) -> Bytes {
    let mut text = name.as_str().as_bytes().to_vec();
    match text.as_slice() {
        b"etag" => return Bytes::from_static(b"ETag"),
        b"www-authenticate" => return Bytes::from_static(b"WWW-Authenticate"),
        _ => {}
    }
    let mut starts = true;
    for byte in &mut text {
        if starts {
            byte.make_ascii_uppercase();
        }
        starts = *byte == b'-';
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_with_capitals() {
        let shown = |name| written(&HeaderName::from_static(name));
        assert_eq!(shown("content-disposition"), "Content-Disposition");
        assert_eq!(shown("expires"), "Expires");
        assert_eq!(shown("etag"), "ETag");
        assert_eq!(shown("www-authenticate"), "WWW-Authenticate");
    }
}

//! `Range`: the pieces of a file that a request asks for, as nginx reads them.

use std::ops::Range;

/// What a `Range` header comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::proxy) enum Ranges {
    /// The whole file: nothing that makes sense was asked for, or more than the whole.
    Whole,
    /// These pieces, at least one.
    Pieces(Vec<Range<u64>>),
    /// 416.
    Unsatisfiable,
}

/// Reads the header of a request for a file of this size.
pub(in crate::proxy) fn parse(header: &[u8], size: u64, most: Option<usize>) -> Ranges {
    let unit = header.get(..6);
    let Some(mut rest) = unit
        .filter(|unit| unit.eq_ignore_ascii_case(b"bytes="))
        .and_then(|_| header.get(6..))
        .filter(|rest| !rest.is_empty())
    else {
        return Ranges::Whole;
    };
    if most == Some(0) {
        return Ranges::Whole;
    }
    let mut pieces: Vec<Range<u64>> = Vec::new();
    let mut total = 0_u64;
    loop {
        let Some((piece, behind)) = piece(rest, size) else {
            return Ranges::Unsatisfiable;
        };
        if piece.start < piece.end {
            if most.is_some_and(|most| pieces.len() == most) {
                return Ranges::Whole;
            }
            total = total.saturating_add(piece.end - piece.start);
            pieces.push(piece);
        } else if piece.start == 0 {
            return Ranges::Whole;
        }
        match behind {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    match pieces.len() {
        0 => Ranges::Unsatisfiable,
        1 => Ranges::Pieces(pieces),
        _ if total > size => Ranges::Whole,
        // Without a limit of their number, many small pieces must not cost more than the whole.
        count if most.is_none() => {
            let cost = total.saturating_add(256 * count as u64);
            match cost > size.saturating_add(4096) {
                true => Ranges::Whole,
                false => Ranges::Pieces(pieces),
            }
        }
        _ => Ranges::Pieces(pieces),
    }
}

type Piece<'a> = (Range<u64>, Option<&'a [u8]>);

/// The first piece of a list, and what follows its comma. `None` when it is malformed.
fn piece(text: &[u8], size: u64) -> Option<Piece<'_>> {
    let text = skip_spaces(text);
    if let Some(text) = text.strip_prefix(b"-") {
        let (length, text) = number(text)?;
        let start = size.saturating_sub(length);
        // Of an empty file, or of no length, this is empty.
        let end = if length == 0 { start } else { size };
        return Some((start..end, end_of_piece(text)?));
    }
    let (start, text) = number(text)?;
    let text = skip_spaces(skip_spaces(text).strip_prefix(b"-")?);
    if let Some(behind) = end_of_piece(text) {
        return Some((start..size, behind));
    }
    let (last, text) = number(text)?;
    let end = last.saturating_add(1).min(size);
    Some((start..end, end_of_piece(text)?))
}

/// What follows a comma, or nothing at the end of the list.
fn end_of_piece(text: &[u8]) -> Option<Option<&[u8]>> {
    match skip_spaces(text) {
        [] => Some(None),
        [b',', behind @ ..] => Some(Some(behind)),
        _ => None,
    }
}

fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, behind) = text.split_at(digits);
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((number.unsigned_abs(), behind))
}

fn skip_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    &text[spaces..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(header: &str) -> Ranges {
        parse(header.as_bytes(), 1000, None)
    }

    #[test]
    fn one_piece() {
        let piece = |range: Range<u64>| Ranges::Pieces(vec![range]);
        assert_eq!(ranges("bytes=0-8"), piece(0..9));
        assert_eq!(ranges("Bytes= 5 - 8 "), piece(5..9));
        assert_eq!(ranges("bytes=990-"), piece(990..1000));
        assert_eq!(ranges("bytes=-10"), piece(990..1000));
        assert_eq!(ranges("bytes=-5000"), piece(0..1000));
        assert_eq!(ranges("bytes=0-5000"), piece(0..1000));
        assert_eq!(ranges("bytes=2000-,0-0"), piece(0..1));
    }

    #[test]
    fn several_pieces() {
        let most = |most| parse(b"bytes=0-0, 5-5,-1", 1000, most);
        let all = Ranges::Pieces(vec![0..1, 5..6, 999..1000]);
        assert_eq!(most(None), all);
        assert_eq!(most(Some(3)), all);
        assert_eq!(most(Some(2)), Ranges::Whole);
        assert_eq!(ranges("bytes=0-999,0-999"), Ranges::Whole);
        let many = format!("bytes={}0-0", "0-0,".repeat(100));
        assert_eq!(ranges(&many), Ranges::Whole);
    }

    #[test]
    fn nonsense() {
        for text in ["", "bytes", "bytes=", "lines=0-1", "bytes=5-4,0-0x"] {
            let expected = match text {
                "bytes=5-4,0-0x" => Ranges::Unsatisfiable,
                _ => Ranges::Whole,
            };
            assert_eq!(ranges(text), expected, "{text}");
        }
        for text in [
            "bytes=1000-",
            "bytes=x",
            "bytes=1",
            "bytes=-",
            "bytes=1-x",
            "bytes=99999999999999999999-",
            "bytes=0-99999999999999999999",
            "bytes=5-4",
            "bytes=-0",
        ] {
            assert_eq!(ranges(text), Ranges::Unsatisfiable, "{text}");
        }
        assert_eq!(parse(b"bytes=0-0", 1000, Some(0)), Ranges::Whole);
        assert_eq!(parse(b"bytes=0-", 0, None), Ranges::Whole);
        assert_eq!(parse(b"bytes=-5", 0, None), Ranges::Whole);
    }
}

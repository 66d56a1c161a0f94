//! Where a chunked body ends, and where its data is.

/// Reads the frames of a chunked body as they arrive, in nginx's grammar.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Chunked {
    state: State,
    /// Of the current chunk, what has not arrived yet.
    left: u64,
}

/// The body is not chunked as it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("client sent invalid chunked body")]
pub struct MalformedBody;

impl MalformedBody {
    /// Whether this is why Pingora could not read a request's body. nginx answers it with 400.
    pub fn caused(error: &pingora_core::Error) -> bool {
        error
            .root_cause()
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .is_some_and(|cause| cause.is::<Self>())
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Size,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    LastExtension,
    LastEnd,
    Trailer,
    TrailerLine,
    TrailerLineEnd,
    FinalLf,
    Done,
}

impl Chunked {
    /// Takes what belongs to the body off the front of `bytes` and gives its length: all of it
    /// unless the body ends.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, MalformedBody> {
        self.advance_to(bytes, State::Done)
    }

    /// As [`advance`](Self::advance), but stops before the data of a chunk.
    pub(super) fn advance_to_data(&mut self, bytes: &[u8]) -> Result<usize, MalformedBody> {
        self.advance_to(bytes, State::Data)
    }

    /// Goes on until this state or the end of the body.
    fn advance_to(&mut self, bytes: &[u8], stop: State) -> Result<usize, MalformedBody> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done && self.state != stop {
            if self.state == State::Data {
                at += self.skip(bytes.len() - at);
                continue;
            }
            self.state = self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    /// Whether the last byte of the body has been seen.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many bytes may be read that surely are data of the current chunk.
    pub(super) fn data_left(&self) -> u64 {
        match self.state {
            State::Data => self.left,
            _ => 0,
        }
    }

    /// Counts bytes of data, at most [`data_left`](Self::data_left), and gives how many they were.
    pub(super) fn skip(&mut self, bytes: usize) -> usize {
        let taken = usize::try_from(self.left).map_or(bytes, |left| bytes.min(left));
        self.left -= taken as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
        taken
    }

    fn step(&mut self, byte: u8) -> Result<State, MalformedBody> {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        Ok(match (self.state, byte) {
            (State::Start, _) => {
                self.left = digit.ok_or(MalformedBody)?;
                State::Size
            }
            (State::Size, _) if let Some(digit) = digit => {
                if self.left > LARGEST / 16 {
                    return Err(MalformedBody);
                }
                self.left = self.left * 16 + digit;
                State::Size
            }
            (State::Size, b'\r') if self.left == 0 => State::LastEnd,
            (State::Size, b';' | b' ' | b'\t') if self.left == 0 => State::LastExtension,
            (State::Size | State::Extension, b'\r') if self.left <= LARGEST - 9 => State::SizeEnd,
            (State::Size, b';' | b' ' | b'\t') => State::Extension,
            (State::Extension | State::LastExtension | State::TrailerLine, b'\n') => {
                return Err(MalformedBody);
            }
            (State::Extension, _) => State::Extension,
            (State::SizeEnd, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Start,
            (State::LastExtension, b'\r') => State::LastEnd,
            (State::LastExtension, _) => State::LastExtension,
            (State::LastEnd, b'\n') => State::Trailer,
            (State::Trailer, b'\r') => State::FinalLf,
            (State::Trailer, b'\n') => return Err(MalformedBody),
            (State::TrailerLine, b'\r') => State::TrailerLineEnd,
            (State::Trailer | State::TrailerLine, _) => State::TrailerLine,
            (State::TrailerLineEnd, b'\n') => State::Trailer,
            (State::FinalLf, b'\n') => State::Done,
            _ => return Err(MalformedBody),
        })
    }
}

/// nginx's largest `off_t`.
const LARGEST: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn length(bytes: &[u8]) -> Result<Option<usize>, MalformedBody> {
        let mut chunked = Chunked::default();
        let taken = chunked.advance(bytes)?;
        Ok(chunked.is_done().then_some(taken))
    }

    #[test]
    fn a_chunked_body_ends_where_its_frames_say() {
        for (body, expected) in [
            ("0\r\n\r\n", Some(5)),
            ("0\r\n\r\nGET /", Some(5)),
            ("3\r\nabc\r\n0\r\n\r\nX", Some(13)),
            ("3;name=\"v\"\r\nabc\r\n0;x\r\n\r\nX", Some(24)),
            ("a \r\n0123456789\r\n000\r\n\r\n", Some(23)),
            ("3\r\nabc\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\nX", Some(35)),
            ("3\r\nabc\r\n0\r\nTrailer: x\r\n", None),
            ("3\r\nab", None),
        ] {
            assert_eq!(length(body.as_bytes()), Ok(expected), "{body:?}");
        }
    }

    #[test]
    fn malformed_frames_are_refused() {
        for body in [
            "g\r\n",
            "\r\n",
            " 3\r\n",
            "-1\r\n",
            "0x3\r\n",
            "3\nabc",
            "3\r\nabcd\r\n",
            "3\r\nabc\n",
            "3;a\nabc",
            "0\n",
            "0\r\n\n",
            "0\r\nA: b\n",
            "8000000000000000\r\n",
            "3\rabc",
            "fffffffffffffffff\r\n",
            "0\r\n\rx",
        ] {
            assert_eq!(length(body.as_bytes()), Err(MalformedBody), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn a_split_at_any_byte_changes_nothing(
            body in "[03a;\r\nGx]{0,20}|3\r\nabc\r\n(1;x\r\nz\r\n)?0\r\n(T: u\r\n)?\r\nGET",
            split in 0usize..40,
        ) {
            let bytes = body.as_bytes();
            let whole = length(bytes);
            let split = split.min(bytes.len());
            let mut chunked = Chunked::default();
            let parts = chunked.advance(&bytes[..split]).and_then(|first| {
                let second = chunked.advance(&bytes[first..])?;
                Ok(chunked.is_done().then_some(first + second))
            });
            prop_assert_eq!(whole, parts);
        }
    }
}

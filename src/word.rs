//! Eight bytes looked at at once: hardly ever has a value something in it that needs more than that.

/// Eight bytes of a text, each of them in a byte of the number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word(u64);

/// The bytes of a word that a question is true of. A byte behind such a one may be named in vain; where it is true of
/// none, none is named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks(u64);

/// 1 in each byte.
const EACH: u64 = u64::from_ne_bytes([1; 8]);
/// A byte that is marked has this bit.
const MARK: u8 = 0x80;

impl Word {
    /// Control characters: less than a space.
    pub(crate) fn controls(self) -> Marks {
        // A byte that was not large and is less than 0 now.
        Marks(self.0.wrapping_sub(EACH * 0x20) & !self.0)
    }

    /// Bytes that are this one.
    pub(crate) fn are(self, byte: u8) -> Marks {
        let differences = self.0 ^ (EACH * u64::from(byte));
        Marks(differences.wrapping_sub(EACH) & !differences)
    }

    /// Bytes that are not ASCII's.
    pub(crate) fn beyond_ascii(self) -> Marks {
        Marks(self.0)
    }
}

impl Marks {
    /// Those that either question is true of.
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn is_some(self) -> bool {
        self.0 & (EACH * u64::from(MARK)) != 0
    }
}

/// Whether a question is true of some byte of a text: `of_word` asks it of eight, `of_byte` of one where there are not as
/// many. The last eight are looked at again in place of those that are left over.
pub(crate) fn any(
    text: &[u8],
    of_word: impl Fn(Word) -> Marks,
    of_byte: impl Fn(u8) -> bool,
) -> bool {
    let Some(last) = text.last_chunk() else {
        return text.iter().any(|&byte| of_byte(byte));
    };
    let (words, _) = text.as_chunks();
    let mut words = words.iter().chain([last]);
    words.any(|word| of_word(Word(u64::from_ne_bytes(*word))).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eight_bytes_tell_what_each_tells(
            text in proptest::collection::vec(prop_oneof![9 => 0x23u8..0x7f, 1 => proptest::num::u8::ANY], 0..40),
            byte in proptest::num::u8::ANY,
        ) {
            let control = |byte| byte < 0x20;
            prop_assert_eq!(super::any(&text, Word::controls, control), text.iter().copied().any(control));
            let same = |other| other == byte;
            prop_assert_eq!(super::any(&text, |word| word.are(byte), same), text.iter().copied().any(same));
            let beyond = |byte: u8| !byte.is_ascii();
            prop_assert_eq!(super::any(&text, Word::beyond_ascii, beyond), text.iter().copied().any(beyond));
        }
    }
}

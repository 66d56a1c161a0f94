//! `expires`: how long clients and caches may keep an answer.

use super::Template;

/// What `expires` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Expires {
    /// `off`: nothing is said.
    #[default]
    Off,
    /// `epoch`: the answer is old at once.
    Epoch,
    /// `max`: the answer never changes.
    Max,
    /// So many seconds, before 0 that it is old already.
    After {
        /// What the time is counted from.
        from: Start,
        /// The seconds.
        seconds: i64,
    },
    /// `@15h30m`: until this second of the day, in local time.
    Daily(i64),
    /// Whatever the variables say then; with something that is none of the above, nothing.
    Computed {
        /// What a time is counted from.
        from: Start,
        /// The word.
        template: Template,
    },
}

/// What a time of `expires` is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The answer.
    Access,
    /// `modified`: the last change of what is answered; the answer, when that is not known.
    Modified,
}

impl Expires {
    /// Reads a word without variables.
    ///
    /// # Errors
    /// nginx's reason why it is none.
    pub fn parse(word: &str, from: Start) -> Result<Self, &'static str> {
        if from == Start::Access {
            match word {
                "epoch" => return Ok(Self::Epoch),
                "max" => return Ok(Self::Max),
                "off" => return Ok(Self::Off),
                _ => {}
            }
        }
        if let Some(time) = word.strip_prefix('@') {
            if from == Start::Modified {
                return Err("daily time cannot be used with \"modified\" parameter");
            }
            let seconds = seconds(time).ok_or("invalid value")?;
            if seconds > 24 * 60 * 60 {
                return Err("daily time value must be less than 24 hours");
            }
            return Ok(Self::Daily(seconds));
        }
        let (time, sign) = match word.strip_prefix('-') {
            Some(time) => (time, -1),
            None => (word.strip_prefix('+').unwrap_or(word), 1),
        };
        let seconds = sign * seconds(time).ok_or("invalid value")?;
        Ok(Self::After { from, seconds })
    }
}

/// nginx's time in seconds: each unit once, from large to small.
fn seconds(text: &str) -> Option<i64> {
    const UNITS: [(char, i64); 7] = [
        ('y', 365 * 24 * 60 * 60),
        ('M', 30 * 24 * 60 * 60),
        ('w', 7 * 24 * 60 * 60),
        ('d', 24 * 60 * 60),
        ('h', 60 * 60),
        ('m', 60),
        ('s', 1),
    ];
    let mut units = UNITS.iter();
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        let letter = rest[digits..].chars().next();
        let (_, unit) = units.find(|(name, _)| *name == letter.unwrap_or('s'))?;
        total = number
            .checked_mul(*unit)
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total < LONGEST)?;
        rest = &rest[digits + letter.map_or(0, char::len_utf8)..];
        rest = rest.trim_start_matches(' ');
    }
    (!text.is_empty()).then_some(total)
}

/// A thousand years: no sum of dates overflows.
const LONGEST: i64 = 1000 * 365 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_nginx_reads_them() {
        let access = |word| Expires::parse(word, Start::Access);
        let after = |seconds| {
            Ok(Expires::After {
                from: Start::Access,
                seconds,
            })
        };
        assert_eq!(access("epoch"), Ok(Expires::Epoch));
        assert_eq!(access("1h30m"), after(5400));
        assert_eq!(access("+30d"), after(30 * 86400));
        assert_eq!(access("-1"), after(-1));
        assert_eq!(access("0"), after(0));
        assert_eq!(access("@15h30m"), Ok(Expires::Daily(55_800)));
        for word in [
            "",
            "x",
            "1m1h",
            "-",
            "@",
            "1mo",
            "99999999999999999999",
            "9999y",
        ] {
            assert_eq!(access(word), Err("invalid value"), "{word}");
        }
        assert!(access("@25h").is_err_and(|reason| reason.contains("24 hours")));
        assert!(Expires::parse("@1h", Start::Modified).is_err());
        assert!(Expires::parse("max", Start::Modified).is_err());
        let modified = Expires::After {
            from: Start::Modified,
            seconds: 60,
        };
        assert_eq!(Expires::parse("1m", Start::Modified), Ok(modified));
    }
}

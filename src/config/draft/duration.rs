//! A time, as nginx writes it: `10s`, `500ms`, `1m30s`; a bare number is seconds.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

/// The units, in the order in which they must follow each other, with their milliseconds.
const UNITS: [(&str, u64); 8] = [
    ("y", 365 * 24 * 60 * 60 * 1000),
    ("M", 30 * 24 * 60 * 60 * 1000),
    ("w", 7 * 24 * 60 * 60 * 1000),
    ("d", 24 * 60 * 60 * 1000),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

const EXPECTED: &str = "a time, such as `10s`, `500ms` or `1m30s`";

/// Not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotATime;

impl FromStr for Time {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if text.is_empty() {
            return Err(NotATime);
        }
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut total = 0u64;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let number: u64 = rest[..digits].parse().map_err(|_| NotATime)?;
            let letters = &rest[digits..];
            let unit_end = letters
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(letters.len());
            let unit = match &letters[..unit_end] {
                "" => "s",
                unit => unit,
            };
            // Each unit once and from large to small; the search goes on behind the last one.
            let (_, milliseconds) = units.find(|(name, _)| *name == unit).ok_or(NotATime)?;
            total = number
                .checked_mul(*milliseconds)
                .and_then(|part| total.checked_add(part))
                .filter(|total| *total <= LONGEST)
                .ok_or(NotATime)?;
            rest = letters[unit_end..].trim_start_matches(' ');
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

/// What fits nginx's milliseconds in 32 bits and more than anyone waits: 100 years keep every sum of
/// times far from overflow.
const LONGEST: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        // Days at most: years and months are conventions.
        for (unit, milliseconds) in &UNITS[3..] {
            if rest >= *milliseconds {
                write!(f, "{}{unit}", rest / milliseconds)?;
                rest %= milliseconds;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;

        impl Visitor<'_> for TimeVisitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                text.parse()
                    .map_err(|NotATime| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Time, E> {
                seconds
                    .to_string()
                    .parse()
                    .map_err(|NotATime| E::invalid_value(Unexpected::Unsigned(seconds), &self))
            }
        }

        deserializer.deserialize_any(TimeVisitor)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A time: `10s`, `500ms`, `1m30s`, `1h`; a bare number is seconds.",
            "type": ["string", "integer"],
            "pattern": "^([0-9]+(y|M|w|d|h|ms|m|s)? *)+$",
            "minimum": 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(text: &str) -> Option<u128> {
        text.parse::<Time>().ok().map(|time| time.0.as_millis())
    }

    #[test]
    fn times_are_read_as_nginx_reads_them() {
        for (text, expected) in [
            ("10s", 10_000),
            ("10", 10_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1h 30m", 5_400_000),
            ("1d", 86_400_000),
            ("1m500ms", 60_500),
            ("0", 0),
        ] {
            assert_eq!(milliseconds(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "s",
            "10x",
            "-1s",
            "1s1m",
            "1s1s",
            "1.5s",
            "99999999999999999999s",
            "1000y",
            "10S",
            "1 2",
        ] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for text in ["10s", "500ms", "1m30s", "2h", "1d1ms", "0s"] {
            assert_eq!(text.parse::<Time>().expect("a time").to_string(), text);
        }
    }
}

//! Lines on their way to the thread that writes them: every thread that serves gathers its own, and
//! waits for nobody. They are written in the order in which they came, because a connection may move to
//! another thread between two of its requests.

use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use smallvec::SmallVec;
use std::iter;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use thread_local::ThreadLocal;

/// The lines of one log that are not written yet.
#[derive(Default)]
pub(super) struct Gathered {
    /// One for each thread. One that begins when another has ended goes on with that one's.
    shares: ThreadLocal<CachePadded<Share>>,
    /// The number of the last line.
    last: CachePadded<AtomicU64>,
}

/// What one thread has gathered.
#[derive(Default)]
struct Share {
    /// Out of its place while a line is added to it.
    lines: AtomicCell<Option<Box<Lines>>>,
    /// The number of the first of them, or of those that were there before.
    first: AtomicU64,
    /// The number of the last that was taken.
    taken: AtomicU64,
    /// Whether the thread that writes was told that there is something.
    announced: AtomicBool,
}

/// Lines with their ends, and before each its number and how long it is. Behind one pointer, so that a cell
/// can exchange them without a lock.
struct Lines {
    bytes: Vec<u8>,
    last: u64,
    /// Bytes of the lines alone.
    length: usize,
}

impl Lines {
    fn add(&mut self, number: u64, line: &[u8]) {
        self.bytes.extend_from_slice(&number.to_ne_bytes());
        self.bytes
            .extend_from_slice(&(line.len() + 1).to_ne_bytes());
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        self.last = number;
        self.length += line.len() + 1;
    }

    fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let mut left = &self.bytes[..];
        iter::from_fn(move || {
            let (number, rest) = left.split_first_chunk()?;
            let (length, rest) = rest.split_first_chunk()?;
            let (line, rest) = rest.split_at_checked(usize::from_ne_bytes(*length))?;
            left = rest;
            Some((u64::from_ne_bytes(*number), line))
        })
    }
}

/// Lines that were taken too early: one that has to stand before them may not have been there yet.
#[derive(Default)]
pub(super) struct Early(Vec<(u64, Vec<u8>)>);

impl Early {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Added {
    /// Whether the thread that writes is to be told: it does not know that there is something. Also of a line
    /// that is lost, for nobody else would be told of those before it.
    pub(super) is_news: bool,
    /// Whether it is lost, because there are too many lines already.
    pub(super) is_lost: bool,
}

/// Bytes of lines that a thread gathers at most.
const MOST: usize = 1 << 20;

/// What there is room for at first.
const USUAL: usize = 4096;

// A cell that were not free of locks would put one on the request path.
const _: () = assert!(AtomicCell::<Option<Box<Lines>>>::is_lock_free());

impl Gathered {
    /// Adds a line to those of this thread.
    pub(super) fn add(&self, line: &[u8]) -> Added {
        let number = self.last.fetch_add(1, AcqRel) + 1;
        let share = self.shares.get_or_default();
        let mut lines = match share.lines.take() {
            Some(lines) => lines,
            None => {
                share.first.store(number, Release);
                Box::new(Lines {
                    bytes: Vec::with_capacity(USUAL),
                    last: number,
                    length: 0,
                })
            }
        };
        let has_room = lines.length + line.len() < MOST;
        if has_room {
            lines.add(number, line);
        }
        // Only this thread puts lines there.
        share.lines.store(Some(lines));
        // Behind the lines: whoever takes the announcement back after this finds them.
        Added {
            is_news: !share.announced.swap(true, AcqRel),
            is_lost: !has_room,
        }
    }

    /// Takes what there was when this began, in the order in which it came. What came meanwhile is put to the
    /// early lines, for the next time.
    ///
    /// Where one line follows from another, the first was in its place when the second got its number. So if the
    /// first came too late to be found there, the second's number is none of those that were known before; and
    /// where lines are out of their place, because another is added to them, none that came after them is taken.
    pub(super) fn take(&self, early: &mut Early, text: &mut Vec<u8>) {
        let mut known = self.last.load(Acquire);
        let shares: Shares = self
            .shares
            .iter()
            .filter_map(|share| {
                let lines = share.take();
                if lines.is_none()
                    && let Some(first) = share.first_left()
                {
                    known = known.min(first - 1);
                }
                lines
            })
            .collect();
        merge(&shares, known, early, text);
    }

    /// Takes everything that is in its place.
    pub(super) fn take_all(&self, early: &mut Early, text: &mut Vec<u8>) {
        let shares: Shares = self
            .shares
            .iter()
            .filter_map(|share| share.take())
            .collect();
        merge(&shares, u64::MAX, early, text);
    }
}

impl Share {
    fn take(&self) -> Option<Box<Lines>> {
        // Before the lines: those that come after this are announced again.
        self.announced.swap(false, AcqRel);
        let lines = self.lines.take()?;
        self.taken.store(lines.last, Relaxed);
        Some(lines)
    }

    /// The number of the first line that was not taken.
    fn first_left(&self) -> Option<u64> {
        let first = self.first.load(Acquire);
        (first > self.taken.load(Relaxed)).then_some(first)
    }
}

/// What few threads had is taken without allocating.
type Shares = SmallVec<[Box<Lines>; 8]>;

/// Adds lines and early ones up to this number to a text, in their order. The others are early.
fn merge(shares: &[Box<Lines>], end: u64, early: &mut Early, text: &mut Vec<u8>) {
    let before = std::mem::take(&mut early.0);
    let before = before.iter().map(|(number, line)| (*number, &line[..]));
    let mut lines: SmallVec<[_; 32]> = before
        .chain(shares.iter().flat_map(|lines| lines.iter()))
        .collect();
    lines.sort_by_key(|(number, _)| *number);
    let (taken, left) = lines.split_at(lines.partition_point(|(number, _)| *number <= end));
    early.0 = left
        .iter()
        .map(|(number, line)| (*number, line.to_vec()))
        .collect();
    for (_, line) in taken {
        text.extend_from_slice(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::channel;

    const NEW: Added = Added {
        is_news: true,
        is_lost: false,
    };
    const KNOWN: Added = Added {
        is_news: false,
        is_lost: false,
    };
    const LOST: Added = Added {
        is_news: false,
        is_lost: true,
    };

    fn taken(gathered: &Gathered) -> Vec<u8> {
        let mut text = Vec::new();
        gathered.take_all(&mut Early::default(), &mut text);
        text
    }

    #[test]
    fn lines_are_announced_once_until_they_are_taken() {
        let gathered = Gathered::default();
        assert_eq!(gathered.add(b"one"), NEW);
        assert_eq!(gathered.add(b"two"), KNOWN);
        assert_eq!(taken(&gathered), b"one\ntwo\n");
        assert_eq!(taken(&gathered), b"");
        assert_eq!(gathered.add(b"three"), NEW);
    }

    #[test]
    fn no_more_is_held_than_there_is_room_for() {
        let gathered = Gathered::default();
        assert_eq!(gathered.add(&vec![b'x'; MOST / 2]), NEW);
        assert_eq!(gathered.add(&vec![b'x'; MOST / 2]), LOST);
        assert_eq!(gathered.add(b"short"), KNOWN);
        assert_eq!(taken(&gathered).len(), MOST / 2 + 1 + b"short\n".len());
    }

    /// Or it would be the last that anybody hears of this thread.
    #[test]
    fn a_lost_line_is_announced_too() {
        let gathered = Gathered::default();
        let first = gathered.add(&vec![b'x'; MOST]);
        assert!(first.is_news && first.is_lost, "{first:?}");
        assert_eq!(gathered.add(b"short"), KNOWN);
        assert_eq!(taken(&gathered), b"short\n");
        assert_eq!(gathered.add(b"short"), NEW);
    }

    /// Many threads, and one that takes what there is when it is told and at no other time.
    #[test]
    fn every_line_is_found_by_whoever_was_told_of_it() {
        const THREADS: usize = 40;
        const LINES: usize = 2000;
        let gathered = Gathered::default();
        let (tell, told) = channel();
        let mut text = Vec::new();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (tell, gathered) = (tell.clone(), &gathered);
                scope.spawn(move || {
                    for number in 0..LINES {
                        let line = format!("{thread} {number}");
                        let added = gathered.add(line.as_bytes());
                        assert!(!added.is_lost, "there is room");
                        if added.is_news {
                            tell.send(()).expect("it listens");
                        }
                    }
                });
            }
            drop(tell);
            for () in told {
                text.extend(taken(&gathered));
            }
        });
        let text = String::from_utf8(text).expect("numbers");
        let mut next = vec![0; THREADS];
        for line in text.lines() {
            let (thread, number) = line.split_once(' ').expect("two numbers");
            let thread: usize = thread.parse().expect("a number");
            assert_eq!(next[thread].to_string(), number, "in their order");
            next[thread] += 1;
        }
        assert!(next.iter().all(|count| *count == LINES));
    }

    /// As a connection that goes from thread to thread, while its lines are taken all the time.
    #[test]
    fn lines_keep_their_order_whichever_thread_they_come_from() {
        const THREADS: usize = 3;
        const LINES: usize = 10_000;
        let gathered = Gathered::default();
        let turn = AtomicUsize::new(0);
        let mut text = Vec::new();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (gathered, turn) = (&gathered, &turn);
                scope.spawn(move || {
                    for number in (thread..LINES).step_by(THREADS) {
                        while turn.load(Acquire) != number {
                            std::thread::yield_now();
                        }
                        gathered.add(number.to_string().as_bytes());
                        turn.store(number + 1, Release);
                    }
                });
            }
            let mut early = Early::default();
            while turn.load(Acquire) < LINES {
                gathered.take(&mut early, &mut text);
            }
            gathered.take_all(&mut early, &mut text);
            assert!(early.is_empty());
        });
        let text = String::from_utf8(text).expect("numbers");
        let numbers: Vec<usize> = text
            .lines()
            .map(|line| line.parse().expect("a number"))
            .collect();
        assert!(numbers.iter().copied().eq(0..LINES), "all, in their order");
    }
}

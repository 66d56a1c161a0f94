//! Lines on their way to the thread that writes them: every thread that serves gathers its own, and
//! waits for nobody.

use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::AcqRel, Ordering::Relaxed};

/// The lines of one log that are not written yet.
#[derive(Default)]
pub(super) struct Gathered {
    shares: [CachePadded<Share>; SHARES],
}

/// What one thread has gathered, or a few.
#[derive(Default)]
struct Share {
    /// Out of its place while a line is added to it.
    lines: AtomicCell<Option<Box<Lines>>>,
    /// Whether the thread that writes was told that there is something.
    announced: AtomicBool,
}

/// Lines with their ends. Behind one pointer, so that a cell can exchange them without a lock.
#[derive(Default)]
struct Lines(Vec<u8>);

/// What is to be done about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// Nothing: the thread that writes knows of this share.
    Known,
    /// It is to be told of this share.
    New(usize),
    /// There are too many lines already: this one is lost.
    Lost,
}

/// How many threads have a share of their own.
const SHARES: usize = 32;

/// Bytes of lines that a share holds at most.
const MOST: usize = 1 << 20;

/// What there is room for at first.
const USUAL: usize = 4096;

// A cell that were not free of locks would put one on the request path.
const _: () = assert!(AtomicCell::<Option<Box<Lines>>>::is_lock_free());

impl Gathered {
    /// Adds a line to those of this thread.
    pub(super) fn add(&self, line: &[u8]) -> Added {
        let number = OWN.with(|own| *own);
        let share = &self.shares[number];
        let mut lines = match share.lines.take() {
            Some(lines) => lines,
            None => Box::new(Lines(Vec::with_capacity(USUAL))),
        };
        let has_room = lines.0.len() + line.len() < MOST;
        if has_room {
            lines.0.extend_from_slice(line);
            lines.0.push(b'\n');
        }
        while let Some(mut others) = share.lines.swap(Some(lines)) {
            // Another thread with this share has put its own there meanwhile.
            lines = share.lines.take().unwrap_or_default();
            others.0.append(&mut lines.0);
            lines = others;
        }
        // Behind the lines: whoever takes the announcement back after this finds them.
        match share.announced.swap(true, AcqRel) {
            _ if !has_room => Added::Lost,
            true => Added::Known,
            false => Added::New(number),
        }
    }

    /// Takes what a share has.
    pub(super) fn take(&self, share: usize) -> Vec<u8> {
        let share = &self.shares[share];
        // Before the lines: those that come after this are announced again.
        share.announced.swap(false, AcqRel);
        share.lines.take().map(|lines| lines.0).unwrap_or_default()
    }

    /// Takes everything.
    pub(super) fn take_all(&self) -> impl Iterator<Item = Vec<u8>> {
        (0..SHARES).map(|share| self.take(share))
    }
}

thread_local! {
    static OWN: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Relaxed) % SHARES
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_share_is_announced_once_until_it_is_taken() {
        let gathered = Gathered::default();
        let Added::New(share) = gathered.add(b"one") else {
            panic!("it is the first");
        };
        assert_eq!(gathered.add(b"two"), Added::Known);
        assert_eq!(gathered.take(share), b"one\ntwo\n");
        assert_eq!(gathered.take(share), b"");
        assert_eq!(gathered.add(b"three"), Added::New(share));
    }

    #[test]
    fn no_more_is_held_than_there_is_room_for() {
        let gathered = Gathered::default();
        assert!(matches!(gathered.add(&vec![b'x'; MOST / 2]), Added::New(_)));
        assert_eq!(gathered.add(&vec![b'x'; MOST / 2]), Added::Lost);
        assert_eq!(gathered.add(b"short"), Added::Known);
        let length: usize = gathered.take_all().map(|lines| lines.len()).sum();
        assert_eq!(length, MOST / 2 + 1 + b"short\n".len());
    }

    /// More threads than shares, and one that takes what it is told of and nothing else.
    #[test]
    fn every_line_is_found_by_whoever_was_told_of_it() {
        const LINES: usize = 2000;
        let gathered = Gathered::default();
        let (tell, told) = channel();
        let mut text = Vec::new();
        std::thread::scope(|scope| {
            for thread in 0..SHARES + 8 {
                let (tell, gathered) = (tell.clone(), &gathered);
                scope.spawn(move || {
                    for number in 0..LINES {
                        let line = format!("{thread} {number}");
                        match gathered.add(line.as_bytes()) {
                            Added::New(share) => tell.send(share).expect("it listens"),
                            Added::Known => {}
                            Added::Lost => panic!("there is room"),
                        }
                    }
                });
            }
            drop(tell);
            for share in told {
                text.extend(gathered.take(share));
            }
        });
        let text = String::from_utf8(text).expect("numbers");
        let mut next = vec![0; SHARES + 8];
        for line in text.lines() {
            let (thread, number) = line.split_once(' ').expect("two numbers");
            let thread: usize = thread.parse().expect("a number");
            assert_eq!(next[thread].to_string(), number, "in their order");
            next[thread] += 1;
        }
        assert!(next.iter().all(|count| *count == LINES));
    }
}

//! Lines on their way to the thread that writes them: every thread that serves gathers its own, and
//! waits for nobody.

use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use thread_local::ThreadLocal;

/// The lines of one log that are not written yet.
#[derive(Default)]
pub(super) struct Gathered {
    /// One for each thread. One that begins when another has ended goes on with that one's.
    shares: ThreadLocal<CachePadded<Share>>,
}

/// What one thread has gathered.
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
    /// Nothing: the thread that writes knows that there is something.
    Known,
    /// It is to be told.
    New,
    /// There are too many lines already: this one is lost.
    Lost,
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
        let share = self.shares.get_or_default();
        let mut lines = match share.lines.take() {
            Some(lines) => lines,
            None => Box::new(Lines(Vec::with_capacity(USUAL))),
        };
        let has_room = lines.0.len() + line.len() < MOST;
        if has_room {
            lines.0.extend_from_slice(line);
            lines.0.push(b'\n');
        }
        // Only this thread puts lines there.
        share.lines.store(Some(lines));
        // Behind the lines: whoever takes the announcement back after this finds them.
        match share.announced.swap(true, AcqRel) {
            _ if !has_room => Added::Lost,
            true => Added::Known,
            false => Added::New,
        }
    }

    /// Takes everything: what each thread has, in the order in which it came.
    pub(super) fn take(&self) -> impl Iterator<Item = Vec<u8>> {
        self.shares.iter().filter_map(|share| {
            // Before the lines: those that come after this are announced again.
            share.announced.swap(false, AcqRel);
            share.lines.take().map(|lines| lines.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn taken(gathered: &Gathered) -> Vec<u8> {
        gathered.take().flatten().collect()
    }

    #[test]
    fn lines_are_announced_once_until_they_are_taken() {
        let gathered = Gathered::default();
        assert_eq!(gathered.add(b"one"), Added::New);
        assert_eq!(gathered.add(b"two"), Added::Known);
        assert_eq!(taken(&gathered), b"one\ntwo\n");
        assert_eq!(taken(&gathered), b"");
        assert_eq!(gathered.add(b"three"), Added::New);
    }

    #[test]
    fn no_more_is_held_than_there_is_room_for() {
        let gathered = Gathered::default();
        assert_eq!(gathered.add(&vec![b'x'; MOST / 2]), Added::New);
        assert_eq!(gathered.add(&vec![b'x'; MOST / 2]), Added::Lost);
        assert_eq!(gathered.add(b"short"), Added::Known);
        assert_eq!(taken(&gathered).len(), MOST / 2 + 1 + b"short\n".len());
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
                        match gathered.add(line.as_bytes()) {
                            Added::New => tell.send(()).expect("it listens"),
                            Added::Known => {}
                            Added::Lost => panic!("there is room"),
                        }
                    }
                });
            }
            drop(tell);
            for () in told {
                text.extend(gathered.take().flatten());
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
}

//! Reading a log in a thread of its own while what was read is taken in.

use std::io::Read;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{channel, sync_channel};

use super::{Entry, LogError, Reader, Tail};

/// Bytes of lines handed over at a time, and how many handfuls may wait: what was read and not taken in stays small, and
/// handing over costs nothing beside parsing.
const HANDFUL_BYTES: u64 = 1 << 18;
const WAITING_MAX: usize = 2;

/// Reads a log from its first line on and shows `take` each entry, until it has had enough. Returns what stands after the last
/// record. Where rayon has more than one thread, reading, hashing and parsing have one of their own.
///
/// # Errors
/// The log's, at the record that has it, or what `take` says.
pub(crate) fn read_through<E: From<LogError>>(
    input: impl Read + Send,
    mut take: impl FnMut(&Entry) -> Result<ControlFlow<()>, E>,
) -> Result<Tail, E> {
    let mut reader = Reader::new(input);
    if rayon::current_num_threads() == 1 {
        for entry in &mut reader {
            if take(&entry?)?.is_break() {
                return Ok(Tail::Clean);
            }
        }
        return Ok(reader.tail());
    }
    let (give, handfuls) = sync_channel::<Vec<Entry>>(WAITING_MAX);
    // Entries go back to the thread that made them: memory freed by another one would have to be fought over.
    let (give_back, used) = channel::<Vec<Entry>>();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            loop {
                let mut handful = used.try_recv().unwrap_or_default();
                handful.clear();
                let (enough, mut ended) = (reader.whole_bytes() + HANDFUL_BYTES, None);
                while reader.whole_bytes() < enough && ended.is_none() {
                    match reader.next() {
                        Some(Ok(entry)) => handful.push(entry),
                        Some(Err(error)) => ended = Some(Err(error)),
                        None => ended = Some(Ok(reader.tail())),
                    }
                }
                let stopped = give.send(handful).is_err();
                match ended {
                    Some(end) => return end,
                    None if stopped => return Ok(Tail::Clean),
                    None => {}
                }
            }
        });
        // Whoever stops here lets the receiver go, and with it the reading ends.
        for handful in handfuls {
            for entry in &handful {
                if take(entry)?.is_break() {
                    return Ok(Tail::Clean);
                }
            }
            // At its end the reader takes nothing back.
            let _ = give_back.send(handful);
        }
        Ok(reading.join().unwrap_or_else(|panic| resume_unwind(panic))?)
    })
}

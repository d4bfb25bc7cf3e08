//! The copy of a shard's log in JetStream, from which a home begins on another machine. Its messages are pieces of the log's file, one
//! after another; each says where it begins, and hash and length of the file up to its end. It is behind the log by a second or so:
//! the rest is in the shard's stream.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::{GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::{Context, ErrorCode, stream};
use credence_memory::home::{HomeError, Paths};
use credence_memory::ids::Seq;
use credence_memory::log::Reader;
use credence_memory::record::Record;
use credence_memory::state::State;
use jiff::Timestamp;
use tokio_stream::StreamExt;

use crate::control::{self, one};
use crate::evidence::last_message;
use crate::{ClusterError, Server, refused};

/// Bytes of a piece, at most: a server takes messages of a megabyte.
const PIECE: usize = 256 << 10;
const FROM: &str = "Credence-From";
const END: &str = "Credence-End";
const HASH: &str = "Credence-Hash";
const ERASURES: &str = "Credence-Erasures";
const MESSAGE: &str = "Credence-Message";
const DOING: &str = "copy the log of the shard";

fn name(number: u32) -> String {
    format!("CREDENCE_LOG_{number}")
}

fn subject(number: u32) -> String {
    format!("credence.log.{number}")
}

/// Makes the stream of the copy, where it is not there yet.
pub(crate) async fn open(context: &Context, server: &Server, number: u32) -> Result<(), ClusterError> {
    let config = stream::Config {
        name: name(number),
        subjects: vec![subject(number)],
        num_replicas: server.replicas,
        discard: stream::DiscardPolicy::New,
        ..Default::default()
    };
    crate::made(context, config, "open the copy of a log").await.map(drop)
}

/// How far a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stand {
    /// How many erasures it had: each makes another log of it.
    erasures: u64,
    /// The last message of the shard that it has.
    message: u64,
}

impl Stand {
    pub(crate) fn of(state: &State, shard: u32) -> Self {
        Self { erasures: state.erasures(), message: last_message(state, shard) }
    }
}

/// Where a piece stands, by its headers.
struct Piece {
    erasures: u64,
    message: u64,
    from: u64,
    end: u64,
    hash: String,
}

impl Piece {
    fn read(headers: &HeaderMap) -> Result<Self, ClusterError> {
        let one = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        let number = |name: &str| one(name).and_then(|value| value.parse().ok());
        match (number(FROM), number(END), one(HASH)) {
            (Some(from), Some(end), Some(hash)) => {
                let (erasures, message) = (number(ERASURES).unwrap_or(0), number(MESSAGE).unwrap_or(0));
                Ok(Self { from, end, hash, erasures, message })
            }
            _ => Err(refused(DOING)("a piece of it does not say where it belongs")),
        }
    }
}

/// Brings a copy up to date.
pub(crate) struct Copying {
    context: Context,
    shard: u32,
    /// The last message of the copy.
    last: u64,
    /// Bytes that are copied, and a hash of them; none while the log is shorter.
    bytes: u64,
    hash: Option<blake3::Hasher>,
    /// How many erasures the log that is copied had.
    erasures: u64,
    /// Whether pieces may be there of a log before an erasure.
    has_old: bool,
}

impl Copying {
    /// Goes on with the copy of the log in this home.
    ///
    /// # Errors
    /// The copy is of another log.
    pub(crate) async fn begin(context: &Context, shard: u32, root: &Path, stand: Stand) -> Result<Self, ClusterError> {
        let (context, hash, erasures) = (context.clone(), Some(blake3::Hasher::new()), stand.erasures);
        let mut copying = Self { context, shard, last: 0, bytes: 0, hash, erasures, has_old: true };
        copying.find(root, stand).await?;
        Ok(copying)
    }

    /// Finds how far the copy goes, and that the log is the one that was copied. A shorter log is compared by what both begin with: the
    /// rest follows from the stream.
    async fn find(&mut self, root: &Path, stand: Stand) -> Result<(), ClusterError> {
        let stream = self.context.get_stream(name(self.shard)).await.map_err(refused(DOING))?;
        let last = one(stream.get_last_raw_message_by_subject(&subject(self.shard)).await, DOING)?;
        let Some(last) = last else {
            self.last = stream.cached_info().state.last_sequence;
            (self.bytes, self.hash, self.erasures) = (0, Some(blake3::Hasher::new()), stand.erasures);
            return Ok(());
        };
        let piece = Piece::read(&last.headers)?;
        (self.last, self.erasures) = (last.sequence, piece.erasures);
        if piece.erasures < stand.erasures {
            // Somebody was erased since: it begins anew, and what is there goes.
            (self.bytes, self.hash, self.erasures) = (0, Some(blake3::Hasher::new()), stand.erasures);
            self.has_old = true;
            return Ok(());
        }
        if piece.erasures > stand.erasures {
            // The log is behind: it goes on by the stream first.
            return Ok(());
        }
        let log = Paths::of(root).log();
        let failed = |source| ClusterError::Files { doing: "read", path: log.clone(), source };
        let mut file = File::open(&log).map_err(failed)?;
        let mut hash = blake3::Hasher::new();
        let read = io::copy(&mut (&mut file).take(piece.end), &mut hash).map_err(failed)?;
        let is_same = match read == piece.end {
            true => hash.finalize().to_hex().as_str() == piece.hash,
            false => {
                let first = stream.get_first_raw_message_by_subject(&subject(self.shard), 1).await;
                let first = first.map_err(refused(DOING))?;
                // One of before an erasure, which is about to be deleted, says nothing of this log.
                let is_old = Piece::read(&first.headers)?.erasures < piece.erasures;
                let first = first.payload;
                let mut begins = vec![0; first.len().min(usize::try_from(read).unwrap_or(first.len()))];
                file.rewind().and_then(|()| file.read_exact(&mut begins)).map_err(failed)?;
                is_old || first.starts_with(&begins)
            }
        };
        if !is_same {
            let why = "the copy of it on the server is of another one".to_owned();
            return Err(ClusterError::OtherLog { path: root.to_owned(), shard: self.shard, why });
        }
        self.bytes = piece.end;
        self.hash = (read == piece.end).then_some(hash);
        Ok(())
    }

    /// Adds what the log has and the copy has not.
    ///
    /// # Errors
    /// The server, or the log's file. Where another writer was first, that is found out and it is done the next time.
    pub(crate) async fn bring_up_to_date(&mut self, root: &Path, stand: Stand) -> Result<(), ClusterError> {
        if self.erasures != stand.erasures {
            self.find(root, stand).await?;
            if self.erasures != stand.erasures {
                return Ok(());
            }
        }
        let log = Paths::of(root).log();
        let failed = |source| ClusterError::Files { doing: "read", path: log.clone(), source };
        let mut file = File::open(&log).map_err(failed)?;
        let end = file.metadata().map_err(failed)?.len();
        if self.hash.is_none() && end >= self.bytes {
            self.find(root, stand).await?;
        }
        let Some(known) = &mut self.hash else { return Ok(()) };
        file.seek(SeekFrom::Start(self.bytes)).map_err(failed)?;
        while self.bytes < end {
            let mut piece = vec![0; PIECE.min(usize::try_from(end - self.bytes).unwrap_or(PIECE))];
            file.read_exact(&mut piece).map_err(failed)?;
            let mut hash = known.clone();
            hash.update(&piece);
            let after = self.bytes + piece.len() as u64;
            let message = PublishMessage::build()
                .header(FROM, self.bytes.to_string().as_str())
                .header(END, after.to_string().as_str())
                .header(HASH, hash.finalize().to_hex().as_str())
                .header(ERASURES, stand.erasures.to_string().as_str())
                .header(MESSAGE, stand.message.to_string().as_str())
                .expected_last_sequence(self.last)
                .payload(piece.into());
            let sent = self.context.send_publish(subject(self.shard), message).await.map_err(refused(DOING))?;
            match sent.await {
                Ok(taken) => (self.last, self.bytes, *known) = (taken.sequence, after, hash),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {
                    return self.find(root, stand).await;
                }
                Err(error) => return Err(refused(DOING)(error)),
            }
        }
        if std::mem::take(&mut self.has_old) {
            self.delete_old().await.inspect_err(|_| self.has_old = true)?;
        }
        Ok(())
    }

    /// Deletes the pieces of the log that was there before an erasure: the server overwrites them.
    async fn delete_old(&self) -> Result<(), ClusterError> {
        let doing = "delete the copy of the log before an erasure";
        let stream = self.context.get_stream(name(self.shard)).await.map_err(refused(doing))?;
        let mut next = 1;
        // By what is there, not by the numbers that the server gives of first and last: killed while it deletes, it may not know them.
        while let Some(first) = one(stream.get_first_raw_message_by_subject(&subject(self.shard), next).await, doing)? {
            if Piece::read(&first.headers)?.erasures >= self.erasures {
                return Ok(());
            }
            control::delete(&stream, first.sequence, doing).await?;
            next = first.sequence + 1;
        }
        Ok(())
    }
}

/// Whether the copy of a shard's log has this message, and nothing of a log before the last erasure.
pub(crate) async fn has_message(context: &Context, shard: u32, sequence: u64) -> Result<bool, ClusterError> {
    let stream = context.get_stream(name(shard)).await.map_err(refused(DOING))?;
    let subject = subject(shard);
    let first = one(stream.get_first_raw_message_by_subject(&subject, 1).await, DOING)?;
    let last = one(stream.get_last_raw_message_by_subject(&subject).await, DOING)?;
    let (Some(first), Some(last)) = (first, last) else { return Ok(false) };
    let (first, last) = (Piece::read(&first.headers)?, Piece::read(&last.headers)?);
    Ok(last.message >= sequence && first.erasures == last.erasures)
}

/// The stream of a shard's copy; none where nobody has made it.
async fn found(context: &Context, shard: u32, doing: &'static str) -> Result<Option<stream::Stream>, ClusterError> {
    match context.get_stream(name(shard)).await {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(why) if why.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(refused(doing)(error)),
        },
    }
}

/// Whether there is a copy of a shard's log: a writer makes it as soon as the shard has one.
pub(crate) async fn is_there(context: &Context, shard: u32) -> Result<bool, ClusterError> {
    let stream = found(context, shard, "look for the copy of the log").await?;
    Ok(stream.is_some_and(|stream| stream.cached_info().state.last_sequence > 0))
}

/// Puts the copy of a shard's log in the place of a home's log. Says whether there is one.
///
/// # Errors
/// It is not whole, or the file cannot be written.
pub(crate) async fn fetch(context: &Context, shard: u32, root: &Path) -> Result<bool, ClusterError> {
    let doing = "fetch the copy of the log";
    let Some(stream) = found(context, shard, doing).await? else { return Ok(false) };
    let config = pull::Config { ack_policy: AckPolicy::None, memory_storage: true, ..Default::default() };
    let consumer = stream.create_consumer(config).await.map_err(refused(doing))?;
    // Pieces of an older log may be counted that are not there any more: the last one is what tells the end.
    let last = one(stream.get_last_raw_message_by_subject(&subject(shard)).await, doing)?;
    let Some(StreamMessage { sequence: last, .. }) = last else { return Ok(false) };
    let log = Paths::of(root).log();
    let beside = log.with_extension("copy");
    let failed = |doing| {
        let path = beside.clone();
        move |source| ClusterError::Files { doing, path, source }
    };
    let folder = log.parent().unwrap_or(root);
    private(folder).map_err(failed("create the folder of"))?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(failed("create"))?;
    let (mut bytes, mut hash, mut is_begun) = (0, blake3::Hasher::new(), false);
    let mut came = 0;
    while came < last {
        let fetch = consumer.fetch().max_messages(32).expires(Duration::from_secs(2));
        let mut pieces = fetch.messages().await.map_err(refused(doing))?;
        let before = came;
        while let Some(message) = pieces.next().await {
            let message = message.map_err(refused(doing))?;
            came = message.info().map_err(refused(doing))?.stream_sequence;
            let piece = Piece::read(message.headers.as_ref().unwrap_or(&HeaderMap::new()))?;
            if piece.from == 0 {
                // The log was begun anew, as after an erasure.
                file.set_len(0).and_then(|()| file.rewind()).map_err(failed("write"))?;
                (bytes, hash, is_begun) = (0, blake3::Hasher::new(), true);
            }
            if !is_begun {
                // The rest of a log before an erasure, which is being deleted.
                continue;
            }
            hash.update(&message.payload);
            let end = bytes + message.payload.len() as u64;
            if (piece.from, piece.end) != (bytes, end) || hash.finalize().to_hex().as_str() != piece.hash {
                return Err(refused(doing)(format!("it is not whole after {bytes} bytes")));
            }
            file.write_all(&message.payload).map_err(failed("write"))?;
            bytes = end;
        }
        if came == before {
            return Err(refused(doing)(format!(
                "after {bytes} bytes nothing comes, and its last piece is not there yet"
            )));
        }
    }
    if !is_begun {
        return Err(refused(doing)("its beginning is not there: it is just being copied anew"));
    }
    file.sync_data().map_err(failed("sync"))?;
    drop(file);
    // What follows from another log goes: it is made again.
    let paths = Paths::of(root);
    if paths.has_log() {
        goes_on_from(&beside, &paths, shard).inspect_err(|_| drop(fs::remove_file(&beside)))?;
    }
    remove_derived(&paths);
    fs::rename(&beside, &log).map_err(failed("put in its place"))?;
    Ok(true)
}

/// That a copy has the last message of a home's log, at the same place: else that log has what is nowhere else, and is kept.
fn goes_on_from(copy: &Path, paths: &Paths, shard: u32) -> Result<(), ClusterError> {
    let received = |reader: Reader<File>| -> Result<Vec<(Seq, Timestamp, u64)>, HomeError> {
        let mut received = Vec::new();
        for entry in reader {
            let entry = entry?;
            if let Record::MessageReceived(message) = entry.record {
                received.push((entry.seq, entry.time, message.sequence));
            }
        }
        Ok(received)
    };
    let failed = |source| ClusterError::Files { doing: "read", path: copy.to_owned(), source };
    let here = received(paths.read_log()?)?;
    let there = received(Reader::new(File::open(copy).map_err(failed)?))?;
    match here.last() {
        Some(last) if !there.contains(last) => {
            let why = "the copy of the log has another one of this number, or none".to_owned();
            Err(ClusterError::OtherStream { shard, last: last.2, why })
        }
        _ => Ok(()),
    }
}

/// Removes what follows from a home's log.
fn remove_derived(paths: &Paths) {
    let _ = (fs::remove_dir_all(paths.store()), fs::remove_file(paths.head()));
}

/// Removes the log of a home that was begun for nothing: another one has begun.
///
/// # Errors
/// The file cannot be removed.
pub(crate) fn remove(root: &Path) -> Result<(), ClusterError> {
    let paths = Paths::of(root);
    remove_derived(&paths);
    let log = paths.log();
    fs::remove_file(&log).map_err(|source| ClusterError::Files { doing: "remove", path: log, source })
}

/// Puts what another shard's log began with in the place of a home's log: all shards begin with the same. Says whether there is one.
///
/// # Errors
/// As of [`fetch`]; that log began with people in it, who are of one shard only.
pub(crate) async fn fetch_beginning(context: &Context, other: u32, root: &Path) -> Result<bool, ClusterError> {
    if !fetch(context, other, root).await? {
        return Ok(false);
    }
    let paths = Paths::of(root);
    let mut reader = paths.read_log()?;
    let (mut bytes, mut has_people) = (0, false);
    while let Some(entry) = reader.next() {
        let entry = entry.map_err(HomeError::from)?;
        if matches!(entry.record, Record::MessageReceived(_)) {
            break;
        }
        has_people |= entry.record.evidence_origin().is_some();
        bytes = reader.whole_bytes();
    }
    let log = paths.log();
    if has_people {
        let _ = fs::remove_file(&log);
        let why = format!("shard {other} began with people's evidence: begin with 1/1, and split it");
        return Err(ClusterError::OtherLog { path: root.to_owned(), shard: other, why });
    }
    let cut =
        OpenOptions::new().write(true).open(&log).and_then(|file| file.set_len(bytes).and_then(|()| file.sync_data()));
    cut.map_err(|source| ClusterError::Files { doing: "cut", path: log, source })?;
    Ok(true)
}

fn private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

//! The copy of a shard's log in JetStream, from which a home begins on another machine. Its messages are pieces of the log's file, one
//! after another; each says where it begins, and hash and length of the file up to its end. It is behind the log by a second or so:
//! the rest is in the shard's stream.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::jetstream::{Context, stream};
use credence_memory::home::{HomeError, Paths};
use credence_memory::record::Record;
use tokio_stream::StreamExt;

use crate::{ClusterError, Server, refused};

/// Bytes of a piece, at most: a server takes messages of a megabyte.
const PIECE: usize = 256 << 10;
const FROM: &str = "Credence-From";
const END: &str = "Credence-End";
const HASH: &str = "Credence-Hash";
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
    context.get_or_create_stream(config).await.map_err(refused("open the copy of a log")).map(drop)
}

/// Where a piece stands, by its headers.
struct Piece {
    from: u64,
    end: u64,
    hash: String,
}

impl Piece {
    fn read(headers: &HeaderMap) -> Result<Self, ClusterError> {
        let one = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
        let number = |name: &str| one(name).and_then(|value| value.parse().ok());
        match (number(FROM), number(END), one(HASH)) {
            (Some(from), Some(end), Some(hash)) => Ok(Self { from, end, hash }),
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
}

impl Copying {
    /// Goes on with the copy of the log in this home.
    ///
    /// # Errors
    /// The copy is of another log.
    pub(crate) async fn begin(context: &Context, shard: u32, root: &Path) -> Result<Self, ClusterError> {
        let mut copying =
            Self { context: context.clone(), shard, last: 0, bytes: 0, hash: Some(blake3::Hasher::new()) };
        copying.find(root).await?;
        Ok(copying)
    }

    /// Finds how far the copy goes, and that the log is the one that was copied. A shorter log is compared by what both begin with: the
    /// rest follows from the stream.
    async fn find(&mut self, root: &Path) -> Result<(), ClusterError> {
        let stream = self.context.get_stream(name(self.shard)).await.map_err(refused(DOING))?;
        let last = match stream.get_last_raw_message_by_subject(&subject(self.shard)).await {
            Ok(last) => last,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(()),
            Err(error) => return Err(refused(DOING)(error)),
        };
        let piece = Piece::read(&last.headers)?;
        let log = Paths::of(root).log();
        let failed = |source| ClusterError::Files { doing: "read", path: log.clone(), source };
        let mut file = File::open(&log).map_err(failed)?;
        let mut hash = blake3::Hasher::new();
        let read = io::copy(&mut (&mut file).take(piece.end), &mut hash).map_err(failed)?;
        let is_same = match read == piece.end {
            true => hash.finalize().to_hex().as_str() == piece.hash,
            false => {
                let first = stream.get_first_raw_message_by_subject(&subject(self.shard), 1).await;
                let first = first.map_err(refused(DOING))?.payload;
                let mut begins = vec![0; first.len().min(usize::try_from(read).unwrap_or(first.len()))];
                file.rewind().and_then(|()| file.read_exact(&mut begins)).map_err(failed)?;
                first.starts_with(&begins)
            }
        };
        if !is_same {
            let why = "the copy of it on the server is of another one".to_owned();
            return Err(ClusterError::OtherLog { path: root.to_owned(), shard: self.shard, why });
        }
        (self.last, self.bytes) = (last.sequence, piece.end);
        self.hash = (read == piece.end).then_some(hash);
        Ok(())
    }

    /// Adds what the log has and the copy has not.
    ///
    /// # Errors
    /// The server, or the log's file. Where another writer was first, that is found out and it is done the next time.
    pub(crate) async fn bring_up_to_date(&mut self, root: &Path) -> Result<(), ClusterError> {
        let log = Paths::of(root).log();
        let failed = |source| ClusterError::Files { doing: "read", path: log.clone(), source };
        let mut file = File::open(&log).map_err(failed)?;
        let end = file.metadata().map_err(failed)?.len();
        if self.hash.is_none() && end >= self.bytes {
            self.find(root).await?;
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
                .expected_last_sequence(self.last)
                .payload(piece.into());
            let sent = self.context.send_publish(subject(self.shard), message).await.map_err(refused(DOING))?;
            match sent.await {
                Ok(taken) => (self.last, self.bytes, *known) = (taken.sequence, after, hash),
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => return self.find(root).await,
                Err(error) => return Err(refused(DOING)(error)),
            }
        }
        Ok(())
    }
}

/// Puts the copy of a shard's log in the place of a home's log. Says whether there is one.
///
/// # Errors
/// It is not whole, or the file cannot be written.
pub(crate) async fn fetch(context: &Context, shard: u32, root: &Path) -> Result<bool, ClusterError> {
    let doing = "fetch the copy of the log";
    let stream = context.get_stream(name(shard)).await.map_err(refused(doing))?;
    let config = pull::Config { ack_policy: AckPolicy::None, memory_storage: true, ..Default::default() };
    let consumer = stream.create_consumer(config).await.map_err(refused(doing))?;
    let mut waiting = consumer.cached_info().num_pending;
    if waiting == 0 {
        return Ok(false);
    }
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
    let (mut bytes, mut hash) = (0, blake3::Hasher::new());
    while waiting > 0 {
        let fetch = consumer.fetch().max_messages(32).expires(Duration::from_secs(2));
        let mut pieces = fetch.messages().await.map_err(refused(doing))?;
        let mut came = 0;
        while let Some(message) = pieces.next().await {
            let message = message.map_err(refused(doing))?;
            let piece = Piece::read(message.headers.as_ref().unwrap_or(&HeaderMap::new()))?;
            if piece.from == 0 {
                // The log was begun anew, as after an erasure.
                file.set_len(0).and_then(|()| file.rewind()).map_err(failed("write"))?;
                (bytes, hash) = (0, blake3::Hasher::new());
            }
            hash.update(&message.payload);
            let end = bytes + message.payload.len() as u64;
            if (piece.from, piece.end) != (bytes, end) || hash.finalize().to_hex().as_str() != piece.hash {
                return Err(refused(doing)(format!("it is not whole after {bytes} bytes")));
            }
            file.write_all(&message.payload).map_err(failed("write"))?;
            bytes = end;
            came += 1;
        }
        if came == 0 {
            return Err(refused(doing)(format!("it ends after {bytes} bytes, and {waiting} pieces are missing")));
        }
        waiting = waiting.saturating_sub(came);
    }
    file.sync_data().map_err(failed("sync"))?;
    drop(file);
    // What follows from another log goes: it is made again.
    let paths = Paths::of(root);
    let _ = (fs::remove_dir_all(paths.store()), fs::remove_file(paths.head()));
    fs::rename(&beside, &log).map_err(failed("put in its place"))?;
    Ok(true)
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

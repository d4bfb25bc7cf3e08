//! Downloads from a server that speaks like Hugging Face, over plain HTTP on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use credence_priors::cache::ModelCache;
use credence_priors::download::{PullError, PullProgress};
use credence_priors::reference::ModelReference;
use sha2::{Digest, Sha256};

/// A GGUF file that is whole, as far as its head says: no tensors, and something behind.
fn gguf() -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    file.extend(3_u32.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.extend(1_u64.to_le_bytes());
    file.extend(20_u64.to_le_bytes());
    file.extend(b"general.architecture");
    file.extend(8_u32.to_le_bytes());
    file.extend(4_u64.to_le_bytes());
    file.extend(b"test");
    file.resize(300_000, 7);
    file
}

struct Server {
    endpoint: String,
    requests: Arc<AtomicUsize>,
    bytes_sent: Arc<AtomicUsize>,
}

/// Serves `body` as every file. The first `breaks` downloads end after `break_after` bytes.
fn serve(body: Vec<u8>, etag: String, breaks: usize, break_after: usize) -> std::io::Result<Server> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let (requests, bytes_sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = Server { endpoint, requests: Arc::clone(&requests), bytes_sent: Arc::clone(&bytes_sent) };
    thread::spawn(move || {
        let mut broken = 0;
        for stream in listener.incoming().flatten() {
            requests.fetch_add(1, Ordering::SeqCst);
            let is_probe = match answer(stream, &body, &etag, (broken < breaks).then_some(break_after)) {
                Ok((is_probe, sent)) => {
                    bytes_sent.fetch_add(sent, Ordering::SeqCst);
                    is_probe
                }
                Err(_) => true,
            };
            broken += usize::from(!is_probe);
        }
    });
    Ok(server)
}

fn answer(
    mut stream: TcpStream,
    body: &[u8],
    etag: &str,
    break_after: Option<usize>,
) -> std::io::Result<(bool, usize)> {
    let mut start = 0;
    let mut end = body.len() - 1;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            let (from, to) = range.split_once('-').unwrap_or((range, ""));
            start = from.trim().parse().unwrap_or(0);
            end = to.trim().parse().unwrap_or(end).min(end);
        }
        if line.is_empty() {
            break;
        }
    }
    let is_probe = (start, end) == (0, 0);
    let part = &body[start.min(body.len())..=end];
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nx-repo-commit: abc123\r\netag: \"{etag}\"\r\n\
         content-range: bytes {start}-{end}/{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len(),
        part.len()
    )?;
    let sent = if is_probe { part } else { &part[..break_after.unwrap_or(part.len()).min(part.len())] };
    stream.write_all(sent)?;
    stream.flush()?;
    Ok((is_probe, sent.len()))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Default)]
struct Seen(u64);

impl PullProgress for Seen {
    fn started(&mut self, _: &str, _: Option<u64>) {}
    fn advanced(&mut self, bytes_done: u64) {
        self.0 = self.0.max(bytes_done);
    }
    fn finished(&mut self) {}
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[test]
fn a_file_is_downloaded_once_and_recorded() -> Outcome {
    let body = gguf();
    let server = serve(body.clone(), sha256(&body), 0, 0)?;
    let folder = tempfile::tempdir()?;
    let cache = ModelCache::at(folder.path(), false).with_hf_endpoint(&server.endpoint);
    let reference: ModelReference = "hf:someone/models/tiny.gguf".parse()?;
    let mut seen = Seen::default();
    let model = cache.pull(&reference, &mut seen)?;
    assert_eq!((model.sha256.as_str(), model.bytes, seen.0), (sha256(&body).as_str(), 300_000, 300_000));
    let requests = server.requests.load(Ordering::SeqCst);
    // Once it is there, neither a server nor permission is needed.
    let offline = ModelCache::at(folder.path(), true);
    assert_eq!(offline.pull(&reference, &mut ())?, model);
    assert_eq!(offline.list()?, [model]);
    assert_eq!(offline.info(&reference)?.head.architecture, "test");
    assert_eq!(server.requests.load(Ordering::SeqCst), requests);
    Ok(())
}

#[test]
fn a_broken_download_is_resumed_and_never_taken_for_whole() -> Outcome {
    let body = gguf();
    let server = serve(body.clone(), sha256(&body), 1, 100_000)?;
    let folder = tempfile::tempdir()?;
    let cache = ModelCache::at(folder.path(), false).with_hf_endpoint(&server.endpoint);
    let reference: ModelReference = "hf:someone/models/tiny.gguf".parse()?;
    let model = cache.pull(&reference, &mut ())?;
    assert_eq!(model.sha256, sha256(&body));
    // Resumed, not begun anew: all that was sent is the file and some probes.
    let sent = server.bytes_sent.load(Ordering::SeqCst);
    assert!(sent < 310_000, "{sent} bytes were sent for 300000");
    Ok(())
}

#[test]
fn a_file_with_another_hash_is_refused_and_removed() -> Outcome {
    let server = serve(gguf(), "0".repeat(64), 0, 0)?;
    let folder = tempfile::tempdir()?;
    let cache = ModelCache::at(folder.path(), false).with_hf_endpoint(&server.endpoint);
    let reference: ModelReference = "hf:someone/models/tiny.gguf".parse()?;
    assert!(matches!(cache.pull(&reference, &mut ()), Err(PullError::Hash { .. })));
    assert!(cache.list()?.is_empty());
    Ok(())
}

#[test]
fn what_is_no_gguf_is_refused() -> Outcome {
    let server = serve(vec![b'<'; 5000], "page".into(), 0, 0)?;
    let folder = tempfile::tempdir()?;
    let cache = ModelCache::at(folder.path(), false).with_hf_endpoint(&server.endpoint);
    let reference: ModelReference = "hf:someone/models/page.gguf".parse()?;
    assert!(matches!(cache.pull(&reference, &mut ()), Err(PullError::Gguf { .. })));
    assert!(cache.list()?.is_empty());
    Ok(())
}

#[test]
fn offline_and_missing_are_clear_errors() -> Outcome {
    let folder = tempfile::tempdir()?;
    let cache = ModelCache::at(folder.path(), true);
    let error = cache.pull(&ModelReference::default(), &mut ()).err().map(|error| error.to_string());
    assert!(error.as_deref().is_some_and(|error| error.contains("--offline")), "{error:?}");
    let error = cache.pull(&"/no/such.gguf".parse()?, &mut ()).err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("there is no model file /no/such.gguf"));
    Ok(())
}

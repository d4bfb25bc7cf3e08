//! What a record costs by way of a stream, beside a single home: `stream_speed nats://HOST:PORT[,...] REPLICAS NUMBER`, with servers that
//! have no shard yet. One answer a message, one after another; no belief is formed, so this is the way alone.

use std::path::Path;
use std::time::{Duration, Instant};

use credence_cluster::Server;
use credence_cluster::front::Front;
use credence_cluster::shard::{Shard, Writing, open, write};
use credence_memory::Home;
use credence_memory::home::Paths;
use credence_memory::sample::{choice, described, header};
use jiff::Timestamp;

#[allow(clippy::print_stdout, reason = "it measures")]
fn tell(what: &str, mut seconds: Vec<f64>) {
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| 1e3 * seconds[((seconds.len() - 1) as f64 * share) as usize];
    let rate = seconds.len() as f64 / seconds.iter().sum::<f64>();
    println!("{what}: {rate:.0} a second, half within {:.2} ms, 99% within {:.2} ms", at(0.5), at(0.99));
}

fn length(home: &Path) -> u64 {
    Paths::of(home).log().metadata().map_or(0, |log| log.len())
}

#[allow(clippy::print_stdout, reason = "it measures")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(replicas), Some(number)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: stream_speed URL REPLICAS NUMBER".into());
    };
    let (replicas, number): (usize, usize) = (replicas.parse()?, number.parse()?);
    let server = Server { url, credentials: None, ca: None, replicas };
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir()).collect::<Result<_, _>>()?;
    let now = Timestamp::UNIX_EPOCH;
    let said = |n: usize| choice(&format!("person {}", n % 50), 0, 1, Some(n % 2));

    let mut single = Home::create(dirs[0].path(), now, header("single"))?;
    single.write_ahead();
    (0..2).try_for_each(|n| single.note(now, described(n)).map(drop))?;
    let mut seconds = Vec::new();
    for n in 0..number {
        let since = Instant::now();
        single.note(now, said(n))?;
        if let Some(unsynced) = single.unsynced()? {
            let end = unsynced.sync()?;
            single.known_safe(end);
        }
        seconds.push(since.elapsed().as_secs_f64());
    }
    tell("a single home, a sync for each", seconds);

    drop(Home::create(dirs[1].path(), now, header("shard"))?);
    let (writer, writers_home) = (server.clone(), dirs[1].path().to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let context = runtime.block_on(open(&server, 1))?;
    let written = runtime.spawn(async move {
        let shard = Shard { number: 1, of: Some(1) };
        write(&writer, Writing::new(shard, &writers_home, "writer"), Some(Duration::from_secs(2)), &|_| {}).await
    });
    std::thread::sleep(Duration::from_secs(1));
    let (mut front, mut home) = Front::open(&server, 1, dirs[2].path())?;
    front.listen(|| {});
    home.hold()?;
    (0..2).try_for_each(|n| home.note(now, described(n)).map(drop))?;
    front.publish(&mut home)?;
    let (mut seconds, began) = (Vec::new(), Instant::now());
    for n in 0..number {
        let since = Instant::now();
        home.hold()?;
        home.note(now, said(n))?;
        front.publish(&mut home)?;
        front.catch_up(&mut home)?;
        seconds.push(since.elapsed().as_secs_f64());
    }
    tell(&format!("a front end, {replicas} replicas, until the stream has it"), seconds);
    while length(dirs[1].path()) < length(dirs[2].path()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("until the writer's disk has all of them: {:.0} a second", number as f64 / began.elapsed().as_secs_f64());
    runtime.block_on(written)??;
    let each = |name: &str| {
        let stream = runtime.block_on(context.get_stream(name));
        stream.map_or(f64::NAN, |stream| stream.cached_info().state.bytes as f64 / number as f64)
    };
    println!(
        "bytes an answer: {:.0} in the log, {:.0} in the stream, {:.0} in the copy",
        length(dirs[1].path()) as f64 / number as f64,
        each("CREDENCE_SHARD_1"),
        each("CREDENCE_LOG_1")
    );
    Ok(())
}

//! Writers, front ends and servers that are killed under load: every answer that was acknowledged is in the log once, and belief has
//! the bits of one home that was told the same. `CREDENCE_KILLS` sets the number of kills (default 5, with one server; 100 or more are
//! with three).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use credence_memory::ids::PersonId;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::nats::Nats;
use crate::served::{Service, coded, empty_home};
use crate::{Writer, becomes, beside_one_home, log, reply};

/// Kills from which on there are three servers.
const MANY: u64 = 100;
/// People who answer at once, and answers of one before another comes.
const AT_ONCE: usize = 3;
const ANSWERS_EACH: usize = 12;

/// Front ends as clients find them; none where one is gone at the moment.
type Doors = Arc<Vec<Mutex<Option<Service>>>>;

/// Sends something to one front end after another until one has taken it; says what came back.
fn insist(doors: &Doors, start: usize, path: &str, body: &Value) -> Value {
    let since = Instant::now();
    for n in start.. {
        let door = doors[n % doors.len()].lock().unwrap().as_ref().map(|door| door.with_token(&door.token));
        let answer = door.and_then(|door| door.try_post_with(path, body, &[]));
        match answer {
            Some(answer) if answer.status == 200 => return answer.ok(),
            // A front end that has not folded yet what another one took.
            Some(answer) if matches!(answer.status, 404 | 409 | 503 | 500) => {}
            Some(answer) => panic!("{path}: {} {}", answer.status, answer.text),
            None => {}
        }
        assert!(since.elapsed() < Duration::from_secs(120), "{path} is never taken");
        std::thread::sleep(Duration::from_millis(30));
    }
    unreachable!("it tries for ever")
}

/// Answers until told to stop; gives how many answers of each person were acknowledged, and the seconds that each took.
fn client(
    doors: &Doors,
    number: usize,
    stop: &AtomicBool,
    acknowledged: &AtomicUsize,
) -> (BTreeMap<String, usize>, Vec<f64>) {
    let (mut told, mut seconds) = (BTreeMap::new(), Vec::new());
    for round in 0.. {
        let person = format!("person {number} of round {round}");
        let mut turn = insist(doors, number + round, "/api/v1/sessions", &json!({ "person": person }));
        for n in 0..ANSWERS_EACH {
            if stop.load(Ordering::SeqCst) {
                return (told, seconds);
            }
            let path = format!("/api/v1/sessions/{}/said", coded(turn["session"].as_str().unwrap()));
            let question = turn["question"]["number"].clone();
            let said = json!({ "question": question, "say": reply(&turn, n + number) });
            let since = Instant::now();
            let next = insist(doors, number + n / 4, &path, &said);
            seconds.push(since.elapsed().as_secs_f64());
            *told.entry(person.clone()).or_default() += 1;
            acknowledged.fetch_add(1, Ordering::SeqCst);
            turn = if next["question"].is_null() {
                insist(doors, number, "/api/v1/sessions", &json!({ "person": person }))
            } else {
                next
            };
        }
    }
    (told, seconds)
}

/// What can be killed.
struct Cluster {
    nats: Nats,
    writers: Vec<(TempDir, Option<Writer>)>,
    homes: Vec<TempDir>,
    doors: Doors,
}

impl Cluster {
    fn start(servers: usize) -> Option<Self> {
        let nats = Nats::of(servers)?;
        let homes = vec![tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let writers = vec![(empty_home(), None), (tempfile::tempdir().unwrap(), None)];
        let doors = Arc::new(homes.iter().map(|_| Mutex::new(None)).collect());
        let mut cluster = Self { nats, writers, homes, doors };
        // The first begins the shard; a cluster of servers takes a while to agree on who leads.
        let since = Instant::now();
        while Service::try_start(cluster.homes[0].path(), &["--stream", &cluster.nats.url]).is_none() {
            cluster.tend_writer(0);
            assert!(since.elapsed() < Duration::from_secs(60), "the cluster does not come up");
            std::thread::sleep(Duration::from_millis(300));
        }
        cluster.tend();
        Some(cluster)
    }

    fn tend_writer(&mut self, n: usize) {
        let (home, writer) = &mut self.writers[n];
        if writer.as_mut().is_none_or(|writer| !writer.is_up()) {
            *writer = Some(Writer::start(home.path(), &self.nats.url, self.nats.len(), "1/1"));
        }
    }

    /// Starts again whatever is not up, as whoever looks after a machine does.
    fn tend(&mut self) {
        (0..self.writers.len()).for_each(|n| self.tend_writer(n));
        for (home, door) in self.homes.iter().zip(self.doors.iter()) {
            let is_up = door.lock().unwrap().as_mut().is_some_and(Service::is_up);
            if !is_up {
                let service = Service::try_start(home.path(), &["--stream", &self.nats.url]);
                *door.lock().unwrap() = service;
            }
        }
    }

    fn kill(&mut self, rng: &mut impl Rng) -> &'static str {
        match rng.random_range(0..3) {
            0 => {
                let n = rng.random_range(0..self.writers.len());
                self.writers[n].1.take().into_iter().for_each(Writer::kill);
                "writer"
            }
            1 => {
                let n = rng.random_range(0..self.doors.len());
                let service = self.doors[n].lock().unwrap().take();
                service.into_iter().for_each(Service::kill);
                "front end"
            }
            _ => {
                let n = rng.random_range(0..self.nats.len());
                self.nats.kill(n);
                std::thread::sleep(Duration::from_millis(rng.random_range(0..300)));
                self.nats.again(n);
                "server"
            }
        }
    }
}

#[test]
#[allow(clippy::print_stderr, reason = "figures, shown with --nocapture")]
fn no_acknowledged_answer_is_lost_or_counted_twice_whatever_is_killed() {
    let kills: u64 = std::env::var("CREDENCE_KILLS").ok().map_or(5, |n| n.parse().expect("a number"));
    let seed = std::env::var("CREDENCE_SEED").ok().map_or(1, |n| n.parse().expect("a number"));
    eprintln!("{kills} kills, seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let Some(mut cluster) = Cluster::start(if kills >= MANY { 3 } else { 1 }) else { return };
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (doors, began) = (Arc::clone(&cluster.doors), Instant::now());
    let clients: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..AT_ONCE)
            .map(|n| {
                let (doors, stop, acknowledged) = (&doors, &stop, &acknowledged);
                scope.spawn(move || client(doors, n, stop, acknowledged))
            })
            .collect();
        let mut killed: BTreeMap<&str, usize> = BTreeMap::new();
        for n in 0..kills {
            std::thread::sleep(Duration::from_millis(rng.random_range(50..600)));
            *killed.entry(cluster.kill(&mut rng)).or_default() += 1;
            cluster.tend();
            if n % 50 == 49 {
                eprintln!(
                    "{killed:?}, {} answers, {:.0} s",
                    acknowledged.load(Ordering::SeqCst),
                    began.elapsed().as_secs_f64()
                );
            }
        }
        // Whoever stands by takes over, and answers come again.
        let so_far = acknowledged.load(Ordering::SeqCst);
        let since = Instant::now();
        while acknowledged.load(Ordering::SeqCst) < so_far + AT_ONCE {
            cluster.tend();
            assert!(since.elapsed() < Duration::from_secs(60), "nothing is taken any more");
            std::thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::SeqCst);
        eprintln!("killed {killed:?}");
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    let mut seconds: Vec<f64> = clients.iter().flat_map(|(_, seconds)| seconds.clone()).collect();
    seconds.sort_by(f64::total_cmp);
    let told: BTreeMap<String, usize> = clients.into_iter().flat_map(|(told, _)| told).collect();
    // Everybody who follows comes to the same bytes.
    let since = Instant::now();
    let longest = |cluster: &Cluster| cluster.homes.iter().map(|home| log(&home.path().join("shard-1")).len()).max();
    while longest(&cluster) != Some(log(cluster.writers[0].0.path()).len()) && since.elapsed() < Duration::from_secs(20)
    {
        cluster.tend();
        std::thread::sleep(Duration::from_millis(50));
    }
    let [first, second] = [0, 1].map(|n| cluster.writers[n].0.path().to_owned());
    becomes(&second, &first);
    cluster.homes.iter().for_each(|home| becomes(&home.path().join("shard-1"), &first));
    let believed = beside_one_home(&first);
    for (person, (count, here, there)) in &believed {
        assert_eq!(Some(*count), told.get(person.as_str()).copied().or(Some(0)), "answers of {person}, seed {seed}");
        assert_eq!(here, there, "belief about {person}, seed {seed}");
    }
    let is_there = |name: &str| believed.contains_key(&PersonId::new(name).unwrap());
    assert!(told.keys().all(|name| is_there(name)), "everybody who answered is in the log, seed {seed}");
    let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share) as usize];
    eprintln!(
        "{} answers of {} people; seconds an answer: half {:.3}, 95% {:.3}, 99% {:.3}, longest {:.1}",
        told.values().sum::<usize>(),
        told.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
}

use std::fs;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::ids::PersonId;
use crate::record::MessageReceived;
use crate::sample::{Scribe, alternative, choice, described, id, retraction, verdict};

fn time(n: u64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + n as i64).unwrap()
}

fn header() -> LogOpened {
    crate::sample::header("test")
}

/// A home in which ada and bob have said something.
fn lived_in(root: &Path) -> Home {
    let mut home = Home::create(root, time(0), header()).unwrap();
    let choices =
        (0..12).map(|n| choice(if n % 3 == 0 { "bob" } else { "ada" }, n % 5, 5, [Some(0), Some(1), None][n % 3]));
    for (n, record) in (0..6).map(described).chain(choices).chain([retraction(10)]).enumerate() {
        home.append(time(n as u64), record).unwrap();
    }
    home
}

fn digests(home: &mut Home) -> Vec<(String, [u8; 32])> {
    let people: Vec<PersonId> = home.state().people().keys().cloned().collect();
    people.iter().map(|id| (id.to_string(), home.believe(id).unwrap().digest())).collect()
}

#[test]
fn a_home_is_found_as_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let left = digests(&mut lived_in(dir.path()));
    let (mut home, opening) = Home::open(dir.path()).unwrap();
    assert_eq!(opening, OpenReport { torn: None, store: Condition::Folded(home.state().head().0), lost: None });
    assert_eq!(digests(&mut home), left);
}

#[test]
fn there_is_one_writer_and_readers_need_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let home = lived_in(dir.path());
    assert!(matches!(Home::open(dir.path()), Err(HomeError::InUse(_))));
    assert!(matches!(Home::create(dir.path(), time(0), header()), Err(HomeError::InUse(_))));
    let read: Vec<Entry> = home.paths().read_log().unwrap().map(Result::unwrap).collect();
    assert_eq!(read.len() as u64, home.state().head().0.0);
    drop(home);
    assert!(matches!(Home::create(dir.path(), time(0), header()), Err(HomeError::Exists(_))));
    Home::open(dir.path()).unwrap();
}

#[test]
fn nothing_there_is_said_clearly() {
    let dir = tempfile::tempdir().unwrap();
    let error = Home::open(&dir.path().join("none")).unwrap_err();
    assert!(error.to_string().starts_with("there is no evidence log in"), "{error}");
    assert!(!dir.path().join("none").exists(), "looking makes nothing");
    fs::create_dir(dir.path().join("evidence")).unwrap();
    fs::write(dir.path().join("evidence/log.jsonl"), b"{\"seq\":1,\"ti").unwrap();
    assert!(matches!(Home::open(dir.path()), Err(HomeError::Missing(_))), "a header that was never finished");
    Home::create(dir.path(), time(0), header()).unwrap();
}

#[cfg(unix)]
#[test]
fn a_home_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("home");
    let home = lived_in(&root);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(home.paths().log().parent().unwrap()), 0o700);
    assert_eq!(mode(&home.paths().store()), 0o700);
    assert_eq!(mode(&home.paths().log()), 0o600);
    assert_eq!(mode(&home.paths().lock()), 0o600);
}

/// Every file below a directory.
fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(all_files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_store_that_is_gone_or_damaged_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let left = digests(&mut lived_in(dir.path()));
    let store = dir.path().join("store");
    fs::remove_dir_all(&store).unwrap();
    let (mut home, opening) = Home::open(dir.path()).unwrap();
    assert_eq!((digests(&mut home), opening.store), (left.clone(), Condition::Missing));
    drop(home);
    let mut damages = 0;
    for round in 0..8usize {
        for path in all_files(&store) {
            // sled makes other files when a store is made anew.
            let Ok(mut bytes) = fs::read(&path) else { continue };
            let before = bytes.clone();
            match round {
                0 => bytes.clear(),
                1 => bytes.truncate(bytes.len() / 2),
                _ => bytes.iter_mut().skip(round * 7).step_by(13 * round).for_each(|b| *b ^= 0x5a),
            }
            if bytes == before {
                continue;
            }
            damages += 1;
            fs::write(&path, bytes).unwrap();
            let (mut home, _) = Home::open(dir.path()).unwrap();
            assert_eq!(digests(&mut home), left, "round {round}, {}", path.display());
        }
    }
    assert!(damages > 8);
}

/// Deletes, cuts short, overwrites, mixes up: 60 random damages, of one file each.
#[test]
fn a_store_damaged_at_random_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    let (left, head) = (digests(&mut home), home.state().head().0);
    drop(home);
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let mut rebuilt = 0;
    for round in 0..60 {
        let files = all_files(&dir.path().join("store"));
        let path = &files[rng.random_range(0..files.len())];
        let mut bytes = fs::read(path).unwrap();
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..5u32) {
            0 => fs::remove_file(path).unwrap(),
            1 => bytes.truncate(at),
            2 => bytes[at..].iter_mut().take(rng.random_range(1..200)).for_each(|b| *b = rng.random()),
            3 => bytes[at..].fill(0),
            _ => bytes = fs::read(&files[rng.random_range(0..files.len())]).unwrap(),
        }
        if path.exists() {
            fs::write(path, bytes).unwrap();
        }
        let (mut home, opening) = Home::open(dir.path()).unwrap();
        assert_eq!(digests(&mut home), left, "round {round}, {}: {:?}", path.display(), opening.store);
        rebuilt += u32::from(matches!(opening.store, Condition::Rebuilt(_) | Condition::Missing));
        drop(home);
        let (home, opening) = Home::open(dir.path()).unwrap();
        assert_eq!(opening.store, Condition::Folded(head), "round {round}: whole again");
        drop(home);
    }
    assert!(rebuilt > 0, "no damage was noticed");
}

#[test]
fn a_log_is_checked_before_it_takes_the_place_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    let (left, before) = (digests(&mut home), fs::read(home.paths().log()).unwrap());
    let header = Record::LogOpened(header());
    // A choice of what was never described; no header; nothing at all.
    for records in
        [vec![(time(0), header), (time(1), choice("ada", 0, 1, None))], vec![(time(0), described(1))], vec![]]
    {
        home.rewrite(records).unwrap_err();
        assert_eq!(fs::read(home.paths().log()).unwrap(), before);
    }
    assert_eq!(digests(&mut home), left);
    home.append(time(50), choice("ada", 0, 1, None)).unwrap();
}

#[test]
fn a_store_of_another_log_is_not_believed() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let left = digests(&mut lived_in(one.path()));
    let mut home = Home::create(other.path(), time(5), header()).unwrap();
    for n in 0..6 {
        home.append(time(9), described(n)).unwrap();
    }
    home.append(time(9), verdict("ada", 3, crate::record::Verdict::Agree)).unwrap();
    drop(home);
    fs::remove_dir_all(one.path().join("store")).unwrap();
    fs::rename(other.path().join("store"), one.path().join("store")).unwrap();
    let (mut home, opening) = Home::open(one.path()).unwrap();
    assert_eq!((digests(&mut home), opening.store), (left, Condition::Rebuilt(Unusable::OtherLog)));
}

#[test]
fn a_log_that_lost_records_is_noticed_by_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let home = lived_in(dir.path());
    let (head, log) = (home.state().head().0, home.paths().log());
    drop(home);
    let bytes = fs::read(&log).unwrap();
    let cut = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    fs::write(&log, &bytes[..cut]).unwrap();
    let (_, opening) = Home::open(dir.path()).unwrap();
    assert_eq!(opening.store, Condition::Rebuilt(Unusable::AheadOfLog(head)));
}

#[test]
fn a_log_that_lost_records_is_told_to_the_person_and_a_sound_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let home = lived_in(dir.path());
    let (head, log) = (home.state().head().0, home.paths().log());
    drop(home);
    assert_eq!(Home::open(dir.path()).unwrap().1.notices(), Vec::<String>::new());
    let bytes = fs::read(&log).unwrap();
    let cut = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    fs::write(&log, &bytes[..cut]).unwrap();
    let paths = Paths::of(dir.path());
    assert!(paths.lost_records().is_some_and(|said| said.contains(&head.to_string())));
    let (_, opening) = Home::open(dir.path()).unwrap();
    assert_eq!(paths.lost_records(), None, "the log is as it is, and this was told");
    let [notice] = &opening.notices()[..] else { panic!("{:?}", opening.notices()) };
    assert!(notice.contains("lost records") && notice.contains(&head.to_string()), "{notice}");
}

/// A crash between a retraction and what it says of adapters.
#[test]
fn what_a_retraction_left_untold_is_recorded_at_the_next_opening() {
    use crate::sample::{judgements, promoted, retraction, trained};
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    let adapter = trained(home.state(), 1, 0, &["ada"]);
    let first = home.state().person(&id("ada")).unwrap().evidence()[0].seq;
    let promoted = Record::AdapterPromoted(promoted(1, Some("a test")));
    for record in [Record::AdapterTrained(adapter), judgements(1, 0..6), promoted] {
        home.append(time(40), record).unwrap();
    }
    home.append(time(41), retraction(first.0)).unwrap();
    let kinds = |home: &Home| -> Vec<&'static str> {
        home.entries().unwrap().map(|entry| entry.unwrap().record.kind()).collect()
    };
    let whole = kinds(&home);
    assert_eq!(whole[whole.len() - 2..], ["Retracted", "AdapterStale"]);
    let log = home.paths().log();
    drop(home);
    let bytes = fs::read(&log).unwrap();
    let cut = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    fs::write(&log, &bytes[..cut]).unwrap();
    let (home, _) = Home::open(dir.path()).unwrap();
    assert_eq!(kinds(&home), whole);
    assert!(home.state().ledger().untold().is_empty());
    assert_eq!(fs::read(&log).unwrap(), bytes, "told at the time of the retraction, so to the same bytes");
}

#[test]
fn a_torn_line_is_cut_off_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    let (left, log, head) = (digests(&mut home), home.paths().log(), home.state().head().0);
    drop(home);
    let mut bytes = fs::read(&log).unwrap();
    bytes.extend_from_slice(b"{\"seq\":20,\"time\":\"20");
    fs::write(&log, bytes).unwrap();
    let (mut home, opening) = Home::open(dir.path()).unwrap();
    assert_eq!(opening.torn, Some(Torn { bytes: 20, seq: head.next() }));
    assert_eq!(digests(&mut home), left);
    home.append(time(99), choice("ada", 1, 2, Some(0))).unwrap();
}

#[test]
fn a_draft_is_added_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    let before = fs::read(home.paths().log()).unwrap();
    let mut draft = home.draft();
    draft.push(time(30), choice("cleo", 0, 1, Some(1))).unwrap();
    assert!(draft.push(time(31), choice("cleo", 0, 77, Some(1))).is_err());
    drop(draft);
    assert_eq!(fs::read(home.paths().log()).unwrap(), before);
    let mut draft = home.draft();
    for n in 0..4 {
        draft.push(time(30), choice("cleo", n, 5, Some(1))).unwrap();
    }
    home.commit(draft).unwrap();
    let left = digests(&mut home);
    assert_eq!(home.state().person(&id("cleo")).unwrap().evidence().len(), 4);
    home.append(time(40), choice("cleo", 4, 5, None)).unwrap();
    assert_ne!(digests(&mut home), left);
    let live = digests(&mut home);
    drop(home);
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    assert_eq!(digests(&mut Home::open(dir.path()).unwrap().0), live);
}

#[test]
fn what_waits_is_written_whole_or_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    home.write_ahead();
    let (before, believed) = (fs::read(home.paths().log()).unwrap(), digests(&mut home));
    let both = |home: &mut Home| {
        home.hold().unwrap();
        home.append(time(90), choice("ada", 0, 1, Some(0))).unwrap();
        home.append(time(91), choice("bob", 1, 2, Some(1))).unwrap();
    };
    let head = home.head();
    both(&mut home);
    assert_eq!((home.head().0.0, home.state().head().0.0), (head.0.0 + 2, head.0.0 + 2));
    assert_eq!(fs::read(home.paths().log()).unwrap(), before, "nothing is written while it waits");
    home.let_go().unwrap();
    assert_eq!((home.head(), home.state().head()), (head, head));
    assert_eq!(digests(&mut home), believed);

    both(&mut home);
    let end = home.head();
    home.release().unwrap();
    assert_eq!((home.head(), home.paths().read_log().unwrap().count() as u64), (end, end.0.0));
    home.append(time(92), choice("ada", 2, 3, None)).unwrap();

    // A log that something else changed meanwhile takes nothing of it, and belief is as if nothing had waited.
    let believed = digests(&mut home);
    both(&mut home);
    let log = home.paths().log();
    let changed = [fs::read(&log).unwrap(), b"x".to_vec()].concat();
    fs::write(&log, &changed).unwrap();
    assert!(matches!(home.release(), Err(HomeError::Log(LogError::Changed { .. }))));
    assert_eq!(fs::read(&log).unwrap(), changed);
    assert_eq!(digests(&mut home), believed);
    drop(home);
    Home::open(dir.path()).unwrap();
}

#[test]
fn a_home_and_a_scribe_believe_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let home = lived_in(dir.path());
    let mut scribe = Scribe::default();
    for entry in home.entries().unwrap() {
        scribe.write(entry.unwrap().record).unwrap();
    }
    let ada = scribe.state.belief(&id("ada")).unwrap();
    assert_eq!(ada.digest(), home.state().belief(&id("ada")).unwrap().digest());
    assert!(scribe.state.features(&alternative(0)).is_some());
}

/// What the log once went up to is known beside it: neither an empty log nor a missing one is a new home.
#[test]
fn a_log_that_is_gone_or_empty_is_no_new_home() {
    for gone in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let home = lived_in(dir.path());
        let (head, log) = (home.state().head().0, home.paths().log());
        drop(home);
        if gone {
            std::fs::remove_file(&log).unwrap()
        } else {
            std::fs::write(&log, b"").unwrap()
        }
        let is_gone = |error: HomeError| matches!(error, HomeError::Gone { once, .. } if once == head);
        assert!(is_gone(Home::open(dir.path()).err().unwrap()));
        assert!(is_gone(Home::create(dir.path(), time(9), header()).err().unwrap()));
        assert_eq!(Paths::of(dir.path()).lost(), Some(head));
        std::fs::remove_file(Paths::of(dir.path()).head()).unwrap();
        assert!(Home::create(dir.path(), time(9), header()).is_ok(), "who says so may begin anew");
    }
}

/// A torn last line that had been acknowledged is lost, and is not said never to have been.
#[test]
fn a_torn_line_that_was_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let home = lived_in(dir.path());
    let (head, log) = (home.state().head().0, home.paths().log());
    drop(home);
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() - 40]).unwrap();
    assert_eq!(Paths::of(dir.path()).lost(), Some(head));
    let (_, opening) = Home::open(dir.path()).unwrap();
    let notices = opening.notices().join("\n");
    assert!(notices.contains("lost records") && !notices.contains("never acknowledged"), "{notices}");
}

/// Whatever becomes of the lock's file, the home has one writer.
#[cfg(unix)]
#[test]
fn a_lock_that_is_replaced_or_removed_lets_nobody_else_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    let lock = home.paths().lock();
    fs::write(dir.path().join("page"), "<html>").unwrap();
    fs::rename(dir.path().join("page"), &lock).unwrap();
    assert!(matches!(Home::open(dir.path()), Err(HomeError::InUse(_))), "replaced");
    fs::remove_file(&lock).unwrap();
    assert!(matches!(Home::open(dir.path()), Err(HomeError::InUse(_))), "removed");
    home.append(time(100), choice("ada", 0, 1, Some(0))).unwrap();
    let left = digests(&mut home);
    drop(home);
    assert_eq!(digests(&mut Home::open(dir.path()).unwrap().0), left);
}

/// What is written to a log that is no longer the one that stands in its place, or not as it was left, is acknowledged by nobody.
#[cfg(unix)]
#[test]
fn nothing_is_appended_to_a_log_that_something_else_has_changed() {
    use crate::storage::Change;
    let next = || choice("ada", 0, 1, Some(0));
    let add = |home: &mut Home, way: &str| match way {
        "append" => home.append(time(200), next()).map(drop),
        "draft" => {
            let mut draft = home.draft();
            draft.push(time(200), next()).unwrap();
            home.commit(draft)
        }
        _ => home.rewrite(vec![(time(0), Record::LogOpened(header()))]),
    };
    for way in ["append", "draft", "rewrite"] {
        for how in ["replaced", "removed", "copied", "longer", "cut", "otherwise"] {
            let dir = tempfile::tempdir().unwrap();
            let mut home = lived_in(dir.path());
            let (log, backup) = (home.paths().log(), dir.path().join("backup"));
            let older = fs::read(&log).unwrap();
            fs::write(&backup, &older).unwrap();
            home.append(time(100), choice("bob", 2, 3, None)).unwrap();
            let newer = fs::read(&log).unwrap();
            match how {
                "replaced" => fs::rename(&backup, &log).unwrap(),
                "removed" => fs::remove_file(&log).unwrap(),
                "copied" => fs::write(&log, &older).unwrap(),
                "longer" => fs::write(&log, [&newer[..], b"{"].concat()).unwrap(),
                "cut" => File::options().write(true).open(&log).unwrap().set_len(500).unwrap(),
                _ => {
                    let mut other = newer.clone();
                    let at = other.len() - 4;
                    other[at] = if other[at] == b'0' { b'1' } else { b'0' };
                    fs::write(&log, other).unwrap();
                }
            }
            let stands = fs::read(&log).ok();
            for _ in 0..2 {
                let error = add(&mut home, way).unwrap_err();
                let HomeError::Log(LogError::Changed { how: found }) = &error else {
                    panic!("{way}, {how}: {error:?}")
                };
                match how {
                    "replaced" => assert_eq!(*found, Change::Replaced),
                    "removed" => assert_eq!(*found, Change::Removed),
                    "otherwise" => assert_eq!(*found, Change::Content),
                    _ => assert!(matches!(found, Change::Length { .. }), "{how}: {found:?}"),
                }
            }
            assert_eq!(fs::read(&log).ok(), stands, "{way}, {how}: what stands there is left as it is");
        }
    }
}

/// Written ahead and synced by somebody else: a sync of a file that nobody will read is none.
#[cfg(unix)]
#[test]
fn a_sync_of_a_log_that_was_replaced_fails() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    home.write_ahead();
    let backup = dir.path().join("backup");
    fs::copy(home.paths().log(), &backup).unwrap();
    home.append(time(100), choice("bob", 2, 3, None)).unwrap();
    let unsynced = home.unsynced().unwrap().unwrap();
    fs::rename(backup, home.paths().log()).unwrap();
    assert!(unsynced.sync().unwrap_err().to_string().contains("another file"));
}

/// A log that is a link stays one: what replaces it stands where it stood.
#[cfg(unix)]
#[test]
fn a_log_behind_a_link_is_rewritten_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (root, disk) = (dir.path().join("home"), dir.path().join("disk"));
    drop(lived_in(&root));
    fs::create_dir(&disk).unwrap();
    let (log, place) = (Paths::of(&root).log(), disk.join("log.jsonl"));
    fs::rename(&log, &place).unwrap();
    std::os::unix::fs::symlink("../../disk/log.jsonl", &log).unwrap();
    let (mut home, _) = Home::open(&root).unwrap();
    home.append(time(100), choice("bob", 2, 3, None)).unwrap();
    let mut draft = home.draft();
    draft.push(time(200), choice("ada", 0, 1, Some(0))).unwrap();
    home.commit(draft).unwrap();
    home.append(time(300), choice("ada", 1, 0, Some(0))).unwrap();
    assert!(log.is_symlink() && fs::read_to_string(&place).unwrap().contains("ada"));
    let erasure = crate::erase::Erasure::of(&home, &id("ada")).unwrap();
    erasure.carry_out(&mut home, "ada", time(400), "", false, vec![]).unwrap();
    assert!(log.is_symlink() && !fs::read_to_string(&place).unwrap().contains("\"ada\""));
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 1);
    home.append(time(500), choice("bob", 0, 1, Some(0))).unwrap();
    assert_eq!(fs::read(&log).unwrap(), fs::read(&place).unwrap());
}

#[test]
fn what_is_held_within_what_is_held_is_released_to_it_or_forgotten_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    home.write_ahead();
    let log = || fs::read(Paths::of(dir.path()).log()).unwrap();
    let (before, text) = (home.head(), log());
    let said = |n| choice("bob", 0, 1, Some(n));
    home.hold().unwrap();
    home.append(time(100), said(0)).unwrap();
    home.hold().unwrap();
    home.append(time(200), said(1)).unwrap();
    home.release().unwrap();
    let outer = home.head();
    home.hold().unwrap();
    home.append(time(300), said(0)).unwrap();
    home.let_go().unwrap();
    assert_eq!((home.head(), home.state().head()), (outer, outer));
    // Many at once wait with the rest.
    let mut draft = home.draft();
    draft.push(time(400), said(1)).unwrap();
    home.commit(draft).unwrap();
    let held = home.held().unwrap();
    assert_eq!(held.iter().map(|entry| entry.time).collect::<Vec<_>>(), [time(100), time(200), time(400)]);
    assert_eq!(log(), text, "nothing is written yet");
    let end = home.head();
    home.release().unwrap();
    drop(home);
    let (mut home, _) = Home::open(dir.path()).unwrap();
    assert_eq!((home.head(), home.head().0.0), (end, before.0.0 + 3));
    home.write_ahead();
    home.hold().unwrap();
    home.hold().unwrap();
    home.append(time(500), said(0)).unwrap();
    home.release().unwrap();
    home.let_go().unwrap();
    assert_eq!((home.head(), home.state().head()), (end, end));
}

#[test]
fn a_home_that_follows_a_stream_takes_nothing_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut home = lived_in(dir.path());
    let received = |sequence| {
        let received = MessageReceived { shard: 3, sequence, fence: 1, records: 0, refused: None };
        Record::MessageReceived(received)
    };
    home.note(time(100), received(1)).unwrap();
    home.append(time(200), choice("bob", 0, 1, Some(0))).unwrap();
    home.note(time(200), received(2)).unwrap();
    let head = home.head();
    drop(home);
    let (mut home, _) = Home::open(dir.path()).unwrap();
    let error = home.append(time(300), choice("bob", 0, 1, Some(1))).unwrap_err();
    assert!(error.to_string().contains("follows shard 3 of a stream"), "{error}");
    assert!(home.note(time(300), choice("bob", 0, 1, Some(1))).is_err());
    let mut draft = home.draft();
    draft.push(time(300), choice("bob", 0, 1, Some(1))).unwrap();
    assert!(home.commit(draft).is_err());
    assert_eq!((home.head(), home.state().head()), (head, head));
    drop(home);
    let (mut home, _) = Home::open_fed(dir.path()).unwrap();
    home.note(time(300), choice("bob", 0, 1, Some(1))).unwrap();
    drop(home);
    // Its message did not come.
    let (home, _) = Home::open_fed(dir.path()).unwrap();
    assert_eq!(home.head(), head);
}

//! `credence probe`, on the real model.

mod logs;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use credence_glass::probe::{Probe, Together};
use logs::{done, fails, json};

/// Pairs about lamps that are on or off: a contrast that any model's states tell apart, in six topics.
fn lamps() -> String {
    let places = ["kitchen", "cellar", "office", "garage", "station", "library"];
    let things = ["desk", "stairs", "door", "window", "shelf"];
    let mut lines = String::new();
    for place in places {
        for thing in things {
            let text =
                |how: &str| format!("In the {place} the lamp by the {thing} is {how}, and somebody is looking at it.");
            let line = serde_json::json!({
                "id": format!("{place}-{thing}"), "motive": "lit", "topic": place,
                "with": text("bright"), "without": text("dark"),
            });
            lines.push_str(&format!("{line}\n"));
        }
    }
    lines
}

#[test]
fn real_model_a_probe_is_fitted_shown_measured_and_read_with() {
    let dir = tempfile::tempdir().unwrap();
    let pairs = dir.path().join("lamps.jsonl");
    std::fs::write(&pairs, lamps()).unwrap();
    let calm = dir.path().join("calm.txt");
    std::fs::write(&calm, "The bus comes at nine.\nShe waters the beans.\nThe report has four pages.\n").unwrap();
    let file = dir.path().join("lit.json");
    let (pairs, calm, probe) = (pairs.to_str().unwrap(), calm.to_str().unwrap(), file.to_str().unwrap());
    let fit = ["probe", "fit", "--contrasts", pairs, "--ordinary", calm, "--out", probe, "--shuffles", "1"];
    let said = done(dir.path(), &fit);
    assert!(said.contains("lit, read at layer") && said.contains("no bar"), "{said}");
    // One word differs, so a list of words sees it as well: the report says so, and does not hide it.
    let shown = json(dir.path(), &["probe", "show", probe]);
    assert!(shown["evidence"]["auroc"]["value"].as_f64().unwrap() > 0.9, "{shown}");
    assert!(shown["evidence"]["text_only"]["value"].as_f64().unwrap() > 0.9);
    assert_eq!(shown["evidence"]["topics"].as_array().map(Vec::len), Some(6));
    let measured = json(dir.path(), &["probe", "eval", probe, "--contrasts", pairs]);
    assert_eq!(measured["topics_seen"].as_array().map(Vec::len), Some(6));
    let (code, read) = watched(dir.path(), probe, "The lamp is bright.\n\nThe lamp is dark.\n");
    assert_eq!((code, read.len(), read[1]["line"].as_u64()), (0, 2, Some(3)), "{read:?}");
    let probability = |n: usize| read[n]["readings"][0]["reading"]["probability"].as_f64().unwrap();
    assert!(probability(0) > probability(1), "{read:?}");
    decisions_are_watched(dir.path(), &file);
    // Bad input is named.
    let one_topic: String = lamps().lines().take(5).map(|l| format!("{l}\n")).collect();
    std::fs::write(pairs, one_topic).unwrap();
    fails(dir.path(), &["probe", "fit", "--contrasts", pairs, "--out", probe], 3, "20");
    std::fs::write(pairs, "{\"id\": \"x\"}\n").unwrap();
    fails(dir.path(), &["probe", "fit", "--contrasts", pairs, "--out", probe], 3, "line 1");
    fails(dir.path(), &["probe", "fit", "greed"], 3, "flatters");
    fails(dir.path(), &["probe", "show", "nothing"], 3, "probe fit");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("\"lit\"", "\"lot\"")).unwrap();
    fails(dir.path(), &["probe", "show", probe], 3, "hash");
}

/// What a probe says of lines of text.
fn watched(home: &Path, probe: &str, text: &str) -> (i32, Vec<serde_json::Value>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_credence"))
        .args(["probe", "watch", "--json", "--offline", "--probe", probe])
        .env("CREDENCE_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let lines = String::from_utf8(out.stdout).unwrap();
    (out.status.code().unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Acts above the bar that probes share are left to the person; below it nothing changes; without probes nothing is read.
fn decisions_are_watched(home: &Path, probe: &Path) {
    let (cache, probe) = (tempfile::tempdir().unwrap(), Probe::open(probe).unwrap());
    let real = std::env::var_os("CREDENCE_CACHE").map_or_else(
        || directories::ProjectDirs::from("", "", "credence").unwrap().data_local_dir().join("cache"),
        Into::into,
    );
    for entry in std::fs::read_dir(real).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "probes") {
        std::os::unix::fs::symlink(entry.path(), cache.path().join(entry.file_name())).unwrap();
    }
    let decide = |code: i32| -> serde_json::Value {
        let acts = ["--alternative", "leave the lamp bright", "--alternative", "leave the lamp dark"];
        let args = ["decide", "--person", "ada", "--situation", "In the cellar somebody looks for a key.", "--json"];
        let bars = ["--regret-max", "1000", "--wording-max", "inf"];
        let mut command = logs::credence(home, &[&args[..], &acts, &bars].concat());
        let out = command.env("CREDENCE_CACHE", cache.path()).output().unwrap();
        assert_eq!(out.status.code(), Some(code), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap()
    };
    let key = &probe.parts().source.model;
    let folder = cache.path().join("probes");
    std::fs::create_dir(&folder).unwrap();
    probe.save(&folder.join("lit.json")).unwrap();
    let bar = |log_odds: f64| {
        let line = probe.parts().calibration;
        let ordinary = vec![probe.reading((log_odds - line.intercept) / line.slope); 300];
        let together = Together::set(&[&probe], &[ordinary], 0.01, 0.95, "made up").unwrap();
        together.save(&folder.join(format!("together.{}.json", &key[..12]))).unwrap();
    };
    // A probe without the bar is not used.
    assert_eq!(decide(0)["motives"], serde_json::json!([]));
    bar(1e4);
    let calm = decide(0);
    assert_eq!(
        (&calm["motives"][0]["alarm"], &calm["motives"][0]["part"]),
        (&false.into(), &"proposed".into()),
        "{calm}"
    );
    let records = |home: &Path| done(home, &["evidence", "list", "--kind", "MotiveRead"]).lines().count();
    let before = records(home);
    // A probe of another model reads nothing here.
    let mut parts = probe.parts().clone();
    parts.source.model = "another".into();
    Probe::from_parts(parts).unwrap().save(&folder.join("other.json")).unwrap();
    assert_eq!(decide(0)["motives"][0]["record"], calm["motives"][0]["record"], "it is not read again");
    assert_eq!(records(home), before);
    // Above the bar the act is left to the person, and everything says why.
    bar(-1e4);
    let person = ["--person", "ada"];
    let held = {
        let acts = ["--alternative", "turn the lamp on", "--alternative", "turn the lamp off"];
        let args = ["decide", "--situation", "In the cellar somebody looks for a key.", "--json"];
        let bars = ["--regret-max", "1000", "--wording-max", "inf"];
        let mut command = logs::credence(home, &[&args[..], &person, &acts, &bars].concat());
        let out = command.env("CREDENCE_CACHE", cache.path()).output().unwrap();
        assert_eq!(out.status.code(), Some(11), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice::<serde_json::Value>(&out.stdout).unwrap()
    };
    assert_eq!((&held["decision"]["verdict"], &held["motives"][0]["alarm"]), (&"defer".into(), &true.into()), "{held}");
    assert!(held["decision"]["because"].as_str().unwrap().contains("\"lit\""), "{held}");
    // Replays need neither the model nor the probes.
    let record = held["record"].as_u64().unwrap().to_string();
    assert!(done(home, &["explain", &record]).contains("above the bar for lit"));
    assert!(done(home, &["replay"]).contains("left to the person"));
    assert!(done(home, &["evidence", "list"]).contains("above the bar for lit"));
}

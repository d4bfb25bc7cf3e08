//! `credence pack`, and homes that are about something else than what people value.

mod logs;

use logs::{done, fails, json};

#[test]
fn a_new_pack_works_and_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("tea"));
    let pack = folder.to_str().unwrap();
    assert!(done(&home, &["pack", "new", pack]).contains("pack check"));
    fails(&home, &["pack", "new", pack], 3, "is a pack already");
    let shown = json(&home, &["pack", "show", pack]);
    assert_eq!((&shown["name"], shown["values"].as_array().unwrap().len()), (&"tea".into(), 2));
    // Three questions are no instrument, and it says so.
    fails(&home, &["pack", "check", pack, "--people", "0"], 9, "does not pass");
    fails(&home, &["pack", "show", "nothing"], 3, "values");
}

#[test]
fn the_built_in_packs_pass() {
    let dir = tempfile::tempdir().unwrap();
    let listed = json(dir.path(), &["pack", "list"]);
    for pack in listed.as_array().unwrap() {
        let name = pack["name"].as_str().unwrap();
        let checked = done(dir.path(), &["pack", "check", name, "--people", "2"]);
        assert!(checked.contains("rank correlation"), "{checked}");
    }
}

/// The real model's file is found for the header; nothing is read with it.
#[test]
fn real_model_a_home_about_tea_is_about_tea_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let (home, folder) = (dir.path().join("home"), dir.path().join("tea"));
    done(&home, &["pack", "new", folder.to_str().unwrap()]);
    let answers = dir.path().join("answers");
    std::fs::write(&answers, "1\n1\n1\n1\n1\nq\n").unwrap();
    let session =
        ["session", "--person", "ada", "--pack", folder.to_str().unwrap(), "--answers", answers.to_str().unwrap()];
    let said = done(&home, &[&session[..], &["--seed", "1"]].concat());
    assert!(said.contains("Strength"), "{said}");
    let header = std::fs::read_to_string(home.join("evidence/log.jsonl")).unwrap();
    assert!(header.lines().next().unwrap().contains("\"pack\":{\"name\":\"tea\""), "the home names its pack");
    // A folder cannot be found by the name that the home has: it must be given.
    fails(&home, &["session", "--person", "ada", "--answers", answers.to_str().unwrap()], 3, "--pack DIR");
    // Another schema would change what weights mean.
    fails(&home, &["session", "--pack", "values", "--answers", answers.to_str().unwrap()], 7, "schema");
}

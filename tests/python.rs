//! The Python package: built as a wheel, installed, and tested beside the command and a service.
#![cfg(unix)]

mod logs;
mod pythons;
mod served;

use std::process::Command;

use logs::done;
use pythons::{ended, pip, python_with, root};
use served::{Service, empty_home};

/// A small experiment, to be read.
const EXPERIMENT: &str = r#"
name = "tiny"
about = "A right and a reversed start."
dimension = 3
questions = 4
measured_at = [0, 4]
target_nats = 0.1
seeds = [1]
strategies = ["information_gain"]
learners = ["mixture"]

[[prior]]
name = "start"
angle_degrees = [0.0, 180.0]
confidence = [0.5]

[[person]]
name = "plain"
signal = [4.0]
"#;

/// What builds the wheel, and then what it is tested with.
const PACKAGES: [&str; 6] =
    ["maturin==1.16.0", "mypy==2.4.1", "pandas==3.1.1", "polars==2.1.0", "pyarrow==26.0.1", "pytest==9.2.0"];

#[test]
fn the_wheel_is_built_without_a_model_typed_and_does_what_the_command_does() {
    let lock = std::fs::read_to_string(root().join("python/Cargo.lock")).unwrap();
    assert!(!lock.contains("llama"), "no llama.cpp in the wheel");
    let Some(python) = python_with("python-tests", &PACKAGES[..1]) else { return };
    let (package, target) = (root().join("python"), root().join("target/python"));
    let wheels = tempfile::tempdir().unwrap();
    let mut build = Command::new(&python);
    build.current_dir(&package).env("CARGO_TARGET_DIR", &target);
    build.args(["-m", "maturin", "build", "--release", "--locked", "--compatibility", "linux", "--out"]);
    build.arg(wheels.path());
    // What the tests need comes while the wheel is built.
    let ((output, said), has_all) = std::thread::scope(|scope| {
        let others = scope.spawn(|| python_with("python-tests", &PACKAGES).is_some());
        (ended(&mut build, 1500), others.join().unwrap())
    });
    if !has_all {
        return;
    }
    assert!(output.status.success(), "{said}");
    let wheel = std::fs::read_dir(wheels.path()).unwrap().next().unwrap().unwrap().path();
    assert!(wheel.to_str().unwrap().contains("-abi3-"), "{wheel:?}");
    pip(&python, &["--force-reinstall", "--no-deps", wheel.to_str().unwrap()]).unwrap();

    let home = empty_home();
    let example = done(home.path(), &["approvals", "declare", "--example"]);
    let file = home.path().join("tools.toml");
    std::fs::write(&file, example).unwrap();
    done(home.path(), &["approvals", "declare", file.to_str().unwrap(), "--person", "ada"]);
    let (experiment, results) = (wheels.path().join("tiny.toml"), wheels.path().join("results"));
    std::fs::write(&experiment, EXPERIMENT).unwrap();
    let results = results.to_str().unwrap();
    done(home.path(), &["eval", "run", experiment.to_str().unwrap(), "--out", results]);
    done(home.path(), &["eval", "report", results]);

    let service = Service::start(home.path(), &["--agents-of", "ada"]);
    let mut tests = Command::new(&python);
    tests
        // From elsewhere, so that the wheel is imported and not the folder that it was made from.
        .current_dir(wheels.path())
        .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"])
        .arg(package.join("tests"))
        .envs([("PYTHONDONTWRITEBYTECODE", "1"), ("NO_PROXY", "127.0.0.1")])
        .env("CREDENCE_COMMAND", env!("CARGO_BIN_EXE_credence"))
        .env("CREDENCE_EXPERIMENT", results)
        .env("CREDENCE_URL", &service.base)
        .env("CREDENCE_TOKEN", &service.token);
    let (output, said) = ended(&mut tests, 300);
    assert!(output.status.success() && !said.contains("skipped"), "{said}");
    service.stop();
    done(home.path(), &["replay", "--verify"]);

    let mut types = Command::new(&python);
    types.current_dir(&package).args(["-m", "mypy", "--cache-dir", "/dev/null"]);
    let (output, said) = ended(&mut types, 300);
    assert!(output.status.success(), "{said}");
}

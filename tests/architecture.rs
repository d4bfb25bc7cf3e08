//! Holds the direction of dependencies (`belief <- approvals <- memory`; memory and `priors` under `agent`; `priors <- training`; training and
//! agent under `tuning`; all under `evals <- src`), and who may know what.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Names of the normal dependencies in a member's manifest.
fn dependencies(member: &str) -> BTreeSet<String> {
    let path = root().join(member).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let manifest: toml::Table = text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    manifest["dependencies"].as_table().expect("a table of dependencies").keys().cloned().collect()
}

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn crates_depend_downwards_only() {
    let may_use: [(&str, &[&str]); 13] = [
        ("memory/belief", &[]),
        ("memory", &["credence-approvals", "credence-belief"]),
        ("priors", &[]),
        ("priors/training", &["credence-priors"]),
        ("approvals", &["credence-belief"]),
        ("mcp", &["credence-approvals"]),
        ("glass", &["credence-words"]),
        ("glass/words", &[]),
        ("agent", &["credence-approvals", "credence-memory", "credence-priors"]),
        ("agent/tuning", &["credence-agent", "credence-memory", "credence-priors", "credence-training"]),
        (
            "evals",
            &[
                "credence-agent",
                "credence-approvals",
                "credence-memory",
                "credence-priors",
                "credence-training",
                "credence-tuning",
                "credence-words",
            ],
        ),
        ("cluster", &["credence-evals", "credence-memory"]),
        // For Python: a workspace of its own, without a model.
        ("python", &["credence-belief", "credence-memory"]),
    ];
    for (member, allowed) in may_use {
        let ours = dependencies(member).into_iter().filter(|name| name.starts_with("credence-"));
        assert_eq!(ours.collect::<BTreeSet<_>>(), allowed.iter().map(ToString::to_string).collect(), "{member}");
    }
}

/// Dependencies that no line uses, since only their features are wanted (Cargo.toml says why).
const ONLY_FOR_FEATURES: [&str; 4] = ["ahash", "num-bigint", "num-rational", "yoke-derive"];

#[test]
fn every_dependency_is_used_by_a_line() {
    for (member, folders) in [
        ("memory/belief", &["src"][..]),
        ("memory", &["src"]),
        ("priors", &["src"]),
        ("priors/training", &["src"]),
        ("approvals", &["src"]),
        ("mcp", &["src"]),
        ("glass", &["src"]),
        ("glass/words", &["src"]),
        ("agent", &["src"]),
        ("agent/tuning", &["src"]),
        ("evals", &["src"]),
        ("cluster", &["src"]),
        ("python", &["src"]),
        ("", &["src"]),
    ] {
        let mut files = Vec::new();
        folders.iter().for_each(|folder| rust_files(&root().join(member).join(folder), &mut files));
        let text: String = files.iter().map(|f| std::fs::read_to_string(f).expect("readable source")).collect();
        for name in dependencies(member).iter().filter(|name| !ONLY_FOR_FEATURES.contains(&name.as_str())) {
            let path = name.replace('-', "_");
            let used = [format!("{path}::"), format!("use {path}")].iter().any(|line| text.contains(line.as_str()));
            assert!(used, "no line of {member:?} uses {name}");
        }
    }
}

#[test]
fn memory_knows_no_model_and_no_runtime() {
    let dependencies: BTreeSet<String> =
        dependencies("memory").union(&dependencies("memory/belief")).cloned().collect();
    for foreign in ["llama-cpp-2", "llama-cpp-sys-2", "tokio", "hf-hub"] {
        assert!(!dependencies.contains(foreign), "memory may not depend on {foreign}");
    }
}

#[test]
fn only_agent_and_the_command_have_tokio() {
    for member in
        ["memory/belief", "memory", "priors", "priors/training", "agent/tuning", "approvals", "glass", "evals"]
    {
        assert!(!dependencies(member).contains("tokio"), "{member} may not depend on tokio");
    }
    assert!(dependencies("agent").contains("tokio"));
}

#[test]
fn llama_cpp_is_known_in_one_place() {
    for member in ["memory/belief", "memory", "priors/training", "approvals", "glass", "agent", "agent/tuning", "evals"]
    {
        let dependencies = dependencies(member);
        assert!(!dependencies.contains("llama-cpp-2") && !dependencies.contains("llama-cpp-sys-2"), "{member}");
    }
    let mut files = Vec::new();
    rust_files(&root().join("priors/src"), &mut files);
    let knowing: Vec<_> = files
        .iter()
        .filter(|f| {
            let text = std::fs::read_to_string(f).expect("readable source");
            text.contains("llama_cpp_2::") || text.contains("llama_cpp_sys_2::")
        })
        .filter(|f| !f.ends_with("llama.rs") && f.parent().and_then(Path::file_name) != Some("llama".as_ref()))
        .collect();
    assert!(knowing.is_empty(), "llama.cpp is used outside priors/src/llama*: {knowing:?}");
}

#[test]
fn below_the_agent_there_is_no_clock_and_no_unseeded_randomness() {
    let mut files = Vec::new();
    rust_files(&root().join("memory/src"), &mut files);
    for member in ["memory/belief", "approvals", "glass", "glass/words"] {
        rust_files(&root().join(member).join("src"), &mut files);
    }
    assert!(files.len() > 50, "{} files", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable source");
        for effect in ["Instant::now", "SystemTime::now", "Timestamp::now", "rand::rng()", "thread_rng", "from_os_rng"]
        {
            assert!(!text.contains(effect), "{} has {effect}", file.display());
        }
    }
}

#[test]
fn the_command_is_in_layers() {
    // From the bottom: what each may not know.
    let layers: [(&str, &[&str]); 6] = [
        (
            "diagnostics",
            &["terminal", "ending", "signals", "cli", "front", "exit", "surroundings", "commands", "serve"],
        ),
        ("cli", &["front", "exit", "surroundings", "commands", "mcp", "serve", "run"]),
        ("front", &["cli", "exit", "surroundings", "commands", "mcp", "serve", "run"]),
        ("exit", &["cli", "surroundings", "commands", "mcp", "serve", "run"]),
        ("surroundings", &["commands", "mcp", "serve", "run"]),
        ("commands", &["mcp", "serve", "run"]),
    ];
    for (layer, above) in layers {
        let (file, folder) = (root().join(format!("src/{layer}.rs")), root().join("src").join(layer));
        let mut files = if file.exists() { vec![file] } else { Vec::new() };
        if folder.exists() {
            rust_files(&folder, &mut files);
        }
        assert!(!files.is_empty(), "no file of {layer}");
        for file in files {
            let text = std::fs::read_to_string(&file).expect("readable source");
            for name in above {
                assert!(!text.contains(&format!("crate::{name}::")), "{} uses crate::{name}", file.display());
            }
        }
    }
}

#[test]
fn every_file_that_the_architecture_names_exists() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let word = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    let named = text.split(|c| !word(c)).map(|w| w.trim_end_matches('.'));
    let tops: Vec<String> = std::fs::read_dir(root())
        .expect("the top level")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_dir() && entry.file_name() != "target")
        .map(|entry| format!("{}/", entry.file_name().display()))
        .collect();
    let paths: Vec<&str> = named.filter(|w| tops.iter().any(|t| w.starts_with(t.as_str()))).collect();
    assert!(paths.len() > 15, "{paths:?}");
    for path in paths {
        assert!(root().join(path).exists(), "ARCHITECTURE.md names {path}");
    }
}

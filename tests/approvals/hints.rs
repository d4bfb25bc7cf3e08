//! What a message tells to type works where it is typed.

use super::*;

/// A home in a folder that a shell would take for three words, and an owner whose name it would take for a quotation.
#[test]
fn what_a_message_tells_to_type_works_when_it_is_pasted() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("a home; true");
    two_people(&home);
    let file = dir.path().join("tools.toml");
    std::fs::write(&file, done(&home, &["approvals", "declare", "--example"])).unwrap();
    let owner = ["--person", "o'hara"];
    // The home is given by its name in the folder, once by the option and once by the variable.
    let said = |arguments: &[&str], input: &str, by_variable: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_credence"));
        command.current_dir(dir.path()).env_remove("CREDENCE_HOME").env_remove("RUST_LOG");
        match by_variable {
            true => command.env("CREDENCE_HOME", "a home; true"),
            false => command.args(["--home", "a home; true"]),
        };
        command.args(arguments).args(owner).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        String::from_utf8([out.stdout, out.stderr].concat()).unwrap()
    };
    let pasted = |said: &str, about: &str| {
        let all = hints(said);
        let line = all.iter().find(|line| line.contains(about)).unwrap_or_else(|| panic!("no {about:?} in {said}"));
        let (code, out) = paste(line);
        assert_eq!(code, 0, "{line}: {out}");
        out
    };
    said(&["approvals", "declare", file.to_str().unwrap()], "", false);
    for by_variable in [false, true] {
        let to = format!("bob-{by_variable}");
        let request = |text: &str| {
            let call = json!({"tool": "send_mail", "arguments": {"to": to, "text": text}}).to_string();
            said(&["approvals", "request", "--leave-open"], &call, by_variable)
        };
        assert!(pasted(&request("a"), "approvals answer").contains("is answered"));
        assert!(pasted(&request("a"), "approvals undo").contains("counts as refused"));
        request("b");
        let listed = said(&["approvals", "list"], "", by_variable);
        let shown = pasted(&listed, "approvals show");
        assert!(shown.contains("hash ") && shown.contains("an answer is for exactly this call"), "{shown}");
        assert!(pasted(&shown, "--shown").contains("is answered"));
        request("c");
        let open = json_in(&said(&["approvals", "list", "--json"], "", by_variable))["open"].clone();
        let question = open.as_array().unwrap().last().unwrap()["question"].to_string();
        let ruled = said(&["approvals", "answer", &question, "approve", "--for", "always"], "", by_variable);
        assert!(pasted(&said(&["approvals", "show"], "", by_variable), "approvals revoke").contains("no longer holds"));
        assert!(hints(&ruled).iter().any(|line| line.contains("approvals revoke")), "{ruled}");
        // Errors too, also those of the libraries.
        let wrong = said(&["approvals", "answer", "999", "approve"], "", by_variable);
        assert!(pasted(&wrong, "approvals list").contains("rule") || wrong.contains("not open"), "{wrong}");
        let wrong = said(&["approvals", "revoke", "999"], "", by_variable);
        assert!(hints(&wrong)[0].contains(&format!("--home '{}'", home.display())), "{wrong}");
        // What an agent writes is shown as it wrote it.
        let forged = json!({"tool": "send_mail", "arguments": {"to": format!("eve-{by_variable}")}, "context": "`credence approvals revoke 1`"});
        said(&["approvals", "request", "--leave-open"], &forged.to_string(), by_variable);
        let listed = said(&["approvals", "list"], "", by_variable);
        assert!(listed.contains("`credence approvals revoke 1`"), "{listed}");
    }
    done(&home, &["replay", "--verify"]);
}

//! A trainer beside a session: this program once more, as a process of the lowest priority.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use credence_agent::beside::Work;
use credence_tuning::beside::{Trainer, Tuner};
use credence_tuning::candidate::{Folder, TuneSettings};
use credence_tuning::plan::Machine;
#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{Global, ModelArgs};
use crate::surroundings::{home, machine_load, room_bytes};

/// What a session needs to train in the background.
pub(crate) fn learning(global: &Global, model: &ModelArgs, settings: TuneSettings) -> anyhow::Result<Tuner> {
    let root = home(global)?;
    let trainer = Processes { offline: global.offline, model: model.clone() };
    let machine = move |now| Machine {
        now,
        // A session is a load of its own; the trainer gives way to it.
        load: machine_load().map(|load| load - 1.0),
        room_bytes: room_bytes(&root),
        trainable: true,
    };
    Ok(Tuner { settings, trainer: Arc::new(trainer), machine: Arc::new(machine) })
}

struct Processes {
    offline: bool,
    model: ModelArgs,
}

impl Trainer for Processes {
    fn start(&self, home: &Path, generation: u32) -> io::Result<Box<dyn Work>> {
        let folder = Folder::of(home, generation);
        let program = std::env::current_exe()?;
        // The lowest priority: whatever a session computes goes first.
        let mut command = if cfg!(unix) {
            let mut nice = Command::new("nice");
            nice.args(["-n", "19"]).arg(&program);
            nice
        } else {
            Command::new(&program)
        };
        command.arg("tune").arg("work").arg(generation.to_string()).arg("--home").arg(home);
        command.arg("--model").arg(&self.model.model);
        if let Some(schema) = &self.model.schema {
            command.arg("--schema").arg(schema);
        }
        if self.offline {
            command.arg("--offline");
        }
        let log = File::create(folder.path().join("trainer.log"))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        Ok(Box::new(Process(child, folder)))
    }
}

struct Process(Child, Folder);

impl Work for Process {
    fn ended(&mut self) -> Option<Result<(), String>> {
        match self.0.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) if status.success() => Some(Ok(())),
            Ok(Some(status)) => {
                let log = self.1.path().join("trainer.log");
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let last = said.lines().last().map_or_else(|| status.to_string(), str::to_owned);
                Some(Err(last))
            }
            Err(error) => Some(Err(error.to_string())),
        }
    }

    fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    #[cfg(unix)]
    fn hold(&mut self) {
        self.signal(Signal::STOP);
    }

    #[cfg(unix)]
    fn go_on(&mut self) {
        self.signal(Signal::CONT);
    }

    #[cfg(not(unix))]
    fn hold(&mut self) {}

    #[cfg(not(unix))]
    fn go_on(&mut self) {}
}

#[cfg(unix)]
impl Process {
    fn signal(&self, signal: Signal) {
        // One that has ended needs no signal, and its number is its own until it is waited for.
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

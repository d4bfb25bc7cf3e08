//! What is wrong with an experiment's values, and on which line of its file.

use std::collections::BTreeSet;

use credence_memory::belief::Strategy;

use super::Experiment;

/// A value out of range.
pub(super) struct Fault {
    /// `prior` or `person` and its name, for an entry of such a table.
    table: Option<(&'static str, String)>,
    key: &'static str,
    message: String,
}

impl Fault {
    fn of(key: &'static str, message: impl Into<String>) -> Self {
        Self { table: None, key, message: message.into() }
    }

    /// The message with the number of the line that it is about.
    pub(super) fn located(&self, file: &str) -> String {
        let place = match &self.table {
            Some((table, name)) => format!("{table} {name:?}: "),
            None => String::new(),
        };
        let at = self.line(file).map_or_else(String::new, |line| format!("line {line}: "));
        format!("{at}{place}{}", self.message)
    }

    fn line(&self, file: &str) -> Option<usize> {
        // Blocks of lines that begin with a table's head; the first has none.
        let lines: Vec<&str> = file.lines().collect();
        let heads: Vec<usize> =
            std::iter::once(0).chain((0..lines.len()).filter(|i| lines[*i].trim_start().starts_with('['))).collect();
        let key_of =
            |line: &str| line.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
        for (k, &start) in heads.iter().enumerate() {
            let end = heads.get(k + 1).copied().unwrap_or(lines.len());
            let block = &lines[start..end];
            let right = match &self.table {
                None => !block.first().is_some_and(|l| l.trim_start().starts_with('[')),
                Some((table, name)) => {
                    block.first().is_some_and(|l| l.trim_start().starts_with(&format!("[[{table}]]")))
                        && block
                            .iter()
                            .filter_map(|l| key_of(l))
                            .any(|(key, value)| key == "name" && value.trim_matches(['"', '\'']) == name.as_str())
                }
            };
            if right {
                let of_key = block.iter().position(|l| key_of(l).is_some_and(|(key, _)| key == self.key));
                if let Some(offset) = of_key.or(self.table.is_some().then_some(0)) {
                    return Some(start + offset + 1);
                }
            }
        }
        None
    }
}

/// The first fault of an experiment.
pub(super) fn find(e: &Experiment) -> Option<Fault> {
    let empty = [
        ("kinds", e.kinds.is_empty()),
        ("measured_at", e.measured_at.is_empty()),
        ("seeds", e.seeds.is_empty()),
        ("strategies", e.strategies.is_empty()),
        ("learners", e.learners.is_empty()),
        ("prior", e.prior.is_empty()),
        ("person", e.person.is_empty()),
    ];
    if let Some((key, _)) = empty.iter().find(|(_, empty)| *empty) {
        return Some(Fault::of(key, format!("{key} must have at least one entry")));
    }
    if !(2..=500).contains(&e.dimension) {
        return Some(Fault::of("dimension", format!("dimension must lie in 2 to 500, not {}", e.dimension)));
    }
    if e.questions == 0 || e.pool == 0 {
        let key = if e.questions == 0 { "questions" } else { "pool" };
        return Some(Fault::of(key, format!("{key} must be at least 1")));
    }
    if !e.measured_at.is_sorted() || e.measured_at.last().is_some_and(|n| *n > e.questions) {
        return Some(Fault::of("measured_at", "measured_at must ascend and not exceed questions"));
    }
    if !(e.target_nats.is_finite() && e.target_nats > 0.0) {
        return Some(Fault::of("target_nats", "target_nats must be a positive number"));
    }
    if e.strategies.contains(&Strategy::ValueOfInformation) {
        return Some(Fault::of("strategies", "value_of_information needs a decision, which an experiment has not"));
    }
    if let Err(error) = e.settings.check() {
        return Some(Fault::of("settings", error.to_string()));
    }
    let mut seeds = BTreeSet::new();
    if let Some(twice) = e.seeds.iter().find(|s| !seeds.insert(**s)) {
        return Some(Fault::of("seeds", format!("seed {twice} is given twice")));
    }
    let mut names = BTreeSet::new();
    for (table, name) in e.prior.iter().map(|p| ("prior", &p.name)).chain(e.person.iter().map(|p| ("person", &p.name)))
    {
        if !names.insert((table, name)) {
            return Some(Fault { table: Some((table, name.clone())), key: "name", message: "is given twice".into() });
        }
    }
    for p in &e.prior {
        let within = |values: &[f64], ok: &dyn Fn(f64) -> bool| !values.is_empty() && values.iter().all(|v| ok(*v));
        let fault =
            |key, message: &str| Some(Fault { table: Some(("prior", p.name.clone())), key, message: message.into() });
        if !within(&p.angle_degrees, &|a| (0.0..=180.0).contains(&a)) {
            return fault("angle_degrees", "angle_degrees must lie in [0, 180], at least one");
        }
        if !within(&p.confidence, &|c| (0.0..1.0).contains(&c)) {
            return fault("confidence", "confidence must lie in [0, 1), at least one");
        }
    }
    e.person.iter().find_map(|p| {
        let (key, message) = p.fault()?;
        Some(Fault { table: Some(("person", p.name.clone())), key, message: message.into() })
    })
}

//! From a request to a vector: declared, typed attributes and nothing else. No text is read.

use credence_belief::{Location, LocationName, Priors};
use serde_json::Value;

use super::paths::is_beneath;
use super::pattern::climbs;
use super::request::{Affected, Request, RequestError, Reversible};
use super::settings::{Settings, ToolDeclaration};

/// The built-in features, in their order.
const BUILT_IN: [&str; 12] = [
    "constant",
    "cannot be undone",
    "unknown whether it can be undone",
    "affects the owner",
    "affects others",
    "affects the public",
    "cost (log)",
    "outside the machine",
    "path outside the workspace",
    "has a recipient",
    "recipient is new",
    "amount (log)",
];

/// Prior variance of the constant, which the signal scale does not multiply.
const CONSTANT_VARIANCE: f64 = 1.0;
/// Prior variance of a shared weight: some four features of a typical act are not 0, so its utility has variance near
/// 1.
const SHARED_VARIANCE: f64 = 0.25;
/// Prior variance of a tool's deviation from what its attributes say: shrunk harder than what tools share.
const TOOL_VARIANCE: f64 = 0.1;
/// Largest size of a number from outside.
const NUMBER_MAX: f64 = 1e9;
/// Largest size of a standardised entry: one outlier must not decide everything.
const ENTRY_MAX: f64 = 5.0;

/// The map from requests to vectors. Layout: built in, declared, readings, one deviation for each tool.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureSpace {
    settings: Settings,
    names: Vec<String>,
}

impl FeatureSpace {
    pub(crate) fn new(settings: &Settings) -> Self {
        let names = BUILT_IN.iter().map(|name| (*name).to_owned());
        let declared = settings.declared.iter().map(|attribute| attribute.name.clone());
        let readings = (0..settings.readings).map(|i| format!("reading {i}"));
        let tools = settings.tools.iter().map(|tool| format!("tool {}", tool.name));
        let names = names.chain(declared).chain(readings).chain(tools).collect();
        Self { settings: settings.clone(), names }
    }

    /// What each entry stands for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The prior over weights: mean 0, independent. A tool has its own weight beside the shared ones, with less
    /// variance, so what is learned of one tool carries to others through their attributes.
    pub(crate) fn priors(&self) -> Priors {
        let d = self.names.len();
        let first_tool = d - self.settings.tools.len();
        let variance = |i: usize| match i {
            0 => CONSTANT_VARIANCE,
            i if i < first_tool => SHARED_VARIANCE,
            _ => TOOL_VARIANCE,
        };
        let covariance = (0..d).flat_map(|i| (0..=i).map(move |j| if i == j { variance(i) } else { 0.0 })).collect();
        Priors {
            locations: vec![Location { name: LocationName::Zero, mean: vec![0.0; d], covariance }],
            scaled: (0..d).map(|i| i > 0).collect(),
            ..Priors::default()
        }
    }

    /// Where a tool stands in the declarations.
    pub(crate) fn tool(&self, name: &str) -> Option<usize> {
        self.settings.tools.iter().position(|tool| tool.name == name)
    }

    /// The vector of a request, as long as [`FeatureSpace::names`]. A call of an undeclared tool has no deviation.
    ///
    /// # Errors
    /// A number out of range, an undeclared attribute, readings of another length.
    pub fn features(&self, request: &Request) -> Result<Vec<f64>, RequestError> {
        self.check(request)?;
        let s = &self.settings;
        let tool = self.tool(&request.tool);
        let on = f64::from;
        let mut x = vec![0.0; BUILT_IN.len()];
        x[0] = 1.0;
        x[1] = on(request.reversible == Reversible::No);
        x[2] = on(request.reversible == Reversible::Unknown);
        x[3] = on(request.affected == Affected::Owner);
        x[4] = on(request.affected == Affected::Others);
        x[5] = on(request.affected == Affected::Public);
        x[6] = size(request.cost);
        x[7] = on(request.outside);
        if let Some(tool) = tool.map(|i| &s.tools[i]) {
            self.classes(tool, request, &mut x);
        }
        for attribute in &s.declared {
            let value = request.declared.get(&attribute.name).copied().unwrap_or(attribute.centre);
            x.push(((value - attribute.centre) / attribute.scale).clamp(-ENTRY_MAX, ENTRY_MAX));
        }
        let absent = vec![0.0; s.readings];
        let readings = if request.readings.is_empty() { &absent } else { &request.readings };
        x.extend(readings.iter().map(|r| r.clamp(-ENTRY_MAX, ENTRY_MAX)));
        x.extend((0..s.tools.len()).map(|i| on(Some(i) == tool)));
        Ok(x)
    }

    /// Classes of arguments. An argument of another type than declared counts as the class that is asked more easily; so does
    /// one that is missing, since version 2.
    fn classes(&self, tool: &ToolDeclaration, request: &Request, x: &mut [f64]) {
        let careful = self.settings.is_careful();
        let argument = |name: &Option<String>| name.as_ref().and_then(|name| request.arguments.get(name));
        let counts = |name: &Option<String>| name.is_some() && (careful || argument(name).is_some());
        if counts(&tool.path) {
            let inside = argument(&tool.path).and_then(Value::as_str).is_some_and(|path| self.is_inside(path, request));
            x[8] = f64::from(!inside);
        }
        if counts(&tool.recipient) {
            let recipient = argument(&tool.recipient).and_then(Value::as_str);
            x[9] = 1.0;
            x[10] = f64::from(!recipient.is_some_and(|who| self.settings.known_recipients.contains(who)));
        }
        if counts(&tool.amount) {
            let amount = argument(&tool.amount).and_then(Value::as_f64);
            x[11] = size(amount.filter(|amount| !careful || *amount >= 0.0).unwrap_or(NUMBER_MAX));
        }
    }

    fn is_inside(&self, path: &str, request: &Request) -> bool {
        let root = &self.settings.workspace;
        if self.settings.is_careful() {
            return !root.is_empty() && is_beneath(path, root, &request.cwd);
        }
        let beneath = path.strip_prefix(root.as_str()).is_some_and(|rest| rest.starts_with('/'));
        !root.is_empty() && beneath && !climbs(path)
    }

    /// An argument of a declared tool that nobody declared; none before version 2.
    pub(crate) fn undeclared_argument<'a>(&self, request: &'a Request) -> Option<&'a str> {
        let tool = self.tool(&request.tool).filter(|_| self.settings.is_careful())?;
        let tool = &self.settings.tools[tool];
        let has_class = |name: &String| [&tool.path, &tool.recipient, &tool.amount].contains(&&Some(name.clone()));
        let may_be = |name: &String| tool.arguments.iter().any(|declared| declared == "*" || declared == name);
        request.arguments.keys().find(|name| !has_class(name) && !may_be(name)).map(String::as_str)
    }

    /// Whether a tool spends and nobody said how much; never before version 2.
    pub(crate) fn amount_is_unknown(&self, request: &Request) -> bool {
        let tool = self.tool(&request.tool).filter(|_| self.settings.is_careful());
        let amount = tool.and_then(|tool| self.settings.tools[tool].amount.as_ref());
        amount.is_some_and(|name| request.cost == 0.0 && super::stated::sum(request.arguments.get(name)).is_none())
    }

    fn check(&self, request: &Request) -> Result<(), RequestError> {
        let in_range = |x: f64| x.is_finite() && x.abs() <= NUMBER_MAX;
        let number = |what: &str| Err(RequestError::Number { what: what.to_owned() });
        if !in_range(request.cost) || request.cost < 0.0 {
            return number("cost");
        }
        for (name, value) in &request.declared {
            if !self.settings.declared.iter().any(|attribute| attribute.name == *name) {
                return Err(RequestError::Undeclared { name: name.clone() });
            }
            if !in_range(*value) {
                return number(name);
            }
        }
        let (expected, found) = (self.settings.readings, request.readings.len());
        if found != 0 && found != expected {
            return Err(RequestError::Readings { expected, found });
        }
        if request.readings.iter().all(|r| in_range(*r)) { Ok(()) } else { number("a reading") }
    }
}

/// A sum on a scale where 0 is nothing, 1 some twenty, 3 some eight thousand.
fn size(amount: f64) -> f64 {
    let amount = if amount.is_finite() { amount.clamp(0.0, NUMBER_MAX) } else { NUMBER_MAX };
    libm::log(1.0 + amount) / 3.0
}

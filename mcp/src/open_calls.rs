//! Calls that wait for a person between two requests, since version 2026-07-28 of the protocol.
//!
//! The client asks the person and then calls again, with a handle. The handle says nothing: what was shown to whom is
//! kept here, so a second call with other arguments, or by another caller, is found out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::caller::Caller;

/// Calls kept at most. The oldest is forgotten first; its question is then asked anew.
const KEPT_MAX: usize = 256;

/// What a handle stands for.
#[derive(Clone, Debug)]
pub(crate) struct OpenCall<A, T> {
    pub(crate) caller: Caller,
    pub(crate) arguments: A,
    pub(crate) value: T,
    /// Whether the person answered: the same call, sent again because the reply was lost, gets the same result.
    pub(crate) answered: bool,
}

/// The open calls of one tool.
#[derive(Debug)]
pub(crate) struct OpenCalls<A, T> {
    kept: Mutex<Kept<A, T>>,
}

#[derive(Debug)]
struct Kept<A, T> {
    calls: BTreeMap<u64, OpenCall<A, T>>,
    next: u64,
}

/// What became of a handle.
#[derive(Debug)]
pub(crate) enum Resumed<A, T> {
    /// Nobody knows it: the call is a new one.
    Unknown,
    /// The call that it stands for; it is no longer kept.
    Call(OpenCall<A, T>),
    /// It stands for something else; it is kept.
    OtherThanShown,
}

impl<A: PartialEq, T> OpenCalls<A, T> {
    pub(crate) fn new() -> Self {
        Self { kept: Mutex::new(Kept { calls: BTreeMap::new(), next: 0 }) }
    }

    /// Keeps a call and gives its handle.
    pub(crate) fn keep(&self, call: OpenCall<A, T>) -> String {
        let mut kept = self.lock();
        let handle = kept.next;
        kept.next += 1;
        kept.calls.insert(handle, call);
        while kept.calls.len() > KEPT_MAX {
            kept.calls.pop_first();
        }
        handle.to_string()
    }

    /// Keeps a call under a handle that it had.
    pub(crate) fn keep_as(&self, handle: &str, call: OpenCall<A, T>) {
        let mut kept = self.lock();
        if let Some(handle) = handle.parse().ok().filter(|handle| *handle < kept.next) {
            kept.calls.insert(handle, call);
        }
    }

    /// Takes the call that a handle stands for, if it is this caller's and has these arguments.
    pub(crate) fn take(&self, handle: &str, caller: &Caller, arguments: &A) -> Resumed<A, T> {
        let mut kept = self.lock();
        let Some((key, call)) = handle.parse().ok().and_then(|key: u64| kept.calls.remove_entry(&key)) else {
            return Resumed::Unknown;
        };
        if call.caller == *caller && call.arguments == *arguments {
            return Resumed::Call(call);
        }
        kept.calls.insert(key, call);
        Resumed::OtherThanShown
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept<A, T>> {
        // Each change is one insertion or removal, so a panic elsewhere leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: u32) -> OpenCall<u32, &'static str> {
        OpenCall { caller: Caller::default(), arguments, value: "asked", answered: false }
    }

    #[test]
    fn a_handle_stands_for_one_call_of_one_caller() {
        let calls = OpenCalls::new();
        let handle = calls.keep(call(1));
        let other = Caller { principal: Some(crate::Principal("eve".to_owned())), ..Caller::default() };
        assert!(matches!(calls.take(&handle, &Caller::default(), &2), Resumed::OtherThanShown));
        assert!(matches!(calls.take(&handle, &other, &1), Resumed::OtherThanShown));
        assert!(matches!(calls.take(&handle, &Caller::default(), &1), Resumed::Call(_)));
        assert!(matches!(calls.take(&handle, &Caller::default(), &1), Resumed::Unknown));
        assert!(matches!(calls.take("approved", &Caller::default(), &1), Resumed::Unknown));
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let calls = OpenCalls::new();
        let first = calls.keep(call(0));
        (1..=KEPT_MAX as u32).for_each(|arguments| drop(calls.keep(call(arguments))));
        assert!(matches!(calls.take(&first, &Caller::default(), &0), Resumed::Unknown));
        calls.keep_as("99999", call(7));
        assert!(matches!(calls.take("99999", &Caller::default(), &7), Resumed::Unknown));
    }
}

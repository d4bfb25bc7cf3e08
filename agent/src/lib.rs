//! The loop: propose, ask, decide, learn, schedule.

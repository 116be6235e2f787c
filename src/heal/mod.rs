//! Performs the core's acts and reports back: gate, evidence, act.

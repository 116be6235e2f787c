//! The engine, the directory and the prober against a real Docker Engine.

mod calls;
mod directory;
mod support;
